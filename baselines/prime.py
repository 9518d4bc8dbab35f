"""PRIME (Modas et al., 2022): AugMix with random filters, smooth colour maps and diffeomorphisms as its steps.

Each step of a chain is one of the three: a 3×3 filter, an identity with noise; each channel's values mapped by
v + Σₖ cₖ sin(πkv); all pixels displaced along a sum of sine waves. Their strengths, and the displacement itself, are
drawn once for all images of a step; filters and colours are each image's own. Chains, weights and loss are AugMix's.

Departures:
    - The identity of the authors' filter is in a corner, so that it also shifts the image by a pixel each way; here it
      is in the centre, as in the paper.
    - A colour map is read from a table, which is exact for values of 8 bits and errs by less than a grey level between
      them.
    - Their weights are those of the epoch with the least test error; here the last epoch's. On ImageNet they begin
      with a pretrained net and train without JSD.
    - An image's mean change is 28.4 ± 0.4 grey levels here and 27.8 ± 0.5 by their code (100 images of CIFAR-10, ± a
      standard error). Their errors were not reproduced: these need their nets and hours of a GPU.
"""

import math
from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmix.checks import check_integer, check_number
from augmix.methods import Method
from augmix.methods.augmix import consistent
from augmix.operations.transfer import to_device
from baselines._chains import Change, mixed_chains

GRID = 40
"""Steps of the table of a colour map for each of its frequencies, about: the values of 8 bits are among them."""
DEPTH = 3
"""The most steps of a chain."""


def method(
    *,
    width: int = 3,
    sigma: float = 4.0,
    cut: int = 100,
    temperature: float = 0.01,
    band: int | None = None,
    views: int = 2,
    weight: float = 12.0,
) -> Method:
    """The clean image and mixed views of it; AugMix's loss. Strengths are for images of 32 pixels.

    Args:
        width, views, weight: As in `augmix`.
        sigma: The highest deviation of a filter's noise. Source: the authors'.
        cut: The highest frequency of colour maps and of displacements. Source: the authors' on CIFAR; on ImageNet they
            have 500.
        temperature: The highest variance of a colour map's coefficients. Source: the authors' on CIFAR; on ImageNet
            they have 0.05.
        band: The number of a colour map's frequencies in a row that are kept, or none for all. Source: the authors' on
            CIFAR; on ImageNet they have 20.
    """
    check_integer("width", width, 1)
    check_number("sigma", sigma, 0, 1e3)
    check_integer("cut", cut, 3, 1000)
    check_number("temperature", temperature, 0, 1e3)
    if band is not None:
        check_integer("band", band, 1)
    check_integer("views", views, 1)
    steps = (
        partial(filtered, sigma=sigma),
        partial(coloured, cut=cut, temperature=temperature, band=band),
        partial(displaced, cut=cut),
    )
    return consistent(partial(mixed, count=views, width=width, steps=steps), weight)


def mixed(
    images: Tensor,
    labels: Tensor,
    net: nn.Module,
    rng: np.random.Generator,
    *,
    count: int,
    width: int,
    steps: tuple[Change, ...],
) -> list[Tensor]:
    """`count` views of each image: float32 (B, C, H, W) in [0, 255]."""
    values, chains = images / 255, len(images) * width
    views = []
    for _ in range(count):
        kinds, depths = rng.integers(len(steps), size=(chains, DEPTH)), rng.integers(1, DEPTH + 1, size=chains)
        views.append(255 * mixed_chains(values, kinds, depths, steps, rng))
    return views


def filtered(images: Tensor, places: Tensor, rng: np.random.Generator, *, sigma: float) -> Tensor:
    """Each image in [0, 1] after its own 3×3 filter, the same for all channels, with zeros around it; clipped."""
    count, channels, height, width = images.shape
    filters = rng.uniform(0, sigma) * rng.standard_normal((count, 1, 3, 3), np.float32)
    filters[:, :, 1, 1] += 1
    each = to_device(images.device, filters.astype(np.float32)).repeat_interleave(channels, 0)
    planes = images.reshape(1, count * channels, height, width)
    return F.conv2d(planes, each, padding=1, groups=count * channels).clamp_(0, 1).view_as(images)


def coloured(
    images: Tensor,
    places: Tensor,
    rng: np.random.Generator,
    *,
    cut: int,
    temperature: float,
    band: int | None,
) -> Tensor:
    """Each channel of each image in [0, 1] after its own smooth map of values, clipped."""
    highest, strength = int(rng.integers(1, cut + 1)), np.sqrt(rng.uniform(0, temperature))
    lowest = 1 if band is None else int(rng.integers(1, highest + 1))
    kept = slice(lowest - 1, highest if band is None else min(lowest - 1 + band, highest))
    waves = sines(cut, images.device)[kept]
    steps = waves.shape[1] - 1
    planes = images.flatten(2).flatten(0, 1)
    coefficients = (strength * rng.standard_normal((len(planes), len(waves)))).astype(np.float32)
    ramp = torch.linspace(0, 1, steps + 1, device=images.device)
    table = torch.addmm(ramp, to_device(images.device, coefficients), waves)
    position = steps * planes
    index = position.to(torch.int64).clamp_(max=steps - 1)
    low, high = table.gather(1, index), table.gather(1, index + 1)
    return torch.lerp(low, high, position - index).clamp_(0, 1).view_as(images)


@cache
def sines(cut: int, device: torch.device) -> Tensor:
    """sin(πkv) for k from 1 to `cut` and v from 0 to 1: float32 (cut, steps + 1)."""
    frequencies = torch.arange(1, cut + 1, dtype=torch.float64)[:, None]
    values = torch.linspace(0, 1, 255 * math.ceil(GRID * cut / 255) + 1, dtype=torch.float64)
    return torch.sin(torch.pi * frequencies * values).float().to(device)


def displaced(images: Tensor, places: Tensor, rng: np.random.Generator, *, cut: int) -> Tensor:
    """All images (N, C, H, W) resampled bilinearly along one random smooth displacement; edges are repeated."""
    count, channels, height, width = images.shape
    shifts = displacement((height, width), cut, rng)
    sources = np.mgrid[:height, :width] - shifts[::-1]
    # What `grid_sample` calls -1 and 1 are the centres of the first and the last pixel; it asks for columns first.
    axes = [2 * source / (side - 1) - 1 for source, side in zip(sources[::-1], (width, height), strict=True)]
    grid = to_device(images.device, np.stack(axes, -1).astype(np.float32))
    planes = images.reshape(1, count * channels, height, width)
    return F.grid_sample(planes, grid[None], padding_mode="border", align_corners=True).view_as(images)


def displacement(size: tuple[int, int], cut: int, rng: np.random.Generator) -> np.ndarray:
    """How far pixels of an image of `size` (height, width) come from the left and from above: float64 (2, H, W).

    A displacement has frequencies below a random one, and a strength between half a pixel in the centre and what would
    fold the image (Petrini et al., 2021): both are drawn from Beta(½, ½) over what is allowed.
    """
    side = max(size)
    most = rng.integers(3, cut + 1)
    frequency = int(2 + rng.beta(0.5, 0.5) * (most - 1))
    least = 1 / (np.pi * side**2 * np.log(frequency))
    greatest = max(least, 4 / (np.pi**3 * frequency**2 * np.log(frequency)))
    temperature = least + rng.beta(0.5, 0.5) * (greatest - least)
    k = np.arange(1, frequency + 1)
    radius = np.hypot(k[:, None], k)
    rows, columns = (np.sin(np.pi * np.linspace(0, 1, length)[:, None] * k) for length in size)
    shifts = []
    for length in size[::-1]:
        waves = rng.standard_normal(radius.shape) * (radius < frequency + 0.5) / radius
        shifts.append(np.sqrt(temperature) * length * rows @ waves @ columns.T)
    return np.stack(shifts)
