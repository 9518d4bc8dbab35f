"""Compute of the trainings, and what it buys: the time of processors or of a GPU, never that of a shared clock."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from augmix.suite.io.progress import duration
from reports.layout import Row, Table, flattened, framed, method_columns
from reports.loaded import Family, Results
from reports.names import architecture_title, headline_title
from reports.quantities import Place, Quantity
from reports.style import (
    ACROSS,
    COLOURS,
    WIDTH,
    Drawing,
    Look,
    legend_height,
    legend_over,
    looks_of,
    panels,
    saved,
)
from reports.words import enumerated

UNITS = ((100, "s", 1), (6000, "min", 60), (float("inf"), "h", 3600))
"""Each unit of time, the seconds below which it is used, and the seconds that it has."""
BESIDE = 13
"""Methods of a legend that is no taller than its panel."""
UNKNOWN = (
    "A dash: it is not known, as more than one job made these trainings, another experiment did, or an older version."
)


def compute_seconds(runs: pd.DataFrame) -> pd.Series:
    """The compute of each training: the time of processors, or on a GPU its own; NaN where that is not known."""
    return runs["train_seconds"].where(runs["device"] != "cpu", runs["train_cpu_seconds"])


def kind_of_compute(results: Results) -> str:
    """`CPU time`, `GPU time`, or `CPU or GPU time` where runs differ in it."""
    devices = {device == "cpu" for device in results.runs.loc[results.runs["status"] == "done", "device"]}
    return {True: "CPU time", False: "GPU time"}[devices.pop()] if len(devices) == 1 else "CPU or GPU time"


def time_in_print(seconds: float) -> str:
    """A duration; a dash where there is none."""
    return duration(seconds) if seconds == seconds else "–"


def _unit(seconds: float) -> tuple[str, int]:
    return next((unit, length) for most, unit, length in UNITS if seconds < most)


def times_table(results: Results) -> Table:
    """The compute of a training: methods across, architectures down, the mean over the seeds that finished."""
    rows = [
        Row(
            (dataset, architecture),
            results.dataset_title(dataset),
            architecture_title(architecture),
            [
                time_in_print(compute_seconds(results.runs_at(Place(dataset, architecture, method.name))).mean())
                for method in results.methods
            ],
        )
        for dataset in results.datasets
        for architecture in results.architectures
    ]
    cells = framed(["dataset", "architecture"], method_columns(results), flattened(rows))
    notes = (UNKNOWN,) if any("–" in row.cells for row in rows) else ()
    return Table("times", f"{kind_of_compute(results)} of a training, the mean over seeds", cells, notes=notes)


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The names of the points than which no other has less of both, of which one is less: from the cheapest on."""
    least, found = float("inf"), []
    for name, (_, value) in sorted(points.items(), key=lambda item: item[1]):
        if value < least:
            found.append(name)
            least = value
    return found


def draw_compute(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """The headline against the compute of a training, with the Pareto front, one panel per architecture."""
    kind = kind_of_compute(results)
    judged = [(f, q) for f, q in results.judged if dataset in f.members and q.measure.lower_is_better]
    if not judged or kind == "CPU or GPU time":
        return
    family, quantity = judged[0]
    data = _runs(results, dataset, quantity)
    if data["method"].nunique() < 2:
        return
    unit, length = _unit(data["seconds"].median())
    data["seconds"] /= length
    groups = data.groupby(["architecture", "method"], sort=False)[["seconds", "value"]]
    means, spread = groups.mean(), groups.std().fillna(0.0)
    shown = [name for name in results.architectures if name in means.index]
    looks = {title: look for title, look in looks_of(results).items() if title in set(data["method"])}
    name, across, beside = f"compute_{dataset}", min(ACROSS, len(shown)), len(shown) < 3 and len(looks) <= BESIDE
    fronts = set()
    with saved(folder, name, WIDTH, 2.4 * -(-len(shown) // across) + (not beside) * legend_height(results)) as figure:
        for ax, architecture in zip(panels(figure, len(shown), across, sharey=True), shown, strict=True):
            points = {title: (row["seconds"], row["value"]) for title, row in means.loc[architecture].iterrows()}
            fronts.add(tuple(front(points)))
            _draw_points(ax, points, spread.loc[architecture], looks)
            ax.set(
                xlabel=f"{kind} of a training ({unit})" if beside else f"{kind} ({unit})",
                ylabel=f"{headline_title(family.first)} ({quantity.measure.unit})",
            )
            ax.set_title(architecture_title(architecture) if len(shown) > 1 else "")
        handles = [
            Line2D([], [], color=look.colour, marker=look.marker, linestyle="none", markersize=5, label=title)
            for title, look in looks.items()
        ]
        if beside:
            figure.legend(handles=handles, loc="outside right upper")
        else:
            legend_over(figure, handles)
    yield Drawing("compute", name, _caption(results, dataset, family, kind, fronts))


def _runs(results: Results, dataset: str, quantity: Quantity) -> pd.DataFrame:
    """A row per run whose compute and figure are known: architecture, method (its title), seconds, value."""
    rows = [
        (architecture, method.title, compute_seconds(runs).get(seed, np.nan), value)
        for architecture in results.architectures
        for method in results.methods
        for place in [Place(dataset, architecture, method.name)]
        for runs in [results.runs_at(place).set_index("seed")]
        for seed, value in results.seeds(place, quantity).items()
    ]
    return pd.DataFrame(rows, columns=["architecture", "method", "seconds", "value"]).dropna()


def _draw_points(
    ax: Axes, points: Mapping[str, tuple[float, float]], spread: pd.DataFrame, looks: Mapping[str, Look]
) -> None:
    """Each method's mean with its standard deviations, and the front as steps."""
    best = [points[title] for title in front(points)]
    ax.plot(*zip(*best, strict=True), drawstyle="steps-post", color=COLOURS[0], linewidth=0.8, zorder=1)
    for title, (x, y) in points.items():
        sd = spread.loc[title]
        ax.errorbar(x, y, yerr=sd["value"], xerr=sd["seconds"], **looks[title].line, markersize=6, elinewidth=0.5)
    ax.grid(axis="x")
    least, most = (end(x for x, _ in points.values()) for end in (min, max))
    if least > 0 and most > 4 * least:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")


def _caption(results: Results, dataset: str, family: Family, kind: str, fronts: set[tuple[str, ...]]) -> str:
    means = "means over seeds, whiskers ± one standard deviation; " if len(results.config["seeds"]) > 1 else ""
    what = f"{headline_title(family.first)} on {results.title_of(dataset, family.members[dataset])}"
    said = "The line is the Pareto front: no method on it is beaten in both."
    for names in fronts if len(fronts) == 1 else ():
        said += f" On it, from the cheapest, {'lies' if len(names) == 1 else 'lie'} {enumerated(names)}."
    return f"{what} against the {kind} of a training; {means}lower left is better. {said}"
