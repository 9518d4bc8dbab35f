"""The resources that this machine offers to jobs, found without torch, before any runs; its processor and driver."""

import math
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

# Where Linux shows control groups, and which of them this process is in.
GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
LIMITS = ("memory.max", "memory.limit_in_bytes")
"""The files of a control group that limit memory, in bytes, in version 2 and 1."""
QUOTAS = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
"""Those that limit the time of its CPUs: the quota, and the period that it is for, in microseconds."""


def _limits(controller: str, names: Sequence[str]) -> Iterator[list[str]]:
    """The words in the files of these names, one after the other, of each control group that this process is in.

    A container or a batch system limits a group of its own or one above it. Where a container shows its own group as
    the root, its path is not there, and only what is above it counts.
    """
    try:
        lines = [line.split(":", 2) for line in OWN.read_text(encoding="utf-8", errors="surrogateescape").splitlines()]
    except OSError:
        lines = []
    for kind, root in (("", GROUPS), (controller, GROUPS / controller)):  # version 2 has one hierarchy, version 1 many
        inside = next((Path(path) for _, kinds, path in lines if kind in kinds.split(",")), Path("/"))
        for group in (inside, *inside.parents):
            with suppress(OSError):
                yield [word for name in names for word in (root / group.relative_to("/") / name).read_text().split()]


def _nvidia_smi(*options: str) -> str:
    """The output of NVIDIA's tool; empty where there is no driver."""
    try:
        return subprocess.run(["nvidia-smi", *options], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def gpus() -> int:
    """The number of NVIDIA GPUs that a job will find: those that `CUDA_VISIBLE_DEVICES` leaves, or else all of them.

    0 where there is no driver. As CUDA does, it counts the devices before the first that does not exist, none where one
    is named twice, and of cards that are split into instances (MIG) a single instance.
    """
    devices = re.findall(r"\(UUID: ([^)]+)\)", _nvidia_smi("-L"))
    cards = [device for device in devices if not device.startswith("MIG-")]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found: list[str] = []
    for name in range(len(cards)) if visible is None else visible.split(","):
        device = _device(str(name).strip(), cards, devices)
        if device is None:
            break
        if device in found:
            return 0
        found.append(device)
    return min(len(found), 1) if len(cards) < len(devices) else len(found)


def _device(name: str, cards: Sequence[str], devices: Sequence[str]) -> str | None:
    """The identifier of the device that CUDA takes `name` for: an index up to what is no digit, or its beginning."""
    if index := re.match(r"\d+", name):
        return cards[int(index[0])] if int(index[0]) < len(cards) else None
    named = [device for device in devices if name.startswith(("GPU-", "MIG-")) and device.startswith(name)]
    return named[0] if len(named) == 1 else None


def cpus() -> int:
    """The CPUs that this process may use at once: those it is bound to, or what a control group's quota leaves."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for words in (words for names in QUOTAS for words in _limits("cpu", names)):
        if len(words) == 2 and all(word.isdecimal() for word in words):  # "max" and -1 are no limit
            there = min(there, max(math.ceil(int(words[0]) / int(words[1])), 1))
    return there


def processor() -> str:
    """The processor's model, such as `AMD EPYC 7B13`; its kind alone where the system does not say more."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def driver() -> str:
    """The version of NVIDIA's driver, or an empty string."""
    return _nvidia_smi("--query-gpu=driver_version", "--format=csv,noheader").strip().partition("\n")[0]


def memory_mb() -> int:
    """The memory in MiB: all of this machine's, or what a control group leaves of it."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    limits = [limit for name in LIMITS for words in _limits("memory", (name,)) for limit in words]
    return min(found + [int(limit) for limit in limits if limit.isdecimal()]) // 2**20
