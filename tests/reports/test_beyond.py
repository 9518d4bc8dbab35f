"""Texture, natural shifts and adaptation: AugMix beside standard training and the line through all other methods."""

import re
from typing import Any

import numpy as np
import pytest
from scipy import stats

from reports.beyond import effective_robustness
from reports.layout import Answer
from reports.loaded import load
from reports.quantities import Cell
from reports.questions import answers
from tests.reports.synthetic import NATURAL, SHIFTED, Synthetic
from tests.reports.test_questions import by, said

ADAPTED: dict[str, Any] = {"kind": "adapted", "of": "C", "batch_size": 200, "prior": 0, "seed": 0}


@pytest.fixture
def predicted(synthetic: Synthetic) -> Synthetic:
    """Runs of three seeds with predictions of 40 images."""
    synthetic.seeds = (0, 1, 2)
    synthetic.images = 40
    return synthetic


def only(synthetic: Synthetic, title: str) -> Answer:
    (found,) = [one for one in answers(load(synthetic.write(), synthetic.data)) if title in one.title]
    return found


def test_texture_has_a_column_a_shift_and_one_family(predicted: Synthetic) -> None:
    shifts = ["patch_shuffle", "low_pass"]
    predicted.testsets["textures"] = {"kind": "textures", **SHIFTED, "shifts": shifts}
    found = only(predicted, "looks at")
    rows = by(found.tables[0], "method")
    assert list(rows) == ["standard", "augmix", "no_jsd"]
    for shift in shifts:
        values = [r for r in predicted.metrics if r["testset"] == "textures" and r["shift"] == shift]
        ours = [r["value"] for r in values if r["method"] == "augmix" and not r["severity"] and r["metric"] == "error"]
        assert float(rows["augmix"][shift]) == pytest.approx(100 * np.mean(ours), abs=1e-4)
    for shift in ("patch shuffle", "low pass"):
        assert len(re.findall(rf"[\d.]+ points (?:more|less) on {shift} \(95 % interval", said(found))) == 1
    assert "among two contrasts" in said(found)


def test_adaptation_compares_the_gain_before_and_after(predicted: Synthetic) -> None:
    predicted.testsets["C_adapted"] = ADAPTED
    found = only(predicted, "adapted")
    rows = by(found.tables[0], "testset")
    assert list(rows) == ["C", "C_adapted"]
    for row in rows.values():
        assert float(row["difference"]) == pytest.approx(float(row["augmix"]) - float(row["standard"]), abs=1e-3)
    assert "with adapted batch norms it is" in said(found)
    assert "The second difference in mCE, beside the first, is" in said(found)


def test_natural_shifts_have_effective_robustness_with_enough_methods(predicted: Synthetic) -> None:
    predicted.testsets["writers"] = NATURAL
    few = only(predicted, "natural")
    assert {row["beyond"] for row in by(few.tables[0], "method").values()} == {"–"}
    predicted.methods += [{"name": name, "preset": name} for name in ("cutout", "mixup", "fmix")]
    found = only(predicted, "natural")
    assert "–" not in {row["beyond"] for row in by(found.tables[0], "method").values()}
    assert "the line through five other methods" in said(found)


def test_effective_robustness_is_the_distance_from_the_line_of_the_others() -> None:
    clean = np.array([0.7, 0.75, 0.8, 0.85, 0.9])
    shifted = stats.norm.cdf(0.9 * stats.norm.ppf(clean) - 0.3)
    shifted[2] += 0.05

    def cells(accuracies: np.ndarray) -> list[Cell]:
        return [Cell(100 * (1 - value), None, 1, 1) for value in accuracies]

    found = effective_robustness(cells(clean), cells(shifted), 2)
    assert found is not None
    assert found.beyond == pytest.approx(5)
    assert found.interval == pytest.approx((0, 0), abs=1e-6)
    assert effective_robustness(cells(clean[:4]), cells(shifted[:4]), 2) is None


def test_a_prediction_interval_holds_one_more_method_of_the_kind_in_95_of_100() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        clean = rng.normal(1.0, 0.2, 8)
        shifted = 0.8 * clean - 0.3 + rng.normal(0, 0.05, 8)
        both = [[Cell(100 * float(stats.norm.sf(v)), None, 1, 1) for v in values] for values in (clean, shifted)]
        found = effective_robustness(both[0], both[1], 0)
        assert found is not None
        inside += found.interval[0] <= found.beyond <= found.interval[1]
    assert 0.92 < inside / 400 < 0.98


def test_images_from_outside_are_no_natural_shift(predicted: Synthetic) -> None:
    predicted.testsets["clothes"] = {**{key: NATURAL[key] for key in NATURAL if key != "classes"}, "kind": "outside"}
    assert not [one for one in answers(load(predicted.write(), predicted.data)) if "natural" in one.title]


def test_published_orders_are_held_beside_our_differences(predicted: Synthetic) -> None:
    assert not [one for one in answers(load(predicted.write(), predicted.data)) if "since" in one.title]
    predicted.methods += [{"name": name, "preset": name} for name in ("pixmix", "ipmix", "prime")]
    found = only(predicted, "since AugMix")
    rows = by(found.tables[0], "method")
    assert list(rows) == ["augmix", "pixmix", "ipmix", "prime"]
    assert rows["pixmix"]["published"] == "9.5 beside 12.4"
    assert rows["ipmix"]["published"] == "–"  # its authors print no figure that could be checked
    assert [rows[name]["verdict"] for name in ("pixmix", "prime")] == ["fails", "fails"]
    assert said(found).endswith("Of two published orders, both fail on Digits, SmallNet.")
    errors = [r for r in predicted.metrics if (r["testset"], r["metric"]) == ("C", "error") and not r["severity"]]
    means = [
        np.mean([r["value"] for r in errors if r["method"] == name and r["shift"]]) for name in ("pixmix", "augmix")
    ]
    assert float(rows["pixmix"]["difference"]) == pytest.approx(100 * (means[0] - means[1]), abs=1e-3)
    predicted.seeds = (0, 1)
    text = said(only(predicted, "since AugMix"))
    assert "Where a difference in mCE is not significant here, a true one of " in text
    assert text.endswith("Of two published orders, neither can be told on Digits, SmallNet.")
    assert found.tables[0].caption == "Methods since AugMix beside it (%)"
    predicted.methods = [one for one in predicted.methods if one["name"] not in ("ipmix", "prime")]
    predicted.methods.append({"name": "label_smoothing", "preset": "label_smoothing"})
    found = only(predicted, "since AugMix")
    assert said(found).endswith("The one published order cannot be told on Digits, SmallNet.")
    assert found.tables[0].caption == "Methods since AugMix, and label smoothing, beside it (%)"
