"""Two results folders, or two runs, side by side: what they have in common, with paired intervals."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from augmix.errors import UserError
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.predictions import OutdatedError
from augmix.suite.io.files import expanded
from augmix.suite.testsets.base import TestSet
from reports.archives import archive_of, scores_of_images
from reports.evidence import UNKNOWN_IMAGES, Compared
from reports.files import RUN, read_config
from reports.layout import decimal
from reports.loaded import Results, load
from reports.names import headline_title
from reports.quantities import Place, Quantity, headline_of
from reports.statistics.chance import Interval
from reports.statistics.differences import compare
from reports.statistics.sample import Sample
from reports.words import is_nothing

FIRST, SECOND = "first", "second"
ROUNDING = 1e-9
"""Two sums of the same figures in another order may differ by so much."""


class Side(NamedTuple):
    """One of the two that are compared."""

    given: Path
    results: Results
    """The experiment of a run, with that run alone."""
    run: Place | None
    """The place of a run; None for a results folder."""

    def places(self, quantity: Quantity) -> list[Place]:
        """The places that have a figure of a quantity."""
        rows = self.results.metrics
        for column, value in zip(("testset", "shift", "metric", "severity"), quantity, strict=True):
            rows = rows[rows[column] == value]
        return [Place(*key) for key in dict.fromkeys(rows[RUN[:3]].itertuples(index=False, name=None))]


class Line(NamedTuple):
    """One figure of both, and the second's minus the first's."""

    places: tuple[Place, Place]
    title: str
    """The figure: `mCE on -C`, `Clean error`."""
    quantity: Quantity
    figures: tuple[float, float]
    """In the measure's unit."""
    seeds: tuple[int, int]
    compared: Compared

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the difference, in the unit; with one seed, over test images alone."""
        return self.compared.interval or self.compared.images_interval

    @property
    def over(self) -> str:
        """The sources of chance that the interval is over."""
        if self.compared.interval is not None:
            return "seeds and images" if self.compared.over_images else "seeds"
        return "images" if self.interval is not None else ""


def lines(first: Path, second: Path) -> list[Line]:
    """The figures that two results folders, or two runs, have in common: every figure that a test set is judged by.

    The same test images pair the figures; runs of equal seeds count as independent. Raises `UserError` where they
    have nothing in common, or where the test images of one are not the other's.
    """
    sides = _side(first), _side(second)
    if (sides[0].run is None) != (sides[1].run is None):
        raise UserError(f"{first} and {second}: one is a run, the other a results folder; name two of a kind")
    found = list(_common(*sides))
    if not found:
        raise UserError(
            f"{first} and {second} have no figure in common: no data set, architecture and method of one is in the "
            "other too, with a test set of both; two runs of any methods can be compared, by their folders "
            "<results>/<data set>/<net>/<method>/seed<k>"
        )
    return found


def _side(given: Path) -> Side:
    """Read a results folder, or a run inside of one."""
    given = given.resolve()
    folder = next((path for path in (given, *given.parents[:4]) if (path / "experiment.yaml").is_file()), None)
    if folder is None and (given / "metrics.csv").is_file():
        raise UserError(
            f"{given} has no experiment.yaml: the numbers that `augmix evaluate --checkpoint` writes are shown by "
            f"`augmix show {given}`; experiments and their runs can be compared"
        )
    if folder is None:
        raise UserError(
            f"{given} is neither a results folder nor a run inside of one: there is no experiment.yaml, which is "
            "written when all runs have ended"
        )
    data = expanded(read_config(folder / "experiment.yaml")["folders"]["data"])
    results = load(folder, data)
    if given == folder:
        return Side(given, results, None)
    key = str(given.relative_to(folder)).split("/")
    runs = results.runs[results.runs["status"] == "done"]
    mine = runs[(runs[RUN[:3]].agg("/".join, axis=1) + "/seed" + runs["seed"].astype(str)) == "/".join(key)]
    if not len(mine):
        raise UserError(f"{given} is no finished run of {folder}; runs.csv lists them")
    alone = replace(results, runs=mine, metrics=results.metrics.merge(mine[RUN]), memory={})
    return Side(given, alone, Place(*key[:3]))


def _common(first: Side, second: Side) -> Iterator[Line]:
    """The figures of both, in the order of the first."""
    for dataset in first.results.datasets:
        for testset in first.results.testsets[dataset]:
            quantity = headline_of(testset)
            for place in first.places(quantity) if quantity is not None else ():
                assert quantity is not None
                other = place if second.run is None else second.run
                if place.dataset == dataset and other in second.places(quantity):
                    yield _line((first, place), (second, other), testset, quantity)


def _line(first: tuple[Side, Place], second: tuple[Side, Place], testset: TestSet, quantity: Quantity) -> Line:
    measure, scores, figures = quantity.measure, {}, {}
    known = []
    for name, (side, place) in ((FIRST, first), (SECOND, second)):
        values = side.results.seeds(place, quantity) / measure.scale
        figures[name] = {int(seed): float(value) for seed, value in values.items()}
        of_images, _ = scores_of_images(
            side.results, place.dataset, place.architecture, quantity, {place.method: figures[name]}
        )
        known.append(_images(side, place, quantity, min(figures[name])))
        if of_images is not None:
            scores[name] = of_images[place.method]
    if len(scores) == 2 and known[0] != known[1]:
        raise UserError(
            f"{first[0].given} and {second[0].given} were evaluated on other test images: {testset.name} of "
            f"{'/'.join(first[1])}"
        )
    over_images = len(scores) == 2
    if over_images:
        sample = Sample.means(scores, measure.largest)
    else:
        size = first[0].results.size(first[1].dataset, testset)
        sample = Sample.of_seeds(figures, size or UNKNOWN_IMAGES, measure.largest)
    compared = Compared(compare(sample, SECOND, FIRST), measure, over_images)
    means = [float(np.mean(list(figures[name].values()))) * measure.scale for name in (FIRST, SECOND)]
    seeds = len(figures[FIRST]), len(figures[SECOND])
    title = headline_title(testset) + ("" if testset.adjective else f" on {testset.title}")
    return Line((first[1], second[1]), title, quantity, (means[0], means[1]), seeds, compared)


def _images(side: Side, place: Place, quantity: Quantity, seed: int) -> tuple[str | None, bytes] | None:
    """The digest of the test images that a run's predictions note, and their labels; None where none are at hand."""
    path = archive_of(side.results, (*place, seed), quantity)
    try:
        return predictions.read_stamp(path).get("images"), predictions.read(path, ()).labels.tobytes()
    except OutdatedError:
        return None


def printed(found: list[Line]) -> list[list[str]]:
    """The rows of a table for people: place, figure, both values, difference and interval."""
    rows = []
    for line in found:
        measure = line.compared.measure
        points, (one, other) = line.compared.points, line.figures
        values = [decimal(value, value, measure.decimals) for value in (one, other)]
        interval = "–"
        if line.interval is not None:
            bounds = ", ".join(decimal(bound, points, measure.decimals) for bound in line.interval)
            interval = f"[{bounds}]"
        places = " | ".join(dict.fromkeys("/".join(place) for place in line.places))
        change = "0"
        if not is_nothing(line.compared):
            change = ("+" if points > 0 else "") + decimal(points, points, measure.decimals)
        rows.append([places, f"{line.title}, {measure.unit}", *values, change, interval])
    return rows


def as_frame(found: list[Line], tolerance: float) -> pd.DataFrame:
    """A row per figure, everything in the measure's unit."""
    return pd.DataFrame(
        {
            "dataset": line.places[0].dataset,
            "arch": line.places[0].architecture,
            "method": line.places[0].method,
            "other": "/".join(line.places[1]),
            **dict(zip(("testset", "shift", "metric"), line.quantity[:3], strict=True)),
            "unit": line.compared.measure.unit,
            **dict(zip((FIRST, SECOND), line.figures, strict=True)),
            **dict(zip((f"{FIRST}_seeds", f"{SECOND}_seeds"), line.seeds, strict=True)),
            "difference": line.compared.points,
            "low": line.interval and line.interval.low,
            "high": line.interval and line.interval.high,
            "interval_over": line.over,
            "p": line.compared.difference.p_adjusted,
            "beyond": beyond(line, tolerance),
        }
        for line in found
    )


def beyond(line: Line, tolerance: float) -> bool:
    """Whether the difference is larger than the tolerance, in the measure's unit."""
    return abs(line.compared.points) > tolerance + ROUNDING
