"""The executor for a device's images: the compiled kernels, or the fused ones where they are proven."""

import math
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache, wraps
from typing import Any, TypeVar, cast

import numpy as np
import torch

from augmix.graphs import waiting
from augmix.operations import compiled, table

_Function = TypeVar("_Function", bound=Callable[..., Any])

TOLERANCE = 255e-6
"""How far two mixes may be apart."""


def eager(function: _Function) -> _Function:
    """The function as `torch.compile` leaves it alone: it would trace Numba's dispatchers, and fails at that.

    A process that compiles nothing need not import the compiler, which takes as long as importing torch itself.
    """
    disabled: list[Callable[..., Any]] = []

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if "torch._dynamo" not in sys.modules:
            return function(*arguments, **named)
        if not disabled:
            disabled.append(torch.compiler.disable(function))
        return disabled[0](*arguments, **named)

    return cast(_Function, call)


def choose(images: torch.Tensor, mix: bool) -> Any:
    """Return an executor for these images, whose `mix` or else whose `chain` is to be called."""
    if images.is_cpu:
        return compiled
    fused = _fused() if images.is_cuda else f"there is no kernel for {images.device.type}"
    fault = fused if isinstance(fused, str) else _fault(images.device, fused.variant(images, mix), fused)
    if fault is None:
        return fused
    _tell(fault)
    return _ThroughCPU


@cache
def _fused() -> Any:
    """Return the executor for CUDA devices, or, as a string, why there is none."""
    try:
        from augmix.operations import launch
    except Exception as error:
        return f"Triton does not start ({_in_short(error)})"
    return launch


@cache
def _fault(device: torch.device, variant: Any, fused: Any) -> str | None:
    """Return what is wrong with the fused kernels of a variant on a device; None: they do what the compiled ones do."""
    try:
        # The comparison waits for the device, once, also where the caller has made that an error.
        with waiting("default") if device.type == "cuda" else nullcontext():
            return _difference(device, variant, fused)
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a driver, a compiler or a linker has to say
        return f"the kernel does not run on {device} ({_in_short(error)})"


def _difference(device: torch.device, variant: Any, fused: Any) -> str | None:
    """Compare the two on a small batch, grey and coloured, that meets each operation in each place of a chain."""
    rng = np.random.default_rng(0)
    count, chains, depth = len(table.OPERATIONS), 3, 3
    order = [rng.permutation(count) for _ in range(chains * depth)]
    operations = np.stack(order, axis=1).reshape(count, chains, depth)
    levels, signs = rng.uniform(1, 10, operations.shape), rng.integers(2, size=operations.shape)
    # As many pixels as a thread block has room for, but a few; or some tiles.
    side = math.isqrt(variant.block or 5000)
    size = (side - 1, side + 1)
    parameters = table.parameters(operations, levels, signs, size)
    weights = rng.dirichlet(np.ones(chains + 1), count).astype(np.float32)
    for channels in (1, 3):
        images = torch.from_numpy(rng.integers(0, 256, (count, channels, *size), dtype=np.uint8))
        images[::2] = images[::2] // 3 + 60  # autocontrast has something to stretch
        there = images.to(device)
        if variant.mix:
            found = fused.mix(there, operations, parameters, weights).cpu()
            differ = (found - compiled.mix(images, operations, parameters, weights)).abs() > TOLERANCE
        else:
            found = fused.chain(there, operations[:, 0], parameters[:, 0], 128).cpu()
            differ = found != compiled.chain(images, operations[:, 0], parameters[:, 0], 128)
        if differ.any():
            return f"on {device} {int(differ.sum())} of {differ.numel()} values differ"
    return None


def _in_short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


@cache
def _tell(fault: str) -> None:
    warnings.warn(f"the image operations run on the CPU: {fault}", stacklevel=4)


class _ThroughCPU:
    """The compiled kernels for images on another device."""

    @staticmethod
    def chain(images: torch.Tensor, *arguments: Any) -> torch.Tensor:
        return compiled.chain(images.cpu(), *arguments).to(images.device)

    @staticmethod
    def mix(images: torch.Tensor, *arguments: Any) -> torch.Tensor:
        return compiled.mix(images.cpu(), *arguments).to(images.device)
