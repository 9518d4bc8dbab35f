"""Random crops and flips of a batch: the usual augmentation of CIFAR, which every method's views begin with."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from augmix.operations.transfer import to_device

PAD = 4


def draw_shifts(count: int, flip: bool, rng: np.random.Generator) -> np.ndarray:
    """How far to shift each of `count` images down and to the right, and whether to mirror it: int64 (count, 3)."""
    shifts = rng.integers(0, 2 * PAD + 1, (2, count))
    mirrored = rng.random(count) < 0.5 if flip else np.zeros(count, bool)
    return np.stack([*shifts, mirrored], axis=1)


def crop_and_flip(images: Tensor, rng: np.random.Generator, flip: bool) -> Tensor:
    """Shift each uint8 (B, C, H, W) image by up to 4 pixels with zero fill; mirror half of them when `flip`."""
    return shift(images, draw_shifts(len(images), flip, rng))


def shift(images: Tensor, shifts: np.ndarray) -> Tensor:
    """Shift and mirror each uint8 (B, C, H, W) image as its row of `draw_shifts` says."""
    batch, channels, height, width = images.shape
    # Three bytes an image reach the device; where each pixel comes from is worked out there.
    top, left, mirrored = to_device(images.device, shifts.astype(np.uint8)).to(torch.int64).T[..., None]
    across = torch.arange(width, device=images.device)
    rows = top + torch.arange(height, device=images.device)
    columns = left + torch.where(mirrored > 0, width - 1 - across, across)
    places = rows[:, :, None] * (width + 2 * PAD) + columns[:, None]
    padded = F.pad(images, (PAD,) * 4).flatten(2)
    return padded.gather(2, places.view(batch, 1, -1).expand(-1, channels, -1)).view_as(images)
