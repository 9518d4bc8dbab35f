"""GPUs and memory are counted without torch, and limit how many trainings run side by side."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from augmix.suite.io import machine
from augmix.suite.run import front as reproduce

LISTED = "GPU 0: NVIDIA H100 (UUID: GPU-a)\\nGPU 1: NVIDIA H100 (UUID: GPU-b)\\n"


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command `nvidia-smi` that lists two GPUs, and nothing else on PATH but a shell's commands."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f'#!/bin/sh\\nprintf "{LISTED}"\\n'.replace("\\n", "\n", 1))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tool


def test_the_processor_has_a_name() -> None:
    named = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    assert machine.processor() == named[0] if named else machine.processor()


@pytest.mark.parametrize(
    ("visible", "count"),
    [
        (None, 2), ("0", 1), ("1,0", 2), ("", 0), ("-1", 0), ("GPU-b,-1,GPU-a", 1),
        ("0,5,1", 1), ("7", 0), ("0,0", 0), ("0, 1", 2), ("NoDevFiles", 0), ("GPU-", 0), ("GPU-c", 0), ("1gpu", 1),
        ("GPU-a,GPU-a", 0),
    ],
)  # fmt: skip
def test_what_cuda_would_see_is_counted(
    driver: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == count


def test_the_drivers_version_is_named(driver: Path) -> None:
    driver.write_text('#!/bin/sh\necho "$1" | grep -q driver_version && printf "580.65\\n580.65\\n"\n')
    assert machine.driver() == "580.65"
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert machine.driver() == ""


@pytest.mark.parametrize(("visible", "count"), [(None, 1), ("0", 1), ("MIG-x,MIG-y", 1), ("MIG-z", 0), ("", 0)])
def test_of_split_cards_a_job_sees_one_instance(
    driver: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int
) -> None:
    split = (
        "GPU 0: NVIDIA H100 (UUID: GPU-a)\n"
        "  MIG 1g.10gb     Device  0: (UUID: MIG-x)\n  MIG 1g.10gb     Device  1: (UUID: MIG-y)\n"
    )
    driver.write_text(f"#!/bin/sh\ncat <<E\n{split}E\n")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == count


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Mapping[str, str]], None]:
    """Put this process into the control groups of a text like `/proc/self/cgroup`, with these files."""
    monkeypatch.setattr(machine, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "OWN", tmp_path / "own")

    def join(own: str, files: Mapping[str, str]) -> None:
        (tmp_path / "own").write_text(own)
        for name, content in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")

    return join


V1 = "5:memory:/job/step\n4:cpu,cpuacct:/job/step\n1:name=systemd:/else\n0::/\n"


@pytest.mark.parametrize(
    ("own", "files", "count"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/\n", {"cpu.max": "max 100000"}, 64),
        ("0::/\n", {"cpu.max": "nonsense"}, 64),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000", "other/cpu.max": "100000 100000"}, 3),
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000", "a/cpu.max": "300000 100000"}, 2),
        ("0::/hidden/by/the/container\n", {"cpu.max": "250000 100000"}, 3),
        ("0::/../neighbour\n", {"cpu.max": "250000 100000"}, 3),
        (V1, {"cpu/job/step/cpu.cfs_quota_us": "300000", "cpu/job/step/cpu.cfs_period_us": "100000"}, 3),
        (V1, {"cpu/job/step/cpu.cfs_quota_us": "-1", "cpu/job/step/cpu.cfs_period_us": "100000"}, 64),
        (V1, {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "50000"}, 3),
        ("", {}, 64),
    ],
)
def test_cpus_are_those_of_the_process_or_what_a_quota_leaves(
    group: Callable[[str, Mapping[str, str]], None],
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    files: Mapping[str, str],
    count: int,
) -> None:
    group(own, files)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(64)))  # type: ignore[attr-defined]
    assert machine.cpus() == count
    command = reproduce._options(Path("config/digits.yaml"), "all", None)
    assert command[command.index("--cores") + 1] == str(count)


def test_no_driver_or_a_broken_one_means_none(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert machine.gpus() == 0
    monkeypatch.setenv("PATH", "")
    assert machine.gpus() == 0


def test_the_front_limits_trainings_to_the_gpus_and_the_memory(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def limits(profile: str | None = None) -> list[str]:
        command = reproduce._options(Path("config/digits.yaml"), "all", profile)
        return command[command.index("--resources") + 1 :] if "--resources" in command else []

    monkeypatch.setattr(machine, "memory_mb", lambda: 9000)
    assert limits() == ["mem_mb=9000", "gpu=2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert limits() == ["mem_mb=9000"]
    assert limits("cluster") == []


def test_memory_is_the_machines_or_what_a_control_group_leaves(
    group: Callable[[str, Mapping[str, str]], None],
) -> None:
    group("0::/job\n", {"job/memory.max": "max", "memory.max": "max"})
    everything = machine.memory_mb()
    assert everything > 256
    group("0::/job/step\n", {"job/memory.max": str(200 * 2**20), "job/step/memory.max": "max"})
    assert machine.memory_mb() == 200
    unlimited = {"memory/job/step/memory.limit_in_bytes": str(2**63 - 4096)}
    group(V1, unlimited)
    assert machine.memory_mb() == everything
    group(V1, {**unlimited, "memory/job/memory.limit_in_bytes": str(100 * 2**20)})
    assert machine.memory_mb() == 100
