"""The whole report: from a results folder to a PDF that says what the metrics say."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from augmix.errors import UserError
from reports import make, style
from reports.loaded import load
from reports.make import HERE, build_report, typeset
from reports.style import Drawing
from reports.tables import all_tables
from tests.reports.synthetic import NATURAL, Synthetic

HOSTILE = '#panic("no") $x$ @ref <label> *b* _i_ `c` \\ // [ ] { & %'
needs_pdftotext = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler) is not installed")


def pdf_text(path: Path) -> str:
    text = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=True).stdout
    text = re.sub(r"(?<=[a-z])[-\u2010\u00ad]\n(?=[a-z])", "", text)  # words are divided at the ends of lines
    return " ".join(text.replace("\u00a0", " ").split())


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("title", "fonts", "boxes"),
    [("Ziffern σ", 0, ""), ("Թվեր", 1, ""), ("数学 Թ", 1, "学 数"), ("ＡＢ ✅ ✓ ﬁ ❤️", 1, "✅ Ａ Ｂ")],
)
def test_a_title_in_another_script_is_typeset_or_said_to_be_missing(
    title: str,
    fonts: int,
    boxes: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import matplotlib as mpl
    from matplotlib import font_manager

    known = [f"{mpl.get_data_path()}/fonts/ttf/DejaVuSans.ttf"][:fonts]  # it has Armenian
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: known)
    (tmp_path / "report.json").write_text(json.dumps({"title": title}, ensure_ascii=False), encoding="utf-8")
    (tmp_path / "report.typ").write_text('#json("report.json").title')
    assert typeset(tmp_path, 0).startswith(b"%PDF")
    said = f"no font on this machine has {boxes}: the report shows boxes there\n" if boxes else ""
    assert capsys.readouterr().err == said


def test_text_is_set_in_the_font_of_the_figures(tmp_path: Path) -> None:
    [rule] = [line for line in (HERE / "report.typ").read_text().splitlines() if line.startswith("#set text(font")]
    (tmp_path / "report.json").write_text("{}", encoding="utf-8")
    (tmp_path / "report.typ").write_text(f"{rule}\nText", encoding="utf-8")
    made = typeset(tmp_path, 0)
    assert f"+{style.STYLE['font.family'][0]}-Regular".encode() in made
    assert b"Libertinus" not in made


@needs_pdftotext
def test_the_pdf_holds_the_numbers_and_the_same_inputs_give_the_same_bytes(synthetic: Synthetic) -> None:
    synthetic.status, synthetic.images = {("no_jsd", 1): "diverged"}, 30
    synthetic.write()
    synthetic.write_arrays()
    path = build_report(synthetic.folder, synthetic.data)
    assert path == synthetic.folder / "report.pdf"
    first = digests(synthetic.folder)
    copy = synthetic.folder.parent / "copied" / "trial"
    shutil.copytree(synthetic.folder, copy)
    for name in ("tables", "figures"):
        shutil.rmtree(copy / name)
    build_report(copy, synthetic.data)
    assert digests(copy) == first
    assert {"tables/mce.csv", "tables/mce.md", "tables/mce.tex", "figures/severity_digits.pdf"} <= set(first)
    text = pdf_text(path)
    mce = next(table for table in all_tables(load(synthetic.folder, synthetic.data)) if table.name == "mce")
    for cell in mce.cells.iloc[0]:
        assert f"{cell.mean:.1f}" in text
    for said in (
        "A trial of #1 & $2_@",
        "diverged",
        "(1 of 2)",
        "14 November 2023",
        "loss nan in epoch 2",
        "References",
    ):
        assert said in text, said


@needs_pdftotext
def test_hostile_names_are_printed_as_they_are(synthetic: Synthetic) -> None:
    synthetic.datasets = {"digits": {"loader": "digits", "title": HOSTILE}}
    synthetic.evaluated, synthetic.seeds, synthetic.calibrated = ("clean",), (0, 1), False
    synthetic.status = {("augmix", 1): "failed"}
    synthetic.run_changes = {3: {"message": HOSTILE}}
    text = pdf_text(build_report(synthetic.write(), synthetic.data))
    assert text.count('#panic("no") $x$ @ref <label> *b* _i_') > 2


@needs_pdftotext
def test_one_method_one_seed_clean_only(synthetic: Synthetic) -> None:
    synthetic.methods, synthetic.seeds, synthetic.evaluated = synthetic.methods[1:2], (0,), ("clean",)
    text = pdf_text(build_report(synthetic.write(), synthetic.data))
    assert "one of one run finished" in text
    assert "Every figure rests on one seed" in text
    assert "No finished run was evaluated on Digits-C and Digits-P." in text
    assert "Corruption by corruption" not in text


@needs_pdftotext
def test_a_report_is_made_where_nothing_finished(synthetic: Synthetic) -> None:
    synthetic.status = {(m, s): "failed" for m in ("standard", "augmix", "no_jsd") for s in (0, 1)}
    synthetic.write()
    shutil.rmtree(synthetic.folder / "digits")
    text = pdf_text(build_report(synthetic.folder, synthetic.data))
    assert "none of six runs finished" in text
    assert "No run on this data set has finished" in text
    assert (synthetic.folder / "figures").is_dir()


@needs_pdftotext
def test_different_code_and_a_dirty_tree_are_warned_of(synthetic: Synthetic) -> None:
    synthetic.evaluated, synthetic.calibrated = ("clean",), False
    synthetic.run_changes = {0: {"code": "fedcba9876543210", "dirty": True}}
    text = pdf_text(build_report(synthetic.write(), synthetic.data))
    assert (
        "The runs of Standard training with SmallNet come from different versions of the code: fedcba987654 (one run) "
        "and 0123456789ab (one run)." in text
    )
    assert "One run was trained with uncommitted changes" in text


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("experiment.yaml", None, "is missing; run `augmix collect`"),
        ("metrics.csv", None, "is missing; run `augmix collect`"),
        ("runs.csv", None, "is missing; run `augmix collect`"),
        ("experiment.yaml", lambda text: text.replace("methods:", "methode:"), "lacks 'methods'"),
        ("experiment.yaml", lambda text: text + "\n- [", "is not readable YAML"),
        ("metrics.csv", lambda text: text.replace("severity", "hardness"), "lacks the column 'severity'"),
        ("metrics.csv", lambda text: text.replace(",0.", ",nought.", 1), "row 2: the value is 'nought."),
        (
            "metrics.csv",
            lambda text: text.replace(",clean,,", ",clean,2.5,", 1),
            "severity is '2.5', which is no whole",
        ),
        ("metrics.csv", lambda text: text.replace("standard,0,", "standard,x,", 1), "row 2: the seed is 'x', which is"),
        ("metrics.csv", lambda text: re.sub(r".*,augmix,1,.*\n", "", text), "no row of digits/smallnet/augmix, seed 1"),
        ("metrics.csv", lambda text: re.sub(r".*,augmix,1,.*\n", "", text, count=1), "has 4 rows of digits/smallnet"),
        ("runs.csv", lambda text: re.sub(r".*,augmix,1,.*\n", "", text), "no run digits/smallnet/augmix, seed 1"),
        ("runs.csv", lambda text: text.replace(",61.5,", ",long,", 1), "row 2: the train_seconds is 'long'"),
        ("metrics.csv", lambda text: text.replace("augmix,0", "augmux,0"), "row 12: 'augmux' is not among the methods"),
        ("metrics.csv", lambda text: text.replace(",clean,", ",D,", 1), "'D' is not among the test sets of experiment"),
        ("metrics.csv", lambda text: text.replace(",brier,", ",bier,", 1), "'bier' is not among the measures"),
        ("experiment.yaml", lambda text: text.replace("testsets:", "sets:"), "lacks 'datasets.digits.testsets'"),
        ("metrics.csv", lambda text: text + text.split("\n", 1)[1], "row 32: a second value of error on clean"),
        ("metrics.csv", lambda text: re.sub(r"0\.\d+", "3.0", text, count=1), "row 2: the error of digits/smallnet"),
        ("metrics.csv", lambda text: re.sub(r"0\.\d+", "-1", text, count=1), "on clean is -1; 0 to 1 is possible"),
        ("metrics.csv", lambda text: re.sub(r"0\.\d+", "nan", text, count=1), "on clean is nan; 0 to 1 is possible"),
        ("metrics.csv", lambda text: re.sub(r"0\.\d+\n", "\n", text, count=1), "on clean is nan"),
        ("metrics.csv", lambda text: text.replace("augmix,1", "augmix,7"), "no run digits/smallnet/augmix, seed 7"),
        (
            "runs.csv",
            lambda text: text + text.split("\n", 2)[1] + "\n",
            "row 8: the run digits/smallnet/standard, seed 0",
        ),
        ("runs.csv", lambda text: text.replace("done", "fine"), "row 2: the status 'fine'; valid: done"),
        (
            "runs.csv",
            lambda text: text.replace(",61.5,", ",inf,", 1),
            "row 2: the train_seconds is inf; a number from 0",
        ),
        ("runs.csv", lambda text: text.replace(",61.5,", ",-3,", 1), "row 2: the train_seconds is -3; a number from 0"),
        ("metrics.csv", lambda text: text.replace(",clean,,error", ",claen,,error", 1), "row 2: error on claen, which"),
        (
            "metrics.csv",
            lambda text: text.replace(",clean,,error", ",clean,3,error", 1),
            "error on clean at severity 3",
        ),
        (
            "metrics.csv",
            lambda text: text.replace(",clean,digits,clean,", ",validation,digits,clean,", 1),
            "'validation' is not",
        ),
    ],
)
def test_missing_and_malformed_inputs_are_named(
    synthetic: Synthetic, name: str, change: Callable[[str], str] | None, words: str
) -> None:
    synthetic.evaluated = ("clean",)
    path = synthetic.write() / name
    if change is None:
        path.unlink()
    else:
        path.write_text(change(path.read_text()))
    with pytest.raises(UserError) as caught:
        build_report(synthetic.folder, synthetic.data)
    assert words in str(caught.value)
    assert str(path.name) in str(caught.value)
    assert str(synthetic.folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (synthetic.folder / "report.pdf").exists()


def test_a_test_set_of_which_one_run_has_no_rows_is_named(synthetic: Synthetic) -> None:
    synthetic.evaluated = ("clean", "P")
    synthetic.write()
    synthetic.metrics = [
        row for row in synthetic.metrics if (row["method"], row["seed"], row["testset"]) != ("augmix", 1, "P")
    ]
    synthetic.rewrite_metrics()
    said = r"metrics\.csv has no rows of digits/smallnet/augmix, seed 1 on P, where other runs have 11; run `aug"
    with pytest.raises(UserError, match=said):
        build_report(synthetic.folder, synthetic.data)


def test_a_damaged_array_is_named(synthetic: Synthetic) -> None:
    synthetic.evaluated = ("clean",)
    synthetic.write()
    synthetic.write_arrays()
    path = synthetic.data / "digits" / "test_images.npy"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"test_images\.npy is not a whole"):
        build_report(synthetic.folder, synthetic.data)


@needs_pdftotext
def test_a_second_c_and_a_natural_test_set_are_in_the_report(synthetic: Synthetic) -> None:
    synthetic.testsets |= {"C_generated": synthetic.testsets["C"], "writers": NATURAL}
    text = pdf_text(build_report(synthetic.write(), synthetic.data))
    for said in (
        "mCE on Digits-C generated",
        "Error on Digits-writers",
        "Negative log-likelihood, writers",
        "Corruption by corruption: -C generated",
        "The expected calibration error (Guo et al., 2017) is the mean absolute difference",
    ):
        assert said in text, said


def test_importing_the_report_imports_no_torch() -> None:
    code = "import sys, reports.make; print('torch' in sys.modules, 'typst' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.skipif(sys.platform != "linux", reason="no process is forked elsewhere")
def test_figures_are_drawn_in_a_process_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with make._beside(lambda: {"digits": [Drawing("kind", str(os.getpid()), "")]}) as drawing:
        assert drawing()["digits"][0].name != str(os.getpid())

    def fail() -> dict[str, list[Drawing]]:
        raise UserError("an array is damaged")

    with pytest.raises(UserError, match="an array is damaged"), make._beside(fail) as drawing:
        drawing()
