"""The look of the figures: colours that the colour-blind can tell apart, type, and files without dates."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from augmix.files import atomic
from reports.results import Results

WIDTH = 6.5
"""Inches: the width of the report's text."""
# Okabe and Ito's palette without its yellow, which is too faint on paper, and shades of Paul Tol's muted one.
COLOURS = (
    "#4d4d4d", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00",
    "#56b4e9", "#882255", "#999933", "#332288", "#a6761d", "#000000",
)  # fmt: skip
MARKERS = "osD^vPXd<>ph"
STYLE: dict[Any, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.columnspacing": 1.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
}


class Drawing(NamedTuple):
    """A figure on disk: what it shows, its file name without suffix, and its caption."""

    kind: str
    name: str
    caption: str


def styled() -> AbstractContextManager[None]:
    """Matplotlib's defaults with our style on top, whatever the user's own settings are."""
    return mpl.rc_context({**mpl.rcParamsDefault, **STYLE})


@contextmanager
def saved(folder: Path, name: str, width: float, height: float) -> Iterator[Figure]:
    """Draw on a figure of that many inches; it is then written to `folder` as PNG and PDF, free of dates."""
    with styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        with atomic(folder / f"{name}.png") as path:
            figure.savefig(path, format="png", dpi=200, metadata={"Software": None})
        with atomic(folder / f"{name}.pdf") as path:
            figure.savefig(path, format="pdf", dpi=300, metadata={"CreationDate": None})


def looks_of(results: Results) -> dict[str, tuple[str, str, str]]:
    """Each method's colour, marker and hatch: the same in every figure, by its place in the configuration."""
    return {
        method.name: (
            COLOURS[i % len(COLOURS)],
            MARKERS[i % len(MARKERS)],
            ("", "////", "....")[i // len(COLOURS) % 3],
        )
        for i, method in enumerate(results.methods)
    }
