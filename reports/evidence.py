"""The samples behind a table's figures, and what they can tell: differences with intervals over seeds and images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from augmix.errors import UserError
from augmix.suite.config.parse import held_out
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.measures import Measure, measures_of
from augmix.suite.evaluate.predictions import OutdatedError
from augmix.suite.evaluate.scores import FloatArray, base_labels, image_scores
from augmix.suite.testsets.base import TestSet
from reports.loaded import Results
from reports.quantities import MEAN, POOLED, VALIDATION, Cell, Place, Quantity
from reports.statistics import (
    Difference,
    Interval,
    Part,
    Sample,
    Spread,
    Verdict,
    against_control,
    calibration_floor,
    compare,
    confirm,
    holm,
    spread_of,
    told_apart_from_best,
)
from reports.statistics.calibration import BIN_SIZE
from reports.statistics.joint import quantile, two_sided

CONFIDENCE = 0.95
TOLERANCE = 1e-9
"""What the mean over images may differ from metrics.csv's value, as a fraction."""
UNKNOWN_IMAGES = 1000
"""How many images a sample of seeds alone is said to have where their number is not known."""
CONTROLS = ("augmix", "standard")
"""The methods that all others are compared with, the one whose family is asked first."""
FLOOR_DRAWS = 200
"""Simulated test sets of a noise floor."""
Run = tuple[str, str, str, int]


class Compared(NamedTuple):
    """A difference between two methods in one figure."""

    difference: Difference
    measure: Measure
    over_images: bool
    """Whether its interval is over other test images, too; otherwise over other seeds alone."""

    @property
    def points(self) -> float:
        """The difference in the measure's unit."""
        return self.difference.estimate * self.measure.scale

    @property
    def interval(self) -> Interval | None:
        """What is printed, in the measure's unit: the family's, or that of the difference alone after Holm."""
        found = self.difference
        interval = found.interval if found.adjustment == "Holm" else found.family_interval
        return None if interval is None else self._scaled(interval)

    @property
    def images_interval(self) -> Interval | None:
        """Over other test images with the same nets, in the measure's unit."""
        return self._scaled(self.difference.images.interval) if self.over_images else None

    @property
    def verdict(self) -> Verdict:
        return self.difference.verdict

    @property
    def significant(self) -> bool:
        return self.verdict == "significant"

    def _scaled(self, interval: Interval) -> Interval:
        return Interval(*(bound * self.measure.scale for bound in interval))

    def cell(self, asked: int) -> Cell:
        """The difference with its interval as a cell of a table."""
        finished = min(self.difference.n_seeds)
        return Cell(self.points, None, finished, asked, measure=self.measure, interval=self.interval)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The runs of one figure on one data set and architecture, of all methods that have it."""

    sample: Sample
    measure: Measure
    over_images: bool
    """Whether the sample has a score of every test image; otherwise it is about seeds alone."""
    why_not: str = ""
    """The reason why it has not."""

    @cached_property
    def spread(self) -> Spread:
        return spread_of(self.sample)

    @cached_property
    def apart(self) -> dict[str, bool]:
        """Method -> whether it is surely not the best."""
        sample = self.sample
        if self.measure.lower_is_better:
            return told_apart_from_best(sample, confidence=CONFIDENCE, spread=self.spread)
        turned = replace(
            sample,
            values=sample.largest - sample.values,
            scores=None if sample.scores is None else sample.largest - sample.scores,
        )
        return told_apart_from_best(turned, confidence=CONFIDENCE)

    @cached_property
    def _families(self) -> dict[str, dict[str, Difference]]:
        return {}

    def against(self, control: str) -> dict[str, Difference]:
        """Every other method minus a control, as one family; empty where there is nothing to compare."""
        if control not in self.sample.methods or len(self.sample.methods) < 2:
            return {}
        if control not in self._families:
            found = against_control(self.sample, control, confidence=CONFIDENCE, spread=self.spread)
            self._families[control] = {difference.method: difference for difference in found}
        return self._families[control]

    def alone(self, method: str, reference: str) -> Compared | None:
        """The difference of two methods, of no family; None where one of them has no figure."""
        if not {method, reference} <= set(self.sample.methods):
            return None
        found = compare(self.sample, method, reference, confidence=CONFIDENCE, spread=self.spread)
        return Compared(found, self.measure, self.over_images)

    def between(self, method: str, reference: str, controls: Iterable[str]) -> Compared | None:
        """The difference of two methods, in the family of the first of the `controls` that is one of them."""
        if not {method, reference} <= set(self.sample.methods):
            return None
        for control in controls:
            if control == reference:
                return Compared(self.against(control)[method], self.measure, self.over_images)
            if control == method:
                return Compared(turned(self.against(control)[reference]), self.measure, self.over_images)
        return self.alone(method, reference)


def turned(difference: Difference) -> Difference:
    """The same difference seen from the other method."""

    def other(interval: Interval | None) -> Interval | None:
        return None if interval is None else Interval(-interval.high, -interval.low)

    def part(found: Part | None) -> Part | None:
        return None if found is None else found._replace(interval=Interval(-found.interval.high, -found.interval.low))

    images = part(difference.images)
    assert images is not None
    return replace(
        difference,
        method=difference.reference,
        reference=difference.method,
        estimate=-difference.estimate,
        ratio=1 / difference.ratio if difference.ratio else None,
        interval=other(difference.interval),
        family_interval=other(difference.family_interval),
        seeds=part(difference.seeds),
        unpooled=part(difference.unpooled),
        images=images,
        n_seeds=(difference.n_seeds[1], difference.n_seeds[0]),
    )


def evidence(
    results: Results, dataset: str, architecture: str, quantity: Quantity, methods: Sequence[str] | None = None
) -> Evidence | None:
    """What is known of a figure on a data set and an architecture, or on the mean over all of them; made once.

    `methods` are those of a comparison; without them all that are compared on test images.
    None where no run has the figure. Raises `UserError` naming an archive that does not fit metrics.csv or the others.
    """
    names = tuple(methods if methods is not None else (method.name for method in results.methods))
    key = ("evidence", dataset, architecture, quantity, names)
    if key not in results.memory:
        results.memory[key] = _evidence(results, dataset, architecture, quantity, names)
    found: Evidence | None = results.memory[key]
    return found


def _evidence(
    results: Results, dataset: str, architecture: str, quantity: Quantity, methods: Sequence[str]
) -> Evidence | None:
    measure = quantity.measure
    figures: dict[str, dict[int, float]] = {}
    for name in methods:
        seeds = results.seeds(Place(dataset, architecture, name), quantity)
        if len(seeds):
            figures[name] = {int(seed): float(value) / measure.scale for seed, value in seeds.items()}
    if not figures:
        return None
    scores, why_not = _scores(results, dataset, architecture, quantity, figures)
    if scores is None:
        return Evidence(_of_seeds(results, dataset, quantity, figures), measure, False, why_not)
    return Evidence(Sample.means(scores, largest=measure.largest), measure, True)


def _of_seeds(results: Results, dataset: str, quantity: Quantity, figures: Mapping[str, Mapping[int, float]]) -> Sample:
    """A sample that knows nothing of the images: their covariance is left at zero."""
    testset = next((found for found in results.testsets(dataset) if found.name == quantity.testset), None)
    size = None if testset is None else results.size(dataset, testset)
    ordered = {name: dict(sorted(of.items())) for name, of in figures.items()}
    values = np.array([value for of in ordered.values() for value in of.values()])
    return Sample(
        tuple(ordered),
        tuple(tuple(of) for of in ordered.values()),
        values,
        np.zeros((len(values), len(values))),
        max(size or UNKNOWN_IMAGES, 2),
        quantity.measure.largest,
    )


def _scores(
    results: Results,
    dataset: str,
    architecture: str,
    quantity: Quantity,
    figures: Mapping[str, Mapping[int, float]],
) -> tuple[dict[str, dict[int, FloatArray]] | None, str]:
    """A score per test image of each run; without them the reason."""
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
                    f"{_archive(results, (dataset, architectures[0], name, seed), quantity)} gives a value of "
                    f"{column.mean():.6g} for {quantity.metric} on {quantity.shift}, {results.folder / 'metrics.csv'} "
                    f"has {figure:.6g}; run `augmix collect` again"
                )
            scores.setdefault(name, {})[seed] = np.clip(column, 0, quantity.measure.largest)
    return scores, ""


def _testset(results: Results, dataset: str, quantity: Quantity) -> TestSet | None:
    """The test set that a quantity is measured on; for validation errors the held-out corruptions."""
    if quantity == VALIDATION:
        key = ("validation", dataset)
        if key not in results.memory:
            results.memory[key] = held_out(results.config, dataset)
        found: TestSet = results.memory[key]
        return found
    return next((known for known in results.testsets(dataset) if known.name == quantity.testset), None)


def _archive(results: Results, run: Run, quantity: Quantity) -> Path:
    """Where the predictions of a run lie."""
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
    path = _archive(results, run, quantity)
    if not path.is_file():
        return "predictions are not at hand"
    try:
        archive = predictions.read(path, testset.shifts)
    except OutdatedError:
        return "predictions cannot be read"
    labels = base_labels(testset, archive)
    known, first = results.memory.setdefault(("labels", run[0], quantity.testset), (labels, path))
    if not np.array_equal(known, labels):
        raise UserError(
            f"{path} has predictions on other test images than {first}: their labels differ; "
            "evaluate both runs on the same test set"
        )
    scores = {metric: image_scores(testset, archive, metric) for metric in measures_of(testset)}
    by_metric = {metric: found for metric, found in scores.items() if found is not None}
    if quantity == VALIDATION:  # all of its corruptions count, though none enters the mCE
        return {quantity.metric: {testset.mean: np.mean(list(by_metric[quantity.metric].values()), axis=0)}}
    return by_metric


def noise_floor(results: Results, place: Place, quantity: Quantity) -> float | None:
    """What a perfectly calibrated net with one run's confidences would have of the RMS calibration error, in its unit.

    It is that of the first seed that finished; the mean over architectures needs all of them. None where its
    predictions are not at hand.
    """
    if place.architecture == MEAN:
        each = [noise_floor(results, place._replace(architecture=name), quantity) for name in results.architectures]
        found = [floor for floor in each if floor is not None]
        return float(np.mean(found)) if len(found) == len(each) else None
    testset = _testset(results, place.dataset, quantity)
    for seed in sorted(results.seeds(place, quantity).index):
        if testset is None:
            return None
        try:
            archive = predictions.read(_archive(results, (*place, int(seed)), quantity), testset.shifts)
        except OutdatedError:
            continue
        entering = [shift for shift in testset.shifts if shift in testset.entering]
        named = entering if quantity.shift in (MEAN, POOLED) else [quantity.shift]
        confidences = np.stack([archive.shifts[shift]["confidence"].reshape(testset.levels, -1) for shift in named])
        cells = (
            confidences.reshape(1, -1) if quantity.shift == POOLED else confidences.reshape(-1, confidences.shape[2])
        )
        draws = FLOOR_DRAWS if cells.size < FLOOR_DRAWS * BIN_SIZE else 20  # of many examples the mean is known well
        floors = [calibration_floor(np.clip(cell, 0, 1), BIN_SIZE, draws=draws).expected for cell in cells]
        return float(np.mean(floors)) * quantity.measure.scale
    return None


def control_names(results: Results) -> list[str]:
    """The methods that all others are compared with, as they are named here."""
    found = (results.method(preset) for preset in CONTROLS)
    return [method.name for method in found if method is not None]


def between(results: Results, place: Place, reference: Place, quantity: Quantity) -> Compared | None:
    """The difference of two methods on one data set and architecture; None where there is none."""
    known = evidence(results, place.dataset, place.architecture, quantity)
    return None if known is None else known.between(place.method, reference.method, control_names(results))


def contrasts(
    results: Results, pairs: Iterable[tuple[Place, Place]], quantity: Quantity, family: str
) -> dict[tuple[Place, Place], Compared]:
    """The differences of pairs of methods, maybe of several data sets and nets, as one family after Holm."""
    found: dict[tuple[Place, Place], Compared] = {}
    for place, reference in dict.fromkeys(pairs):
        known = evidence(results, place.dataset, place.architecture, quantity)
        one = None if known is None else known.alone(place.method, reference.method)
        if one is not None:
            found[place, reference] = one
    if not found:
        return {}
    judged = holm([one.difference for one in found.values()], family)
    return {
        pair: one._replace(difference=difference) for (pair, one), difference in zip(found.items(), judged, strict=True)
    }


def interaction(one: Compared, other: Compared) -> Compared:
    """The difference of two differences on different nets.

    Their variances are added: the test images that they share make the true one smaller. Its degrees of freedom are
    the harmonic mean of theirs, weighted by the variances.
    """
    a, b = one.difference, other.difference
    estimate = a.estimate - b.estimate
    image_error = (a.images.standard_error**2 + b.images.standard_error**2) ** 0.5
    image_degrees = min(a.images.degrees_of_freedom, b.images.degrees_of_freedom)
    error = degrees = p = critical = interval = None
    if a.standard_error and b.standard_error and a.degrees_of_freedom and b.degrees_of_freedom:
        shares = a.standard_error**2, b.standard_error**2
        error = sum(shares) ** 0.5
        degrees = sum(shares) / (shares[0] / a.degrees_of_freedom + shares[1] / b.degrees_of_freedom)
        critical = quantile((1 + CONFIDENCE) / 2, degrees)
        interval = Interval(estimate - critical * error, estimate + critical * error)
        p = two_sided(estimate / error, degrees)
    n_seeds = min(a.n_seeds), min(b.n_seeds)
    verdict: Verdict = "significant" if p is not None and p < 1 - CONFIDENCE else "not significant"
    if p is None:
        verdict = "cannot tell: one seed"
    half = quantile((1 + CONFIDENCE) / 2, image_degrees) * image_error
    images = Part(
        image_error,
        image_degrees,
        Interval(estimate - half, estimate + half),
        two_sided(estimate / image_error, image_degrees) if image_error else 1.0,
    )
    found = replace(
        a, estimate=estimate, ratio=None, standard_error=error, degrees_of_freedom=degrees, interval=interval, p=p,
        family="", family_size=1, adjustment="none", critical=critical, family_interval=interval, p_adjusted=p,
        seeds=None, unpooled=None, images=images, n_seeds=n_seeds, verdict=verdict,
    )  # fmt: skip
    return Compared(found, one.measure, one.over_images and other.over_images)


def told_apart(
    results: Results, dataset: str, architecture: str, quantity: Quantity, methods: Sequence[str] | None = None
) -> dict[str, bool]:
    """Method -> whether it is surely not the best of the `methods`, of those that have the figure."""
    known = evidence(results, dataset, architecture, quantity, methods)
    return {} if known is None else known.apart


def compared_cells(
    results: Results, dataset: str, architecture: str, quantity: Quantity, methods: Sequence[str] | None = None
) -> list[Cell]:
    """The figure of each method, with whether it is told apart from the best."""
    names = list(methods if methods is not None else (method.name for method in results.methods))
    apart = told_apart(results, dataset, architecture, quantity, names)
    cells = [results.cell(Place(dataset, architecture, name), quantity) for name in names]
    return [replace(cell, apart=apart.get(name)) for name, cell in zip(names, cells, strict=True)]


def confirmed(
    results: Results, dataset: str, architecture: str, quantity: Quantity, methods: Sequence[str], default: str
) -> tuple[str, Compared | None] | None:
    """A sweep chosen anew on half of its seeds and images: what is chosen, and its difference on the other half.

    The difference is from the default, and None where that is chosen. None for all where there are no scores of single
    images, fewer than four images, or a value with one seed.
    """
    known = evidence(results, dataset, architecture, quantity, methods)
    if known is None or known.sample.scores is None or known.sample.images < 4 or not quantity.measure.lower_is_better:
        return None
    sample = known.sample
    if default not in sample.methods or len(sample.methods) < 2 or sample.counts.min() < 2:
        return None
    columns = iter(known.sample.scores.T)
    scores = {
        name: {seed: next(columns) for seed in seeds} for name, seeds in zip(sample.methods, sample.seeds, strict=True)
    }
    found = confirm(scores, default, confidence=CONFIDENCE, largest=sample.largest)
    if found.difference is None:
        return found.chosen, None
    return found.chosen, Compared(found.difference, known.measure, True)


def reasons(results: Results) -> list[str]:
    """Why some samples that were asked for are about seeds alone, each reason once."""
    found = (value for key, value in results.memory.items() if key[0] == "evidence")
    return sorted({known.why_not for known in found if known is not None and known.why_not.startswith("predictions")})
