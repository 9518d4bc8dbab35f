"""The report's plots, as PNG and PDF, in colours that the colour-blind can tell apart."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from augmix.suite.evaluate.measures import MEASURES
from reports.findings import extremes, of_methods, of_severities, of_shifts
from reports.loaded import Family, Results, records
from reports.names import architecture_title, spaced
from reports.quantities import CLEAN_ERROR, MEAN, POOLED, Cell, Place, Quantity, measure_of, overall
from reports.style import (
    ACROSS,
    COLUMN,
    TINTS,
    WIDTH,
    Drawing,
    legend_height,
    legend_over,
    looks_of,
    panels,
    saved,
)
from reports.tuning import draw_consistency, draw_sweeps
from reports.words import count_word, enumerated

RMS = MEASURES["rms_calibration"]
"""The measure of calibration that is drawn."""
MOST_LABELS = 20
"""Methods at the ends of their lines; more have a legend."""


def draw_plots(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """Draw every plot that the results have figures for, in the report's order."""
    for family in (family for family in results.families if dataset in family.members):
        yield from _shift_bars(results, folder, dataset, family)
        yield from _severity(results, folder, dataset, family)
    yield from _calibration(results, folder, dataset)
    yield from draw_consistency(results, folder, dataset)
    yield from draw_sweeps(results, folder, dataset)
    yield from _training(results, folder, dataset)


def _where(results: Results, title: str) -> str:
    """The end of a caption about figures on the overall architecture, such as `CIFAR-10-C with ResNet-50`."""
    if len(results.architectures) > 1:
        return f"{title}, averaged over the {count_word(len(results.architectures))} architectures"
    return f"{title} with {architecture_title(results.architectures[0])}"


def _shift_bars(results: Results, folder: Path, dataset: str, family: Family) -> Iterator[Drawing]:
    """Bars per shift by method, in as many panels as keep the bars wide enough to see."""
    testset, measure = family.members[dataset], measure_of(family.first)
    shifts = results.shifts(dataset, testset)
    if testset.cells:
        yield from _heat_map(results, folder, dataset, family)
        return
    if len(testset.shifts) == 1 and not testset.entering:
        return
    quantities = {shift: Quantity(testset.name, shift, measure.name) for shift in shifts}
    mean = family.headline
    if mean is not None and results.has(mean, dataset):  # not where only some of the test set was evaluated
        shifts.insert(sum(shift in testset.entering for shift in shifts), mean.shift)
        quantities[mean.shift] = mean
    architecture = results.overall_architecture
    data = results.tidy(dataset, architecture, quantities)
    if data.empty:
        return
    rows = panels_of(shifts, len(results.methods))
    kind = family.stem(f"{testset.noun}s")
    name = f"{kind}_{dataset}"
    with saved(folder, name, WIDTH, legend_height(results) + 1.35 * len(rows)) as figure:
        axes = panels(figure, len(rows), 1, sharey=True)
        for row, ax in zip(rows, axes, strict=True):
            _bars(results, ax, data, row, max(map(len, rows)), mean.shift if mean is not None else "")
            ax.set_ylabel(measure.label)
        axes[0].set_ylim(bottom=0)
        _method_legend(results, figure, results.across(dataset, architecture, quantities[shifts[0]]))
    over = ": means over seeds, whiskers ± one standard deviation." if len(results.config["seeds"]) > 1 else "."
    where = _where(results, results.title_of(dataset, testset))
    each = {shift: quantities[shift] for shift in results.shifts(dataset, testset)}
    finding = of_shifts(results, (dataset, architecture), each)
    yield Drawing(kind, name, f"{measure.title} per {testset.noun} on {where}{over} {finding}".rstrip())


def _heat_map(results: Results, folder: Path, dataset: str, family: Family) -> Iterator[Drawing]:
    """A map of the shifts for each method, the mean over seeds in each cell."""
    testset, measure = family.members[dataset], measure_of(family.first)
    quantities = {s: Quantity(testset.name, s, measure.name) for s in results.shifts(dataset, testset)}
    data = results.tidy(dataset, results.overall_architecture, quantities)
    values = data.groupby(["method", "label"])["value"].mean().to_dict()
    titles = [method.title for method in results.methods if any((method.title, s) in values for s in quantities)]
    if not titles:
        return
    rows, columns = (sorted({cell[axis] for cell in testset.cells}) for axis in (0, 1))
    name, across = f"{family.stem(f'{testset.noun}s')}_{dataset}", min(4, len(titles))
    edges = (columns[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5, rows[0] - 0.5)
    with saved(folder, name, WIDTH, 0.5 + WIDTH / 4 * -(-len(titles) // across)) as figure:
        axes = panels(figure, len(titles), across, sharex=True, sharey=True)
        for title, ax in zip(titles, axes, strict=True):
            grid = [[values.get((title, testset.cells[row, column]), np.nan) for column in columns] for row in rows]
            drawn = ax.imshow(grid, cmap="viridis", vmin=0, vmax=100 * measure.largest, extent=edges)
            ax.grid(visible=False)
            ax.set_title(title)
        figure.colorbar(drawn, ax=axes, label=measure.label, shrink=0.8)
    where = _where(results, results.title_of(dataset, testset))
    caption = f"{measure.title} on {where} by the {testset.noun} that is added: rows and columns are its frequencies "
    caption += "down and across the image, and zero is in the middle."
    yield Drawing(family.stem(f"{testset.noun}s"), name, caption)


def panels_of(shifts: list[str], methods: int) -> list[list[str]]:
    """The shifts cut into rows, so that names do not touch and no bar is thinner than about a millimetre."""
    per_row = max(4, min(11, 144 // methods))
    rows = -(-len(shifts) // per_row)
    size = -(-len(shifts) // rows)
    return [shifts[i : i + size] for i in range(0, len(shifts), size)]


def _bars(results: Results, ax: Axes, data: pd.DataFrame, shifts: Sequence[str], slots: int, bold: str) -> None:
    looks = looks_of(results)
    width = 0.84 / len(looks)
    for i, (title, look) in enumerate(looks.items()):
        found = data[data["method"] == title].groupby("label")["value"].agg(["mean", "std"]).reindex(shifts)
        there = found["mean"].notna().to_numpy()
        ax.bar(
            np.flatnonzero(there) + (i - (len(looks) - 1) / 2) * width, found["mean"][there], width, color=look.colour,
            hatch=look.hatch, edgecolor="white", linewidth=0.3, label=title, yerr=found["std"][there].fillna(0),
            error_kw={"elinewidth": 0.5},
        )  # fmt: skip
    ax.set_xticks(range(len(shifts)), [spaced(s).replace("jpeg", "JPEG").replace(" ", "\n") for s in shifts])
    ax.tick_params(axis="x", length=0)
    ax.set(xlabel="", xlim=(-0.5, slots - 0.5))
    for label, shift in zip(ax.get_xticklabels(), shifts, strict=True):
        label.set(linespacing=0.9, fontweight="bold" if shift == bold else "normal")


def _method_legend(results: Results, figure: Figure, cells: Sequence[Cell]) -> None:
    """A legend over the panels that says of a method without a cell's figure why it has none."""
    patches = [
        Patch(facecolor="none", edgecolor="#999999", label=f"{title} ({cell.word})")
        if cell.word
        else Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="white", label=title)
        for (title, look), cell in zip(looks_of(results).items(), cells, strict=True)
    ]
    legend_over(figure, patches)


def _label_lines(results: Results, figure: Figure, ax: Axes, lines: pd.DataFrame, height: float) -> None:
    """The methods' titles: at the ends of the last panel's lines where it stands alone, else in a legend."""
    if _labelled(results):
        _label_ends(results, ax, lines, height)
        return
    looks = looks_of(results).items()
    legend_over(figure, [Line2D([], [], color=look.colour, marker=look.marker, label=title) for title, look in looks])


def _severity(results: Results, folder: Path, dataset: str, family: Family) -> Iterator[Drawing]:
    """The mean over shifts against severity, one panel per architecture, lines labelled at their ends."""
    testset, measure = family.members[dataset], measure_of(family.first)
    severities = range(1, testset.levels + 1) if testset.levels > 1 else ()
    clean = CLEAN_ERROR._replace(metric=measure.name)
    quantities = {0: clean} | {s: Quantity(testset.name, MEAN, measure.name, s) for s in severities}
    if not any(results.has(quantities[severity], dataset) for severity in severities):
        return
    kind = family.stem("severity")
    name = f"{kind}_{dataset}"
    nets = results.architectures
    across = min(ACROSS, len(nets))
    height = _height(results) if len(nets) == 1 else legend_height(results) + 1.7 * -(-len(nets) // across)
    with saved(folder, name, COLUMN if _labelled(results) else WIDTH, height) as figure:
        axes = panels(figure, len(nets), across, sharey=True)
        for ax, architecture in zip(axes, nets, strict=True):
            data = results.tidy(dataset, architecture, quantities)
            lines = data.groupby(["method", "label"], sort=False)["value"].mean()
            _lines(results, ax, lines)
            ax.set_xticks(range(len(quantities)), ["clean", *map(str, severities)])
            ax.set(xlabel="Severity", title=architecture_title(architecture) if len(nets) > 1 else "")
        for ax in axes[::across]:
            ax.set_ylabel(measure.label)
        axes[0].set_ylim(bottom=0)
        _label_lines(results, figure, axes[0], lines, height)
    where = results.title_of(dataset, testset)
    over = f"averaged over the {testset.noun}s and seeds"
    finding = of_severities(results, dataset, (quantities[0], quantities[max(quantities)]))
    yield Drawing(kind, name, f"{measure.title} on {where} against severity, {over}. {finding}".rstrip())


def _labelled(results: Results) -> bool:
    """Whether the methods stand at the ends of their lines: in the one panel of one architecture, if it has room."""
    return len(results.architectures) == 1 and len(results.methods) <= MOST_LABELS


def _height(results: Results) -> float:
    """Inches of a panel: enough for the methods at the ends of its lines, or in a legend over it."""
    return max(2.3, 0.5 + 0.14 * len(results.methods)) if _labelled(results) else legend_height(results) + 2


def _lines(results: Results, ax: Axes, lines: pd.Series) -> None:
    """A line a method, from values by method and x."""
    for title, look in looks_of(results).items():
        if title in lines.index:
            line = lines[title]
            ax.plot(line.index, line, **look.line, markevery=max(1, len(line) // 8), label=title)


def _label_ends(results: Results, ax: Axes, lines: pd.Series, height: float) -> None:
    """Write each method's title at the end of its line, of values by method and x, apart where they would overlap."""
    to_axes = ax.transScale + ax.transLimits
    ends = {str(title): to_axes.transform((line.index[-1][1], line.iloc[-1])) for title, line in lines.groupby(level=0)}
    titles = sorted(ends, key=lambda title: float(ends[title][1]))
    heights = spread([float(ends[title][1]) for title in titles], 9.5 / 72 / (height - 0.55))
    for title, at in zip(titles, heights, strict=True):
        colour = looks_of(results)[title].colour
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


def _training(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """Training loss and test error by epoch, side by side for one architecture, under one another for several."""
    histories = {}
    for architecture in results.architectures:
        found = [
            results.history(run).assign(method=method.title, seed=run["seed"])
            for method in results.methods
            for run in records(results.runs_at(Place(dataset, architecture, method.name)))
        ]
        if any(map(len, found)):
            histories[architecture] = pd.concat([rows for rows in found if len(rows)])
    for part in (list(histories)[i : i + ACROSS] for i in range(0, len(histories), ACROSS)):
        yield _training_of(results, folder, dataset, {architecture: histories[architecture] for architecture in part})


def _training_of(results: Results, folder: Path, dataset: str, histories: Mapping[str, pd.DataFrame]) -> Drawing:
    """Every run thin, the mean over the seeds thick."""
    first, alone = next(iter(histories)), len(results.architectures) == 1
    name = f"training_{dataset}" + ("" if first == results.architectures[0] else f"_{first}")
    errors = pd.concat(list(histories.values()))["test_error"] * MEASURES["error"].scale
    height = _height(results) if alone else legend_height(results) + 2.7
    with saved(folder, name, WIDTH, height) as figure:
        count = len(histories)
        axes = figure.subplots(*((1, 2) if alone else (2, count)), squeeze=False, sharey=False if alone else "row")
        for (architecture, data), (loss, error) in zip(histories.items(), axes if alone else axes.T, strict=True):
            for ax, column, scale in ((loss, "train_loss", 1.0), (error, "test_error", MEASURES["error"].scale)):
                lines = _epochs(results, ax, data.assign(**{column: scale * data[column]}), column)
                ax.set_xlabel("Epoch" if alone or ax is error else "")
                ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            loss.set_title(architecture_title(architecture) if not alone else "")
        axes[0, 0].set_ylabel("Training loss")
        axes[-1, -1 if alone else 0].set_ylabel("Test error (%)")
        logarithmic = _stretch(axes[-1, -1], errors)
        _label_lines(results, figure, axes[-1, -1], lines, height)
    several = max(len(set(data["seed"])) for data in histories.values()) > 1
    nets = enumerated([architecture_title(architecture) for architecture in histories])
    last = lines.groupby(level="method", sort=False).last().to_dict() if alone else {}
    said = [
        f"Training on {results.dataset_title(dataset)} with {nets}.",
        extremes(last, "test error after the last epoch", MEASURES["error"]),
        "Thin: single runs, also those that diverged; thick: the mean over seeds." if several else "",
        "The loss is the one that each method minimises, so its level does not compare across methods.",
        "The error's scale is logarithmic from the lowest error up, and linear below." if logarithmic else "",
    ]
    return Drawing("training", name, " ".join(filter(None, said)))


def _epochs(results: Results, ax: Axes, data: pd.DataFrame, column: str) -> pd.Series:
    """Draw a column of the histories; returns its mean by method and epoch, where all of a method's runs have it."""
    by_epoch = data.groupby(["method", "epoch"], sort=False)[column]
    runs = by_epoch.size()
    looks = looks_of(results)
    if runs.max() > 1:
        for (title, _), run in data.groupby(["method", "seed"], sort=False):
            ax.plot(run["epoch"], run[column], color=looks[title].colour, linewidth=0.5, alpha=0.45)
    means: pd.Series = by_epoch.mean()[runs == runs.groupby("method").transform("max")]
    _lines(results, ax, means)
    return means


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
    for testset in results.testsets[dataset]:
        over = overall(testset, RMS.name)
        pooled = Quantity(testset.name, POOLED, RMS.name)
        for label, quantity in ((testset.title, over), (f"{testset.title} pooled", pooled)):
            if quantity is not None and results.has(quantity, dataset):
                shown[label] = quantity
                break  # pooled only in place of the mean
    if not shown:
        return
    name = f"calibration_{dataset}"
    architecture = results.overall_architecture
    titles = [method.title for method in results.methods]
    tints = [to_hex(TINTS(i / len(shown))) for i in range(1, 1 + len(shown))]
    data = results.tidy(dataset, architecture, shown).groupby(["label", "method"])["value"].agg(["mean", "std"])
    thickness = 0.84 / len(shown)
    with saved(folder, name, COLUMN, 0.8 + 0.08 * max(2, len(shown)) * len(titles)) as figure:
        ax = figure.subplots()
        for i, (label, tint) in enumerate(zip(shown, tints, strict=True)):
            found = data.loc[label].reindex(titles)
            there = found["mean"].notna().to_numpy()
            ax.barh(
                np.flatnonzero(there) + (i - (len(shown) - 1) / 2) * thickness, found["mean"][there], thickness,
                color=tint, xerr=found["std"][there].fillna(0), error_kw={"elinewidth": 0.5},
            )  # fmt: skip
        for i, cell in enumerate(results.across(dataset, architecture, next(iter(shown.values())))):
            ax.text(0, i, f" {cell.word}", va="center", fontsize=8, style="italic")
        ax.set_yticks(range(len(titles)), titles)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.grid(visible=False, axis="y")
        ax.set(xlabel=RMS.label, xlim=(0, None), ylim=(len(titles) - 0.5, -0.5))
        if len(shown) > 1:
            legend_over(figure, [Patch(facecolor=tint, label=label) for label, tint in zip(shown, tints, strict=True)])
    spread_out = ": means over seeds, whiskers ± one standard deviation." if len(results.config["seeds"]) > 1 else "."
    where = _where(results, f"{enumerated(list(shown))} images of {results.dataset_title(dataset)}")
    title = f"{RMS.title} on {where}{spread_out}"
    label, quantity = list(shown.items())[-1]
    finding = of_methods(results, dataset, quantity, f"on {label} images")
    yield Drawing("calibration", name, f"{title} {finding}".rstrip())
