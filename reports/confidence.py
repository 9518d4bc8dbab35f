"""Figures of how far confidence can be trusted: reliability diagrams, and calibration by severity."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from augmix.suite.evaluate.measures import MEASURES
from augmix.suite.evaluate.scores import INTERVALS, FloatArray
from augmix.suite.testsets.base import TestSet
from reports.archives import answers_of
from reports.layout import printed_mean
from reports.loaded import Results
from reports.names import PrintedMethod
from reports.quantities import MCE, MEAN, POOLED, Place, Quantity
from reports.style import COLOURS, WIDTH, Drawing, Look, looks_of, saved
from reports.words import averaged_over, enumerated

FEWEST = 30
"""An interval with fewer predictions is not drawn: its accuracy would be chance."""
ECE, RMS = MEASURES["ece"], MEASURES["rms_calibration"]


def draw_confidence(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """Reliability on clean and corrupted images, then calibration by severity, in one row for all architectures."""
    testsets = [found for name in ("clean", MCE.testset) if (found := results.testset(dataset, name)) is not None]
    measured = [testset for testset in testsets if results.has(_pooled(testset), dataset)]
    by_severity = [
        quantities
        for measure in (RMS, ECE)
        for quantities in [{s: Quantity(MCE.testset, MEAN, measure.name, s) for s in range(1, 6)}]
        if any(results.has(quantity, dataset) for quantity in quantities.values())
    ]
    if not measured:
        return
    methods = shown_methods(results, dataset, _pooled(measured[-1]))
    places = [Place(dataset, name, method.name) for name in results.architectures for method in methods]
    measured = [testset for testset in measured if any(any(answers_of(results, at, testset)) for at in places)]
    if not measured and not by_severity:
        return
    looks = {method: looks_of(results)[method.title] for method in methods}
    name = f"reliability_{dataset}"
    with saved(folder, name, WIDTH, 2.1) as figure:
        axes = figure.subplots(1, len(measured) + len(by_severity), squeeze=False)[0]
        for ax, testset in zip(axes, measured, strict=False):
            _reliability(results, ax, dataset, testset, looks)
            ax.set_title(f"{testset.title} images")
        for ax, quantities in zip(axes[len(measured) :], by_severity, strict=True):
            _severities(results, ax, dataset, quantities, looks)
        handles = [
            Line2D([], [], color=look.colour, marker=look.marker, label=method.title) for method, look in looks.items()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    yield Drawing(
        "reliability", name, _caption(results, dataset, [t.title for t in measured], bool(by_severity), methods)
    )


def _pooled(testset: TestSet) -> Quantity:
    """The expected calibration error over all of a test set's images at once."""
    return Quantity(testset.name, POOLED if testset.entering else testset.shifts[0], ECE.name)


def shown_methods(results: Results, dataset: str, quantity: Quantity) -> list[PrintedMethod]:
    """Standard training and AugMix, and of the others with a figure the best and the worst, in the report's order."""
    architecture = results.overall_architecture
    means = {m.name: results.cell(Place(dataset, architecture, m.name), quantity).mean for m in results.methods}
    known = {name: mean for name, mean in means.items() if mean is not None}
    fixed = {method.name for name in ("standard", "augmix") if (method := results.method(name)) is not None}
    others = sorted(known.keys() - fixed, key=lambda name: (known[name], name))
    chosen = fixed | set(others[:1] + others[-1:])
    return [method for method in results.methods if method.name in known and method.name in chosen]


def _reliability(
    results: Results, ax: Axes, dataset: str, testset: TestSet, looks: Mapping[PrintedMethod, Look]
) -> None:
    """Accuracy by interval of confidence, all runs' predictions together, with each method's calibration error."""
    ax.plot([0, 100], [0, 100], color=COLOURS[0], linewidth=0.6, linestyle=":", zorder=1)
    said = ["ECE (%)"]
    for method, look in looks.items():
        places = (Place(dataset, name, method.name) for name in results.architectures)
        runs = [found.reliability for place in places for found in answers_of(results, place, testset)]
        x, y = reliability_curve(runs)
        ax.plot(x, y, **look.line, linewidth=1)
        overall = results.overall_place(dataset, method.name)
        said.append(printed_mean(results.cell(overall, _pooled(testset))) or "–")
    for i, (text, colour) in enumerate(zip(said, ("black", *(look.colour for look in looks.values())), strict=True)):
        ax.text(0.05, 0.97 - 0.1 * i, text, color=colour, transform=ax.transAxes, fontsize=7, va="top")
    ax.grid(axis="x")
    ax.set(xlim=(0, 100), ylim=(0, 100), xlabel="Confidence (%)", ylabel="Accuracy (%)", aspect="equal")
    ax.set_xticks((0, 50, 100))
    ax.set_yticks((0, 50, 100))


def reliability_curve(runs: list[FloatArray]) -> FloatArray:
    """Mean confidence and accuracy in %, (2, intervals with `FEWEST` predictions or more), of runs' sums together."""
    count, confidence, right = sum(runs, np.zeros((3, INTERVALS)))
    enough = count >= FEWEST
    return np.asarray(100 * np.stack([confidence, right])[:, enough] / count[enough])


def _severities(
    results: Results,
    ax: Axes,
    dataset: str,
    quantities: Mapping[int, Quantity],
    looks: Mapping[PrintedMethod, Look],
) -> None:
    """A calibration error from clean images, severity 0, to the highest severity; bands are ± one deviation."""
    measure = quantities[1].measure
    for method, look in looks.items():
        place = results.overall_place(dataset, method.name)
        of = {0: Quantity("clean", "clean", measure.name), **quantities}
        cells = {severity: results.cell(place, one) for severity, one in of.items()}
        x = [severity for severity, cell in cells.items() if cell.mean is not None]
        mean = np.array([cells[severity].mean for severity in x], float)
        deviation = np.array([cells[severity].deviation or 0.0 for severity in x])
        ax.fill_between(x, mean - deviation, mean + deviation, color=look.colour, alpha=0.2, linewidth=0)
        ax.plot(x, mean, **look.line, linewidth=1)
    ax.set(xlabel="Severity", ylim=(0, None))
    ax.set_ylabel(measure.label, fontsize=7.5)
    ax.set_xticks(range(len(quantities) + 1))


def _caption(results: Results, dataset: str, titles: list[str], severities: bool, methods: list[PrintedMethod]) -> str:
    over = averaged_over(results)
    together = f", all {enumerated(over)} together" if over else ""
    said = []
    if titles:
        said.append(
            f"Reliability on {enumerated(titles)} images of {results.dataset_title(dataset)}: accuracy by interval of "
            f"confidence{together}, where an interval has {FEWEST} predictions or more; below the dotted line "
            "confidence is too high. ECE is the expected calibration error."
        )
    if severities:
        bands = f"; means over {enumerated(over)}" if over else ""
        bands += ", bands ± one standard deviation over seeds" if "seeds" in over else ""
        where = "Right: calibration" if titles else f"Calibration on {results.dataset_title(dataset)}:"
        said.append(f"{where} errors by severity, 0 for clean images, averaged over corruptions{bands}.")
    if len(methods) < len(results.methods):
        said.append("Of the methods beside standard training and AugMix, those with the lowest and the highest ECE.")
    return " ".join(said)
