"""Sample sheets: what AugMix, the corruptions and the perturbations do to an image."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from augmix.suite.data.datasets import Split, read_images
from augmix.suite.data.photographs import Photographs
from augmix.suite.io.files import read_array
from augmix.suite.testsets.arrays import folder_of
from augmix.suite.testsets.gallery import Strip, draw_sheet, sheet_height
from augmix.suite.testsets.photographs import PhotographBenchmark
from reports.results import Results
from reports.style import WIDTH, Drawing, saved
from reports.words import sentence

FRAMES = 5
VIEWS = 8
ROWS = 3
ACROSS = 3
"""Strips side by side."""


def draw_samples(results: Results, data: Path, folder: Path) -> dict[str, list[Drawing]]:
    """Draw the sheets whose arrays are there: views by AugMix, the -C gallery and the -P strips of one image."""
    return {dataset: list(_of_dataset(results, data, folder, dataset)) for dataset in results.datasets}


def _of_dataset(results: Results, data: Path, folder: Path, dataset: str) -> Iterator[Drawing]:
    title = sentence(results.dataset_title(dataset))
    path = data / dataset / "test_images.npy"
    if not path.is_file():
        return
    images = read_images(path.parent, "test")
    name = f"views_{dataset}"
    views = augmix_views(images[np.array(_distinct(data / dataset, len(images)))])
    _sheet(folder, name, [("", row) for row in views], 1)
    yield Drawing(
        "views", name, f"{title}: test images (left) and {VIEWS} views of each by AugMix with its default parameters."
    )
    for benchmark, kind, read, caption in (
        ("C", "corruption_sample", _severities, "corruption, severities 1 to 5 from left to right"),
        ("P", "perturbation_sample", _frames, f"perturbation, {FRAMES} frames from the first to the last"),
    ):
        files = folder_of(data, dataset, results.datasets[dataset], benchmark)
        paths = {s: files / f"{s}.npy" for s in results.shifts(benchmark, dataset)}
        if isinstance(images, Photographs):
            strips = list(_streamed(files, benchmark, images, paths))
        else:
            strips = [(shift, read(path)) for shift, path in paths.items() if path.is_file()]
        if strips:
            name = f"{kind}_{dataset}"
            _sheet(folder, name, strips, ACROSS)
            yield Drawing(kind, name, f"{title}-{benchmark}: one test image under each {caption}.")


def _streamed(folder: Path, kind: str, images: Photographs, shifts: Iterable[str]) -> Iterator[Strip]:
    """The strips of one image of each of these shifts that is there, from image folders or videos."""
    benchmark = PhotographBenchmark(folder, kind, Split(images, np.zeros(len(images), np.int64)), 1)
    for shift in shifts:
        if (folder / shift).is_dir():
            shown = benchmark.read(shift).images
            yield shift, shown[np.linspace(0, len(shown) - 1, FRAMES).round().astype(int)]


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


def _sheet(folder: Path, name: str, strips: Sequence[Strip], across: int) -> None:
    """Write a sheet as wide as the page."""
    with saved(folder, name, WIDTH, sheet_height(strips, across, WIDTH)) as figure:
        draw_sheet(figure, strips, across)
