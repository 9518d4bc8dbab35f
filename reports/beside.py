"""Every method beside standard training: the rows of docs/results/<experiment>/beside_standard.csv.

The methods' cards are made of them (`docs/cards.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.compute import compute_seconds, kind_of_compute
from reports.evidence import between
from reports.loaded import Results
from reports.names import architecture_title, headline_title, spaced, value_in_print
from reports.quantities import POOLED_CALIBRATION, Place, Quantity

FILE = "beside_standard.csv"
STANDARD = "standard"
TEST_SET, CORRUPTION, COMPUTE = "test set", "corruption", "compute"
"""The kinds of rows: a test set's figure, the error under one corruption of -C, and the compute of a training."""
COLUMNS = (
    "dataset", "architecture", "method", "settings", "kind", "figure", "unit", "decimals", "seeds", "standard", "mean",
    "difference", "low", "high", "significant",
)  # fmt: skip


def rows(results: Results) -> Iterator[Sequence[Any]]:
    """A row a figure of each method that goes by its module's name, in the measures' units.

    `settings` are what the configuration changes of its parameters and its recipe. Intervals are those of `between`.
    """
    if results.method(STANDARD) is None:
        return
    architecture = results.overall_architecture
    entries = {entry["name"]: entry for entry in results.config["methods"]}
    names = [method.name for method in results.methods if method.name == method.preset]
    for dataset in results.datasets:
        for kind, title, quantity in _figures(results, dataset):
            for name in names:
                place = Place(dataset, architecture, name)
                cell, standard = (results.cell(one, quantity) for one in (place, place._replace(method=STANDARD)))
                if cell.mean is not None and standard.mean is not None:
                    head = (results.dataset_title(dataset), architecture_title(architecture), name)
                    figure = (kind, title, quantity.measure.unit, quantity.measure.decimals, cell.finished)
                    values = (standard.mean, cell.mean, *_difference(results, place, quantity))
                    yield (*head, _changed(entries[name]), *figure, *map(text, values))
        for name in names if architecture in results.architectures else ():
            yield from _compute(results, Place(dataset, architecture, name), _changed(entries[name]))


def _figures(results: Results, dataset: str) -> Iterator[tuple[str, str, Quantity]]:
    for family, quantity in results.judged:
        if dataset in family.members:
            title, name = headline_title(family.members[dataset]), spaced(family.name)
            beside = "" if family.usual or name in title.lower() else f", {name}"
            yield TEST_SET, title + beside, quantity
    if results.has(POOLED_CALIBRATION, dataset):
        yield TEST_SET, f"{POOLED_CALIBRATION.measure.title} on -C", POOLED_CALIBRATION
    if testset := results.testset(dataset, "C"):
        for shift in results.shifts(dataset, testset):
            if shift in testset.entering:
                yield CORRUPTION, spaced(shift).replace("jpeg", "JPEG"), Quantity(testset.name, shift, "error")


def _difference(results: Results, place: Place, quantity: Quantity) -> tuple[Any, ...]:
    """A method's difference from standard training, the ends of its interval, and whether it is significant."""
    found = None
    if place.method != STANDARD:
        found = between(results, place, place._replace(method=STANDARD), quantity)
    if found is None:
        return None, None, None, None
    return found.points, *(found.interval or (None, None)), found.significant


def _compute(results: Results, place: Place, changed: str) -> Iterator[Sequence[Any]]:
    seconds, standard = (
        compute_seconds(results.runs_at(one)).dropna() for one in (place, place._replace(method=STANDARD))
    )
    if len(seconds) and len(standard):
        head = (results.dataset_title(place.dataset), architecture_title(place.architecture), place.method, changed)
        means = (text(float(values.mean())) for values in (standard, seconds))
        yield (*head, COMPUTE, kind_of_compute(results), "s", 0, len(seconds), *means, "", "", "", "")


def _changed(entry: Mapping[str, Any]) -> str:
    """The parameters and settings of the training that a configuration gives a method."""
    given = {**entry.get("parameters", {}), **entry.get("training", {})}
    return ", ".join(
        f"no {spaced(key)}" if value is False else value_in_print(key, value) or f"{spaced(key)} {value}"
        for key, value in given.items()
    )


def text(value: Any) -> str:
    """A value of a table of record; empty where there is none."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:.4f}"
