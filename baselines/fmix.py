"""FMix (Harris et al., 2020): two images joined along a random smooth outline, targets by its area.

The mask is the brightest part of a random image whose amplitude falls with the frequency to the power of `decay`; a
batch has one.

Departures:
    - Their released code (ecs-vlc/FMix, fmix.py) departs from the formula of their paper: it takes two rows of its
      random numbers for the real and the imaginary part, so that its masks have at most one horizontal cycle. Here the
      formula treats all directions alike; `masks: released` draws theirs.
    - Their code trains with weight decay 1e-4 and momentum without Nesterov, which a configuration says under
      `training`. Their best figures add Fast AutoAugment's policy: see `autoaugment`.
    - The same: how a mask is cut out of the image, and that the targets follow λ and not the mask's area.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from augmix.checks import check_choice, check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, clean, partners, soft_targets
from augmix.operations.transfer import to_device

Image = Callable[[tuple[int, int], float, np.random.Generator], np.ndarray]
"""((height, width), decay, generator) -> a random grey image, (height, width)."""


def low_frequency_image(size: tuple[int, int], decay: float, rng: np.random.Generator) -> np.ndarray:
    """The real part of the inverse Fourier transform of complex Gaussian noise over frequencyᵈᵉᶜᵃʸ, (height, width)."""
    height, width = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    noise = rng.standard_normal((2, height, width))
    # The floor keeps the constant term finite.
    spectrum = (noise[0] + 1j * noise[1]) / np.maximum(frequency, 1 / max(size)) ** decay
    return np.fft.ifft2(spectrum).real


def released_image(size: tuple[int, int], decay: float, rng: np.random.Generator) -> np.ndarray:
    """The image that the authors' released code makes, (height, width), of the distribution that its has.

    Of the spectrum's rows, one for each vertical frequency, the first becomes the real and the second the imaginary
    part. The horizontal frequency then counts as the vertical one, from 0 upwards, and the pair of random numbers at
    each of them as the horizontal frequencies 0 and 1.
    """
    height, width = size
    kept = width // 2 + (2 if width % 2 else 1)
    frequency = np.hypot(np.fft.fftfreq(height)[:2, None], np.fft.fftfreq(width)[:kept])
    scale = 1 / np.maximum(frequency, 1 / max(size)) ** decay
    real, imaginary = scale[..., None] * rng.standard_normal((2, kept, 2))
    return np.fft.irfft2(real + 1j * imaginary, size)


IMAGES = {"formula": low_frequency_image, "released": released_image}
"""The grey image that the masks of each kind are cut out of."""


def method(*, alpha: float = 1.0, decay: float = 3.0, masks: str = "formula") -> Method:
    """The images as they come, joined.

    Args:
        alpha: The parameter of λ ~ Beta(α, α), the share of its pixels that an image keeps. Source: the authors'.
        decay: The paper's δ: the power of the frequency that amplitudes fall with. Source: the authors'.
        masks: Those of the paper's `formula` or of the authors' `released` code. Source: the paper.
    """
    check_number("alpha", alpha, 0, 1e6, above=True)
    check_number("decay", decay, 0, 10)
    check_choice("masks", masks, tuple(IMAGES))
    return Method(clean, partial(join, alpha=alpha, decay=decay, image=IMAGES[masks]), cross_entropy)


def join(
    views: list[Tensor], targets: Tensor, rng: np.random.Generator, *, alpha: float, decay: float, image: Image
) -> tuple[list[Tensor], Tensor]:
    """Every view where the mask is set, its partner elsewhere; targets by λ, within one pixel of the mask's area."""
    height, width = views[0].shape[-2:]
    share = rng.beta(alpha, alpha)
    kept = to_device(targets.device, mask((height, width), share, decay, rng, image))
    partner = partners(len(targets), rng, targets.device)
    return [torch.where(kept, view, view[partner]) for view in views], soft_targets(targets, partner, share)


def mask(
    size: tuple[int, int], share: float, decay: float, rng: np.random.Generator, image: Image = low_frequency_image
) -> np.ndarray:
    """The brightest `share` of a random image, bool (height, width); rounded up or down, each by ½."""
    exact = share * size[0] * size[1]
    count = math.ceil(exact) if rng.random() < 0.5 else math.floor(exact)
    grey = image(size, decay, rng)
    chosen = np.zeros(grey.size, dtype=bool)
    chosen[np.argsort(grey, axis=None)[grey.size - count :]] = True
    return chosen.reshape(size)
