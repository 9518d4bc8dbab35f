"""The operations on the CPU: the compiled kernels on pieces of the batch, on as many threads as torch uses."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias

import numpy as np
import torch

from augmix.operations import kernels

PIXELS = 2**13
"""The least pixels of a piece of a batch."""


_Outcome: TypeAlias = SimpleQueue[BaseException | None]
_Tasks: TypeAlias = SimpleQueue[tuple[Callable[[], None], _Outcome]]


@cache
def _tasks(process: int, threads: int) -> _Tasks:
    """The queue at which so many threads wait, cheaper than ThreadPoolExecutor; a forked process starts its own."""
    tasks: _Tasks = SimpleQueue()
    for _ in range(threads):
        Thread(target=_serve, args=(tasks,), name="augmix", daemon=True).start()
    return tasks


def _serve(tasks: _Tasks) -> None:
    while True:
        _carry_out(*tasks.get())


def _carry_out(work: Callable[[], None], outcome: _Outcome) -> None:
    try:
        work()
        outcome.put(None)
    except BaseException as error:  # is raised where the work was asked for
        outcome.put(error)


def _pieces(count: int, workers: int, least: int) -> Iterator[tuple[int, int]]:
    """Starts and stops of the pieces of `count` images, large ones first and small ones last: threads end together."""
    start = 0
    while start < count:
        stop = min(start + max(least, 2 * (count - start) // (3 * workers)), count)
        yield start, stop
        start = stop


def in_pieces(kernel: Callable[..., None], count: int, least: int, *arguments: Any) -> None:
    """Call `kernel` with where pieces of `count` images start and stop, of `least` or more, on every torch thread."""
    threads = torch.get_num_threads()
    if threads == 1 or count <= least:
        kernel(*arguments, 0, count)
        return
    pieces = list(_pieces(count, threads, least))
    waiting = iter(pieces)

    def work() -> None:
        # Each thread takes the next piece when it is done with one: images differ in cost, threads start late.
        for start, stop in waiting:
            kernel(*arguments, start, stop)

    # This thread works too: there is one less to wake up.
    tasks, outcome = _tasks(os.getpid(), threads - 1), _Outcome()
    for _ in pieces[1:threads]:
        tasks.put((work, outcome))
    work()
    for _ in pieces[1:threads]:
        if error := outcome.get():
            raise error


def _run(kernel: Callable[..., None], images: np.ndarray, *arguments: Any) -> None:
    in_pieces(kernel, len(images), max(1, PIXELS // images[0, 0].size), images, *arguments)


def chain(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, fill: int) -> torch.Tensor:
    """Apply each image's operations (N, D) in order to uint8 (N, C, H, W) on the CPU."""
    result = np.empty(images.shape, np.uint8)
    tensor = torch.from_numpy(result)
    _run(kernels.chain, images.contiguous().numpy(), operations, parameters, fill, result)
    return tensor


def mix(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """Return Σ weights[:, i] · chain_i as float32, chain 0 the images themselves; operations (N, K, D)."""
    result = np.empty(images.shape, np.float32)
    tensor = torch.from_numpy(result)
    planes = result.reshape(*images.shape[:2], -1)
    _run(kernels.mix, images.contiguous().numpy(), operations, parameters, weights, planes)
    return tensor
