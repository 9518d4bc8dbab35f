"""Sweeps over one parameter of a method: their table, their figures, and the chosen values."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from augmix.suite.config.sweeps import definitions
from reports.evidence import compared_cells
from reports.layout import Column, Row, Table, framed
from reports.loaded import Results
from reports.names import architecture_title, spaced
from reports.quantities import MCE, VALIDATION, Place, Quantity
from reports.style import COLOURS, COLUMN, MARKERS, WIDTH, Drawing, panels, saved

LOSSES = {
    "jsd_weight": "JSD",
    "kl_weight": "KL(clean ‖ augmented)",
    "kl_reversed_weight": "KL(augmented ‖ clean)",
}
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
    values: dict[str, list[tuple[Any, str]]] = {}
    for entry in results.config["methods"]:
        for sweep, value in (entry.get("sweeps") or {}).items():
            values.setdefault(sweep, []).append((value, entry["name"]))
    unchanged = {entry["name"] for entry in results.config["methods"] if not entry.get("parameters")}
    found = []
    for name, pairs in values.items():
        defined = definitions().get(name, {})
        order = [str(value) for value in defined.get("values", ())]
        pairs.sort(key=lambda pair: order.index(str(pair[0])) if str(pair[0]) in order else len(order))
        labels = defined.get("labels", {})
        shown = [(str(labels.get(str(value).lower(), value)), method) for value, method in pairs]
        default = next((method for _, method in shown if method in unchanged), None)
        found.append(Sweep(name, str(defined.get("title", spaced(name))), shown, default))
    return found


def consistency_losses(results: Results) -> list[Sweep]:
    """The sweeps over λ, where there are several and each loss has its own choice: they share a figure of their own."""
    found = [sweep for sweep in sweeps_of(results) if sweep.name in LOSSES]
    return found if results.chosen is not None and len(found) > 1 and found[0].name == "jsd_weight" else []


def decided_by(results: Results) -> Quantity:
    """The quantity that a sweep is read by: the validation error where images are kept for it, else the mCE."""
    return MCE if results.chosen is None else VALIDATION


def _decided_by_title(results: Results) -> str:
    """The heading of that quantity."""
    quantity = decided_by(results)
    return f"{'mCE' if quantity == MCE else 'Validation error'} ({quantity.measure.unit})"


def sweep_table(results: Results) -> Table:
    """A row per value, a block per sweep, a column per data set and architecture."""
    places = [(dataset, architecture) for dataset in results.datasets for architecture in results.architectures]
    rows = [
        Row(
            (sweep.name, value),
            sweep.title,
            f"{value} (default)" if method == sweep.default else value,
            cells,
        )
        for sweep in sweeps_of(results)
        for columns_of in [
            [compared_cells(results, *place, decided_by(results), [m for _, m in sweep.values]) for place in places]
        ]
        for (value, method), *cells in zip(sweep.values, *columns_of, strict=True)
    ]
    columns = [
        Column("", results.where(dataset, architecture), f"{dataset} {architecture}")
        for dataset, architecture in places
    ]
    return Table(
        "sweeps",
        f"One parameter at a time, the others at their defaults. {_decided_by_title(results)}",
        framed(["sweep", "value"], columns, rows),
        "column",
        notes=() if results.chosen is None else ("The lowest is chosen and tested; of equal ones, the first.",),
    )


def draw_sweeps(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """One panel per sweep that has no other figure, one line per architecture, the chosen values ringed."""
    losses = consistency_losses(results)
    sweeps = [sweep for sweep in sweeps_of(results) if sweep not in losses]
    if not sweeps or not results.has(decided_by(results), dataset):
        return
    name = f"sweeps_{dataset}"
    with saved(folder, name, WIDTH, 0.3 + 1.6 * -(-len(sweeps) // ACROSS)) as figure:
        axes = panels(figure, len(sweeps), ACROSS, sharey=True)
        for ax, sweep in zip(axes, sweeps, strict=True):
            _panel(results, ax, dataset, sweep)
        for ax in axes[::ACROSS]:
            ax.set_ylabel(_decided_by_title(results))
        if len(results.architectures) > 1:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    over = "the images kept for validation, under the validation corruptions" if results.chosen is not None else "-C"
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
        colour, marker = COLOURS[(2 + i) % len(COLOURS)], MARKERS[i % len(MARKERS)]
        place, label = (dataset, architecture), architecture_title(architecture)
        _draw_curve(results, ax, place, sweep, range(len(sweep.values)), colour, marker, label)
    ax.set_xticks(range(len(sweep.values)), [value for value, _ in sweep.values])
    ax.set(xlabel=sweep.title, ylabel="")
    ax.margins(x=0.12)


def draw_consistency(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """The curves over λ of the consistency losses in one panel per architecture, the chosen λ ringed."""
    sweeps = consistency_losses(results)
    if not sweeps or not results.has(VALIDATION, dataset):
        return
    name = f"consistency_{dataset}"
    across = min(2, len(results.architectures))
    with saved(folder, name, WIDTH if across > 1 else COLUMN, 2.5 * -(-len(results.architectures) // across)) as figure:
        axes = panels(figure, len(results.architectures), across, sharey=True)
        for ax, architecture in zip(axes, results.architectures, strict=True):
            for i, sweep in enumerate(sweeps):
                x = [float(value) for value, _ in sweep.values]
                colour, label = COLOURS[i + 1], LOSSES[sweep.name]
                _draw_curve(results, ax, (dataset, architecture), sweep, x, colour, MARKERS[i], label)
            ax.set_xscale("log")
            ticks = sorted({float(value) for sweep in sweeps for value, _ in sweep.values})
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
            ax.set_xticks([], minor=True)
            ax.set(xlabel="λ", ylabel=_decided_by_title(results))
            ax.set_title(architecture_title(architecture) if len(axes) > 1 else "")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    caption = (
        f"{results.dataset_title(dataset)}: error on the images kept for validation, under the validation corruptions, "
        "over λ; means over seeds, whiskers ± one standard deviation. Ringed: the chosen λ."
    )
    yield Drawing("consistency", name, caption)


def _draw_curve(
    results: Results, ax: Axes, place: tuple[str, str], sweep: Sweep, x: Any, colour: str, marker: str, label: str
) -> None:
    """Draw the quantity that a sweep is read by over `x`, its spread over seeds and a ring around the chosen value."""
    quantity = decided_by(results)
    chosen = (results.chosen or {}).get((*place, sweep.name))
    seeds = {
        at: results.seeds(Place(*place, method), quantity) for at, (_, method) in zip(x, sweep.values, strict=True)
    }
    data = pd.DataFrame([(at, value) for at, values in seeds.items() for value in values], columns=["x", "y"])
    sns.lineplot(
        data, x="x", y="y", errorbar="sd", err_style="bars", err_kws={"elinewidth": 0.6}, color=colour, marker=marker,
        label=label, legend=False, ax=ax,
    )  # fmt: skip
    for at, (_, method) in zip(x, sweep.values, strict=True):
        if method == chosen and len(seeds[at]):
            ax.plot(at, seeds[at].mean(), "o", ms=9, mfc="none", mec=colour, mew=0.8)
