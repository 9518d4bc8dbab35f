"""A job's device, its threads, and the process's settings for speed and repeatability."""

import contextlib
import ctypes
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from augmix.errors import RunError, UserError
from augmix.graphs import CudaCapture, Graphs
from augmix.suite.io import machine
from augmix.suite.io.locks import locked
from augmix.suite.io.processes import joined
from augmix.suite.train.checkpoints import tell

_chosen: dict[str, torch.device] = {}
"""The devices that this process has set up: it evaluates where it has trained."""
_claims = contextlib.ExitStack()
"""The locks on this process's GPUs; nothing but the process's end frees them."""
# mallopt's M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD, from glibc's malloc.h.
_MALLOPT = {-1: 2**31 - 1, -2: 64 * 2**20, -3: 2**30}


def set_up(recipe: Mapping[str, Any]) -> torch.device:
    """The device of a training recipe, after setting the process's threads.

    Raises `UserError` if it is absent, or a GPU that has no room for another process.
    """
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"  # such as that kernels go by the CPU
    torch.set_num_threads(recipe["threads"])
    torch.set_float32_matmul_precision("highest")  # NVIDIA's containers have another one in their environment
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS's sums vary
    torch.set_deterministic_debug_mode("warn")
    if recipe.get("compile"):
        # It tells the compiler as well, and imports it for that, which takes as long as torch itself.
        torch.use_deterministic_algorithms(True, warn_only=True)
    # It would also fill all new memory, against reading what was never written: several per cent of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if sys.platform == "linux":
        # glibc returns every large tensor's memory to the kernel at once; keeping it saves a third of a step.
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOPT.items() if hasattr(libc, "mallopt") else ():
            libc.mallopt(parameter, value)
    name = recipe["device"]
    if name not in _chosen:
        with enough_memory("the GPU has no room for this process; lower what else uses it"):
            _chosen[name] = choose(name)
    return _chosen[name]


@contextlib.contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Say `what` does not fit, and what to lower, when memory is short: a `UserError` of one line."""
    try:
        yield
    except RuntimeError as error:
        # On the CPU and on MPS it is a plain RuntimeError.
        if not isinstance(error, torch.OutOfMemoryError) and not re.search("out of memory|allocate memory", str(error)):
            raise
        raise UserError(f"out of memory: {what}, or the number of jobs side by side") from error


def choose(name: str) -> torch.device:
    """The device called `name`, or by `auto` an accelerator where there is one; of several GPUs, a free one."""
    kind = find(name)
    if kind == "cuda":
        return _claim()
    if name == "auto" and (fault := _cuda()[1]):
        tell(f"warning: no GPU is used: {fault}")
    return torch.device(kind)


def find(name: str) -> str:
    """The kind of device that `name` or `auto` means here; raises `UserError` if it is absent."""
    has_cuda, fault = _cuda()
    found = {"cuda": has_cuda, "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in found.items() if there)
    if not found[name]:
        why = f" ({fault})" if name == "cuda" and fault else ""
        raise UserError(f"device '{name}' is not available here{why}; set training.device to auto or cpu")
    return name


def _cuda() -> tuple[bool, str]:
    """Whether there is a GPU to compute on and, where there is one that cannot be used, why."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = torch.cuda.is_available()
    return found, "" if found or not told else str(told[0].message).partition(". ")[0].partition(" (Trigger")[0]


def _claim() -> torch.device:
    """A GPU that no other job of this user on this machine has, for as long as this process lives."""
    count = torch.cuda.device_count()
    for index in range(count):
        identity = torch.cuda.get_device_properties(index).uuid
        path = Path(tempfile.gettempdir()) / f"augmix-{os.getuid()}-{identity}.lock"
        try:
            _claims.enter_context(locked(path, f"GPU {index}"))
        except RunError:
            continue
        break
    else:
        if joined():
            raise UserError(f"there are more processes than free GPUs of {count}; lower training.processes")
        index = 0
        print("all GPUs are in use by other jobs: sharing the first", file=sys.stderr)
    device = torch.device("cuda", index)
    torch.cuda.set_device(device)
    return device


def graphs(device: torch.device) -> Graphs | None:
    """The recorder that replays steps on the device; None where they are just taken."""
    return Graphs(CudaCapture(device), tell) if device.type == "cuda" else None


def precision(name: str, device: torch.device) -> str:
    """The precision of training that `name` or `auto` means on the device: bfloat16 on a GPU that has it."""
    if name != "auto":
        return name
    low = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if low else "float32"


def describe(device: torch.device) -> str:
    """The device's name, for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def noted(device: torch.device) -> dict[str, Any]:
    """The facts that a result notes of the device that made it: its name and, of a GPU, its driver's versions."""
    found: dict[str, Any] = {"device": describe(device)}
    if device.type == "cuda":
        cuda = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
        found |= {"driver": machine.driver(), **cuda}
    return found
