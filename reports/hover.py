"""Figures as SVG whose bars and points say their values: each has an invisible shape with a text above it."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from augmix.suite.io.files import write_text

POINTS = 72
"""Units of an SVG's coordinates in an inch."""
REACH = 5
"""The radius, in these units, within which the mouse meets a point."""
NEAR = 0.45
"""Bars of a category lie within so much of its tick, which is 1 from the next."""
ROUNDING = 1e-9


class Tip(NamedTuple):
    """A text, and where it answers: the corner and the size of a box, in pixels of the figure from its lower left."""

    text: str
    x: float
    y: float
    width: float
    height: float


def write_svg(figure: Figure, path: Path) -> None:
    """Write a figure that is laid out, which loses its background; its bytes are reproducible, its ids its own."""
    names = _names(figure)
    shapes = "".join(_shape(figure, tip) for ax in figure.axes for tip in _tips(ax, names))
    buffer = io.StringIO()
    for patch in (figure.patch, *(ax.patch for ax in figure.axes)):
        patch.set(facecolor="none", edgecolor="none")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue()[buffer.getvalue().index("<svg") :]
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{path.stem}-", text)
    write_text(path, re.sub(r"</svg>\s*$", f"<g>{shapes}</g></svg>\n", text))


def _shape(figure: Figure, tip: Tip) -> str:
    """The invisible box of a text."""
    scale = POINTS / figure.dpi
    top = figure.bbox.height - tip.y - tip.height
    box = (tip.x * scale, top * scale, tip.width * scale, tip.height * scale)
    x, y, width, height = (f"{value:.2f}" for value in box)
    label = quoteattr(tip.text)
    return f'<rect class="tip" data-tip={label} x="{x}" y="{y}" width="{width}" height="{height}" fill-opacity="0"/>'


def _tips(ax: Axes, names: dict[str, str]) -> Iterator[Tip]:
    """The texts of what is drawn on some axes."""
    for container in ax.containers:
        if isinstance(container, BarContainer):
            yield from _bars(ax, container, names)
    for line in ax.lines:
        if line.get_marker() not in ("None", "", " ", None):
            shown = np.asarray(line.get_xydata(), float).tolist()
            yield from _points(ax, shown, names.get(to_hex(line.get_color()), ""))
    for found in ax.collections:
        if isinstance(found, PathCollection):
            colours = [to_hex(tuple(colour)) for colour in np.asarray(found.get_facecolor(), float).tolist()]
            for i, place in enumerate(np.asarray(found.get_offsets(), float).tolist()):
                yield from _points(ax, [place], names.get(colours[i % len(colours)], "") if colours else "")


def _names(figure: Figure) -> dict[str, str]:
    """Colour -> what is drawn in it, from the legends and the labels beside lines."""
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes)]
    found: dict[str, str] = {}
    for legend in filter(None, legends):
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            colour = getattr(handle, "get_facecolor", getattr(handle, "get_color", None))
            if colour is not None:
                found[to_hex(colour())] = text.get_text()
    for text in (text for ax in figure.axes for text in ax.texts):
        found.setdefault(to_hex(text.get_color()), text.get_text())
    return found


def _bars(ax: Axes, container: BarContainer, names: dict[str, str]) -> Iterator[Tip]:
    lying = container.orientation == "horizontal"
    axis, unit = (ax.yaxis, ax.get_xlabel()) if lying else (ax.xaxis, ax.get_ylabel())
    categories = _categories(axis)
    for bar in container.patches:
        if isinstance(bar, Rectangle):
            value = bar.get_width() if lying else bar.get_height()
            middle = bar.get_y() + bar.get_height() / 2 if lying else bar.get_x() + bar.get_width() / 2
            text = _text(names.get(to_hex(bar.get_facecolor()), ""), _category(categories, middle, NEAR), value, unit)
            box = bar.get_window_extent()
            yield Tip(text, box.x0, box.y0, max(box.width, 1), max(box.height, 1))


def _points(ax: Axes, shown: list[list[float]], series: str) -> Iterator[Tip]:
    radius, categories = REACH * ax.figure.dpi / POINTS, _categories(ax.xaxis)
    for x, y in shown:
        if x != x or y != y:
            continue
        at = ax.transData.transform((x, y))
        where = f"{ax.get_xlabel()} {_category(categories, x, ROUNDING)}".strip()
        yield Tip(_text(series, where, y, ax.get_ylabel()), at[0] - radius, at[1] - radius, 2 * radius, 2 * radius)


def _categories(axis: Axis) -> dict[float, str]:
    """The labels of an axis, each in one line, by the places of their ticks."""
    labels = (" ".join(label.get_text().split()) for label in axis.get_ticklabels())
    return {tick: label for tick, label in zip(axis.get_ticklocs(), labels, strict=False) if label}


def _category(categories: dict[float, str], place: float, within: float) -> str:
    """The label of the tick at a place; the place itself where there is none."""
    near = (label for tick, label in categories.items() if abs(tick - place) < within)
    return next(near, f"{place:.3g}")


def _text(series: str, where: str, value: float, label: str) -> str:
    """`AugMix, fog: 31.4 %`, from the label of the value's axis, `Error (%)`."""
    unit = found[1] if (found := re.search(r"\(([^)]*)\)$", label)) else ""
    said = ", ".join(filter(None, (series, where)))
    return f"{said}: {value:.3g} {unit}".strip()
