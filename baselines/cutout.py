"""Cutout (DeVries & Taylor, 2017): one square hole per image, half as wide as the image.

The centre is uniform over the image and the hole may leave it: on 32 × 32 its side is 16 and its area inside 196 pixels
on average. It is filled with what is 0 after normalising, the mean pixel: 127.5 unless the data set has a mean of its
own.

Departures:
    - In the authors' code a hole of an odd side is a pixel narrower; their sides are even. Their rate falls by steps
      over 200 epochs.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from augmix.checks import check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from augmix.models import Normalised
from augmix.operations.transfer import to_device


def method(*, size: float = 0.5) -> Method:
    """The images, each with a hole.

    Args:
        size: The hole's side, as a share of the image's shorter side. Source: the authors' 16 pixels on CIFAR-10; their
            8 on CIFAR-100 are 0.25.
    """
    check_number("size", size, 0, 1, above=True)
    return Method(partial(cut_out, size=size), unmixed, cross_entropy)


def cut_out(images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator, *, size: float) -> list[Tensor]:
    """The images, each with its own hole: float32 (B, C, H, W)."""
    batch, _, height, width = images.shape
    side = round(size * min(height, width))
    holes = squares(np.full(batch, side), (height, width), rng, images.device)
    return [torch.where(holes, net.zero if isinstance(net, Normalised) else 127.5, images)]


def squares(sides: np.ndarray, size: tuple[int, int], rng: np.random.Generator, device: torch.device) -> Tensor:
    """One square per image, its centre uniform over the pixels, what leaves the image cut off: bool (B, 1, H, W).

    `sides` (B,) are in pixels; `size` is the images' (height, width).
    """
    within = []
    for length in size:
        first = rng.integers(length, size=len(sides)) - sides // 2
        pixel = np.arange(length)
        inside = (pixel >= first[:, None]) & (pixel < (first + sides)[:, None])
        within.append(to_device(device, inside))
    rows, columns = within
    return rows[:, None, :, None] & columns[:, None, None, :]
