"""The look of the figures: colours that the colour-blind can tell apart, type, and files without dates."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import matplotlib as mpl
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from augmix.suite.io.files import atomic
from reports.hover import write_svg
from reports.loaded import Results

WIDTH = 6.75
"""Inches: the width of the report's text."""
COLUMN = 3.25
"""Inches: the width of one of its two columns."""
ACROSS = 4
"""Architectures side by side."""
# Okabe and Ito's palette without its yellow, which is too faint on paper, and shades of Paul Tol's muted one: the
# colours of what is no method.
COLOURS = (
    "#4d4d4d", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00",
    "#56b4e9", "#882255", "#999933", "#332288", "#a6761d", "#000000",
)  # fmt: skip
MARKERS = "osD^vPXd<>ph"
HATCHES = ("", "////", "....", "xxxx")
TINTS = sns.light_palette(COLOURS[2], as_cmap=True)
"""From nearly white to a colour of no method."""
STYLE: dict[str, Any] = {
    "font.family": ["STIXGeneral", "DejaVu Sans"],  # the latter for letters of other scripts; Matplotlib brings both
    "mathtext.fontset": "stix",
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.columnspacing": 1.4,
    "axes.edgecolor": "black",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid.axis": "y",
    "axes.linewidth": 0.6,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "xtick.bottom": True,
    "ytick.left": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.5,
    "ytick.major.size": 3.5,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
}


class Drawing(NamedTuple):
    """A figure on disk: the kind of figures that it is one of, its file name without suffix, and its caption."""

    kind: str
    name: str
    caption: str


class Look(NamedTuple):
    """The look of a method in every figure."""

    colour: str
    marker: str
    hatch: str = ""

    @property
    def line(self) -> dict[str, Any]:
        """How its lines and points are drawn."""
        return {"color": self.colour, "marker": self.marker, "markeredgecolor": "white", "markeredgewidth": 0.4}


# The colours were searched for: any two of the default experiment are at least 10 apart (CIEDE2000), of all 8, also to
# deuteranopes and protanopes. In grey print, methods of it and of since2020.yaml with about the same lightness have
# different hatches, and of either experiment different markers.
LOOKS = {
    "standard": Look("#4d4d4d", "o"),
    "augmix": Look("#d55e00", "s"),
    "cutout": Look("#62d9ff", "D"),
    "mixup": Look("#007cff", "^", "////"),
    "cutmix": Look("#fe93b7", "v"),
    "autoaugment": Look("#a1cd33", "P", "////"),
    "adversarial": Look("#418165", "X"),
    "fmix": Look("#ef4c79", "d", "...."),
    "no_jsd": Look("#195d2d", "<", "////"),
    "no_mixing": Look("#af75aa", ">", "\\\\\\\\"),
    "kl_only": Look("#3502aa", "p"),
    "single_chain": Look("#7b5580", "h"),
    "random_autoaugment": Look("#730961", "o", "////"),
    "patch_uniform": Look("#76d3cf", "s", "////"),
    "stylized_imagenet": Look("#ffb99a", "D", "////"),
    "crop_jsd": Look("#09aff9", "^", "...."),
    "kl_reversed": Look("#980207", "v", "////"),
    "no_jsd_all_views": Look("#5947a6", "P", "...."),
    "random_autoaugment_all_views": Look("#5900ff", "X", "////"),
    "randaugment": Look("#63b451", "*"),
    "trivialaugment": Look("#6c903f", "P", "xxxx"),
    "label_smoothing": Look("#f3c6bd", "D", "...."),
    "pixmix": Look("#b44851", "d", "\\\\\\\\"),
    "ipmix": Look("#249087", "v", "++++"),
    "prime": Look("#8763b4", "p", "////"),
    "noisymix": Look("#1bab87", "<", "xxxx"),
    "augmax": Look("#63aba2", "h", "////"),
}
"""The look of every method that ships with the suite, by its name."""


def styled() -> AbstractContextManager[None]:
    """Seaborn's paper theme with our style on top, whatever the user's own settings are."""
    theme = {**sns.plotting_context("paper", font_scale=0.95), **sns.axes_style("whitegrid", rc=STYLE), **STYLE}
    return mpl.rc_context({**mpl.rcParamsDefault, **theme})


@contextmanager
def saved(folder: Path, name: str, width: float, height: float) -> Iterator[Figure]:
    """Draw on a figure of that many inches; it is then written to `folder` as PNG, PDF and SVG, free of dates."""
    with styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        figure.set_dpi(200)
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
        figure.set_layout_engine("none")  # It is laid out; `savefig` would draw it once more to find that out.
        with atomic(folder / f"{name}.png") as path:
            FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})
        figure.set_dpi(300)
        with atomic(folder / f"{name}.pdf") as path:
            FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})
        figure.set_dpi(100)
        write_svg(figure, folder / f"{name}.svg")


def panels(figure: Figure, count: int, across: int, **shared: Any) -> list[Axes]:
    """`count` axes, `across` of them side by side."""
    axes = figure.subplots(-(-count // across), across, squeeze=False, **shared).ravel()
    for ax in axes[count:]:
        ax.set_axis_off()
    return list(axes[:count])


def legend_over(figure: Figure, handles: Sequence[Artist]) -> None:
    """A legend over the panels, with as many columns as the figure is wide enough for."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    # No more columns than the same number of rows needs.
    for columns in sorted(
        {-(-len(handles) // rows) for rows in range(-(-len(handles) // 6), len(handles) + 1)}, reverse=True
    ):
        legend = figure.legend(handles=handles, loc="outside upper center", ncols=columns)
        if columns == 1 or legend.get_window_extent(renderer).width < 0.98 * figure.bbox.width:
            break
        legend.remove()


def legend_height(results: Results) -> float:
    """Inches that a legend of all methods over the panels takes, about."""
    return 0.1 + 0.03 * len(results.methods)


def looks_of(results: Results) -> dict[str, Look]:
    """Each method's look, by its title: the same in every figure and every report, as it depends on the name alone.

    A user's method has the colour that the name's CRC32 picks; where another method of the report has it too, the
    marker and the hatch differ, and the colour by less than anyone can see.
    """
    looks = {method.name: LOOKS[method.name] for method in results.methods if method.name in LOOKS}
    spare = [look.colour for name, look in LOOKS.items() if name not in ("standard", "augmix")]
    for method in results.methods:
        if method.name not in looks:
            place = crc32(method.name.encode())
            colour, marker = spare[place % len(spare)], MARKERS[place % len(MARKERS)]
            clashes = 0
            while (look := _variant(colour, marker, clashes)).colour in {other.colour for other in looks.values()}:
                clashes += 1
            looks[method.name] = look
    return {method.title: looks[method.name] for method in results.methods}


def _variant(colour: str, marker: str, clashes: int) -> Look:
    """A look in all but the same colour: the texts under the mouse tell methods by their colours' last bits."""
    marker = MARKERS[(MARKERS.index(marker) + clashes) % len(MARKERS)]
    return Look(f"#{int(colour[1:], 16) ^ clashes:06x}", marker, HATCHES[clashes % len(HATCHES)])
