"""Write generated test sets in the layout of the published files: arrays, or for photographs image files and videos."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from augmix import __version__
from augmix.errors import UserError
from augmix.suite.data import datasets
from augmix.suite.data.datasets import evenly
from augmix.suite.io.files import array_parts, write_array, write_json
from augmix.suite.io.progress import bar

SEVERITIES = (1, 2, 3, 4, 5)
CHUNK_BYTES = 64 * 2**20

Generate = Callable[..., np.ndarray]
"""`corruptions.corrupt` or `perturbations.perturb`."""


def write_severities(
    test: datasets.Split, folder: Path, name: str, corrupt: Generate, images: int | None, preset: str, seed: int
) -> None:
    """Write `<folder>/<name>.npy`, uint8 (5N, H, W, 3): every image at severity 1, then at 2, …

    `images` limits the number of test images (evenly spaced). Also writes `labels.npy` (5N,) and `source.json`.
    """
    rows, shape = evenly(len(test.images), images), test.images.shape[1:]
    with array_parts(folder / f"{name}.npy", np.dtype(np.uint8), (5 * len(rows), *shape)) as write:
        step = _chunk(shape)
        for severity in bar(SEVERITIES, desc=name, unit="severity", leave=False):
            for start in range(0, len(rows), step):
                part = test.images[rows[start : start + step]]
                write(generated(corrupt, part, name, severity, seed, preset, first=start))
    write_array(folder / "labels.npy", np.tile(test.labels[rows], 5))
    describe(folder, preset, len(rows), seed)


def write_sequences(
    test: datasets.Split, folder: Path, name: str, perturb: Generate, images: int | None, preset: str, seed: int
) -> None:
    """Write `<folder>/<name>.npy`, uint8 (N, T, H, W, 3): one sequence of T frames per test image."""
    rows, shape = evenly(len(test.images), images), test.images.shape[1:]
    frames = generated(perturb, test.images[rows[:1]], name, seed, preset).shape[1]
    with array_parts(folder / f"{name}.npy", np.dtype(np.uint8), (len(rows), frames, *shape)) as write:
        step = _chunk((frames, *shape))
        for start in bar(range(0, len(rows), step), desc=name, unit="chunk", leave=False):
            part = test.images[rows[start : start + step]]
            write(generated(perturb, part, name, seed, preset, first=start))
    write_array(folder / "labels.npy", test.labels[rows])
    describe(folder, preset, len(rows), seed)


def generated(generate: Generate, *arguments: Any, **options: Any) -> np.ndarray:
    """Call `corrupt` or `perturb`; an argument that it refuses becomes a `UserError`."""
    try:
        return generate(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error


def _chunk(shape: tuple[int, ...]) -> int:
    """How many images are worked on at once: float32 intermediates of about `CHUNK_BYTES`."""
    return max(CHUNK_BYTES // (4 * math.prod(shape)), 1)


def describe(folder: Path, preset: str, images: int, seed: int) -> None:
    """Write `source.json`. Every job of a folder writes the same file, whole, so it does not matter which is last."""
    source = f"generated (augmix {__version__})"
    write_json(folder / "source.json", {"source": source, "preset": preset, "seed": seed, "images": images})
