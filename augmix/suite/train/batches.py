"""The images that a net sees: batches of training images in random order, cut and mirrored; any images in order."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augmix.crops import draw_shifts, shift
from augmix.operations.transfer import to_device
from augmix.suite.data.datasets import Split
from augmix.suite.data.photographs import Photographs, draw_crops
from augmix.suite.data.streaming import Lazy

# A generator's purpose comes first in its seed: NumPy pads seeds with zeros, so (s, e) would equal (s, e, 0).
ORDER, STEP = 1, 2
# Limits of a batch in order.
IMAGES, PIXELS = 256, 2**22


class Batch(NamedTuple):
    """The images that one process trains on in one step."""

    images: Tensor
    """uint8 (B, C, H, W), cut and mirrored."""
    labels: Tensor
    """int64 (B,)."""
    share: float
    """The fraction of the whole step's images; below 1 where several processes train together."""
    rng: np.random.Generator
    """For everything else that is random in the step."""


class Batches:
    """The training images on a device, step by step; what a step gives depends on (seed, epoch, step) alone.

    Arrays lie on a GPU as a whole, and for the CPU in their files, and are shifted by up to 4 pixels. Photographs are
    decoded by threads, a step ahead, and cut by RandomResizedCrop. Of `processes` that train together, each has its
    part of every batch, with the same cuts as one process would make; the methods' own draws differ.
    """

    def __init__(
        self, split: Split, seed: int, size: int, flip: bool, device: torch.device, rank: int = 0, processes: int = 1
    ) -> None:
        """Batches of `size` images, mirrored at random where `flip`, for the process `rank` of so many `processes`."""
        self._seed, self._size, self._flip, self._device = seed, size, flip, device
        self._rank, self._processes = rank, processes
        self._labels = torch.from_numpy(split.labels.copy()).to(device)
        self._draw: Callable[[int, bool, np.random.Generator], np.ndarray]
        if isinstance(split.images, Photographs):
            self._draw, self._cut = draw_crops, partial(_from_files, split.images, device)
        elif device.type == "cpu":
            self._draw, self._cut = draw_shifts, partial(_from_array, split.images)
        else:
            images = torch.from_numpy(np.ascontiguousarray(split.images.transpose(0, 3, 1, 2))).to(device)
            self._draw, self._cut = draw_shifts, partial(_from_device, images)
        self._ahead: dict[tuple[int, int], Callable[[], Batch]] = {}
        self.count = len(split.labels)
        self.steps = math.ceil(self.count / self._size)

    def __call__(self, epoch: int, step: int) -> Batch:
        """A step's batch; the one after it is begun."""
        batch = self._ahead.pop((epoch, step), None) or self._begin(epoch, step)
        following = (epoch, step + 1) if step + 1 < self.steps else (epoch + 1, 0)
        self._ahead = {following: self._begin(*following)}
        return batch()

    def _begin(self, epoch: int, step: int) -> Callable[[], Batch]:
        indices = _order(self._seed, epoch, self.count)[step * self._size : (step + 1) * self._size]
        rng = np.random.default_rng([STEP, self._seed, epoch, step])
        draws = self._draw(len(indices), self._flip, rng)
        mine = slice(self._rank, None, self._processes)
        share = len(indices[mine]) / len(indices)
        if share == 0:
            mine = slice(1)  # a batch of fewer images than processes: a net needs something to run on
        if self._rank:
            rng = np.random.default_rng([STEP, self._seed, epoch, step, self._rank])
        images = self._cut(indices[mine], draws[mine])
        labels = self._labels[to_device(self._device, indices[mine])]
        return lambda: Batch(images(), labels, share, rng)


@lru_cache(2)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of an epoch."""
    return np.random.default_rng([ORDER, seed, epoch]).permutation(count)


def _from_files(
    photographs: Photographs, device: torch.device, indices: np.ndarray, draws: np.ndarray
) -> Callable[[], Tensor]:
    pending = photographs.training_images(indices, draws)
    return lambda: _as_batch(np.stack([image.result() for image in pending]), device).contiguous()


def _from_array(images: np.ndarray, indices: np.ndarray, draws: np.ndarray) -> Callable[[], Tensor]:
    return lambda: shift(_as_batch(images[indices], torch.device("cpu")).contiguous(), draws)


def _from_device(images: Tensor, indices: np.ndarray, draws: np.ndarray) -> Callable[[], Tensor]:
    return lambda: shift(images[to_device(images.device, indices)], draws)


def in_order(
    images: np.ndarray | Lazy, device: torch.device, part: slice = slice(None), size: int | None = None
) -> Iterator[Tensor]:
    """A part of the images uint8 (N, H, W, 3), or all, as batches (B, 3, H, W) on the device, channels last.

    Batches have `size` images, where it is given, and otherwise as many as are fast.
    """
    start, stop, _ = part.indices(len(images))
    step = size or max(1, min(IMAGES, PIXELS // (images.shape[1] * images.shape[2])))
    for first in range(start, stop, step):
        # A copy: an array is a read-only map of its file.
        yield _as_batch(np.array(images[first : min(first + step, stop)]), device)


def _as_batch(images: np.ndarray, device: torch.device) -> Tensor:
    return to_device(device, images).permute(0, 3, 1, 2)
