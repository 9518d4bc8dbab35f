"""The pictures that PixMix and IPMix mix images with: fractals that are made here, or a folder of the user's.

Fractals are those of iterated function systems, drawn and coloured much as Anderson and Farrell (WACV 2022) do it. They
have a seed of their own, so that they are the same in every run, and are made when the first batch asks for them: a
thousand for images of 32 pixels take two or three seconds. Their backgrounds are smooth noise.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from augmix.checks import check_integer
from augmix.errors import UserError
from augmix.operations.transfer import to_device
from augmix.suite.data.loaders.image_folder import decode, is_wanted
from augmix.suite.data.photographs import decoding
from augmix.suite.io.files import expanded

MAPS = 4
"""The most affine maps of a fractal; it has at least two."""
WALKERS, BURN_IN = 256, 20
"""Points that wander over a fractal at a time, and their steps before they count."""
POINTS, DENSITY = 100_000, 16
"""Points of a fractal, at most, and for each pixel."""
CHUNK = 50
"""Fractals that are made at a time."""
KEPT = 2**28
"""Bytes of decoded pictures that are kept, at most."""
MOST = 20_000
"""Fractals, at most, which for images of 224 pixels are 4 GB."""


class Pictures:
    """The mixing set: `count` fractals, or the images of a folder and of the folders in it, `count` of them.

    A picture is a square with sides 9/8 as long as the images', or as their longer side: 36 pixels for 32. Each time
    it is drawn, another part of it is cut out. Raises ValueError where the folder is missing or empty, or has another
    number of images, and `UserError` for what cannot be read and for a file that is no image.
    """

    def __init__(self, folder: str | None, count: int) -> None:
        check_integer("pictures", count, 1, MOST if folder is None else None)
        self.count, self.files = count, [] if folder is None else self._listed(folder, count)
        self._kept: dict[tuple[Path, int], np.ndarray] = {}

    @staticmethod
    def _listed(folder: str, count: int) -> list[Path]:
        root = expanded(str(folder))
        if not root.is_dir():
            raise ValueError(f"folder must hold the pictures to mix with, and there is no folder {root}")

        def refuse(error: OSError) -> None:
            raise UserError(f"cannot read {error.filename}: {error.strerror}") from error

        walked = os.walk(root, onerror=refuse)
        names = (Path(inner, name).relative_to(root) for inner, _, files in walked for name in files)
        files = [root / name for name in sorted(names) if all(map(is_wanted, name.parts))]
        if not files:
            raise ValueError(f"folder must hold the pictures to mix with, and {root} has no images")
        if len(files) != count:
            raise ValueError(f"pictures is {count}, and {root} has {len(files)}: give the number of images that it has")
        for file in files:
            with decoding(file), Image.open(file):  # reads its head alone
                pass
        return files

    def draw(self, batch: int, size: tuple[int, int], rng: np.random.Generator, device: torch.device) -> Tensor:
        """A random part of a random picture for each image of `size` (height, width): uint8 (batch, 3, H, W)."""
        height, width = size
        side = round(max(size) * 9 / 8)
        chosen = rng.integers(self.count, size=batch)
        tops, lefts = rng.integers(side - height + 1, size=batch), rng.integers(side - width + 1, size=batch)
        squares = fractals(self.count, side)[chosen] if not self.files else self._decoded(chosen, side)
        places = zip(squares, tops, lefts, strict=True)
        parts = [square[top : top + height, left : left + width] for square, top, left in places]
        return to_device(device, np.stack(parts)).permute(0, 3, 1, 2)

    def _decoded(self, chosen: np.ndarray, side: int) -> list[np.ndarray]:
        files = [self.files[i] for i in chosen]
        missing = [file for file in dict.fromkeys(files) if (file, side) not in self._kept]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            found = dict(zip(missing, pool.map(lambda file: decode(file, side), missing), strict=True))
        result = [found[file] if file in found else self._kept[file, side] for file in files]
        if (len(self._kept) + len(found)) * side * side * 3 <= KEPT:
            self._kept.update({(file, side): image for file, image in found.items()})
        return result


@cache
def fractals(count: int, side: int) -> np.ndarray:
    """So many fractals in colour: uint8 (count, side, side, 3)."""
    return np.concatenate(list(_chunks(count, side)))


def _chunks(count: int, side: int) -> Iterator[np.ndarray]:
    for first in range(0, count, CHUNK):
        rng = np.random.default_rng([side, first])
        chunk = min(CHUNK, count - first)
        density = _density(*systems(chunk, rng), side, rng)
        figure = _coloured(density / density.max((1, 2), keepdims=True), rng)
        yield np.where(density[..., None] > 0, figure, _coloured(_noise(chunk, side, rng), rng))


def systems(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random systems of affine maps: matrices (count, 4, 2, 2), offsets (count, 4, 2) and probabilities (count, 4).

    Of n maps, 2 to 4, each is a rotation, a scaling by s₁ ≥ s₂ in [0, 1] and another rotation, one of them mirrored by
    chance; Σ(s₁ + 2 s₂) is uniform between (5 + n)/2 and (6 + n)/2, for which fractals are neither dust nor blots. A
    map's probability is proportional to its determinant.
    """
    maps = rng.integers(2, MAPS + 1, count)
    left = rng.uniform((5 + maps) / 2, (6 + maps) / 2)
    scales = np.zeros((count, MAPS, 2))
    for i in range(MAPS):
        after = np.maximum(maps - i - 1, 0)
        total = np.where(i < maps, rng.uniform(np.maximum(left - 3 * after, 0), np.minimum(left, 3)), 0)
        total = np.where(i == maps - 1, left, total)
        left = left - total
        second = rng.uniform(np.maximum((total - 1) / 2, 0), total / 3)
        scales[:, i] = np.stack([total - 2 * second, second], axis=1)
    turns = [_rotations(rng.uniform(0, 2 * np.pi, (count, MAPS))) for _ in range(2)]
    mirrors = np.stack([np.ones((count, MAPS)), rng.choice([-1.0, 1.0], (count, MAPS))], axis=-1)
    matrices = turns[0] @ ((scales * mirrors)[..., None] * turns[1])
    weights = np.where(np.arange(MAPS) < maps[:, None], np.maximum(scales.prod(-1), 1e-3), 0)
    return matrices, rng.uniform(-1, 1, (count, MAPS, 2)), weights / weights.sum(1, keepdims=True)


def _rotations(angles: np.ndarray) -> np.ndarray:
    cosines, sines = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cosines, -sines], -1), np.stack([sines, cosines], -1)], -2)


def _density(
    matrices: np.ndarray, offsets: np.ndarray, probabilities: np.ndarray, side: int, rng: np.random.Generator
) -> np.ndarray:
    """How many points of each system fall on each pixel of the square around all of them: int64 (F, side, side)."""
    count = len(matrices)
    affine = np.concatenate([matrices, offsets[..., None]], -1).reshape(count * MAPS, 6).T.astype(np.float32)
    bounds = probabilities.cumsum(1)[:, None, :-1].astype(np.float32)
    first = MAPS * np.arange(count)[:, None]
    x = y = np.zeros((count, WALKERS), np.float32)
    path = []
    for _ in range(BURN_IN + -(-min(POINTS, DENSITY * side * side) // WALKERS)):
        chosen = first + (rng.random((count, WALKERS, 1), np.float32) > bounds).sum(-1)
        a, b, c, d, e, f = affine[:, chosen]
        # `offsets` are the last of each row: x' = a·x + b·y + c, y' = d·x + e·y + f.
        x, y = a * x + b * y + c, d * x + e * y + f
        path.append(np.stack([x, y]))
    points = np.stack(path[BURN_IN:], -1).reshape(2, count, -1)
    low, high = points.min(-1, keepdims=True), points.max(-1, keepdims=True)
    column, row = np.minimum((points - low) / np.maximum(high - low, 1e-6) * side, side - 1).astype(np.int64)
    places = (np.arange(count)[:, None] * side + row) * side + column
    return np.bincount(places.ravel(), minlength=count * side * side).reshape(count, side, side)


def _noise(count: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise in [0, 1], float64 (count, side, side): its amplitude falls with the frequency squared."""
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    spectrum = np.fft.rfft2(rng.standard_normal((count, side, side))) / np.maximum(frequencies, 1 / side) ** 2
    grey = np.fft.irfft2(spectrum, (side, side))
    low, high = grey.min((1, 2), keepdims=True), grey.max((1, 2), keepdims=True)
    return (grey - low) / (high - low)


def _coloured(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey (F, H, W) in [0, 1] as a hue from a random one on, each picture of one saturation and one value: uint8."""
    hue, saturation, value = (rng.uniform(low, 1, (len(grey), 1, 1)) for low in (0.0, 0.3, 0.5))
    channels = []
    for corner in (5, 3, 1):  # red, green, blue
        place = (corner + 6 * (grey + hue)) % 6
        channels.append(value * (1 - saturation * np.clip(np.minimum(place, 4 - place), 0, 1)))
    return np.round(255 * np.stack(channels, -1)).astype(np.uint8)
