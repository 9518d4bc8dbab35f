"""Sample sheets: what AugMix, the corruptions and the perturbations do to an image."""

from collections.abc import Iterator, Sequence
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
GAP = 0.15
"""Inches between them."""


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
    views = augmix_views(images[_distinct(data / dataset, len(images))])
    _strips(folder, name, [("", row) for row in views], 1)
    yield Drawing(
        "views", name, f"{title}: test images (left) and {VIEWS} views of each by AugMix with its default parameters."
    )
    for benchmark, kind, read, caption in (
        ("C", "corruption_sample", _severities, "corruption, severities 1 to 5 from left to right"),
        ("P", "perturbation_sample", _frames, f"perturbation, {FRAMES} frames from the first to the last"),
    ):
        paths = {s: data / f"{dataset}-{benchmark}" / f"{s}.npy" for s in results.shifts(benchmark, dataset)}
        strips = [(shift, read(path)) for shift, path in paths.items() if path.is_file()]
        if strips:
            name = f"{kind}_{dataset}"
            _strips(folder, name, strips, ACROSS)
            yield Drawing(kind, name, f"{title}-{benchmark}: one test image under each {caption}.")


def _distinct(folder: Path, count: int) -> list[int]:
    """The first images of the first few classes that turn up."""
    path = folder / "test_labels.npy"
    if not path.is_file():
        return list(range(min(ROWS, count)))
    _, first = np.unique(read_array(path, None, (count,)), return_index=True)
    return sorted(first.tolist())[:ROWS]


def augmix_views(images: np.ndarray) -> list[np.ndarray]:
    """Each image (uint8, HWC) followed by its views under AugMix; always the same ones."""
    import torch

    from augmix import AugMix

    transform = AugMix()
    rows = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for image in np.array(images):
            copies = torch.from_numpy(image).permute(2, 0, 1).repeat(VIEWS, 1, 1, 1)
            views = transform(copies).permute(0, 2, 3, 1).numpy()
            rows.append(np.concatenate([image[None], views]))
    return rows


def _severities(path: Path) -> np.ndarray:
    """The first image at severities 1 to 5."""
    images = read_array(path, np.uint8, (None, None, None, 3))
    return np.array(images[:: len(images) // 5][:5])


def _frames(path: Path) -> np.ndarray:
    """Frames of the first image's sequence, from the first to the last."""
    sequences = read_array(path, np.uint8, (None, None, None, None, 3))
    return np.array(sequences[0, np.linspace(0, sequences.shape[1] - 1, FRAMES).round().astype(int)])


def _strips(folder: Path, name: str, strips: Sequence[tuple[str, np.ndarray]], across: int) -> None:
    """Strips of images with their titles, `across` of them side by side."""
    rows = -(-len(strips) // across)
    count = max(len(images) for _, images in strips)
    strip = (WIDTH - GAP * (across - 1)) / across
    height = strip / count + (0.23 if any(title for title, _ in strips) else 0.04)
    with saved(folder, name, WIDTH, rows * height) as figure:
        figure.set_layout_engine("none")
        for i, (title, images) in enumerate(strips):
            row, column = divmod(i, across)
            left, bottom = column * (strip + GAP) / WIDTH, 1 - (row + 1) / rows
            ax = figure.add_axes((left, bottom, strip / WIDTH * len(images) / count, strip / count / (rows * height)))
            ax.imshow(_joined(list(images)), interpolation="nearest", aspect="auto")
            ax.set_axis_off()
            ax.set_title(spaced(title).replace("jpeg", "JPEG"), fontsize=8, pad=2, loc="left")


def _joined(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images side by side with white gaps of 1/16 of a side."""
    gap = np.full((images[0].shape[0], max(1, images[0].shape[1] // 16), 3), 255, np.uint8)
    parts = [part for image in images for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=1)
