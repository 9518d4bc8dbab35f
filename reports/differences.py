"""The table of differences: every method minus AugMix and minus standard training, in each measure of each test set."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reports.calibration import secondary
from reports.evidence import Evidence, control_names, evidence
from reports.layout import CONFIDENCE, Column, Row, Table, decimal, flattened, framed
from reports.loaded import Results
from reports.names import architecture_title, headline_title
from reports.quantities import MEAN, Quantity
from reports.statistics.differences import Difference, mcnemar
from reports.words import FEW, signed_interval

SCALED = ("difference", "low", "high", "standard_error")
"""The columns of a difference, or their ends, that are in the measure's unit."""


class Figure(NamedTuple):
    """One measure of a test set on one data set and architecture."""

    dataset: str
    architecture: str
    title: str
    """That of the figure that its test set is judged by, which is printed; empty of the others."""
    quantity: Quantity
    known: Evidence


def differences_table(results: Results) -> Table:
    """Each method's difference with its interval and its p value; the CSV has all that was computed."""
    controls = control_names(results)
    figures = [figure for figure in _figures(results) if len(figure.known.sample.methods) > 1]
    rows = []
    for figure in figures:
        if figure.architecture != results.overall_architecture or not figure.title:
            continue
        for name in figure.known.sample.methods:
            cells = [text for control in controls for text in _texts(figure.known, name, control)]
            if set(cells) - {"–"}:
                place = (figure.dataset, figure.architecture, *figure.quantity[:3], name)
                rows.append(Row(place, figure.title, results.titles[name], cells))
    columns = [
        Column(f"minus {results.titles[control]}", title, f"{control}_{column}")
        for control in controls
        for column, title in (("difference", "Points"), ("interval", f"{CONFIDENCE} interval"), ("p", "p"))
    ]
    keys = ["dataset", "architecture", "testset", "shift", "metric", "method"]
    notes = (
        "Intervals and p values of the comparisons with one method, in one figure, hold all at once (Bonferroni). "
        "*: significant. tables/differences.csv has each interval by itself, over seeds alone and over images alone, "
        "and the other measures, too.",
    )
    full = pd.DataFrame([row for figure in figures for row in _all_rows(figure, controls)])
    return Table(
        "differences",
        "Differences between methods and what is known of them",
        framed(keys, columns, flattened(rows)),
        notes=notes,
        full=full if len(full) else None,
    )


def _figures(results: Results) -> Iterator[Figure]:
    several = len(results.architectures) > 1
    judged = [(family, quantity, True) for family, quantity in results.judged]
    beside = [(family, quantity, False) for _, family, quantity in secondary(results)]
    for family, quantity, printed in judged + beside:
        for dataset, testset in family.members.items():
            for architecture in [*results.architectures, *([MEAN] if several else [])]:
                known = evidence(results, dataset, architecture, quantity)
                if known is not None:
                    title = f"{headline_title(testset)} on {results.title_of(dataset, testset)}"
                    over = f", {architecture_title(architecture).lower()}" if several and architecture == MEAN else ""
                    yield Figure(dataset, architecture, title + over if printed else "", quantity, known)


def _texts(known: Evidence, method: str, control: str) -> list[str]:
    """The difference, its interval and its p value in print."""
    found = known.against(control).get(method)
    if found is None:
        return ["–"] * 3
    points = decimal(found.points, found.points, found.measure.decimals)
    few, p = found.verdict.startswith(FEW), found.difference.p_adjusted
    told = found.verdict.removeprefix(FEW) if few or p is None else printed_p(p)
    return [points, signed_interval(found), f"{told} *" if found.significant else told]


def printed_p(p: float) -> str:
    """A p value: `0.03`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _all_rows(figure: Figure, controls: list[str]) -> Iterator[dict[str, Any]]:
    dataset, architecture, _, quantity, known = figure
    for compared in (found for control in controls for found in known.against(control).values()):
        row: dict[str, Any] = {"dataset": dataset, "arch": architecture, "testset": quantity.testset}
        row |= {"shift": quantity.shift, "metric": quantity.metric, "unit": known.measure.unit}
        found = compared.difference.row()
        for column, value in found.items():
            scaled = value is not None and column.endswith(SCALED) and not isinstance(value, str)
            row[column] = float(value or 0.0) * known.measure.scale if scaled else value
        if not known.over_images:
            row |= {column: None for column in found if column.startswith("images")}
        row["intervals_over"] = "seeds and images" if known.over_images else "seeds"
        yield row | _mcnemar(known, compared.difference)


def _mcnemar(known: Evidence, difference: Difference) -> dict[str, str]:
    """McNemar's test of the two nets of each seed that both have, where scores are right or wrong."""
    columns = ("mcnemar_seeds", "mcnemar_only_method", "mcnemar_only_reference", "mcnemar_p")
    runs = known.sample.by_method
    mine, theirs = (runs.get(name, {}) for name in (difference.method, difference.reference))
    found = {
        seed: mcnemar(wrong, theirs[seed])
        for seed, wrong in mine.items()
        if seed in theirs and all(np.isin(run, (0, 1)).all() for run in (wrong, theirs[seed]))
    }
    values = [[str(seed), str(first), str(second), f"{p:.6g}"] for seed, (first, second, p) in found.items()]
    return {column: ";".join(value[i] for value in values) for i, column in enumerate(columns)}
