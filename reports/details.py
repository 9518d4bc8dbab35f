"""The figures that a paper has beside its results: the method, confidence, classes and images, compute."""

from collections.abc import Iterator
from pathlib import Path

from reports.compute import draw_compute
from reports.confidence import draw_confidence
from reports.images import draw_images
from reports.loaded import Results
from reports.method import draw_method
from reports.style import Drawing


def draw_details(results: Results, data: Path, folder: Path, dataset: str) -> Iterator[Drawing]:
    """Draw those that the results have figures for; `data` is the folder of all data."""
    if dataset == next(iter(results.datasets)):  # the method is the same on every data set
        yield from draw_method(results, data, folder, dataset)
    yield from draw_confidence(results, folder, dataset)
    yield from draw_images(results, data, folder, dataset)
    yield from draw_compute(results, folder, dataset)
