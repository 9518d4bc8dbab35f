"""The operations on the CPU: the compiled kernels on slices of the batch, one for each torch thread."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from augmix.operations import kernels
from augmix.operations.affine import matrices


@lru_cache(maxsize=1)
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """A forked process makes its own pool: threads do not survive the fork."""
    return ThreadPoolExecutor(workers, thread_name_prefix="augmix")


def _run(kernel: Callable[..., None], images: np.ndarray, *arrays: Any) -> None:
    """Call `kernel` on slices of the batch, one for each torch thread; what is no array is passed as it is."""
    workers = min(torch.get_num_threads(), len(images))
    bounds = np.linspace(0, len(images), workers + 1).astype(int)
    slices = [
        [a[start:stop] if isinstance(a, np.ndarray) else a for a in (images, *arrays)]
        for start, stop in pairwise(bounds)
    ]
    # This thread takes the first slice itself: there is one less to wake up.
    jobs = [_pool(os.getpid(), torch.get_num_threads() - 1).submit(kernel, *part) for part in slices[1:]]
    kernel(*slices[0])
    for job in jobs:
        job.result()


def chain(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, fill: int) -> torch.Tensor:
    """Apply each image's operations (N, D) in order to uint8 (N, C, H, W) on the CPU."""
    images = images.contiguous()
    result = torch.empty_like(images)
    height, width = images.shape[-2:]
    matrix = matrices(operations, parameters, height, width)
    _run(kernels.chain, images.numpy(), operations, parameters, matrix, fill, result.numpy())
    return result


def mix(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """Return Σ weights[:, i] · chain_i as float32, chain 0 the images themselves; operations (N, K, D)."""
    images = images.contiguous()
    result = torch.empty(images.shape, dtype=torch.float32)
    height, width = images.shape[-2:]
    matrix = matrices(operations, parameters, height, width)
    _run(kernels.mix, images.numpy(), operations, parameters, matrix, weights, result.flatten(2).numpy())
    return result
