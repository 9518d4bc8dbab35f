"""The operations on a CUDA device: what to do goes there in one copy, and the kernels of `fused` do it.

Importing this needs Triton.
"""

from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch

from augmix.operations import fused, kernels
from augmix.operations.compiled import in_pieces
from augmix.operations.transfer import staging

BLOCKS = (1024, 2048, 4096)
"""Pixels that a thread block has room for in its registers: `fused.whole` is compiled for each."""
TILE = 1024
"""The pixels of the tile that a thread block has of a larger image."""
NOTED = 3 * 256 + 1
"""Numbers that are noted of a whole image for one operation."""
MEMORY = 2**28
"""Pixels that larger images have between launches, at most, if a single image does with them: 1 GiB."""
ROWS = 1024
"""Images whose operations one thread packs, at least: fewer do not pay for waking another."""


def _options(block: int) -> dict[str, Any]:
    """How kernels are compiled whose thread blocks have so many pixels.

    Eight pixels a thread in 128 registers leave room for 16 warps on a multiprocessor. Fused multiply-adds change bits.
    """
    return {"num_warps": block // 256, "maxnreg": 128, "enable_fp_fusion": False}


class Variant(NamedTuple):
    """The constants of a kernel: each combination is compiled by itself."""

    block: int
    """Pixels that a thread block has room for; 0: the images are cut into tiles."""
    mix: bool


def variant(images: torch.Tensor, mix: bool) -> Variant:
    """Return which kernels images (N, C, H, W) take."""
    pixels = images.shape[2] * images.shape[3]
    return Variant(next((block for block in BLOCKS if pixels <= block), 0), mix)


def chain(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, fill: int) -> torch.Tensor:
    """Apply each image's operations (N, D) in order to uint8 (N, C, H, W) on the device."""
    weights = np.zeros((len(images), 2), np.float32)
    return _run(images, operations[:, None], parameters[:, None], weights, fill, mix=False)


def mix(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """Return Σ weights[:, i] · chain_i as float32, chain 0 the images themselves; operations (N, K, D)."""
    return _run(images, operations, parameters, weights, 0, mix=True)


def _run(
    images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, weights: np.ndarray, fill: int, mix: bool
) -> torch.Tensor:
    if not operations.shape[2]:  # chains of no operation at all
        operations, parameters = (np.zeros((*array.shape[:2], 1), array.dtype) for array in (operations, parameters))
    count, chains, depth = operations.shape
    height, width = images.shape[2:]
    rows = staging((count, chains + 1 + 3 * chains * depth), images.device)
    in_pieces(kernels.pack, count, ROWS, operations, parameters, weights, rows.numpy())
    there = rows.to(images.device, non_blocking=True)
    result = torch.empty(images.shape, dtype=torch.float32 if mix else torch.uint8, device=images.device)
    block = variant(images, mix).block
    with torch.cuda.device(images.device) if images.is_cuda else nullcontext():
        if block:
            shape = (images.shape[1], height, width, *images.stride())
            options = {"block": block, "mix": mix, **_options(block)}
            fused.whole[(count,)](images, there, result, fill, *shape, chains, depth, **options)
        else:
            each = max(1, MEMORY // (_copies(chains, depth) * height * width))
            for start in range(0, count, each):
                part = slice(start, start + each)
                _run_tiles(images[part], there[part], result[part], fill, chains, depth, mix)
    return result


def _copies(chains: int, depth: int) -> int:
    """Images in memory for each image: itself, and of each chain one that is read and one that is written."""
    return 1 + min(depth - 1, 2) * chains


def _run_tiles(
    images: torch.Tensor, rows: torch.Tensor, result: torch.Tensor, fill: int, chains: int, depth: int, mix: bool
) -> None:
    count, channels, height, width = images.shape
    tiles = -(-height * width // TILE)
    memory = rows.new_empty(_copies(chains, depth) * count * height * width, dtype=torch.int32)
    notes = rows.new_zeros(count * chains * depth * NOTED, dtype=torch.int32)
    size, plan = (height, width), (chains, depth, tiles)
    options = {"block": TILE, "noted": NOTED, **_options(TILE)}
    fused.begin[(count * tiles,)](images, rows, memory, notes, channels, *size, *images.stride(), *plan, **options)
    for i in range(depth - 1):
        fused.step[(count * chains * tiles,)](rows, memory, notes, count, fill, *size, *plan, i, **options)
    last = (rows, memory, notes, result, count, fill, channels, *size, *plan)
    fused.finish[(count * tiles,)](*last, mix=mix, **options)
