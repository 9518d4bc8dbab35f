"""The tables as LaTeX: a two-column article takes them as they are, and none of them leaves its column or its page."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.latex import LINES, as_latex
from reports.layout import Column, Row, Table, framed
from reports.loaded import load
from reports.style import LOOKS
from reports.tables import all_tables
from tests.reports.synthetic import Synthetic

needs_pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
ARTICLE = r"\documentclass[twocolumn]{article}\usepackage{array,booktabs,graphicx}\begin{document}%s\end{document}"


def compiled(folder: Path, texts: list[str]) -> str:
    """The log of an article that has a page for each of the texts."""
    (folder / "all.tex").write_text(ARTICLE % "".join(f"{text}\\clearpage\n" for text in texts), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-draftmode", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = (folder / "all.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log
    return log


def one_method(synthetic: Synthetic) -> None:
    synthetic.methods, synthetic.seeds = synthetic.methods[1:2], (0,)


def forty_methods(synthetic: Synthetic) -> None:
    synthetic.methods = [{"name": f"method_number_{i}", "preset": f"method_number_{i}"} for i in range(40)]
    synthetic.run_changes = {3: {"status": "failed", "message": "a/path/" + 5 * "that_is_never_to_be_broken" + " & #1"}}
    synthetic.evaluated = ("clean",)
    synthetic.status = {("method_number_1", 1): "failed"}


def paper(synthetic: Synthetic) -> None:
    synthetic.datasets = {f"c{n}": {"loader": f"cifar{n}", "title": f"CIFAR-{n}"} for n in (10, 100)}
    synthetic.architectures = ("allconv", "densenet", "wideresnet", "resnext")
    synthetic.methods = [{"name": name, "preset": name} for name in list(LOOKS)[:13]]
    synthetic.seeds, synthetic.calibrated, synthetic.evaluated = (0,), False, ("clean", "P")


@needs_pdflatex
@pytest.mark.parametrize("shape", [one_method, forty_methods, paper])
def test_every_table_fits_its_column_or_its_page(
    synthetic: Synthetic, tmp_path: Path, shape: Callable[[Synthetic], None]
) -> None:
    shape(synthetic)
    tables = all_tables(load(synthetic.write(), synthetic.data))
    log = compiled(tmp_path, [as_latex(table) for table in tables])
    assert len(tables) > 3
    assert not re.findall(r"Overfull.*|.*Float too large.*|.*multiply.defined.*", log)


@needs_pdflatex
def test_an_overfull_box_would_be_seen(tmp_path: Path) -> None:
    assert "Overfull" in compiled(tmp_path, [r"\begin{table}\rule{9cm}{1pt}\end{table}"])


def test_captions_labels_and_heads_are_for_readers(synthetic: Synthetic) -> None:
    for table in all_tables(load(synthetic.write(), synthetic.data)):
        text = as_latex(table)
        assert text.count(r"\label{tab:" + table.name + "}") == 1
        assert text.count(r"\begin{table") == text.count(r"\end{table") == text.count(r"\caption")
        head = text.split(r"\toprule")[1].split(r"\midrule")[0]
        assert not re.search(r"\w\\_\w", head), head


def test_a_long_table_goes_on_under_the_same_number() -> None:
    rows = [Row((str(i),), "block", f"row {i}", ["1"]) for i in range(2 * LINES)]
    text = as_latex(Table("long", "Long", framed(["key"], [Column("", "Value", "value")], rows)))
    assert text.count(r"\begin{table}") == 3
    assert text.count(r"\addtocounter{table}{-1}\caption[]{(continued)}") == 2
    assert [f"row {i} & 1" in text for i in range(2 * LINES)] == [True] * 2 * LINES
