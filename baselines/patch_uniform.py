"""Patch Uniform (AugMix, Section 4.2): uniform noise in a square of random size and place.

Patch Gaussian (Lopes et al., 2019) with noise that is not among the corruptions of -C. The paper prints no settings.
Here the square's side is uniform from one pixel to the image's shorter side, its centre uniform over the image.
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
    """Noise from U(-amplitude, amplitude), in units of the range of pixel values."""
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
