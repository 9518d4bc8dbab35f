"""Figures of which images are hard: errors by class, and the images on which AugMix and standard training disagree."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from augmix.suite.data.datasets import evenly, read_images
from augmix.suite.evaluate.measures import MEASURES
from augmix.suite.evaluate.scores import FloatArray
from augmix.suite.io.files import read_array, read_mapping
from augmix.suite.testsets.base import TestSet
from reports.archives import answers_of
from reports.findings import extremes
from reports.loaded import Results
from reports.quantities import MCE, Place
from reports.style import TINTS, WIDTH, Drawing, saved
from reports.words import averaged_over, enumerated

CLASSES = 20
"""The most classes that are shown: the hardest."""
NUMBERED = 26
"""Columns; more of them are too narrow for numbers."""
ACROSS = 8
"""The most images of a row."""
TITLE = 0.27
"""Inches above an image, for two lines."""


def draw_images(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """Errors by class, and a sheet of images on which two methods disagree, where predictions are at hand."""
    names = _class_names(results.data / dataset)
    yield from _classes(results, folder, dataset, names)
    yield from _disagreements(results, folder, dataset, names)


def _class_names(folder: Path) -> Sequence[str]:
    path = folder / "dataset.json"
    return [str(name) for name in read_mapping(path, {"classes": list})["classes"]] if path.is_file() else ()


def _named(names: Sequence[str], label: int) -> str:
    return names[label] if label < len(names) else str(label)


def class_errors(results: Results, dataset: str, testset: TestSet) -> dict[str, dict[int, float]]:
    """Each method's error in % on each class, by title and label: the mean over architectures and seeds."""
    found: dict[str, dict[int, float]] = {}
    for method in results.methods:
        each = []
        for architecture in results.architectures:
            for answers in answers_of(results, Place(dataset, architecture, method.name), testset):
                counts = np.bincount(answers.labels)
                each.append(np.bincount(answers.labels, answers.wrong) / np.maximum(counts, 1))
        if each:
            means = 100 * np.mean(each, axis=0)
            found[method.title] = {int(label): float(means[label]) for label in np.flatnonzero(counts)}
    return found


def _classes(results: Results, folder: Path, dataset: str, names: Sequence[str]) -> Iterator[Drawing]:
    """Classes by methods, the hardest class on top; one panel for clean images and one for corrupted ones."""
    testsets = [found for name in ("clean", MCE.testset) if (found := results.testset(dataset, name)) is not None]
    errors = {t.title: of for t in testsets if (of := class_errors(results, dataset, t))}
    if not errors:
        return
    last = list(errors.values())[-1]
    hardest = sorted(next(iter(last.values())), key=lambda label: -sum(of[label] for of in last.values()))
    shown, methods = (
        hardest[:CLASSES],
        [m.title for m in results.methods if all(m.title in of for of in errors.values())],
    )
    if len(hardest) < 2 or not methods:
        return
    name = f"classes_{dataset}"
    numbered = len(methods) * len(errors) <= NUMBERED
    with saved(folder, name, WIDTH, 1.15 + 0.155 * len(shown)) as figure:
        axes = figure.subplots(1, len(errors), sharey=True, squeeze=False)[0]
        for ax, (title, of) in zip(axes, errors.items(), strict=True):
            _heat(ax, np.array([[of[method][label] for method in methods] for label in shown]), numbered)
            ax.set_title(f"{title} images")
            ax.set_xticks(range(len(methods)), methods, rotation=90, fontsize=7)
        axes[0].set_yticks(range(len(shown)), [_named(names, label) for label in shown], fontsize=7.5)
    which = f" on the {len(shown)} hardest of {len(hardest)} classes" if len(shown) < len(hardest) else " by class"
    title, of = list(errors.items())[-1]
    augmix = results.method("augmix")
    method = augmix.title if augmix is not None and augmix.title in methods else methods[0]
    by_class = {_named(names, label): error for label, error in of[method].items()}
    over = averaged_over(results)
    means = f"means over {enumerated(over)}, " if over else ""
    caption = (
        f"Error (%) on {enumerated(list(errors))} images of {results.dataset_title(dataset)}{which}, the hardest on "
        f"top; {means}darkest where a panel's is highest. "
        f"{extremes(by_class, f'error of {method} on {title} images', MEASURES['error'])}"
    )
    yield Drawing("classes", name, caption)


def _heat(ax: Axes, values: FloatArray, numbered: bool) -> None:
    """A cell per value, darker for higher ones, with its number where there is room."""
    most = float(values.max()) or 1.0
    ax.imshow(values, cmap=TINTS, vmin=0, vmax=most, aspect="auto")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values) if numbered else ():
        colour = "white" if value > 0.6 * most else "black"
        ax.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=5.5, color=colour, in_layout=False)


class Disagreement(NamedTuple):
    """The verdicts of standard training and of AugMix on each base image of a test set, (N,) each."""

    standard: FloatArray
    """The share of its copies that standard training gets wrong, on average over the runs."""
    augmix: FloatArray
    """The same of AugMix."""
    verdict: np.ndarray
    """1 where all runs of AugMix get most copies right and all of standard training most wrong; -1: the other way."""
    labels: np.ndarray


def disagreement(results: Results, dataset: str, testset: TestSet) -> Disagreement | None:
    """The disagreement over all architectures and seeds; None where one of the two has no predictions."""
    runs = [
        [
            answers
            for architecture in results.architectures
            if method is not None
            for answers in answers_of(results, Place(dataset, architecture, method.name), testset)
        ]
        for method in (results.method("standard"), results.method("augmix"))
    ]
    if not all(runs):
        return None
    standard, augmix = (np.stack([answers.wrong for answers in of]) for of in runs)
    verdict = ((standard > 0.5).all(0) & (augmix < 0.5).all(0)).astype(int)
    verdict -= (standard < 0.5).all(0) & (augmix > 0.5).all(0)
    return Disagreement(standard.mean(0), augmix.mean(0), verdict, runs[0][0].labels)


def _disagreements(results: Results, folder: Path, dataset: str, names: Sequence[str]) -> Iterator[Drawing]:
    """The images on which the two differ most: above those that AugMix alone gets right, below the others."""
    data, testset = results.data / dataset, results.testset(dataset, MCE.testset)
    found = disagreement(results, dataset, testset) if testset is not None else None
    if testset is None or found is None or not found.verdict.any() or not (data / "test_images.npy").is_file():
        return
    images = read_images(data, "test")
    places = evenly(len(images), len(found.labels))
    if not np.array_equal(read_array(data / "test_labels.npy", None, (len(images),))[places], found.labels):
        return  # other images than those that were corrupted
    order = np.argsort(-np.abs(found.standard - found.augmix), kind="stable")
    each = (order[found.verdict[order] == verdict][:ACROSS] for verdict in (1, -1))
    rows = [chosen.tolist() for chosen in each if len(chosen)]
    name, side = f"disagreements_{dataset}", WIDTH / ACROSS
    width, height = side * max(map(len, rows)), len(rows) * (side + TITLE)
    with saved(folder, name, width, height) as figure:
        ax = figure.add_axes((0, 0, 1, 1))  # one for all of them: axes are slow
        for row, column, image in [(r, c, image) for r, chosen in enumerate(rows) for c, image in enumerate(chosen)]:
            left, bottom = column * side, height - (row + 1) * (side + TITLE)
            extent = (left, left + 0.94 * side, bottom, bottom + 0.94 * side)
            ax.imshow(images[places[image : image + 1]][0], extent=extent, interpolation="nearest")
            shares = " → ".join(f"{100 * of[image]:.0f}" for of in (found.standard, found.augmix))
            title = f"{_named(names, found.labels[image])}\n{shares} %"
            ax.text(left + 0.47 * side, bottom + 0.96 * side, title, fontsize=6.5, ha="center", va="bottom")
        ax.set(xlim=(0, width), ylim=(0, height))
        ax.set_axis_off()
        figure.set_layout_engine("none")
    yield Drawing("disagreements", name, _caption(results, dataset, testset, found))


def _caption(results: Results, dataset: str, testset: TestSet, found: Disagreement) -> str:
    copies = len(set(testset.shifts) & set(testset.entering)) * testset.levels
    better, worse = (int((found.verdict == verdict).sum()) for verdict in (1, -1))
    return (
        f"Test images of {results.dataset_title(dataset)} on which AugMix and standard training disagree most. Numbers "
        f"are the share of an image's {copies} copies of {testset.title} that is misclassified, with standard training "
        f"→ with AugMix. Above: every run of AugMix gets most copies right, every run of standard training most wrong "
        f"({better:,} of {len(found.labels):,} images). Below: the other way round ({worse:,})."
    )
