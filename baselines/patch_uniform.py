"""Patch Uniform (AugMix, Section 4.2): uniform noise in a square of random size and place.

Patch Gaussian (Lopes et al., 2019) with noise that is not among the corruptions of -C. The square's side is uniform
from one pixel to the image's shorter side, its centre uniform over the image.

Departures:
    - The AugMix paper prints no settings, and its script has no such method.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from augmix.checks import check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, uniform, unmixed
from baselines.cutout import squares


def method(*, amplitude: float = 0.5) -> Method:
    """The images, each with a patch of noise.

    Args:
        amplitude: The largest change of a value, over the range of values: noise is from U(-amplitude, amplitude).
            Source: ours.
    """
    check_number("amplitude", amplitude, 0, 1, above=True)
    return Method(partial(add_patch, amplitude=amplitude), unmixed, cross_entropy)


def add_patch(
    images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator, *, amplitude: float
) -> list[Tensor]:
    """The images, each with noise of its own in its own square: uint8 (B, C, H, W)."""
    batch, _, height, width = images.shape
    sides = rng.integers(1, min(height, width) + 1, batch)
    patches = squares(sides, (height, width), rng, images.device)
    noisy = images + 255 * amplitude * (2 * uniform(images.shape, rng, images.device) - 1)
    return [torch.where(patches, noisy.round_().clamp_(0, 255).to(torch.uint8), images)]
