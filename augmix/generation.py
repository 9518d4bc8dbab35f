"""Generate -C and -P benchmarks from a prepared data set's test images, in the layout of the published files."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from augmix import __version__, corruptions, datasets, perturbations
from augmix.checks import choose_preset
from augmix.datasets import evenly
from augmix.errors import UserError
from augmix.files import atomic, write_array, write_json
from augmix.progress import bar

SEVERITIES = (1, 2, 3, 4, 5)
CHUNK_BYTES = 64 * 2**20


def write_corruption(
    data: Path, folder: Path, name: str, images: int | None = None, preset: str | None = None, seed: int = 0
) -> None:
    """Write `<folder>/<name>.npy`, uint8 (5N, H, W, 3): every image at severity 1, then at 2, …

    `data` is a prepared data set; `images` limits the number of its test images (evenly spaced). Also writes
    `labels.npy` (5N,) and `source.json`.
    """
    chosen, labels = _chosen(data, images)
    count, *shape = chosen.shape
    with atomic(folder / f"{name}.npy") as temporary:
        out = _create(temporary, (5 * count, *shape))
        step = _chunk(shape)
        for severity in bar(SEVERITIES, desc=name, unit="severity", leave=False):
            for start in range(0, count, step):
                part = generated(
                    corruptions.corrupt, chosen[start : start + step], name, severity, seed, preset, first=start
                )
                at = (severity - 1) * count + start
                out[at : at + len(part)] = part
        out.flush()
    _describe(folder, np.tile(labels, 5), preset, chosen, seed)


def write_perturbation(
    data: Path, folder: Path, name: str, images: int | None = None, preset: str | None = None, seed: int = 0
) -> None:
    """Write `<folder>/<name>.npy`, uint8 (N, T, H, W, 3): one sequence of T frames per test image."""
    chosen, labels = _chosen(data, images)
    count, *shape = chosen.shape
    frames = generated(perturbations.perturb, chosen[:1], name, seed, preset).shape[1]
    with atomic(folder / f"{name}.npy") as temporary:
        out = _create(temporary, (count, frames, *shape))
        step = _chunk([frames, *shape])
        for start in bar(range(0, count, step), desc=name, unit="chunk", leave=False):
            part = generated(perturbations.perturb, chosen[start : start + step], name, seed, preset, first=start)
            out[start : start + len(part)] = part
        out.flush()
    _describe(folder, labels, preset, chosen, seed)


def _create(path: Path, shape: tuple[int, ...]) -> Any:
    """A `.npy` file of that shape, to be filled in place: memory stays flat however many images there are."""
    return np.lib.format.open_memmap(path, "w+", np.uint8, shape)


def generated(generate: Callable[..., np.ndarray], *arguments: Any, **options: Any) -> np.ndarray:
    """What `corrupt` or `perturb` returns; the argument that it refuses becomes a `UserError`."""
    try:
        return generate(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error


def _chosen(data: Path, images: int | None) -> tuple[np.ndarray, np.ndarray]:
    split = datasets.read(data, "test")
    indices = evenly(len(split.images), images)
    return np.ascontiguousarray(split.images[indices]), split.labels[indices]


def _chunk(shape: list[int]) -> int:
    """How many images are worked on at once: float32 intermediates of about `CHUNK_BYTES`."""
    return max(CHUNK_BYTES // (4 * math.prod(shape)), 1)


def _describe(folder: Path, labels: np.ndarray, preset: str | None, images: np.ndarray, seed: int) -> None:
    """Every job of a folder writes the same two files, whole, so it does not matter which one is last."""
    write_array(folder / "labels.npy", labels)
    source = {
        "source": f"generated (augmix {__version__})",
        "preset": choose_preset(preset, images),
        "seed": seed,
        "images": len(images),
    }
    write_json(folder / "source.json", source)
