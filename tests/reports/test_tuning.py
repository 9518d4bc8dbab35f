"""Sweeps: every value is shown, and only what was chosen is compared on test images."""

import shutil
from pathlib import Path
from statistics import mean

import pytest

from augmix.errors import UserError
from reports.layout import as_markdown
from reports.loaded import load
from reports.make import build_report
from reports.tables import all_tables
from reports.tuning import draw_sweeps, sweep_table, sweeps_of
from reports.verdict import judge
from tests.reports.synthetic import Synthetic


@pytest.fixture
def swept(synthetic: Synthetic) -> Synthetic:
    """Width and severity of AugMix: width 5 is chosen, and severity's default."""
    synthetic.methods = [
        {"name": "standard", "preset": "standard"},
        {"name": "augmix_width_1", "preset": "augmix", "parameters": {"width": 1}, "sweeps": {"width": 1}},
        {"name": "augmix", "preset": "augmix", "parameters": {}, "sweeps": {"width": 3, "severity": 3}},
        {"name": "augmix_width_5", "preset": "augmix", "parameters": {"width": 5}, "sweeps": {"width": 5}},
        {"name": "augmix_severity_10", "preset": "augmix", "parameters": {"severity": 10}, "sweeps": {"severity": 10}},
    ]
    synthetic.validation = 0.25
    synthetic.chosen = {"width": "augmix_width_5", "severity": "augmix"}
    return synthetic


def with_validation(swept: Synthetic, figures: dict[str, list[float]]) -> None:
    swept.write()
    for row in swept.metrics:
        if row["testset"] == "validation":
            row["value"] = figures.get(row["method"], [0.5, 0.5])[row["seed"]]
    swept.rewrite_metrics()


def test_values_are_in_the_order_of_their_definition(swept: Synthetic) -> None:
    results = load(swept.write(), swept.data)
    width, severity = sweeps_of(results)
    assert width.title == "Number of chains k"
    assert width.values == [("1", "augmix_width_1"), ("3", "augmix"), ("5", "augmix_width_5")]
    assert (width.default, severity.default) == ("augmix", "augmix")


def test_switches_are_words_in_the_order_of_their_definition(synthetic: Synthetic) -> None:
    synthetic.methods = [
        {
            "name": "augmix_all_ops_true",
            "preset": "augmix",
            "parameters": {"all_ops": True},
            "sweeps": {"all_ops": True},
        },
        {"name": "augmix", "preset": "augmix", "sweeps": {"all_ops": False}},
    ]
    (sweep,) = sweeps_of(load(synthetic.write(), synthetic.data))
    assert sweep.values == [("no", "augmix"), ("yes", "augmix_all_ops_true")]


def test_a_random_depth_is_called_so(synthetic: Synthetic) -> None:
    synthetic.methods = [
        {"name": "augmix", "preset": "augmix", "sweeps": {"depth": -1}},
        {"name": "augmix_depth_3", "preset": "augmix", "parameters": {"depth": 3}, "sweeps": {"depth": 3}},
    ]
    (sweep,) = sweeps_of(load(synthetic.write(), synthetic.data))
    assert sweep.values == [("3", "augmix_depth_3"), ("random", "augmix")]


def test_the_table_has_the_validation_errors(swept: Synthetic) -> None:
    figures = {"augmix_width_1": [0.30, 0.32], "augmix": [0.28, 0.29], "augmix_width_5": [0.20, 0.21]}
    with_validation(swept, figures)
    table = sweep_table(load(swept.folder, swept.data))
    cells = table.cells.droplevel([0, 1]).iloc[:, 0]
    for value, method in (("1", "augmix_width_1"), ("3", "augmix"), ("5", "augmix_width_5")):
        assert cells["width", value].mean == pytest.approx(100 * mean(figures[method]))
    text = as_markdown(table)
    assert "| 3 (default) | 28.5 ± 0.7 |" in text
    assert "| 5 | **20.5** ± 0.7 |" in text


def test_only_the_chosen_are_compared_on_test_images(swept: Synthetic) -> None:
    results = load(swept.write(), swept.data)
    mce = next(table for table in all_tables(results) if table.name == "mce")
    assert list(mce.cells.columns.get_level_values("name")) == ["standard", "augmix", "augmix_width_5"]
    assert len(next(table for table in all_tables(results) if table.name == "runs").cells) == 10


def test_a_value_chosen_elsewhere_is_marked_here(swept: Synthetic) -> None:
    swept.architectures = ("allconv", "wideresnet")
    swept.write()
    path = swept.folder / "chosen.csv"
    path.write_text(
        path.read_text().replace("allconv,width,augmix_width_5,5,,True", "allconv,width,augmix_width_5,5,,False")
    )
    key = {"arch": "allconv", "method": "augmix_width_5"}
    swept.metrics = [
        row for row in swept.metrics if row["testset"] == "validation" or any(row[k] != v for k, v in key.items())
    ]
    swept.rewrite_metrics()
    mce = next(table for table in all_tables(load(swept.folder, swept.data)) if table.name == "mce")
    words = [cell.word for cell in mce.cells.iloc[:, 2]]
    assert words == ["not chosen", "", "incomplete"]


def test_a_chosen_run_without_figures_is_named_or_refused_by_its_predictions(swept: Synthetic) -> None:
    swept.images = 20
    swept.write()
    swept.metrics = [
        row
        for row in swept.metrics
        if row["testset"] == "validation" or (row["method"], row["seed"]) != ("augmix_width_5", 1)
    ]
    swept.rewrite_metrics()
    with pytest.raises(UserError, match=r"no rows on test images of .*augmix_width_5/seed1, which has pred"):
        load(swept.folder, swept.data)
    shutil.rmtree(swept.folder / "digits/smallnet/augmix_width_5/seed1/predictions")  # its evaluation failed
    said = judge(load(swept.folder, swept.data)).warnings
    assert "One run had no evaluation on test images (AugMix, width 5); its cells are marked." in said


def test_the_verdict_names_the_lowest_and_the_default(swept: Synthetic) -> None:
    with_validation(swept, {"augmix": [0.28, 0.29], "augmix_width_5": [0.20, 0.21]})
    ((_, findings),) = judge(load(swept.folder, swept.data)).findings
    said = dict(findings)["Sweeps"].replace("\u00a0", " ")
    assert "Number of chains k: 5 has the lowest validation error, 20.5 %, the default 28.5 %; the lowest of" in said
    assert "Severity of the operations: 3 has the lowest validation error, 28.5 %, and is the default." in said


def test_a_choice_is_tested_on_the_other_half_of_seeds_and_images(swept: Synthetic) -> None:
    swept.images, swept.seeds = 60, (0, 1, 2, 3)
    # The default has an error of .30 here, the chosen value one of .18.
    swept.methods[0] |= {"parameters": {}, "sweeps": {"width": 3}}
    swept.methods[2]["sweeps"] = {"severity": 3}
    swept.methods[3]["name"] = swept.chosen["width"] = "no_jsd"
    ((_, findings),) = judge(load(swept.write(), swept.data)).findings
    said = dict(findings)["Sweeps"].replace("\u00a0", " ")
    assert "; chosen anew on half of the seeds and images, 5 has on the other half " in said
    assert " points less (95 % interval " in said


def test_without_a_validation_split_a_sweep_is_read_by_its_mce(swept: Synthetic, tmp_path: Path) -> None:
    swept.validation = None
    results = load(swept.write(), swept.data)
    assert len(results.methods) == 5
    table = sweep_table(results)
    assert "mCE" in table.caption
    assert all(cell.mean for cell in table.cells.iloc[:, 0])
    (drawing,) = draw_sweeps(results, tmp_path, "digits")
    assert "Ringed" not in drawing.caption


def test_no_sweeps_no_table(synthetic: Synthetic, tmp_path: Path) -> None:
    results = load(synthetic.write(), synthetic.data)
    assert sweep_table(results).cells.empty
    assert list(draw_sweeps(results, tmp_path, "digits")) == []


def test_a_missing_choice_is_named(swept: Synthetic) -> None:
    (swept.write() / "chosen.csv").unlink()
    with pytest.raises(UserError, match=r"chosen\.csv is missing; run `augmix choose`"):
        load(swept.folder, swept.data)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler) is not installed")
def test_the_report_of_a_sweep(swept: Synthetic) -> None:
    from tests.reports.test_make import pdf_text

    swept.evaluated, swept.calibrated = ("clean",), False
    text = pdf_text(build_report(swept.write(), swept.data))
    assert "25 % of the training images are kept for validation" in text
    assert "3 (default)" in text
