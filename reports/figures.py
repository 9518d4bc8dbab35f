"""The report's plots, as PNG and PDF, in colours that the colour-blind can tell apart."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from augmix.suite.evaluate.measures import MEASURES, measures_of
from reports.findings import extremes, of_methods, of_severities, of_shifts
from reports.loaded import Family, Results, records
from reports.names import architecture_title, spaced
from reports.quantities import CLEAN_ERROR, MEAN, POOLED, Cell, Place, Quantity, overall
from reports.questions import draw_consistency
from reports.style import COLOURS, WIDTH, Drawing, looks_of, panels, saved
from reports.tuning import draw_sweeps
from reports.words import enumerated

CONFIDENCE = MEASURES["rms_calibration"]
"""The measure of calibration that is drawn."""
WHISKERS: dict[str, Any] = {"errorbar": "sd", "err_kws": {"linewidth": 0.5, "color": "black"}}


def draw_all(results: Results, folder: Path) -> dict[str, list[Drawing]]:
    """Draw every plot that the results have figures for; returns them by data set, in the report's order."""
    return {dataset: list(_of_dataset(results, folder, dataset)) for dataset in results.datasets}


def _of_dataset(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    for family in (family for family in results.families if dataset in family.members):
        for architecture in results.architectures:
            yield from _shift_bars(results, folder, dataset, architecture, family)
        yield from _severity(results, folder, dataset, family)
    yield from _calibration(results, folder, dataset)
    yield from draw_consistency(results, folder, dataset)
    yield from draw_sweeps(results, folder, dataset)
    for architecture in results.architectures:
        yield from _training(results, folder, dataset, architecture)


def _shift_bars(results: Results, folder: Path, dataset: str, architecture: str, family: Family) -> Iterator[Drawing]:
    """Bars per shift by method, in as many panels as keep the bars wide enough to see."""
    testset, measure = family.members[dataset], MEASURES[measures_of(family.first)[0]]
    shifts = results.shifts(dataset, testset)
    if testset.cells:
        yield from _heat_map(results, folder, dataset, architecture, family)
        return
    if len(testset.shifts) == 1 and not testset.entering:
        return
    quantities = {shift: Quantity(testset.name, shift, measure.name) for shift in shifts}
    mean = family.headline
    if mean is not None and results.has(mean, dataset):  # not where only some of the test set was evaluated
        shifts.insert(sum(shift in testset.entering for shift in shifts), mean.shift)
        quantities[mean.shift] = mean
    data = results.tidy(dataset, architecture, quantities)
    if data.empty:
        return
    rows = panels_of(shifts, len(results.methods))
    kind = family.stem(f"{testset.noun}s")
    name = f"{kind}_{dataset}_{architecture}"
    with saved(folder, name, WIDTH, 0.45 + 1.55 * len(rows)) as figure:
        axes = panels(figure, len(rows), 1, sharey=True)
        for row, ax in zip(rows, axes, strict=True):
            bold = mean.shift if mean is not None else ""
            _bars(results, ax, data[data["label"].isin(row)], row, max(map(len, rows)), bold)
            ax.set_ylabel(measure.label)
        axes[0].set_ylim(bottom=0)
        _method_legend(results, figure, results.across(dataset, architecture, quantities[shifts[0]]))
    over = ": means over seeds, whiskers ± one standard deviation." if len(results.config["seeds"]) > 1 else "."
    where = f"{testset.title_on(results.dataset_title(dataset))} with {architecture_title(architecture)}"
    each = {shift: quantities[shift] for shift in results.shifts(dataset, testset)}
    finding = of_shifts(results, (dataset, architecture), each)
    yield Drawing(kind, name, f"{measure.title} per {testset.noun} on {where}{over} {finding}".rstrip())


def _heat_map(results: Results, folder: Path, dataset: str, architecture: str, family: Family) -> Iterator[Drawing]:
    """A map of the shifts for each method, the mean over seeds in each cell."""
    testset, measure = family.members[dataset], MEASURES[measures_of(family.first)[0]]
    quantities = {s: Quantity(testset.name, s, measure.name) for s in results.shifts(dataset, testset)}
    values = results.tidy(dataset, architecture, quantities).groupby(["method", "label"])["value"].mean().to_dict()
    titles = [method.title for method in results.methods if any((method.title, s) in values for s in quantities)]
    if not titles:
        return
    rows, columns = (sorted({cell[axis] for cell in testset.cells}) for axis in (0, 1))
    name, across = f"{family.stem(f'{testset.noun}s')}_{dataset}_{architecture}", min(4, len(titles))
    edges = (columns[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5, rows[0] - 0.5)
    with saved(folder, name, WIDTH, 0.5 + WIDTH / 4 * -(-len(titles) // across)) as figure:
        axes = panels(figure, len(titles), across, sharex=True, sharey=True)
        for title, ax in zip(titles, axes, strict=True):
            grid = [[values.get((title, testset.cells[row, column]), np.nan) for column in columns] for row in rows]
            drawn = ax.imshow(grid, cmap="viridis", vmin=0, vmax=100 * measure.largest, extent=edges)
            ax.grid(visible=False)
            ax.set_title(title)
        figure.colorbar(drawn, ax=axes, label=measure.label, shrink=0.8)
    where = f"{testset.title_on(results.dataset_title(dataset))} with {architecture_title(architecture)}"
    caption = f"{measure.title} on {where} by the {testset.noun} that is added: rows and columns are its frequencies "
    caption += "down and across the image, and zero is in the middle."
    yield Drawing(family.stem(f"{testset.noun}s"), name, caption)


def panels_of(shifts: list[str], methods: int) -> list[list[str]]:
    """The shifts cut into rows, so that names do not touch and no bar is thinner than about a millimetre."""
    per_row = max(4, min(11, 96 // methods))
    rows = -(-len(shifts) // per_row)
    size = -(-len(shifts) // rows)
    return [shifts[i : i + size] for i in range(0, len(shifts), size)]


def _bars(results: Results, ax: Axes, data: pd.DataFrame, shifts: Sequence[str], slots: int, bold: str) -> None:
    looks = looks_of(results)
    sns.barplot(
        data, x="label", y="value", order=shifts, hue="method", hue_order=list(looks), palette=_palette(results),
        saturation=1, width=0.84, legend=False, edgecolor="white", linewidth=0.3, ax=ax, **WHISKERS,
    )  # fmt: skip
    for look, bars in zip(looks.values(), ax.containers, strict=True):
        for bar in bars:
            bar.set_hatch(look.hatch)
    ax.set_xticks(range(len(shifts)), [spaced(s).replace("jpeg", "JPEG").replace(" ", "\n") for s in shifts])
    ax.tick_params(axis="x", length=0)
    ax.set(xlabel="", xlim=(-0.5, slots - 0.5))
    for label, shift in zip(ax.get_xticklabels(), shifts, strict=True):
        label.set(linespacing=0.9, fontweight="bold" if shift == bold else "normal")


def _palette(results: Results) -> dict[str, str]:
    return {title: look.colour for title, look in looks_of(results).items()}


def _method_legend(results: Results, figure: Figure, cells: Sequence[Cell]) -> None:
    """A legend over the panels that says of a method without a cell's figure why it has none."""
    patches = [
        Patch(facecolor="none", edgecolor="#999999", label=f"{title} ({cell.word})")
        if cell.word
        else Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="white", label=title)
        for (title, look), cell in zip(looks_of(results).items(), cells, strict=True)
    ]
    renderer = FigureCanvasAgg(figure).get_renderer()
    for columns in range(min(6, len(patches)), 0, -1):  # as many as the figure is wide enough for
        legend = figure.legend(handles=patches, loc="outside upper center", ncols=columns)
        if columns == 1 or legend.get_window_extent(renderer).width < 0.98 * figure.bbox.width:
            break
        legend.remove()


def _severity(results: Results, folder: Path, dataset: str, family: Family) -> Iterator[Drawing]:
    """The mean over shifts against severity, one panel per architecture, lines labelled at their ends."""
    testset, measure = family.members[dataset], MEASURES[measures_of(family.first)[0]]
    severities = range(1, testset.levels + 1) if testset.levels > 1 else ()
    clean = CLEAN_ERROR._replace(metric=measure.name)
    quantities = {0: clean} | {s: Quantity(testset.name, MEAN, measure.name, s) for s in severities}
    if not any(results.has(quantities[severity], dataset) for severity in severities):
        return
    kind = family.stem("severity")
    name = f"{kind}_{dataset}"
    height = _height(results)
    columns = min(2, len(results.architectures))
    rows = -(-len(results.architectures) // columns)
    with saved(folder, name, WIDTH if columns > 1 else 0.72 * WIDTH, rows * height) as figure:
        axes = panels(figure, len(results.architectures), columns, sharey=True)
        means = [
            results.tidy(dataset, a, quantities)
            .groupby(["method", "label"], sort=False)[["value"]]
            .mean()
            .reset_index()
            for a in results.architectures
        ]
        for ax, architecture, data in zip(axes, results.architectures, means, strict=True):
            _lines(results, ax, data, "label", "value")
            ax.set_xticks(range(len(quantities)), ["clean", *map(str, severities)])
            ax.set(xlabel="Severity", ylabel=measure.label)
            ax.set_title(architecture_title(architecture) if len(axes) > 1 else "")
        axes[0].set_ylim(bottom=0)
        for ax, data in zip(axes, means, strict=True):
            _label_ends(results, ax, data.set_index("method")[["label", "value"]], height)
    where = testset.title_on(results.dataset_title(dataset))
    over = f"averaged over the {testset.noun}s and seeds"
    finding = of_severities(results, dataset, (quantities[0], quantities[max(quantities)]))
    yield Drawing(kind, name, f"{measure.title} on {where} against severity, {over}. {finding}".rstrip())


def _height(results: Results) -> float:
    """Inches: enough for every method's label beside the lines."""
    return max(2.3, 0.5 + 0.14 * len(results.methods))


def _lines(results: Results, ax: Axes, data: pd.DataFrame, x: str, y: str) -> None:
    looks = looks_of(results)
    markers = {title: look.marker for title, look in looks.items()}
    sns.lineplot(
        data, x=x, y=y, hue="method", style="method", hue_order=list(looks), style_order=list(looks), estimator=None,
        palette=_palette(results), markers=markers, markeredgewidth=0.4, dashes=False, legend=False, ax=ax,
        markevery=max(1, data[x].nunique() // 8),
    )  # fmt: skip


def _label_ends(results: Results, ax: Axes, lines: pd.DataFrame, height: float) -> None:
    """Write each method's title at the end of its line (x and y by title), moved apart where they would overlap."""
    to_axes = ax.transScale + ax.transLimits
    ends = {str(title): to_axes.transform(line.to_numpy(float)[-1]) for title, line in lines.groupby(level=0)}
    titles = sorted(ends, key=lambda title: float(ends[title][1]))
    heights = spread([float(ends[title][1]) for title in titles], 9.5 / 72 / (height - 0.55))
    for title, at in zip(titles, heights, strict=True):
        colour = _palette(results)[title]
        ax.annotate(
            title,
            xy=(float(ends[title][0]), float(ends[title][1])),
            xytext=(1.06, at),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=8.5,
            color=colour,
            ha="left",
            arrowprops={
                "relpos": (0, 0.5), "arrowstyle": "-", "color": colour, "linewidth": 0.4, "shrinkA": 1, "shrinkB": 3,
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
    histories = [
        results.history(run).assign(method=method.title, seed=run["seed"])
        for method in results.methods
        for run in records(results.runs_at(Place(dataset, architecture, method.name)))
    ]
    if not any(map(len, histories)):
        return
    data = pd.concat([rows for rows in histories if len(rows)])
    data["test_error"] *= MEASURES["error"].scale
    by_epoch = data.groupby(["method", "epoch"], sort=False)[["train_loss", "test_error"]]
    runs = by_epoch.size()
    means = by_epoch.mean()[runs == runs.groupby("method").transform("max")]
    name = f"training_{dataset}_{architecture}"
    height = _height(results)
    with saved(folder, name, WIDTH, height) as figure:
        loss, error = figure.subplots(1, 2)
        for ax, column, title in ((loss, "train_loss", "Training loss"), (error, "test_error", "Test error (%)")):
            if runs.max() > 1:
                sns.lineplot(
                    data, x="epoch", y=column, hue="method", palette=_palette(results), units="seed", estimator=None,
                    linewidth=0.5, alpha=0.45, legend=False, ax=ax,
                )  # fmt: skip
            _lines(results, ax, means.reset_index(), "epoch", column)
            ax.set(xlabel="Epoch", ylabel=title)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        logarithmic = _stretch(error, data["test_error"])
        _label_ends(results, error, means.reset_index("epoch")[["epoch", "test_error"]], height)
    last = means["test_error"].groupby(level="method", sort=False).last().to_dict()
    said = [
        f"Training on {results.dataset_title(dataset)} with {architecture_title(architecture)}.",
        extremes(last, "test error after the last epoch", MEASURES["error"]),
        "Thin: single runs, also those that diverged; thick: the mean over seeds." if runs.max() > 1 else "",
        "The loss is the one that each method minimises, so its level does not compare across methods.",
        "The error's scale is logarithmic from the lowest error up, and linear below." if logarithmic else "",
    ]
    yield Drawing("training", name, " ".join(filter(None, said)))


def _stretch(ax: Axes, errors: pd.Series) -> bool:
    """A logarithmic scale down to the lowest error but 0, which has its place below; not for errors that lie close."""
    lowest = float(errors[errors > 0].min()) if (errors > 0).any() else 1.0
    if errors.max() < 5 * lowest:
        ax.set_ylim(0, min(100, 1.1 * float(errors.max())) or 1)
        return False
    ax.set_yscale("symlog", linthresh=lowest, linscale=0.3)
    ticks = [digit * 10.0**power for power in range(-3, 3) for digit in (1, 2, 5)]
    ax.set_yticks([0, *(tick for tick in ticks if lowest <= tick <= 100)])
    ax.set_yticks([], minor=True)
    ax.set_ylim(0 if (errors == 0).any() else 0.9 * lowest, max(lowest, min(100, 1.1 * float(errors.max()))))
    ax.yaxis.set_major_formatter("{x:g}")
    return True


def _calibration(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """The RMS calibration error of each method on every test set, one panel per architecture."""
    shown: dict[str, Quantity] = {}
    for testset in results.testsets(dataset):
        over = overall(testset, CONFIDENCE.name)
        pooled = Quantity(testset.name, POOLED, CONFIDENCE.name)
        for label, quantity in ((testset.title, over), (f"{testset.title} pooled", pooled)):
            if quantity is not None and results.has(quantity, dataset):
                shown[label] = quantity
                break  # pooled only in place of the mean
    if not shown:
        return
    name = f"calibration_{dataset}"
    columns = min(2, len(results.architectures))
    rows = -(-len(results.architectures) // columns)
    titles = [method.title for method in results.methods]
    tints = sns.light_palette(COLOURS[2], 1 + len(shown)).as_hex()[1:]
    height = 1 + 0.1 * max(2, len(shown)) * len(titles)
    with saved(folder, name, WIDTH if columns > 1 else 0.72 * WIDTH, rows * height) as figure:
        axes = panels(figure, len(results.architectures), columns, sharex=True, sharey=True)
        for ax, architecture in zip(axes, results.architectures, strict=True):
            sns.barplot(
                results.tidy(dataset, architecture, shown), x="value", y="method", order=titles, hue="label",
                hue_order=list(shown), palette=tints, saturation=1, legend=False, ax=ax, **WHISKERS,
            )  # fmt: skip
            for i, cell in enumerate(results.across(dataset, architecture, next(iter(shown.values())))):
                ax.text(0, i, f" {cell.word}", va="center", fontsize=8, style="italic")
            ax.tick_params(axis="y", length=0)
            ax.grid(axis="x")
            ax.grid(visible=False, axis="y")
            ax.set(xlabel=CONFIDENCE.label, ylabel="", xlim=(0, None))
            ax.set_title(architecture_title(architecture) if len(axes) > 1 else "")
        if len(shown) > 1:
            patches = [Patch(facecolor=tint, label=label) for label, tint in zip(shown, tints, strict=True)]
            figure.legend(handles=patches, loc="outside upper center", ncols=min(4, len(shown)))
    spread_out = ": means over seeds, whiskers ± one standard deviation." if len(results.config["seeds"]) > 1 else "."
    title = f"{CONFIDENCE.title} on {enumerated(list(shown))} images of {results.dataset_title(dataset)}{spread_out}"
    label, quantity = list(shown.items())[-1]
    finding = of_methods(results, dataset, quantity, f"on {label} images")
    yield Drawing("calibration", name, f"{title} {finding}".rstrip())
