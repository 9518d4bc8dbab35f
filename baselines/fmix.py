"""FMix (Harris et al., 2020): two images joined along a random smooth outline, targets by its area.

The mask is the brightest part of a random image whose amplitude falls with the frequency to the power of `decay`. This
is the paper's formula; the authors' released code takes a wrong axis of its random numbers, so that its masks have at
most one horizontal cycle. Not the paper's full recipe, which adds Fast AutoAugment: see `autoaugment`.
"""

import math
from functools import partial

import numpy as np
import torch
from torch import Tensor

from augmix.checks import check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, clean, partners, soft_targets


def method(*, alpha: float = 1.0, decay: float = 3.0) -> Method:
    """An image keeps λ ~ Beta(alpha, alpha) of its pixels, one mask per batch; `decay` is the paper's δ."""
    check_number("alpha", alpha, 0, 1e6, above=True)
    check_number("decay", decay, 0, 10)
    return Method(clean, partial(join, alpha=alpha, decay=decay), cross_entropy)


def join(
    views: list[Tensor], targets: Tensor, rng: np.random.Generator, *, alpha: float, decay: float
) -> tuple[list[Tensor], Tensor]:
    """Every view where the mask is set, its partner elsewhere; targets by λ, within one pixel of the mask's area."""
    height, width = views[0].shape[-2:]
    share = rng.beta(alpha, alpha)
    kept = torch.from_numpy(mask((height, width), share, decay, rng)).to(targets.device)
    partner = partners(len(targets), rng, targets.device)
    return [torch.where(kept, view, view[partner]) for view in views], soft_targets(targets, partner, share)


def mask(size: tuple[int, int], share: float, decay: float, rng: np.random.Generator) -> np.ndarray:
    """The brightest `share` of a low-frequency image, bool (height, width); rounded up or down, each by ½."""
    exact = share * size[0] * size[1]
    count = math.ceil(exact) if rng.random() < 0.5 else math.floor(exact)
    grey = low_frequency_image(size, decay, rng)
    chosen = np.zeros(grey.size, dtype=bool)
    chosen[np.argsort(grey, axis=None)[grey.size - count :]] = True
    return chosen.reshape(size)


def low_frequency_image(size: tuple[int, int], decay: float, rng: np.random.Generator) -> np.ndarray:
    """The real part of the inverse Fourier transform of complex Gaussian noise over frequencyᵈᵉᶜᵃʸ, (height, width)."""
    height, width = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    noise = rng.standard_normal((2, height, width))
    # The floor keeps the constant term finite.
    spectrum = (noise[0] + 1j * noise[1]) / np.maximum(frequency, 1 / max(size)) ** decay
    return np.fft.ifft2(spectrum).real
