"""Devices: a GPU a job, an accelerator that is absent refused, a batch that does not fit in one line."""

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate import evaluation
from augmix.suite.io.locks import is_locked
from augmix.suite.train import devices, training


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[torch.device]:
    """A machine with two GPUs as far as `devices` can tell; the devices that were made current."""
    current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"GPU-{index}"))
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))  # type: ignore[attr-defined]
    monkeypatch.setattr(devices, "_claims", contextlib.ExitStack())
    return current


@pytest.mark.parametrize("threads", [1, 2])
def test_the_recipe_sets_the_threads_whatever_the_scheduler_asked_for(threads: int) -> None:
    """Snakemake lowers OMP_NUM_THREADS with --cores, and other threads end in other bits."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - threads)
        devices.set_up({"threads": threads, "device": "cpu"})
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_products_of_matrices_are_in_single_precision_whatever_a_container_prefers() -> None:
    torch.set_float32_matmul_precision("high")  # as with TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1
    try:
        devices.set_up({"threads": torch.get_num_threads(), "device": "cpu"})
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_every_job_takes_a_gpu_of_its_own(
    two_gpus: list[torch.device], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Locks of one process stand in the way of its own further ones too, as other jobs' would.
    assert devices.choose("auto") == torch.device("cuda", 0)
    assert devices.choose("cuda") == torch.device("cuda", 1)
    assert [is_locked(path) for path in sorted(tmp_path.iterdir())] == [True, True]
    assert capsys.readouterr().err == ""
    assert devices.choose("cuda") == torch.device("cuda", 0)
    assert "sharing the first" in capsys.readouterr().err
    assert [device.index for device in two_gpus] == [0, 1, 0]


def test_more_processes_than_gpus_are_refused(two_gpus: list[torch.device], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    for _ in range(2):
        devices.choose("cuda")
    with pytest.raises(UserError, match=r"more processes than free GPUs of 2; lower training\.processes"):
        devices.choose("cuda")


@pytest.mark.parametrize(("has_it", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_bfloat16_on_a_gpu_that_has_it(has_it: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_it)
    gpu = torch.device("cuda", 0)
    assert devices.precision("auto", gpu) == expected
    assert [devices.precision(name, gpu) for name in ("float32", "bfloat16")] == ["float32", "bfloat16"]
    for other in ("cpu", "mps"):
        assert devices.precision("auto", torch.device(other)) == "float32"


def test_a_gpu_is_noted_with_what_drives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.noted(torch.device("cpu")) == {"device": "cpu"}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    monkeypatch.setattr(devices.machine, "driver", lambda: "580.65")  # type: ignore[attr-defined]
    noted = devices.noted(torch.device("cuda", 0))
    assert (noted["device"], noted["driver"]) == ("NVIDIA H100", "580.65")
    assert set(noted) == {"device", "driver", "cuda", "cudnn"}


def test_an_absent_accelerator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.choose("auto") == torch.device("cpu")
    for name in ("cuda", "mps"):
        with pytest.raises(UserError, match=f"device '{name}' is not available here; set training.device to auto"):
            devices.choose(name)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
    ],
)
def test_a_batch_that_does_not_fit_is_one_line(error: Exception) -> None:
    complaint = r"out of memory: 256 images do not fit; lower training\.batch_size, or the number of jobs side by side"
    what = "256 images do not fit; lower training.batch_size"
    with pytest.raises(UserError, match=complaint) as caught, devices.enough_memory(what):
        raise error
    assert "\n" not in str(caught.value)


def test_training_and_evaluation_say_what_to_lower(
    small_experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    run = small_experiment().runs[0]
    monkeypatch.setattr(training, "training_step", exhausted)
    with pytest.raises(UserError, match=r"a batch of 32 images .* lower training\.batch_size and"):
        training.train(run.training, tmp_path / "x" / run.path)
    monkeypatch.setattr(evaluation, "numbers", exhausted)
    clean = {"clean": (run.testsets[0], dict[str, Any]())}
    with pytest.raises(UserError, match=r"out of memory: a batch of the evaluation does not fit"):
        evaluation.write_predictions(
            torch.nn.Identity(), clean, Path(run.evaluation.data), tmp_path, torch.device("cpu")
        )


def test_a_gpu_without_room_is_one_line(two_gpus: list[torch.device], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(device: torch.device) -> None:
        raise torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported")

    monkeypatch.setattr(torch.cuda, "set_device", full)
    monkeypatch.setattr(devices, "_chosen", {})
    with pytest.raises(
        UserError, match="out of memory: the GPU has no room for this process; lower what else"
    ) as caught:
        devices.set_up({"threads": torch.get_num_threads(), "device": "cuda"})
    assert "\n" not in str(caught.value)


def test_a_driver_that_is_too_old_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_old() -> bool:
        warnings.warn(
            "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update "
            "your GPU driver by downloading and installing a new version (Triggered internally at Functions.cpp:119.)",
            stacklevel=1,
        )
        return False

    monkeypatch.setattr(torch.cuda, "is_available", too_old)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    fault = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040)"
    with pytest.raises(UserError) as caught:
        devices.choose("cuda")
    assert str(caught.value) == f"device 'cuda' is not available here ({fault}); set training.device to auto or cpu"
    assert devices.choose("auto") == torch.device("cpu")
    assert capsys.readouterr().err == f"warning: no GPU is used: {fault}\n"
    assert devices.choose("cpu") == torch.device("cpu")
    assert capsys.readouterr().err == ""


def test_a_job_warns_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = torch.get_num_threads()
    devices.set_up({"threads": before, "device": "cpu"})
    assert warnings.formatwarning("the image operations run on the CPU", UserWarning, "x.py", 3) == (
        "warning: the image operations run on the CPU\n"
    )


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="shapes"), devices.enough_memory("a batch"):
        raise RuntimeError("shapes do not match")
