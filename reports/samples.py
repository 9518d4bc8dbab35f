"""Sheets of sample images: what AugMix does to an image, and what the test sets hold."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from augmix.suite.data.datasets import read_images
from augmix.suite.io.files import read_array
from augmix.suite.testsets.base import TestSet
from augmix.suite.testsets.gallery import Strip, draw_sheet, sheet_height
from reports.loaded import Results
from reports.names import sentence
from reports.style import COLUMN, WIDTH, Drawing, saved

FRAMES = 5
VIEWS = 8
ROWS = 3
SMALL = 64
"""Pixels: five strips of images up to this side fit side by side, and three of larger ones."""


def draw_samples(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """Draw the sheets whose images are there: views by AugMix, then one sheet a test set."""
    title = sentence(results.dataset_title(dataset))
    data = results.data / dataset
    if not (data / "test_images.npy").is_file():
        return
    images = read_images(data, "test")
    name = f"views_{dataset}"
    views = augmix_views(images[np.array(_distinct(data, len(images)))])
    _sheet(folder, name, [("", row) for row in views], 1, COLUMN)
    yield Drawing(
        "views", name, f"{title}: test images (left) and {VIEWS} views of each by AugMix with its default parameters."
    )
    for family in (family for family in results.families if dataset in family.members):
        testset = family.members[dataset]
        evaluated = results.shifts(dataset, testset)
        strips = [strip for strip in testset.samples(FRAMES) if strip[0] in evaluated]
        if strips:
            kind = family.stem(f"{testset.noun}_sample")
            name = f"{kind}_{dataset}"
            _sheet(folder, name, strips, 5 if images.shape[1] <= SMALL else 3, WIDTH)
            yield Drawing(kind, name, f"{testset.title_on(title)}: {_described(testset)}.")


def _described(testset: TestSet) -> str:
    """A caption's words for the strips of a test set."""
    if testset.levels > 1:
        return f"one test image under each {testset.noun}, severities 1 to {testset.levels} from left to right"
    if testset.sequence:
        return f"one test image under each {testset.noun}, {FRAMES} frames from the first to the last"
    return "some of its images"


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

    from augmix.mixing import Sampler, apply

    rng, rows = np.random.default_rng(0), []
    for image in np.array(images):
        copies = torch.from_numpy(image).permute(2, 0, 1).repeat(VIEWS, 1, 1, 1)
        mixed = apply(copies, Sampler().sample(VIEWS, image.shape[:2], rng))
        rows.append(np.concatenate([image[None], mixed.round().byte().permute(0, 2, 3, 1).numpy()]))
    return rows


def _sheet(folder: Path, name: str, strips: Sequence[Strip], across: int, width: float) -> None:
    """Write a sheet that is so many inches wide."""
    with saved(folder, name, width, sheet_height(strips, across, width)) as figure:
        draw_sheet(figure, strips, across)
