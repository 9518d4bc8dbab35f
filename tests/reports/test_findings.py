"""Captions and limits say what is in the figures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from augmix.corruptions import CORRUPTIONS
from augmix.suite.evaluate.measures import MEASURES
from reports.document import document
from reports.figures import draw_plots
from reports.findings import PHOTOMETRIC, extremes, limits, of_methods, of_severities, of_shifts, significant
from reports.loaded import Results, load
from reports.quantities import CLEAN_ERROR, MCE, Quantity
from reports.tables import all_tables
from tests.reports.synthetic import Synthetic


@pytest.fixture
def results(synthetic: Synthetic) -> Callable[[], Results]:
    """The synthetic experiment as it was written, with some values changed by then."""

    def loaded() -> Results:
        synthetic.rewrite_metrics()
        return load(synthetic.folder, synthetic.data)

    synthetic.write()
    for row in synthetic.metrics:
        if row["metric"] == "error" and row["testset"] == "C" and row["shift"] in CORRUPTIONS:
            row["value"] = 0.6 if row["shift"] == "fog" else 0.1 if row["shift"] == "frost" else 0.2
        if row["shift"] in ("mCE", "clean") and row["metric"] == "error":
            row["value"] = {"standard": 0.3, "augmix": 0.1, "no_jsd": 0.2}[row["method"]] + 0.002 * row["seed"]
    return loaded


def test_the_lowest_and_the_highest_are_named(results: Callable[[], Results]) -> None:
    said = of_methods(results(), "digits", MCE, "mCE on Digits-C")
    assert said.startswith("The lowest mCE on Digits-C is that of AugMix, 10.1\u00a0%, the highest that of Standard")
    assert said.endswith(" training, 30.1\u00a0%.")
    assert extremes({"one": 1.0}, "mCE", MEASURES["error"]) == ""


def test_the_easiest_and_the_hardest_shift_are_named(results: Callable[[], Results]) -> None:
    quantities = {shift: Quantity("C", shift, "error") for shift in CORRUPTIONS}
    said = of_shifts(results(), ("digits", "smallnet"), quantities)
    assert said == (
        "The lowest error, averaged over the methods, is that of frost, 10.0\u00a0%, "
        "the highest that of fog, 60.0\u00a0%."
    )


def test_the_rise_from_clean_images_is_that_of_the_controls(results: Callable[[], Results]) -> None:
    said = of_severities(results(), "digits", (CLEAN_ERROR, MCE))
    assert "from 10.1 to 10.1\u00a0% with AugMix and 30.1 to 30.1\u00a0% with Standard training." in said


def test_significant_differences_are_counted(results: Callable[[], Results]) -> None:
    assert significant(results()) == "In mCE on Digits-C, two of two methods differ significantly from AugMix"


def test_what_limits_the_figures_is_known(results: Callable[[], Results], synthetic: Synthetic) -> None:
    found = list(limits(results()))
    assert found[0] == "Digits: the originals have 8×8 pixels, enlarged."
    assert "the same writers" in found[1]
    share = 100 * (0.6 + 0.1 + 2 * 0.2) / (0.6 + 0.1 + 13 * 0.2)
    assert f"Four of the 15 corruptions, {PHOTOMETRIC[0]}, fog, brightness and contrast, make {share:.0f} %" in found[2]
    synthetic.datasets["digits"]["options"] = {"split": "unseen_writers"}
    synthetic.write()
    assert not any("same writers" in text for text in limits(load(synthetic.folder, synthetic.data)))


def test_a_share_that_is_no_more_than_its_part_is_not_mentioned(synthetic: Synthetic) -> None:
    synthetic.write()
    for row in synthetic.metrics:
        if row["metric"] == "error" and row["testset"] == "C":
            row["value"] = 0.01 if row["shift"] in PHOTOMETRIC else 0.2
    synthetic.rewrite_metrics()
    assert not any("corruptions" in text for text in limits(load(synthetic.folder, synthetic.data)))


def test_captions_and_limits_reach_the_report(results: Callable[[], Results], tmp_path: Path) -> None:
    found = results()
    content = document(found, all_tables(found), {"digits": list(draw_plots(found, tmp_path, "digits"))})
    assert "The lowest mCE on Digits-C is that of AugMix, 10.1\u00a0%" in content["tables"]["main"]["caption"]
    assert content["tables"]["differences"]["caption"].endswith("differ significantly from AugMix")
    assert any("the originals have 8×8 pixels" in text for text in content["limits"])
    captions = [figure["caption"] for figure in content["figures"]["Digits"]]
    assert sum("The lowest error, averaged over the methods, is that of frost" in text for text in captions) == 1
