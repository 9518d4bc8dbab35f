"""Write generated test sets in the layout of the published files: arrays, or for photographs image files and videos."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from augmix import __version__
from augmix.errors import UserError
from augmix.suite.data import datasets
from augmix.suite.data.datasets import evenly
from augmix.suite.io.files import atomic, write_array, write_json
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
    chosen, labels = _chosen(test, images)
    count, *shape = chosen.shape
    with _array(folder / f"{name}.npy", (5 * count, *shape)) as write:
        step = _chunk(shape)
        for severity in bar(SEVERITIES, desc=name, unit="severity", leave=False):
            for start in range(0, count, step):
                part = chosen[start : start + step]
                write(generated(corrupt, part, name, severity, seed, preset, first=start))
    write_array(folder / "labels.npy", np.tile(labels, 5))
    describe(folder, preset, count, seed)


def write_sequences(
    test: datasets.Split, folder: Path, name: str, perturb: Generate, images: int | None, preset: str, seed: int
) -> None:
    """Write `<folder>/<name>.npy`, uint8 (N, T, H, W, 3): one sequence of T frames per test image."""
    chosen, labels = _chosen(test, images)
    count, *shape = chosen.shape
    frames = generated(perturb, chosen[:1], name, seed, preset).shape[1]
    with _array(folder / f"{name}.npy", (count, frames, *shape)) as write:
        step = _chunk([frames, *shape])
        for start in bar(range(0, count, step), desc=name, unit="chunk", leave=False):
            write(generated(perturb, chosen[start : start + step], name, seed, preset, first=start))
    write_array(folder / "labels.npy", labels)
    describe(folder, preset, count, seed)


@contextmanager
def _array(path: Path, shape: tuple[int, ...]) -> Iterator[Callable[[np.ndarray], object]]:
    """Yield a function that appends a part to a uint8 `.npy` file of that shape: memory stays flat in the images.

    The file is not mapped into memory: a disk that fills up would kill the process then.
    """
    with atomic(path) as temporary, temporary.open("wb") as file:
        described = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, described)
        yield lambda part: file.write(np.ascontiguousarray(part).data)


def generated(generate: Generate, *arguments: Any, **options: Any) -> np.ndarray:
    """Call `corrupt` or `perturb`; an argument that it refuses becomes a `UserError`."""
    try:
        return generate(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error


def _chosen(test: datasets.Split, images: int | None) -> tuple[np.ndarray, np.ndarray]:
    indices = evenly(len(test.images), images)
    return np.ascontiguousarray(test.images[indices]), test.labels[indices]


def _chunk(shape: list[int]) -> int:
    """How many images are worked on at once: float32 intermediates of about `CHUNK_BYTES`."""
    return max(CHUNK_BYTES // (4 * math.prod(shape)), 1)


def describe(folder: Path, preset: str, images: int, seed: int) -> None:
    """Write `source.json`. Every job of a folder writes the same file, whole, so it does not matter which is last."""
    source = f"generated (augmix {__version__})"
    write_json(folder / "source.json", {"source": source, "preset": preset, "seed": seed, "images": images})
