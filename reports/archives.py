"""The predictions behind the figures: what each test image contributes to them, and what chance alone does."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from augmix.errors import UserError
from augmix.suite.config.parse import to_choose_by
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.measures import measures_of
from augmix.suite.evaluate.predictions import OutdatedError, Predictions
from augmix.suite.evaluate.scores import FloatArray, base_labels, image_scores, reliability
from augmix.suite.testsets.base import TestSet
from reports.loaded import Results, remembered
from reports.quantities import MEAN, POOLED, VALIDATION, Place, Quantity, headline_of
from reports.shelf import shelved
from reports.statistics.calibration import calibration_floor

TOLERANCE = 1e-9
"""The most by which the mean over images may differ from metrics.csv's value, as a fraction."""
Run = tuple[str, str, str, int]


def scores_of_images(
    results: Results,
    dataset: str,
    architecture: str,
    quantity: Quantity,
    figures: Mapping[str, Mapping[int, float]],
) -> tuple[dict[str, dict[int, FloatArray]] | None, str]:
    """A score per test image of each run that has a figure, method -> seed -> (N,); without them the reason.

    Raises `UserError` naming an archive that does not fit metrics.csv or the others.
    """
    testset = _testset(results, dataset, quantity)
    if testset is None or quantity.severity:
        return None, "its scores of single images are not kept"
    architectures = results.architectures if architecture == MEAN else [architecture]
    shift = testset.mean if quantity.shift == MEAN else quantity.shift
    scores: dict[str, dict[int, FloatArray]] = {}
    for name, of in figures.items():
        for seed, figure in of.items():
            each = []
            for one in architectures:
                found = _run_scores(results, (dataset, one, name, seed), testset, quantity)
                if isinstance(found, str):
                    return None, found
                if shift not in found:
                    return None, "it is no mean over images"
                each.append(found[shift])
            column = np.mean(each, axis=0)
            if len(column) < 2:
                return None, "there is one test image"
            if not abs(float(column.mean()) - figure) <= TOLERANCE:
                raise UserError(
                    f"{archive_of(results, (dataset, architectures[0], name, seed), quantity)} gives a value of "
                    f"{column.mean():.6g} for {quantity.metric} on {quantity.shift}, {results.folder / 'metrics.csv'} "
                    f"has {figure:.6g}; run `augmix collect` again"
                )
            scores.setdefault(name, {})[seed] = column
    return scores, ""


@remembered
def noise_floor(results: Results, place: Place, quantity: Quantity) -> float | None:
    """The RMS calibration error, in its unit, that a perfectly calibrated net with one run's confidences would have.

    It is that of the first seed that finished; the mean over architectures needs all of them. None where its
    predictions are not at hand.
    """
    if place.architecture == MEAN:
        each = [noise_floor(results, place._replace(architecture=name), quantity) for name in results.architectures]
        found = [floor for floor in each if floor is not None]
        return float(np.mean(found)) if len(found) == len(each) else None
    testset = _testset(results, place.dataset, quantity)
    for seed in sorted(results.seeds(place, quantity).index) if testset is not None else ():
        assert testset is not None
        try:
            archive = predictions.read(archive_of(results, (*place, int(seed)), quantity), testset.shifts)
        except OutdatedError:
            continue
        named = testset.shifts if quantity.shift in (MEAN, POOLED) else (quantity.shift,)
        entering = [shift for shift in named if shift in testset.entering or len(named) == 1]
        labels = archive.labels.reshape(testset.levels, -1)
        numbers = np.concatenate([archive.shifts[shift].reshape(labels.shape) for shift in entering])
        confidence = np.clip(numbers["confidence"], 0, 1)
        correct = numbers["prediction"] == np.tile(labels, (len(entering), 1))
        if quantity.shift == POOLED:
            floor = calibration_floor(confidence.T, correct.T)
        else:
            floor = float(np.mean([calibration_floor(*cell) for cell in zip(confidence, correct, strict=True)]))
        return floor * quantity.measure.scale
    return None


class Answers(NamedTuple):
    """A run's answers to a test set's images."""

    wrong: FloatArray
    """Each base image's share of copies that are predicted wrongly, (N,)."""
    labels: np.ndarray
    """Their classes, int64 (N,)."""
    reliability: FloatArray
    """See `augmix.suite.evaluate.scores.reliability`."""


def answers_of(results: Results, place: Place, testset: TestSet) -> Iterator[Answers]:
    """The answers of each seed of a place that has the test set's error; nothing where predictions are not at hand."""
    quantity = headline_of(testset)
    if quantity is None or quantity.metric != "error":
        return
    for seed in results.seeds(place, quantity).index:
        found = _read_answers(results, (*place, int(seed)), quantity)
        if found is not None:
            yield found


@remembered
def _read_answers(results: Results, run: Run, quantity: Quantity) -> Answers | None:
    """A run's answers; None where its archive is not at hand or has no such figure."""
    testset = _testset(results, run[0], quantity)
    assert testset is not None
    archive = _archive(results, run, testset, quantity)
    if isinstance(archive, str):
        return None
    scores = image_scores(testset, archive, quantity.metric)
    if scores is None or quantity.shift not in scores:
        return None
    labels = results.memory["images", run[0], quantity.testset][0]  # the same array of all runs
    return Answers(shelved(scores[quantity.shift]), labels, reliability(testset, archive))


def _testset(results: Results, dataset: str, quantity: Quantity) -> TestSet | None:
    """The test set that a quantity is measured on; for validation errors the validation corruptions."""
    return _to_choose_by(results, dataset) if quantity == VALIDATION else results.named(dataset, quantity.testset)


@remembered
def _to_choose_by(results: Results, dataset: str) -> TestSet:
    return to_choose_by(results.config, dataset)


def archive_of(results: Results, run: Run, quantity: Quantity) -> Path:
    """The file of a run's predictions."""
    dataset, architecture, method, seed = run
    folder = results.run_folder({"dataset": dataset, "arch": architecture, "method": method, "seed": seed})
    output, name = ("validation", "C") if quantity == VALIDATION else ("predictions", quantity.testset)
    return predictions.path_of(folder, output, name)


def _run_scores(results: Results, run: Run, testset: TestSet, quantity: Quantity) -> Mapping[str, FloatArray] | str:
    """A run's scores by shift, read once; a reason in words where there are none."""
    key = ("scores", run, quantity.testset)
    if key not in results.memory:
        results.memory[key] = _read_scores(results, run, testset, quantity)
    found: Mapping[str, Mapping[str, FloatArray]] | str = results.memory[key]
    return found if isinstance(found, str) else found.get(quantity.metric, {})


def _read_scores(
    results: Results, run: Run, testset: TestSet, quantity: Quantity
) -> Mapping[str, Mapping[str, FloatArray]] | str:
    archive = _archive(results, run, testset, quantity)
    if isinstance(archive, str):
        return archive
    try:
        folder = archive_of(results, run, quantity).parent
        clean = predictions.read_clean(folder) if testset.outside else None
    except OutdatedError:
        return "predictions cannot be read"
    wanted = [quantity.metric] if quantity == VALIDATION else measures_of(testset)
    scores = {metric: image_scores(testset, archive, metric, clean) for metric in wanted}
    by_metric = {metric: found for metric, found in scores.items() if found is not None}
    if quantity == VALIDATION:  # all of its corruptions count, though none enters the mCE
        by_metric = {quantity.metric: {testset.mean: np.mean(list(by_metric[quantity.metric].values()), axis=0)}}
    for found in list(by_metric.values())[1:] if testset.entering else ():  # no table has them by shift
        for shift in found.keys() - {testset.mean, POOLED}:
            del found[shift]
    return {metric: {shift: shelved(each) for shift, each in of.items()} for metric, of in by_metric.items()}


def _archive(results: Results, run: Run, testset: TestSet, quantity: Quantity) -> Predictions | str:
    """A run's predictions; a reason in words where they cannot be used. `UserError` as `scores_of_images` says."""
    path = archive_of(results, run, quantity)
    if not path.is_file():
        return "predictions are not at hand"
    try:
        archive = predictions.read(path, testset.shifts, testset.top5, testset.cues)
        images = predictions.read_stamp(path).get("images")
    except OutdatedError:
        return "predictions cannot be read"
    labels = base_labels(testset, archive)
    key = ("images", run[0], quantity.testset)
    known, known_images, first = results.memory.setdefault(key, (labels, images, path))
    if not np.array_equal(known, labels):
        raise UserError(
            f"{path} has predictions on other test images than {first}: their labels differ; "
            "evaluate both runs on the same test set"
        )
    if images != known_images:  # of the same labels: results that were kept though their data had changed
        return "predictions are not all on the same images"
    return archive
