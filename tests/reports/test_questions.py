"""The critique's questions are answered where the experiment has the runs, and only as far as these go."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.layout import Answer, Table, as_markdown
from reports.loaded import load
from reports.questions import answers
from reports.tuning import draw_consistency, draw_sweeps
from reports.words import placed_once
from tests.reports.synthetic import Synthetic
from tests.reports.test_tables import read

FACTORIAL = (
    "standard", "random_autoaugment", "no_jsd", "random_autoaugment_all_views", "no_jsd_all_views", "crop_jsd",
    "no_mixing", "augmix",
)  # fmt: skip
Figures = dict[str, list[float]]


def answer(synthetic: Synthetic, mce: Figures | None = None) -> Answer:
    """The only answer, where these are the mCEs by method and seed, in percent."""
    with_mce(synthetic, mce or {})
    (found,) = answers(load(synthetic.folder, synthetic.data))
    return found


def with_mce(synthetic: Synthetic, mce: Figures) -> None:
    synthetic.write()
    for row in synthetic.metrics:
        if row["shift"] == "mCE" and row["method"] in mce:
            row["value"] = mce[row["method"]][row["seed"]] / 100
    synthetic.rewrite_metrics()


def said(found: Answer) -> str:
    return " ".join(found.text).replace("\u00a0", " ")


def by(table: Table, key: str) -> dict[str, dict[str, str]]:
    return {row[key]: row for row in read(table)}


@pytest.fixture
def consistency(synthetic: Synthetic) -> Synthetic:
    """JSD at its λ of 12, KL at 2, the lower end of its range."""

    def entry(name: str, preset: str, sweep: str, weight: float) -> dict[str, Any]:
        return {"name": name, "preset": preset, "parameters": {"weight": weight}, "sweeps": {sweep: weight}}

    synthetic.methods = [
        {"name": "augmix", "preset": "augmix", "sweeps": {"jsd_weight": 12}},
        entry("augmix_weight_4", "augmix", "jsd_weight", 4),
        entry("augmix_weight_24", "augmix", "jsd_weight", 24),
        entry("kl_only_weight_2", "kl_only", "kl_weight", 2),
        entry("kl_only_weight_5.3", "kl_only", "kl_weight", 5.3),
        entry("kl_reversed_weight_2", "kl_reversed", "kl_reversed_weight", 2),
        {"name": "no_jsd_all_views", "preset": "no_jsd_all_views"},
    ]
    synthetic.validation = 0.25
    synthetic.chosen = {
        "jsd_weight": "augmix",
        "kl_weight": "kl_only_weight_2",
        "kl_reversed_weight": "kl_reversed_weight_2",
    }
    return synthetic


def test_each_loss_is_compared_at_the_weight_chosen_for_it(consistency: Synthetic) -> None:
    mce = {"augmix": [10, 10.2], "kl_only_weight_2": [11.5, 12.9], "kl_reversed_weight_2": [9, 11.5]}
    found = answer(consistency, mce)
    text = said(found)
    for loss, points in (("clean ‖ augmented", "2.1 points more"), ("augmented ‖ clean", "0.15 points more")):
        said_of = f"JSD is not shown to be better or worse than KL({loss}) by the mCE; that of the latter is {points}"
        assert said_of in text
    assert text.count("On Digits, ") == 1
    assert "which two seeds cannot tell from chance" in text
    assert (
        "better than KL(clean ‖ augmented) by the clean error, the mFP and the RMS calibration error on -C; thos"
        in text
    )
    assert "The λ of KL(clean ‖ augmented) and KL(augmented ‖ clean) is at an end of its range" in text
    assert "form and strength are confounded" in text
    assert "The corruptions of the mCE were touched once" in text
    rows = by(found.tables[0], "method")
    assert [rows[method]["weight"] for method in rows] == ["12", "2", "2", "–"]
    assert list(rows)[-1] == "no_jsd_all_views"  # a control, which has no λ
    assert float(rows["kl_only_weight_2"]["mce"]) == pytest.approx(12.2)
    against = by(found.tables[1], "method")
    assert list(against) == list(rows)[1:]
    assert float(against["kl_only_weight_2"]["mce"]) == pytest.approx(2.1)
    assert set(against["no_jsd_all_views"]) >= {"clean", "mce", "mfp", "calibration"}


def test_jsd_can_be_worse(consistency: Synthetic) -> None:
    found = answer(consistency, {"augmix": [12, 12.4], "kl_only_weight_2": [10, 10.2]})
    assert (
        "JSD is worse than KL(clean ‖ augmented) by the mCE; that of the latter is 2.1 points less (95 % interval over"
        in said(found)
    )


def test_a_place_is_said_once_in_a_row() -> None:
    thin, wide = "Digits, SmallNet, thin", "Digits, SmallNet"
    text = [f"On {thin}, AugMix is.", f"On {thin}, the other is.", "So.", f"On {thin}, it is.", f"On {wide}, it is."]
    assert placed_once(text, {thin}) == [text[0], "The other is.", "So.", "It is.", text[4]]
    assert placed_once(text, {thin, wide}) == [text[0], "The other is.", *text[2:]]


def test_the_losses_share_a_figure_and_have_no_other(consistency: Synthetic, tmp_path: Path) -> None:
    results = load(consistency.write(), consistency.data)
    assert list(draw_sweeps(results, tmp_path, "digits")) == []
    (drawing,) = draw_consistency(results, tmp_path, "digits")
    assert drawing.kind == "consistency"
    assert (tmp_path / f"{drawing.name}.pdf").stat().st_size > 1000


def test_without_a_validation_split_nothing_is_chosen_and_nothing_answered(
    consistency: Synthetic, tmp_path: Path
) -> None:
    consistency.validation = None
    results = load(consistency.write(), consistency.data)
    assert list(answers(results)) == []
    assert list(draw_consistency(results, tmp_path, "digits")) == []


@pytest.mark.parametrize(
    ("plain", "attentive", "titles", "caveat"),
    [
        ("smallnet", "vit", ("ViT", "SmallNet"), "is not the vision transformers of the literature"),
        ("convolution_stage", "attention_stage", ("Attention stage", "Convolution stage"), "in their last stage"),
    ],
)
def test_the_gain_of_attention_is_compared_seed_by_seed(
    synthetic: Synthetic, plain: str, attentive: str, titles: tuple[str, str], caveat: str
) -> None:
    synthetic.architectures = (plain, attentive)
    synthetic.write()
    mce = {(plain, "standard"): [30, 32], (plain, "augmix"): [20, 21]}
    mce |= {(attentive, "standard"): [40, 42], (attentive, "augmix"): [35, 36]}
    for row in synthetic.metrics:
        if row["shift"] == "mCE" and row["method"] in ("standard", "augmix"):
            row["value"] = mce[row["arch"], row["method"]][row["seed"]] / 100
    synthetic.rewrite_metrics()
    (found,) = answers(load(synthetic.folder, synthetic.data))
    text = said(found)
    one, other = titles
    said_of = f"AugMix's gain on {one}, beside that on {other}, is 5.0 points less (95 % interval over seeds alone"
    assert said_of in text
    assert caveat in text
    rows = by(found.tables[0], "architecture")
    assert [float(rows[name]["gain"]) for name in (plain, attentive)] == pytest.approx([10.5, 5.5])
    assert rows[attentive]["parameters"] == "136,282"
    assert "Clean error: Standard training | Clean error: AugMix | mCE: Standard training" in as_markdown(
        found.tables[0]
    )


def test_nets_with_attention_are_compared_with_those_without(synthetic: Synthetic) -> None:
    synthetic.architectures, synthetic.seeds, synthetic.images = ("convolution_stage", "attention_stage"), (0, 1, 2), 40
    (found,) = answers(load(synthetic.write(), synthetic.data))
    mce = defaultdict(list)
    for row in synthetic.metrics:
        if row["shift"] == "mCE":
            mce[row["arch"], row["method"]].append(row["value"])
    for method, after in (("standard", "standard training"), ("augmix", "AugMix")):
        points = 100 * (np.mean(mce["attention_stage", method]) - np.mean(mce["convolution_stage", method]))
        sign = "more" if points > 0 else "less"
        start = f"After {after}, Attention stage's mCE on Digits, beside that of Convolution stage, is "
        (amount,) = re.findall(rf"{start}([\d.]+) points {sign}", said(found))
        assert float(amount) == pytest.approx(abs(points), abs=0.06)
    assert "among four contrasts" in said(found)


@pytest.mark.parametrize("architectures", [("smallnet",), ("vit",)])
def test_attention_needs_both_kinds_of_nets(synthetic: Synthetic, architectures: tuple[str, ...]) -> None:
    synthetic.architectures = architectures
    assert list(answers(load(synthetic.write(), synthetic.data))) == []


@pytest.fixture
def fashion(synthetic: Synthetic) -> Synthetic:
    synthetic.datasets = {"fashion": {"loader": "fashion_mnist", "title": "Fashion-MNIST"}}
    composed: dict[str, Any] = {"views": {"autoaugment": {}}, "mix": {"fmix": {}}, "loss": {"standard": {}}}
    synthetic.methods += [{"name": "fmix", "preset": "fmix"}, {"name": "fmix_autoaugment", **composed}]
    return synthetic


def test_fmix_is_compared_and_the_claim_was_not_tested(fashion: Synthetic) -> None:
    found = answer(fashion, {"augmix": [20, 21], "fmix": [25, 26.2], "fmix_autoaugment": [18, 19.2]})
    text = said(found)
    assert "In these runs, no figure of FMix is shown to beat AugMix's." in text
    assert "The mCE of FMix is 25.6 %, that of AugMix 20.5 %: 5.1 points more (95 % interval" in text
    assert "No policy found by Fast AutoAugment was given, so exactly this claim was not tested" in text
    assert "epochs here, the order may differ" in text
    rows = by(found.tables[0], "method")
    assert float(rows["fmix_autoaugment"]["mce_against"]) == pytest.approx(-1.9)
    assert rows["augmix"]["mce_against"] == "–"


def test_a_policy_file_is_named(fashion: Synthetic) -> None:
    fashion.methods[-1]["views"] = {"autoaugment": {"policy": "fast.yaml"}}
    text = said(answer(fashion))
    assert "its policy is that of fast.yaml" in text
    assert "not tested" not in text
    assert "no figure of FMix is shown to beat AugMix's" in text


def test_fmix_on_other_data_is_no_answer(fashion: Synthetic) -> None:
    fashion.datasets = {"digits": {"loader": "digits", "title": "Digits"}}
    assert list(answers(load(fashion.write(), fashion.data))) == []


@pytest.fixture
def factorial(synthetic: Synthetic) -> Synthetic:
    synthetic.methods = [{"name": name, "preset": name} for name in FACTORIAL]
    synthetic.methods.insert(1, {"name": "standard_long", "preset": "standard", "training": {"epochs": 12}})
    return synthetic


def test_the_factorial_has_every_method_in_its_place(factorial: Synthetic) -> None:
    figures = {name: [10 + i, 10 + i] for i, name in enumerate((*FACTORIAL, "standard_long"))}
    grid, _ = answer(factorial, {name: [float(v) for v in values] for name, values in figures.items()}).tables
    rows = [row for row in read(grid) if row["measure"] == "mCE"]
    assert [[float(row[column]) for column in ("one", "all", "jsd")] for row in rows] == [
        [10, 18, 15],
        [11, 13, 16],
        [12, 14, 17],
    ]


def test_the_contrasts_are_paired_at_equal_compute(factorial: Synthetic) -> None:
    mce = {"augmix": [10.48, 10.52], "no_jsd_all_views": [14.58, 14.62], "standard_long": [20.0, 19.0]}
    found = answer(factorial, {**mce, "standard": [19.0, 20.0]})
    rows = by(found.tables[1], "contrast")
    jsd = rows["JSD over mixed chains"]
    assert (float(jsd["mCE_Points"]), jsd["mCE_Verdict"]) == (pytest.approx(-4.1), "significant")
    assert float(jsd["mCE_Points_low"]) < -4.1 < float(jsd["mCE_Points_high"]) < 0
    alone = rows["three times the compute alone"]
    assert (float(alone["mCE_Points"]), alone["mCE_Verdict"]) == (pytest.approx(0), "two seeds")
    assert "JSD over mixed chains (4.1 points less)" in said(found).split("is significant among seven")[0]


def test_a_cell_without_its_method_says_so(factorial: Synthetic) -> None:
    factorial.methods = [m for m in factorial.methods if m["name"] not in ("standard_long", "crop_jsd")]
    grid, contrasts = answer(factorial).tables
    assert [(row["all"], row["jsd"]) for row in read(grid) if row["views"] == "Crops"] == [("not run", "not run")] * 2
    assert "three times the compute alone" not in by(contrasts, "contrast")


def test_part_of_the_factorial_is_no_answer(factorial: Synthetic) -> None:
    factorial.methods = [m for m in factorial.methods if m["name"] != "no_jsd_all_views"]
    assert list(answers(load(factorial.write(), factorial.data))) == []
