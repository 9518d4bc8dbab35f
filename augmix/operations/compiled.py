"""The operations on the CPU: the compiled kernels on pieces of the batch, on as many threads as torch uses."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from augmix.operations import kernels

PIXELS = 2**13
"""Of a piece of a batch, at least."""


@lru_cache(maxsize=1)
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """A forked process makes its own pool: threads do not survive the fork."""
    return ThreadPoolExecutor(workers, thread_name_prefix="augmix")


def _pieces(count: int, workers: int, least: int) -> list[slice]:
    """Slices of `count` images, large ones first and small ones last, so that all threads end together."""
    pieces, start = [], 0
    while start < count:
        stop = start + max(least, 2 * (count - start) // (3 * workers))
        pieces.append(slice(start, stop))
        start = stop
    return pieces


def _run(kernel: Callable[..., None], images: np.ndarray, *arrays: Any) -> None:
    """Call `kernel` on pieces of the batch, on every torch thread; what is no array is passed as it is."""
    threads = torch.get_num_threads()
    pieces = _pieces(len(images), threads, max(1, PIXELS // images[0, 0].size)) if threads > 1 else [slice(None)]
    waiting = iter(pieces)

    def work() -> None:
        # Each thread takes the next piece when it is done with one: images differ in cost, threads start late.
        for piece in waiting:
            kernel(*(a[piece] if isinstance(a, np.ndarray) else a for a in (images, *arrays)))

    # This thread works too: there is one less to wake up.
    jobs = [_pool(os.getpid(), threads - 1).submit(work) for _ in pieces[1:threads]]
    work()
    for job in jobs:
        job.result()


def chain(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, fill: int) -> torch.Tensor:
    """Apply each image's operations (N, D) in order to uint8 (N, C, H, W) on the CPU."""
    images = images.contiguous()
    result = np.empty(images.shape, np.uint8)
    _run(kernels.chain, images.numpy(), operations, parameters, fill, result)
    return torch.from_numpy(result)


def mix(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """Return Σ weights[:, i] · chain_i as float32, chain 0 the images themselves; operations (N, K, D)."""
    images = images.contiguous()
    result = np.empty(images.shape, np.float32)
    _run(kernels.mix, images.numpy(), operations, parameters, weights, result.reshape(*images.shape[:2], -1))
    return torch.from_numpy(result)
