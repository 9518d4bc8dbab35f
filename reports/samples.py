"""Sample sheets: what AugMix, the corruptions and the perturbations do to an image."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from augmix.files import read_array
from reports.names import spaced
from reports.results import Results
from reports.style import WIDTH, Drawing, saved

FRAMES = 5
VIEWS = 8
ROWS = 3
ACROSS = 3
"""Strips side by side."""


def draw_samples(results: Results, data: Path, folder: Path) -> dict[str, list[Drawing]]:
    """Draw the sheets whose arrays are there: views by AugMix, the -C gallery and the -P strips of one image."""
    return {dataset: list(_of_dataset(results, data, folder, dataset)) for dataset in results.datasets}


def _of_dataset(results: Results, data: Path, folder: Path, dataset: str) -> Iterator[Drawing]:
    title = results.dataset_title(dataset)
    path = data / dataset / "test_images.npy"
    if not path.is_file():
        return
    images = read_array(path, np.uint8, (None, None, None, 3))
    name = f"views_{dataset}"
    _strips(folder, name, augmix_views(images[_distinct(data / dataset, len(images))]), across=1)
    yield Drawing(
        "views",
        name,
        f"{title}: test images (left) and {VIEWS} views of each by AugMix with its default parameters.",
    )
    corrupted = {
        shift: _severities(data / f"{dataset}-C" / f"{shift}.npy")
        for shift in results.shifts("C", dataset)
        if (data / f"{dataset}-C" / f"{shift}.npy").is_file()
    }
    if corrupted:
        _strips(folder, name := f"corruption_sample_{dataset}", corrupted, ACROSS)
        yield Drawing(
            "corruption_sample",
            name,
            f"{title}-C: one test image under each corruption, severities 1 to 5 from left to right.",
        )
    perturbed = {
        shift: _frames(data / f"{dataset}-P" / f"{shift}.npy")
        for shift in results.shifts("P", dataset)
        if (data / f"{dataset}-P" / f"{shift}.npy").is_file()
    }
    if perturbed:
        _strips(folder, name := f"perturbation_sample_{dataset}", perturbed, ACROSS)
        yield Drawing(
            "perturbation_sample",
            name,
            f"{title}-P: one test image under each perturbation, {FRAMES} frames from the first to the last.",
        )


def _distinct(folder: Path, count: int) -> list[int]:
    """The first images of the first few classes that turn up."""
    path = folder / "test_labels.npy"
    if not path.is_file():
        return list(range(min(ROWS, count)))
    _, first = np.unique(read_array(path, None, (count,)), return_index=True)
    return sorted(first.tolist())[:ROWS]


def augmix_views(images: np.ndarray) -> dict[str, np.ndarray]:
    """Each image (uint8, HWC) followed by its views under AugMix, as rows without a title; seeded."""
    import torch

    from augmix import AugMix

    torch.manual_seed(0)
    np.random.seed(0)
    transform = AugMix()
    rows = {}
    for i, image in enumerate(np.array(images)):
        batch = torch.from_numpy(image).permute(2, 0, 1).expand(VIEWS, -1, -1, -1).contiguous()
        views = transform(batch).permute(0, 2, 3, 1).numpy()
        rows["\u200b" * i] = np.concatenate([image[None], np.clip(np.rint(views), 0, 255).astype(np.uint8)])
    return rows


def _severities(path: Path) -> np.ndarray:
    """The first image at severities 1 to 5."""
    images = read_array(path, np.uint8, (None, None, None, 3))
    return np.array(images[:: len(images) // 5][:5])


def _frames(path: Path) -> np.ndarray:
    """Frames of the first image's sequence, from the first to the last."""
    sequences = read_array(path, np.uint8, (None, None, None, None, 3))
    return np.array(sequences[0, np.linspace(0, sequences.shape[1] - 1, FRAMES).round().astype(int)])


def _strips(folder: Path, name: str, strips: Mapping[str, np.ndarray], across: int) -> None:
    """Titled strips of images, `across` of them side by side."""
    rows = -(-len(strips) // across)
    count = max(map(len, strips.values()))
    titled = any(title.strip("\u200b") for title in strips)
    strip = (WIDTH - 0.15 * (across - 1)) / across
    height = strip / count + (0.23 if titled else 0.04)
    with saved(folder, name, WIDTH, rows * height) as figure:
        figure.set_layout_engine("none")
        for i, (title, images) in enumerate(strips.items()):
            row, column = divmod(i, across)
            box = (
                column * (strip + 0.15) / WIDTH,
                1 - ((row + 1) * height) / (rows * height),
                strip / WIDTH * len(images) / count,
                (strip / count) / (rows * height),
            )
            ax = figure.add_axes(box)
            ax.imshow(_joined(list(images)), interpolation="nearest", aspect="auto")
            ax.set_axis_off()
            if title.strip("\u200b"):
                ax.set_title(spaced(title).replace("jpeg", "JPEG"), fontsize=8, pad=2, loc="left")


def _joined(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images side by side with white gaps of 1/16 of a side."""
    gap = np.full((images[0].shape[0], max(1, images[0].shape[1] // 16), 3), 255, np.uint8)
    parts = [part for image in images for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=1)
