"""IPMix (Huang et al., 2023): AugMix with chains of operations and chains of patches mixed with a fractal.

Each chain is, by chance, AugMix's operations (with inversion and mirroring, without autocontrast) or some patches, in
which the image is mixed with a picture at the same place: by PixMix's sum or product, or by taking a random share of
the pixels, or of the single values, from the picture. Both views of an image have the same picture. Loss and weights
are AugMix's.

Departures:
    - In the authors' code a patch's values that leave the range come back at its other end; here they are clipped
      unless `wrap`.
    - On ImageNet it mixes half of the patches with an augmented copy, which is left out here.
    - JSD is on by default in their code, though the paper does not stress it, and so it is here.
    - The pictures are those of `pixmix`, fractals that are made here or a folder.
    - With `wrap: true` and pictures of noise an image's mean change is 10.2 ± 0.2 grey levels here and by their code
      (100 images of CIFAR-10, ± a standard error). Their errors were not reproduced: these need their nets and hours
      of a GPU.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from augmix import operations
from augmix.checks import check_flag, check_integer, check_number
from augmix.methods import Method, uniform
from augmix.methods.augmix import consistent
from augmix.operations.compiled import in_pieces
from augmix.operations.transfer import to_device
from baselines import _kernels
from baselines._chains import mixed_chains
from baselines._pictures import Pictures
from baselines.pixmix import LOGARITHMS, SHARES, add, mixing_weights, multiply

MIRROR = -1
OPERATIONS = np.array([*range(operations.IDS["equalize"], operations.IDS["color"]), operations.IDS["invert"], MIRROR])
"""The ids of the operations, of which mirroring is none of `augmix.operations`."""
SIDES = (4, 8, 16, 32, 64)
"""The patches' sides, as far as they are shorter than the image's; its own is one too."""


def method(
    *,
    width: int = 3,
    depth: int = 3,
    beta: float = 3.0,
    severity: float = 3,
    wrap: bool = False,
    views: int = 2,
    weight: float = 12.0,
    folder: str | None = None,
    pictures: int = 1000,
) -> Method:
    """The clean image and mixed views of it; AugMix's loss.

    Args:
        width, views, weight: As in `augmix`.
        depth: The most steps of a chain; each number from 0 on is as likely. Source: the authors'.
        beta, folder, pictures: As in `pixmix`.
        severity: The highest level of an operation, of 10. Source: the authors' on CIFAR; on ImageNet they have 1.
        wrap: Whether a patch's values that leave the range come back at its other end. Source: ours; the authors' code
            does it.
    """
    check_integer("width", width, 1)
    check_integer("depth", depth, 1)
    check_integer("views", views, 1)
    check_number("beta", beta, 0, 1e6, above=True)
    check_number("severity", severity, 0, 10, above=True)
    check_flag("wrap", wrap)
    operate, mix = partial(operated, severity=severity), partial(patched, beta=beta, wrap=wrap)
    shape, source = (views, width, depth), Pictures(folder, pictures)
    return consistent(partial(mixed, shape=shape, operate=operate, mix=mix, pictures=source), weight)


def mixed(
    images: Tensor,
    labels: Tensor,
    net: nn.Module,
    rng: np.random.Generator,
    *,
    shape: tuple[int, int, int],
    operate: "partial[None]",
    mix: "partial[None]",
    pictures: Pictures,
) -> list[Tensor]:
    """Views of each image, float32 (B, C, H, W) in [0, 255]; `shape` is (views, chains, steps)."""
    count, width, depth = shape
    drawn = pictures.draw(len(images), (images.shape[2], images.shape[3]), rng, images.device)
    # All views are made at once, one after the other.
    images, drawn = images.repeat(count, 1, 1, 1), drawn.repeat(count, 1, 1, 1)
    chains = len(images) * width
    kinds = np.repeat(rng.integers(2, size=(chains, 1)), depth, axis=1)
    depths = rng.integers(depth + 1, size=chains)
    steps = (operate, partial(mix, pictures=drawn))
    return list(mixed_chains(images, kinds, depths, steps, rng).chunk(count))


def operated(images: Tensor, which: np.ndarray, rng: np.random.Generator, *, severity: float) -> None:
    """Apply one operation to each uint8 image."""
    drawn = OPERATIONS[rng.integers(len(OPERATIONS), size=(len(which), 1))]
    ids = np.where(drawn == MIRROR, operations.IDENTITY, drawn)
    levels = rng.uniform(min(0.1, severity), severity, ids.shape)
    signs, size = rng.integers(2, size=ids.shape), (images.shape[2], images.shape[3])
    here = to_device(images.device, which)
    images[here] = operations.chain(images[here], ids, operations.parameters(ids, levels, signs, size))
    mirrored = to_device(images.device, which[(drawn == MIRROR).ravel()])
    images[mirrored] = images[mirrored].flip(-1)


def patched(
    images: Tensor, which: np.ndarray, rng: np.random.Generator, *, pictures: Tensor, beta: float, wrap: bool
) -> None:
    """Mix each uint8 image (N, C, H, W) in one patch with its picture, in one of four ways.

    The `pictures` are those of so many images in a row each.
    """
    count, device = len(which), images.device
    bounds = rectangles(count, (images.shape[2], images.shape[3]), rng)
    ways, weights = rng.integers(4, size=count), mixing_weights(count, beta, rng)
    shares = rng.random(count, np.float32)
    areas = (bounds[:, 1] - bounds[:, 0]) * (bounds[:, 3] - bounds[:, 2]) * (ways >= 2)
    chances = uniform((areas.sum(), images.shape[1]), rng, device)
    if images.is_cpu:
        arrays = (images.numpy(), which, pictures.contiguous().numpy(), bounds, ways, weights, shares, chances.numpy())
        in_pieces(_kernels.patch, count, 1, *arrays, areas.cumsum() - areas, TABLES.numpy(), wrap)
    else:
        _patch(images, which, pictures, bounds, ways, weights, shares, chances, wrap)


def _patch(
    images: Tensor,
    which: np.ndarray,
    pictures: Tensor,
    bounds: np.ndarray,
    ways: np.ndarray,
    weights: np.ndarray,
    shares: np.ndarray,
    chances: Tensor,
    wrap: bool,
) -> None:
    """The compiled `patch` in torch, for images on other devices."""
    device, (height, width) = images.device, images.shape[2:]
    (top, bottom, left, right), row, column = bounds.T[..., None], np.arange(height), np.arange(width)
    rows, columns = (row >= top) & (row < bottom), (column >= left) & (column < right)
    of, place = np.nonzero((rows[:, :, None] & columns[:, None]).reshape(len(which), -1))
    every, part = to_device(device, weights)[..., None], to_device(device, shares)[:, None]
    given, others = images.view(*images.shape[:2], -1), pictures.flatten(2)
    for chosen, mix in ((ways == 0, add), (ways == 1, multiply), (ways >= 2, None)):
        those = np.flatnonzero(chosen[of])
        # A patch is a fifth of an image on average: only its pixels are looked at, (P, C).
        image, pixel = to_device(device, of[those]), to_device(device, place[those])
        at = to_device(device, which[of[those]])
        own, other = given[at, :, pixel], others[at // (len(images) // len(pictures)), :, pixel]
        if mix:
            values = 255 * mix(own / 255, other / 255, *every[:, image])
            # A product can be 1e38, which is no integer.
            values = values.clamp(-1e6, 1e6).to(torch.int32) & 255 if wrap else values.clamp(0, 255)
            given[at, :, pixel] = values.to(torch.uint8)
        else:  # whole pixels, or single values
            whole = to_device(device, ways[of[those], None] == 2)
            kept = torch.where(whole, chances[:, :1], chances) < part[image]
            given[at, :, pixel] = torch.where(kept, own, other)


def rectangles(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """One patch an image, int64 (count, 4): its first row and the one after its last, then its columns.

    One half are squares, the others have shorter sides, from 2 on.
    """
    shorter = min(size)
    accepted = np.array([*(side for side in SIDES if side < shorter), shorter])
    sides = accepted[rng.integers(len(accepted), size=count)]
    square = rng.random(count) < 0.5
    bounds = []
    for length in size:
        first = rng.integers(length - sides + 1)
        bounds += [first, first + np.where(square, sides, rng.integers(np.minimum(2, sides), sides + 1))]
    return np.stack(bounds, axis=1)


TABLES = torch.stack([SHARES, (2 * SHARES).log(), LOGARITHMS])
"""Tables of values of 8 bits that the compiled `patch` reads."""
