"""The report's plots, as PNG and PDF, in colours that the colour-blind can tell apart."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from statistics import mean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from reports.names import HELD_OUT, Method, architecture_title, group_of, spaced
from reports.results import CLEAN_ERROR, MCE, MFP, Place, Quantity, Results
from reports.style import WIDTH, Drawing, looks_of, saved
from reports.sweeps import draw_sweeps
from reports.tables import CALIBRATION


def draw_all(results: Results, folder: Path) -> dict[str, list[Drawing]]:
    """Draw every plot that the results have figures for; returns them by data set, in the report's order."""
    return {dataset: list(_of_dataset(results, folder, dataset)) for dataset in results.datasets}


def _of_dataset(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    for architecture in results.architectures:
        yield from _shift_bars(results, folder, dataset, architecture, "C")
    yield from _severity(results, folder, dataset)
    for architecture in results.architectures:
        yield from _shift_bars(results, folder, dataset, architecture, "P")
    yield from _calibration(results, folder, dataset)
    yield from draw_sweeps(results, folder, dataset)
    for architecture in results.architectures:
        yield from _training(results, folder, dataset, architecture)


def _shift_bars(results: Results, folder: Path, dataset: str, architecture: str, benchmark: str) -> Iterator[Drawing]:
    """Bars per corruption or perturbation by method, in as many panels as keep the bars wide enough to see."""
    shifts = results.shifts(benchmark, dataset)
    metric, overall, what = {
        "C": ("error", MCE, "Error per corruption"),
        "P": ("flip_probability", MFP, "Flip probability per perturbation"),
    }[benchmark]
    if results.has(overall, dataset):  # not where only some of the benchmark was evaluated
        entering = sum(group_of(s) != HELD_OUT for s in shifts) if benchmark == "C" else len(shifts)
        shifts.insert(entering, overall.shift)
    quantities = {s: overall if s == overall.shift else Quantity(benchmark, s, metric) for s in shifts}
    places = {m: Place(dataset, architecture, m.name) for m in results.methods}
    if not any(results.seeds(place, q) for place in places.values() for q in quantities.values()):
        return
    panels = panels_of(list(quantities), len(results.methods))
    kind = {"C": "corruptions", "P": "perturbations"}[benchmark]
    name = f"{kind}_{dataset}_{architecture}"
    with saved(folder, name, WIDTH, 0.45 + 1.55 * len(panels)) as figure:
        axes = figure.subplots(len(panels), 1, sharey=True, squeeze=False)[:, 0]
        for panel, ax in zip(panels, axes, strict=True):
            chosen = {shift: quantities[shift] for shift in panel}
            _bars(results, ax, places, chosen, max(map(len, panels)))
            ax.set_ylabel("Error (%)" if benchmark == "C" else "Flip probability (%)")
        axes[0].set_ylim(bottom=0)
        first = next(iter(quantities.values()))
        _method_legend(results, figure, {m: results.cell(place, first).word for m, place in places.items()})
    over = _over_seeds(results)
    yield Drawing(
        kind,
        name,
        f"{what} on {results.dataset_title(dataset)}-{benchmark} with {architecture_title(architecture)}{over}",
    )


def panels_of(shifts: list[str], methods: int) -> list[list[str]]:
    """The shifts cut into rows, so that names do not touch and no bar is thinner than about a millimetre."""
    per_row = max(4, min(11, 96 // methods))
    rows = -(-len(shifts) // per_row)
    size = -(-len(shifts) // rows)
    return [shifts[i : i + size] for i in range(0, len(shifts), size)]


def _bars(results: Results, ax: Axes, places: dict[Method, Place], quantities: dict[str, Quantity], slots: int) -> None:
    looks = looks_of(results)
    width = 0.84 / len(places)
    for i, (method, place) in enumerate(places.items()):
        cells = [results.cell(place, quantity) for quantity in quantities.values()]
        x = np.arange(len(cells)) + (i - (len(places) - 1) / 2) * width
        colour, _, hatch = looks[method.name]
        heights = [np.nan if cell.mean is None else cell.mean for cell in cells]
        deviations = [np.nan if cell.deviation is None else cell.deviation for cell in cells]
        ax.bar(x, heights, width, color=colour, hatch=hatch, edgecolor="white", linewidth=0.3)
        ax.errorbar(x, heights, deviations, fmt="none", ecolor="black", elinewidth=0.5, capsize=0)
    ax.set_xticks(range(len(quantities)), [_wrapped(shift) for shift in quantities])
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.5, slots - 0.5)
    for label, shift in zip(ax.get_xticklabels(), quantities, strict=True):
        label.set_linespacing(0.9)
        label.set_fontweight("bold" if shift in (MCE.shift, MFP.shift) else "normal")


def _wrapped(shift: str) -> str:
    return spaced(shift).replace("jpeg", "JPEG").replace(" ", "\n")


def _over_seeds(results: Results) -> str:
    return ": means over seeds, whiskers ± one standard deviation." if len(results.config["seeds"]) > 1 else "."


def _method_legend(results: Results, figure: Figure, words: dict[Method, str]) -> None:
    """A legend over the panels; `words` say of a method without figures why it has none."""
    looks = looks_of(results)
    patches = [
        Patch(facecolor="none", edgecolor="#999999", label=f"{method.title} ({word})")
        if word
        else Patch(facecolor=looks[method.name][0], hatch=looks[method.name][2], edgecolor="white", label=method.title)
        for method, word in words.items()
    ]
    figure.legend(handles=patches, loc="outside upper center", ncols=min(6, len(patches)))


def _severity(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """Error against severity, one panel per architecture, lines labelled at their ends."""
    quantities = {0: CLEAN_ERROR} | {s: Quantity("C", "mean", "error", s) for s in range(1, 6)}
    if not any(results.has(quantity, dataset) for severity, quantity in quantities.items() if severity):
        return

    def lines(architecture: str) -> Iterator[tuple[Method, list[int], list[float]]]:
        for method in results.methods:
            cells = {s: results.cell(Place(dataset, architecture, method.name), q) for s, q in quantities.items()}
            known = {s: cell.mean for s, cell in cells.items() if cell.mean is not None}
            if known:
                yield method, list(known), list(known.values())

    name = f"severity_{dataset}"
    height = max(2.3, 0.5 + 0.14 * len(results.methods))
    columns = min(2, len(results.architectures))
    rows = -(-len(results.architectures) // columns)
    with saved(folder, name, WIDTH if columns > 1 else 0.72 * WIDTH, rows * height) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for ax, architecture in zip_longest(axes, results.architectures):
            if architecture is None:
                ax.set_axis_off()
                continue
            _lines(results, ax, lines(architecture))
            ax.set_xticks(range(6), ["clean", *map(str, range(1, 6))])
            ax.set_xlabel("Severity")
            ax.set_ylabel("Error (%)")
            ax.set_title(architecture_title(architecture) if len(results.architectures) > 1 else "")
        axes[0].set_ylim(bottom=0)
        for ax in axes:
            _label_ends(results, ax, height)
    yield Drawing(
        "severity",
        name,
        f"Error on {results.dataset_title(dataset)}-C against severity, averaged over the corruptions and seeds.",
    )


def _lines(results: Results, ax: Axes, lines: Iterable[tuple[Method, Sequence[float], Sequence[float]]]) -> None:
    looks = looks_of(results)
    for method, x, y in lines:
        colour, marker, _ = looks[method.name]
        every = max(1, len(x) // 8)
        ax.plot(x, y, color=colour, marker=marker, markevery=every, gid=method.name, markeredgecolor="white")
        ax.lines[-1].set_markeredgewidth(0.4)


def _label_ends(results: Results, ax: Axes, height: float) -> None:
    """Write each method's title at the end of its line, moved apart where they would overlap."""
    titles = {method.name: method.title for method in results.methods}
    to_axes = ax.transScale + ax.transLimits
    ends = []
    for line in ax.lines:
        if line.get_gid() in titles:
            end = [np.asarray(line.get_xdata())[-1], np.asarray(line.get_ydata())[-1]]
            ends.append((to_axes.transform(end), line))
    ends.sort(key=lambda end: float(end[0][1]))
    gap = 9.5 / 72 / (height - 0.55)
    heights = spread([float(y) for (_, y), _ in ends], gap)
    for ((x, y), line), at in zip(ends, heights, strict=True):
        ax.annotate(
            titles[str(line.get_gid())],
            xy=(float(x), float(y)),
            xytext=(1.06, at),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=8.5,
            color=line.get_color(),
            ha="left",
            arrowprops={
                "relpos": (0, 0.5),
                "arrowstyle": "-", "color": line.get_color(), "linewidth": 0.4, "shrinkA": 1, "shrinkB": 3
            },
        )  # fmt: skip


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Ascending positions moved as little as needed to be `gap` apart, from 0 up and, if they fit, to 1."""
    placed: list[list[float]] = []  # clusters as [centre, count]
    for position in positions:
        placed.append([position, 1])
        while len(placed) > 1 and placed[-1][0] - placed[-2][0] < gap * (placed[-1][1] + placed[-2][1]) / 2:
            (a, n), (b, m) = placed[-2:]
            placed[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    result = [centre + gap * (i - (n - 1) / 2) for centre, n in placed for i in range(int(n))]
    last = len(result) - 1
    result = [min(position, 1 - gap * (last - i)) for i, position in enumerate(result)]
    return [max(position, gap * i) for i, position in enumerate(result)]


def _training(results: Results, folder: Path, dataset: str, architecture: str) -> Iterator[Drawing]:
    """Training loss and test error by epoch: every run thin, the mean over the seeds thick."""
    histories = {
        method: [h for run in results.runs_at(Place(dataset, architecture, method.name)) if (h := results.history(run))]
        for method in results.methods
    }
    if not any(histories.values()):
        return
    name = f"training_{dataset}_{architecture}"
    height = max(2.3, 0.5 + 0.14 * len(results.methods))
    with saved(folder, name, WIDTH, height) as figure:
        loss, error = figure.subplots(1, 2)
        for ax, key, scale in ((loss, "train_loss", 1.0), (error, "test_error", 100.0)):
            _curves(results, ax, histories, lambda row, key=key, scale=scale: scale * row[key])  # type: ignore[misc]
            ax.set_xlabel("Epoch")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        loss.set_ylabel("Training loss")
        error.set_ylabel("Test error (%)")
        if all(value > 0 for line in error.lines for value in np.asarray(line.get_ydata())):
            error.set_yscale("log")
            error.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            error.yaxis.set_major_formatter("{x:g}")
            error.yaxis.set_minor_locator(NullLocator())
        _label_ends(results, error, height)
    yield Drawing(
        "training",
        name,
        f"Training on {results.dataset_title(dataset)} with {architecture_title(architecture)}. Thin: single "
        "runs, also those that diverged; thick: the mean over seeds. The loss is the one that each method "
        "minimises, so its level does not compare across methods.",
    )


def _curves(
    results: Results,
    ax: Axes,
    histories: dict[Method, list[list[dict[str, float]]]],
    value: Callable[[dict[str, float]], float],
) -> None:
    looks = looks_of(results)
    for method, runs in histories.items():
        for rows in runs if len(runs) > 1 else []:
            ax.plot(
                [row["epoch"] for row in rows],
                list(map(value, rows)),
                color=looks[method.name][0],
                lw=0.5,
                alpha=0.45,
            )
    means = []
    for method, runs in histories.items():
        if runs:
            epochs = range(min(map(len, runs)))
            means.append(
                (method, [runs[0][i]["epoch"] for i in epochs], [mean(value(r[i]) for r in runs) for i in epochs])
            )
    _lines(results, ax, means)


def _calibration(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """RMS calibration error of each method, clean against corrupted, one panel per architecture."""
    labels = {
        "clean": CALIBRATION["RMS calibration error, clean"],
        "-C": CALIBRATION["RMS calibration error, -C"],
        "-C, pooled": CALIBRATION["RMS calibration error, -C pooled"],
    }
    shown = {label: quantity for label, quantity in labels.items() if results.has(quantity, dataset)}
    if "-C" in shown:
        shown.pop("-C, pooled", None)
    if not shown:
        return
    name = f"calibration_{dataset}"
    columns = min(2, len(results.architectures))
    rows = -(-len(results.architectures) // columns)
    height = 0.75 + 0.2 * len(results.methods)
    with saved(folder, name, WIDTH if columns > 1 else 0.72 * WIDTH, rows * height) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for ax, architecture in zip_longest(axes, results.architectures):
            if architecture is None:
                ax.set_axis_off()
                continue
            _calibration_bars(results, ax, dataset, architecture, shown)
            ax.set_title(architecture_title(architecture) if len(results.architectures) > 1 else "")
        axes[0].set_xlim(left=0)
        tints = [Patch(facecolor="#4d4d4d", alpha=a, label=label) for label, a in _tints(shown)]
        if len(tints) > 1:
            figure.legend(handles=tints, loc="outside upper center", ncols=2)
    where = " and ".join({"clean": "clean", "-C": "corrupted", "-C, pooled": "pooled corrupted"}[s] for s in shown)
    yield Drawing("calibration", name, f"RMS calibration error on {where} images of {results.dataset_title(dataset)}.")


def _tints(shown: Iterable[str]) -> list[tuple[str, float]]:
    return [(label, 0.45 if label == "clean" else 1.0) for label in shown]


def _calibration_bars(results: Results, ax: Axes, dataset: str, architecture: str, shown: dict[str, Quantity]) -> None:
    looks = looks_of(results)
    size = 0.8 / len(shown)
    for i, method in enumerate(results.methods):
        cells = [results.cell(Place(dataset, architecture, method.name), q) for q in shown.values()]
        if all(cell.mean is None for cell in cells):
            ax.text(0, i, f" {cells[0].word}", va="center", fontsize=8, style="italic")
        for j, (cell, (_, alpha)) in enumerate(zip(cells, _tints(shown), strict=True)):
            y = i + (j - (len(shown) - 1) / 2) * size
            colour, _, hatch = looks[method.name]
            if cell.mean is not None:
                ax.barh(y, cell.mean, size, color=colour, alpha=alpha, hatch=hatch, edgecolor="white", lw=0.3)
            if cell.mean is not None and cell.deviation is not None:
                ax.errorbar(cell.mean, y, xerr=cell.deviation, fmt="none", ecolor="black", elinewidth=0.5)
    ax.set_yticks(range(len(results.methods)), [method.title for method in results.methods])
    ax.set_ylim(len(results.methods) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("RMS calibration error (%)")
