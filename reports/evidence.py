"""The samples behind a table's figures, and what they can tell: differences with intervals over seeds and images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from augmix.suite.evaluate.measures import Measure
from reports.archives import scores_of_images
from reports.loaded import Results, remembered
from reports.quantities import Cell, Place, Quantity
from reports.shelf import shelved
from reports.statistics.chance import Chance, Interval
from reports.statistics.differences import (
    Difference,
    Verdict,
    against_control,
    compare,
    difference_of,
    holm,
    told_apart_from_best,
)
from reports.statistics.sample import Sample
from reports.statistics.sweeps import confirm

UNKNOWN_IMAGES = 1000
"""How many images a sample of seeds alone is said to have where their number is not known."""
CONTROLS = ("augmix", "standard")
"""The methods that all others are compared with, the one whose family is asked first."""


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
        """The printed interval, in the measure's unit: it excludes zero where the difference is significant."""
        return self._scaled(self.difference.family_interval)

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

    def _scaled(self, interval: Interval | None) -> Interval | None:
        return None if interval is None else Interval(*(bound * self.measure.scale for bound in interval))

    def cell(self, asked: int) -> Cell:
        """The difference with its interval as a cell of a table."""
        finished = min(self.difference.n_seeds)
        return Cell(self.points, None, finished, asked, measure=self.measure, interval=self.interval)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The runs of one figure on one data set and architecture, of all methods that have it."""

    sample: Sample
    measure: Measure
    why_not: str = ""
    """The reason why the sample has no scores of single test images, if it has none."""

    @property
    def over_images(self) -> bool:
        """Whether the sample has a score of every test image; otherwise it is about seeds alone."""
        return self.sample.scores is not None

    @cached_property
    def apart(self) -> dict[str, bool]:
        """Method -> whether it is surely not the best."""
        return told_apart_from_best(self.sample, self.measure.lower_is_better)

    @cached_property
    def _families(self) -> dict[str, dict[str, Compared]]:
        return {}

    def against(self, control: str) -> dict[str, Compared]:
        """Every other method minus a control, as one family; empty where there is nothing to compare."""
        if control not in self.sample.methods or len(self.sample.methods) < 2:
            return {}
        if control not in self._families:
            found = against_control(self.sample, control)
            self._families[control] = {one.method: self._compared(one) for one in found}
        return self._families[control]

    def alone(self, method: str, reference: str) -> Compared | None:
        """The difference of two methods, of no family; None where one of them has no figure."""
        if not {method, reference} <= set(self.sample.methods):
            return None
        return self._compared(compare(self.sample, method, reference))

    def between(self, method: str, reference: str, controls: Iterable[str]) -> Compared | None:
        """The difference of two methods, in the family of the first of the `controls` that is one of them."""
        if not {method, reference} <= set(self.sample.methods):
            return None
        for control in controls:
            if control == reference:
                return self.against(control)[method]
            if control == method:
                found = self.against(control)[reference]
                return found._replace(difference=found.difference.turned())
        return self.alone(method, reference)

    def _compared(self, difference: Difference) -> Compared:
        return Compared(difference, self.measure, self.over_images)


def evidence(
    results: Results, dataset: str, architecture: str, quantity: Quantity, methods: Sequence[str] | None = None
) -> Evidence | None:
    """The evidence on a figure on a data set and an architecture, or on the mean over all of them; made once.

    `methods` are those of a comparison; without them all that are compared on test images.
    None where no run has the figure. Raises `UserError` naming an archive that does not fit metrics.csv or the others.
    """
    names = tuple(methods if methods is not None else (method.name for method in results.methods))
    return _evidence(results, dataset, architecture, quantity, names)


@remembered
def _evidence(
    results: Results, dataset: str, architecture: str, quantity: Quantity, methods: tuple[str, ...]
) -> Evidence | None:
    measure = quantity.measure
    seeds = {name: results.seeds(Place(dataset, architecture, name), quantity) for name in methods}
    figures = {
        name: {int(seed): float(value) / measure.scale for seed, value in of.items()}
        for name, of in seeds.items()
        if len(of)
    }
    if not figures:
        return None
    scores, why_not = scores_of_images(results, dataset, architecture, quantity, figures)
    if scores is not None:
        sample = Sample.means(scores, measure.largest)
        assert sample.scores is not None
        return Evidence(replace(sample, scores=shelved(sample.scores)), measure)
    testset = results.named(dataset, quantity.testset)
    size = None if testset is None else results.size(dataset, testset)
    return Evidence(Sample.of_seeds(figures, size or UNKNOWN_IMAGES, measure.largest), measure, why_not)


def control_names(results: Results) -> list[str]:
    """The methods that all others are compared with, as they are named here."""
    found = (results.method(preset) for preset in CONTROLS)
    return [method.name for method in found if method is not None]


def between(results: Results, place: Place, reference: Place, quantity: Quantity) -> Compared | None:
    """The difference of two methods on one data set and architecture; None where there is none."""
    known = evidence(results, place.dataset, place.architecture, quantity)
    return None if known is None else known.between(place.method, reference.method, control_names(results))


def contrasts(
    results: Results, pairs: Iterable[tuple[Place, Place]], quantity: Quantity
) -> dict[tuple[Place, Place], Compared]:
    """The differences of pairs of methods, maybe of several data sets and nets, as one family after Holm."""
    found: dict[tuple[Place, Place], Compared] = {}
    for place, reference in dict.fromkeys(pairs):
        known = evidence(results, place.dataset, place.architecture, quantity)
        one = None if known is None else known.alone(place.method, reference.method)
        if one is not None:
            found[place, reference] = one
    return dict(zip(found, as_family(found.values()), strict=True))


def between_nets(results: Results, place: Place, reference: Place, quantity: Quantity) -> Compared | None:
    """The difference of two architectures, of no family; None where one of them has no scores of single images."""
    measure, scores = quantity.measure, {}
    for one in (place, reference):
        known = evidence(results, one.dataset, one.architecture, quantity)
        if known is None or one.method not in known.sample.by_method:
            return None
        scores[one.architecture] = known.sample.by_method[one.method]
    sample = Sample.means(scores, measure.largest)
    return Compared(compare(sample, place.architecture, reference.architecture), measure, True)


def as_family(compared: Iterable[Compared]) -> list[Compared]:
    """Differences as one family after Holm."""
    given = list(compared)
    judged = holm(one.difference for one in given)
    return [one._replace(difference=difference) for one, difference in zip(given, judged, strict=True)]


def interaction(one: Compared, other: Compared) -> Compared:
    """The difference of two differences on different nets.

    Their variances are added: the test images that they share make the true one smaller.
    """
    a, b = one.difference, other.difference
    estimate = a.estimate - b.estimate
    error = (a.images.standard_error**2 + b.images.standard_error**2) ** 0.5
    images = Chance(0.0, 1.0, error**2, min(a.images.degrees_of_freedom, b.images.degrees_of_freedom))
    found = difference_of(
        Difference(
            method=a.method,
            reference=a.reference,
            n_seeds=(min(a.n_seeds), min(b.n_seeds)),
            n_images=a.n_images,
            estimate=estimate,
            ratio=None,
            chance=a.chance + b.chance if a.chance and b.chance else None,
            seeds=None,
            images=images.part(estimate),
        )
    )
    return Compared(found, one.measure, one.over_images and other.over_images)


def compared_cells(
    results: Results, dataset: str, architecture: str, quantity: Quantity, methods: Sequence[str] | None = None
) -> list[Cell]:
    """The figure of each method, with whether it is told apart from the best."""
    names = list(methods if methods is not None else (method.name for method in results.methods))
    known = evidence(results, dataset, architecture, quantity, names)
    apart = {} if known is None else known.apart
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
    if known is None or not known.over_images or known.sample.images < 4 or not quantity.measure.lower_is_better:
        return None
    sample = known.sample
    if default not in sample.methods or len(sample.methods) < 2 or sample.counts.min() < 2:
        return None
    chosen, difference = confirm(sample, default)
    return chosen, None if difference is None else Compared(difference, known.measure, True)


def reasons(results: Results) -> list[str]:
    """Why some samples that were asked for are about seeds alone, each reason once."""
    found = (value for key, value in results.memory.items() if key[0] == "_evidence")
    return sorted({known.why_not for known in found if known is not None and known.why_not.startswith("predictions")})
