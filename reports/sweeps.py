"""Sweeps over one parameter of a method: their table, their figure, and what was chosen, in sentences."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from matplotlib.axes import Axes

from augmix.sweeps import DEFINITIONS
from reports.layout import Column, Row, Table
from reports.names import architecture_title, spaced
from reports.results import MCE, VALIDATION, Place, Quantity, Results
from reports.style import COLOURS, MARKERS, WIDTH, Drawing, saved

ACROSS = 3
"""Panels side by side."""


class Sweep(NamedTuple):
    """One parameter's values, each with the name of the method that has it."""

    name: str
    title: str
    values: list[tuple[str, str]]
    default: str | None
    """The method whose value is the default one."""


def sweeps_of(results: Results) -> list[Sweep]:
    """The experiment's sweeps, in the configured order."""
    definitions = yaml.safe_load(DEFINITIONS.read_text(encoding="utf-8")) if DEFINITIONS.is_file() else {}
    values: dict[str, list[tuple[Any, str]]] = {}
    for entry in results.config["methods"]:
        for sweep, value in (entry.get("sweeps") or {}).items():
            values.setdefault(sweep, []).append((value, entry["name"]))
    unchanged = {entry["name"] for entry in results.config["methods"] if not entry.get("parameters")}
    found = []
    for name, pairs in values.items():
        defined = definitions.get(name, {})
        order = [str(value) for value in defined.get("values", ())]
        pairs.sort(key=lambda pair: order.index(str(pair[0])) if str(pair[0]) in order else len(order))
        listed = [({True: "yes", False: "no"}[v] if isinstance(v, bool) else str(v), method) for v, method in pairs]
        default = next((method for _, method in listed if method in unchanged), None)
        found.append(Sweep(name, str(defined.get("title", spaced(name))), listed, default))
    return found


def decided_by(results: Results) -> Quantity:
    """What a sweep is read by: the validation error where the experiment keeps images for it, else the mCE."""
    return MCE if results.chosen is None else VALIDATION


def _measure(results: Results) -> str:
    return "mCE (%)" if results.chosen is None else "Validation error (%)"


def sweep_table(results: Results) -> Table:
    """A row per value, a block per sweep, a column per data set and architecture."""
    places = [(dataset, architecture) for dataset in results.datasets for architecture in results.architectures]
    quantity = decided_by(results)
    rows = [
        Row(
            (sweep.name, value),
            sweep.title,
            f"{value} (default)" if method == sweep.default else value,
            [results.cell(Place(*place, method), quantity) for place in places],
        )
        for sweep in sweeps_of(results)
        for value, method in sweep.values
    ]
    columns = [
        Column(f"{dataset} {architecture}", f"{results.dataset_title(dataset)}, {architecture_title(architecture)}")
        for dataset, architecture in places
    ]
    return Table(
        "sweeps",
        f"One parameter at a time, the others at their defaults. {_measure(results)}",
        "",
        ("sweep", "value"),
        columns,
        rows,
        "column",
        notes=() if results.chosen is None else ("The lowest is chosen and tested; of equal ones, the first.",),
    )


def draw_sweeps(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """One panel per sweep, one line per architecture, the chosen values ringed."""
    sweeps = sweeps_of(results)
    if not sweeps or not results.has(decided_by(results), dataset):
        return
    name = f"sweeps_{dataset}"
    rows = -(-len(sweeps) // ACROSS)
    with saved(folder, name, WIDTH, 0.3 + 1.6 * rows) as figure:
        axes = figure.subplots(rows, ACROSS, squeeze=False, sharey=True)
        for ax, sweep in zip_longest(axes.ravel(), sweeps):
            if sweep is None:
                ax.set_axis_off()
            else:
                _panel(results, ax, dataset, sweep)
        for ax in axes[:, 0]:
            ax.set_ylabel(_measure(results))
        if len(results.architectures) > 1:
            figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    over = "the images kept for validation, under the held-out corruptions" if results.chosen is not None else "-C"
    ringed = " Ringed: the chosen value." if results.chosen is not None else ""
    yield Drawing(
        "sweeps",
        name,
        f"{results.dataset_title(dataset)}: error on {over}, as one parameter changes and the others stay at their "
        f"defaults; means over seeds, whiskers ± one standard deviation.{ringed}",
    )


def _panel(results: Results, ax: Axes, dataset: str, sweep: Sweep) -> None:
    # The values are evenly spaced whatever they are: some are words, and the ranges differ by decades.
    for i, architecture in enumerate(results.architectures):
        places = [Place(dataset, architecture, method) for _, method in sweep.values]
        cells = [results.cell(place, decided_by(results)) for place in places]
        known = [(x, cell.mean, cell.deviation or 0.0) for x, cell in enumerate(cells) if cell.mean is not None]
        if not known:
            continue
        x, y, deviation = zip(*known, strict=True)
        colour = COLOURS[(2 + i) % len(COLOURS)]
        label = architecture_title(architecture)
        ax.errorbar(x, y, deviation, color=colour, marker=MARKERS[i % len(MARKERS)], elinewidth=0.6, label=label)
        for x_chosen, y_chosen, _ in known:
            method = sweep.values[x_chosen][1]
            if (results.chosen or {}).get((dataset, architecture, sweep.name)) == method:
                ax.plot(x_chosen, y_chosen, "o", ms=9, mfc="none", mec=colour, mew=0.8)
    ax.set_xticks(range(len(sweep.values)), [value for value, _ in sweep.values])
    ax.set_xlabel(sweep.title)
    ax.margins(x=0.12)
