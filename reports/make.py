"""Make the report of an experiment: tables/, figures/, report.pdf and report.html in its results folder."""

import contextlib
import json
import multiprocessing
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from augmix.errors import UserError
from augmix.suite.io.files import atomic, write_text
from reports.compute import draw_compute
from reports.confidence import draw_confidence
from reports.document import document, latest
from reports.figures import draw_plots
from reports.images import draw_images
from reports.latex import as_latex
from reports.layout import as_csv, as_markdown
from reports.loaded import Results, load
from reports.method import draw_method
from reports.page import web_page
from reports.samples import draw_samples
from reports.style import Drawing
from reports.tables import all_tables

Drawer = Callable[[], dict[str, list[Drawing]]]
_ASKED: list[Drawer] = []
DRAWN = (draw_samples, draw_plots, draw_method, draw_confidence, draw_images, draw_compute)
"""The functions that draw the figures of a data set: a new one needs no more than its name here."""
HERE = Path(__file__).parent
FOREIGN = re.compile(
    "[\u0590-\u1cff\u23e9-\u23ff\u2705\u2728\u274c\u2753-\u2755\u2b50\u2e80-\ud7ff\uf900-\ufaff\ufb50-\ufdff"
    "\ufe10-\uffef\U00010000-\U0001d3ff\U0001e000-\U0003ffff]"
)
"""Scripts beyond Latin, Greek and Cyrillic, full-width letters and emoji, which our fonts lack."""


def build_report(experiment_folder: Path, data_folder: Path) -> Path:
    """Make the report of results/<experiment>/ from its metrics and histories; returns the path of report.pdf.

    `data_folder` holds the images of the sample sheets; sheets without their arrays are left out. The same inputs
    give the same bytes. Raises `UserError` naming the file that is missing or malformed, and what to do.
    """
    results = load(experiment_folder, data_folder)
    for name in ("tables", "figures"):
        (experiment_folder / name).mkdir(exist_ok=True)
    folder = experiment_folder / "figures"
    latest(results)  # It reads the histories, which both processes need.
    with _beside(lambda: _drawn(results, folder)) as drawing:
        tables = all_tables(results)
        for table in tables:
            for suffix, written in (("csv", as_csv), ("md", as_markdown), ("tex", as_latex)):
                write_text(experiment_folder / "tables" / f"{table.name}.{suffix}", written(table))
        figures = drawing()
    content = document(results, tables, figures)
    names = [drawing.name for drawn in figures.values() for drawing in drawn]
    path = experiment_folder / "report.pdf"
    with tempfile.TemporaryDirectory() as scratch, atomic(path) as temporary:
        root = Path(scratch)
        for name in ("report.typ", "sections.typ", "references.yaml"):
            shutil.copy(HERE / name, root)
        for name in names:
            shutil.copy(folder / f"{name}.pdf", root)
        (root / "report.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        temporary.write_bytes(typeset(root, content["timestamp"]))
        write_text(path.with_suffix(".html"), web_page(root, folder, names, content["timestamp"]))
    return path


def _drawn(results: Results, folder: Path) -> dict[str, list[Drawing]]:
    return {
        dataset: [drawing for draw in DRAWN for drawing in draw(results, folder, dataset)]
        for dataset in results.datasets
    }


@contextlib.contextmanager
def _beside(draw: Drawer) -> Iterator[Drawer]:
    """Draw in a process of its own meanwhile, where one can be forked; yields what waits for the figures."""
    if sys.platform != "linux" or "torch" in sys.modules:  # whose threads do not outlive a fork
        yield draw
        return
    # A forked process has what its initialiser is given: what it draws from need not be pickled.
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork"), _ASKED.append, (draw,)) as pool:
        yield pool.submit(_asked).result


def _asked() -> dict[str, list[Drawing]]:
    return _ASKED[-1]()


def typeset(root: Path, timestamp: int) -> bytes:
    """Compile `root`/report.typ, which reads report.json beside it, with the figures' font, which is Matplotlib's.

    Only where a title is in another script do the system's fonts count, and with them other machines may differ.
    """
    import matplotlib as mpl
    import typst

    foreign = set(FOREIGN.findall((root / "report.json").read_text(encoding="utf-8")))
    if missing := foreign and _unknown(foreign):
        print(f"no font on this machine has {' '.join(sorted(missing))}: the report shows boxes there", file=sys.stderr)
    try:
        compiled = typst.compile(
            root / "report.typ",
            root=root,
            font_paths=[Path(mpl.get_data_path(), "fonts/ttf")],
            ignore_system_fonts=not foreign,
            timestamp=timestamp,
        )
    except typst.TypstError as error:
        raise UserError(f"the report cannot be typeset: {' '.join(str(error).split())}") from error
    return bytes(compiled)


def _unknown(letters: set[str]) -> set[str]:
    """Those of the letters that no font of the system has."""
    from matplotlib import font_manager, ft2font

    for path in font_manager.findSystemFonts():
        with contextlib.suppress(RuntimeError, OSError):  # a damaged font
            letters = {letter for letter in letters if ord(letter) not in ft2font.FT2Font(path).get_charmap()}
    return letters
