"""PRIME (Modas et al., 2022): AugMix with random filters, smooth colour maps and diffeomorphisms as its steps.

Each step of a chain is one of the three: a 3×3 filter, an identity with noise; each channel's values mapped by
v + Σₖ cₖ sin(πkv); all pixels displaced along a sum of sine waves. Their strengths, and the displacement itself, are
drawn once for all images of a step; filters and colours are each image's own. Chains, weights and loss are AugMix's.

Departures:
    - The identity of the authors' filter is in a corner, so that it also shifts the image by a pixel each way; here it
      is in the centre, as in the paper.
    - A colour map is read from a table, which is exact for values of 8 bits and errs by less than a grey level between
      them.
    - Their weights are those of the epoch with the least test error; here the last epoch's. On CIFAR their rate rises
      to 0.2 in the first quarter and falls again, and gradients are cut off at a norm of 0.5. On ImageNet they begin
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
from augmix.operations.compiled import in_pieces
from augmix.operations.transfer import to_device
from baselines import _kernels
from baselines._chains import Change, mixed_chains

GRID = 7
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
        views.append(mixed_chains(values, kinds, depths, steps, rng).mul_(255))
    return views


def filtered(images: Tensor, which: np.ndarray, rng: np.random.Generator, *, sigma: float) -> None:
    """Give each image in [0, 1] its own 3×3 filter, the same for all channels, with zeros around it; clipped."""
    filters = rng.uniform(0, sigma) * rng.standard_normal((len(which), 3, 3), np.float32)
    filters[:, 1, 1] += 1
    if images.is_cpu:
        in_pieces(_kernels.filter, len(which), 1, images.numpy(), which, filters)
        return
    here = to_device(images.device, which)
    planes = images[here].flatten(0, 1)[None]
    each = to_device(images.device, filters).repeat_interleave(images.shape[1], 0)[:, None]
    changed = F.conv2d(planes, each, padding=1, groups=planes.shape[1]).clamp_(0, 1)
    images[here] = changed.view(len(which), *images.shape[1:])


def coloured(
    images: Tensor,
    which: np.ndarray,
    rng: np.random.Generator,
    *,
    cut: int,
    temperature: float,
    band: int | None,
) -> None:
    """Give each channel of each image in [0, 1] its own smooth map of values, clipped."""
    highest, strength = int(rng.integers(1, cut + 1)), np.sqrt(rng.uniform(0, temperature))
    lowest = 1 if band is None else int(rng.integers(1, highest + 1))
    kept = slice(lowest - 1, highest if band is None else min(lowest - 1 + band, highest))
    ramp, waves = sines(cut, images.device)
    steps, channels = len(ramp) - 3, images.shape[1]
    coefficients = (strength * rng.standard_normal((len(which) * channels, len(waves[kept])))).astype(np.float32)
    table = torch.addmm(ramp, to_device(images.device, coefficients), waves[kept])
    if images.is_cpu:
        tables = table.numpy().reshape(len(which), channels, -1)
        in_pieces(_kernels.colour, len(which), 1, images.numpy(), which, tables)
        return
    here = to_device(images.device, which)
    position = steps * images[here].flatten(2).flatten(0, 1)
    index = position.to(torch.int64).clamp_(max=steps - 1)
    a, b, c, d = (table.gather(1, index + i) for i in range(4))
    t = position - index
    changed = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    images[here] = changed.clamp_(0, 1).view(len(which), *images.shape[1:])


@cache
def sines(cut: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """v from a step below 0 to a step above 1, and sin(πkv) for k from 1 to `cut`: float32 (S,) and (cut, S)."""
    steps = 255 * math.ceil(GRID * cut / 255)
    values = torch.arange(-1, steps + 2, dtype=torch.float64) / steps
    waves = torch.sin(torch.pi * torch.arange(1, cut + 1, dtype=torch.float64)[:, None] * values)
    return values.float().to(device), waves.float().to(device)


def displaced(images: Tensor, which: np.ndarray, rng: np.random.Generator, *, cut: int) -> None:
    """Resample all images (N, C, H, W) bilinearly along one random smooth displacement; edges are repeated."""
    height, width = images.shape[2:]
    shifts = displacement((height, width), cut, rng)
    sources = np.mgrid[:height, :width] - shifts[::-1]
    if images.is_cpu:
        ends = np.array([height, width])[:, None, None] - 1
        sources = sources.clip(0, ends)
        corners = np.minimum(sources.astype(np.uint32), np.maximum(ends - 1, 0).astype(np.uint32))
        shares = (sources - corners).astype(np.float32).reshape(2, -1)
        first = (corners[0] * np.uint32(width) + corners[1]).ravel()
        in_pieces(_kernels.displace, len(which), 1, images.numpy(), which, first, shares)
        return
    # What `grid_sample` calls -1 and 1 are the centres of the first and the last pixel; it asks for columns first.
    axes = [2 * source / max(side - 1, 1) - 1 for source, side in zip(sources[::-1], (width, height), strict=True)]
    here, grid = to_device(images.device, which), to_device(images.device, np.stack(axes, -1).astype(np.float32))
    planes = images[here].flatten(0, 1)[None]
    changed = F.grid_sample(planes, grid[None], padding_mode="border", align_corners=True)
    images[here] = changed.view(len(which), *images.shape[1:])


def displacement(size: tuple[int, int], cut: int, rng: np.random.Generator) -> np.ndarray:
    """How far pixels of an image of `size` (height, width) come from the left and from above: float64 (2, H, W).

    A displacement has frequencies below a random one, and a strength between half a pixel in the centre and what would
    fold the image (Petrini et al., 2021): both are drawn from Beta(½, ½) over what is allowed.
    """
    side = max(size)
    most = int(rng.integers(3, cut + 1))
    frequency = min(int(2 + rng.beta(0.5, 0.5) * (most - 1)), most)  # a draw can be 1 itself
    least = 1 / (np.pi * side**2 * np.log(frequency))
    greatest = max(least, 4 / (np.pi**3 * frequency**2 * np.log(frequency)))
    temperature = least + rng.beta(0.5, 0.5) * (greatest - least)
    k = np.arange(1, frequency + 1)
    radius = np.hypot(k[:, None], k)
    rows, columns = (_waves(length, cut)[:, :frequency] for length in size)
    shifts = []
    for length in size[::-1]:
        waves = rng.standard_normal(radius.shape) * (radius < frequency + 0.5) / radius
        shifts.append(np.sqrt(temperature) * length * rows @ waves @ columns.T)
    return np.stack(shifts)


@cache
def _waves(length: int, cut: int) -> np.ndarray:
    """sin(πkx) at so many places x from 0 to 1, for k from 1 to `cut`: float64 (length, cut)."""
    return np.sin(np.pi * np.linspace(0, 1, length)[:, None] * np.arange(1, cut + 1))
