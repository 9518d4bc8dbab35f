"""No sentence says more than the metrics do."""

import json
from dataclasses import replace
from typing import Any

import pytest

from augmix.errors import UserError
from augmix.suite.evaluate.measures import MEASURES
from reports.loaded import load
from reports.verdict import Verdict, judge
from tests.reports.synthetic import NATURAL, Synthetic

Figures = dict[tuple[str, int], float]


def verdict_of(synthetic: Synthetic) -> Verdict:
    return judge(load(synthetic.folder, synthetic.data))


def with_mce(synthetic: Synthetic, figures: Figures) -> Verdict:
    """The verdict on runs with these mCEs, by method and seed, in percent; runs that are not named are missing."""
    synthetic.seeds = sorted({seed for _, seed in figures})
    methods = {method for method, _ in figures}
    synthetic.methods = [entry for entry in synthetic.methods if entry["name"] in methods]
    synthetic.status = {
        (method, seed): "missing" for method in methods for seed in synthetic.seeds if (method, seed) not in figures
    }
    synthetic.write()
    for row in synthetic.metrics:
        if row["shift"] == "mCE":
            row["value"] = figures[row["method"], row["seed"]] / 100
    synthetic.rewrite_metrics()
    return verdict_of(synthetic)


def finding(verdict: Verdict, lead: str) -> str:
    ((_, findings),) = verdict.findings
    return dict(findings)[lead].replace("\u00a0", " ")


def abstract(verdict: Verdict) -> str:
    return " ".join(verdict.abstract).replace("\u00a0", " ")


def test_a_clear_difference_has_its_numbers(synthetic: Synthetic) -> None:
    verdict = with_mce(
        synthetic, {("standard", 0): 30.0, ("standard", 1): 31.0, ("augmix", 0): 15.0, ("augmix", 1): 15.5}
    )
    said = finding(verdict, "AugMix against standard training")
    assert said.startswith(
        "AugMix has an mCE of 15.2 % on Digits-C, Standard training one of 30.5 %: "
        "15.2 points less (95 % interval over seeds alone 12.4 to 18.1; ratio 0.50), significant."
    )
    best = finding(verdict, "Best figures")
    assert best.startswith(
        "The lowest mCE on Digits-C is that of AugMix, 15.2 %; Standard training follows with 30.5 %. "
    )


def test_the_best_of_several_is_told_apart_from_one_side(synthetic: Synthetic) -> None:
    three = {"standard": (30.0, 31.0), "augmix": (15.0, 15.5), "no_jsd": (25.0, 25.2)}
    verdict = with_mce(synthetic, {(name, seed): value[seed] for name, value in three.items() for seed in (0, 1)})
    assert finding(verdict, "Best figures").startswith(
        "The lowest mCE on Digits-C is that of AugMix, 15.2 %; No JSD follows with 25.1 %; "
        "all others are told apart from it (95 % confidence, one-sided)."
    )


def test_two_that_no_question_is_about_are_compared_at_once(synthetic: Synthetic) -> None:
    figures = {("standard", 0): 30.0, ("standard", 1): 31.0, ("no_jsd", 0): 25.0, ("no_jsd", 1): 25.2}
    best = finding(with_mce(synthetic, figures), "Best figures")
    assert "is that of No JSD, 25.1 %; Standard training follows with 30.5 %: 5.4 points more (95 % interval" in best
    assert "told apart" not in best.split(". The")[0]


@pytest.mark.parametrize(
    "augmix", [{0: 29.0, 1: 31.5, 2: 29.5}, {0: 29.9, 1: 30.0, 2: 25.0}], ids=["sign changes", "spread too wide"]
)
def test_a_difference_within_the_spread_is_no_claim(synthetic: Synthetic, augmix: dict[int, float]) -> None:
    figures: Figures = {("standard", seed): 30.2 for seed in augmix}
    verdict = with_mce(synthetic, figures | {("augmix", seed): value for seed, value in augmix.items()})
    said = finding(verdict, "AugMix against standard training").split(". Its")[0]
    assert said.endswith(", not significant")
    assert " less to " in said
    assert "told apart" not in finding(verdict, "Best figures").split(". The")[0]


def test_augmix_can_lose(synthetic: Synthetic) -> None:
    verdict = with_mce(synthetic, {("standard", 0): 10.0, ("augmix", 0): 20.0})
    said = finding(verdict, "AugMix against standard training")
    assert "10.0 points more (ratio 2.00), which one seed cannot tell from chance." in said
    assert "The lowest mCE on Digits-C is that of Standard training, 10.0 %" in finding(verdict, "Best figures")
    assert "Every figure rests on one seed: other seeds may order the methods otherwise." in abstract(verdict)


def test_equal_figures_have_no_winner(synthetic: Synthetic) -> None:
    verdict = with_mce(synthetic, {("standard", 0): 12.0, ("no_jsd", 0): 12.002, ("augmix", 0): 12.001})
    said = finding(verdict, "Best figures")
    assert (
        "The lowest mCE on Digits-C is 12.0 %, equal in Standard training, AugMix and No JSD; one seed cannot say"
        in said
    )
    assert ": no difference in the mean, which one seed" in finding(verdict, "AugMix against standard training")


def test_unequal_numbers_of_seeds_are_compared_by_their_means(synthetic: Synthetic) -> None:
    """Seed 1 of AugMix is missing: its one seed has the spread of the other method's two."""
    verdict = with_mce(synthetic, {("standard", 0): 30.0, ("standard", 1): 50.0, ("augmix", 0): 20.0})
    said = finding(verdict, "AugMix against standard training").split(". Its")[0]
    assert "20.0 % (1 of 2 seeds)" in said
    assert "20.0 points less" in said
    assert said.endswith("which one seed cannot tell from chance")


def test_no_seed_in_common_is_no_obstacle(synthetic: Synthetic) -> None:
    verdict = with_mce(synthetic, {("standard", 0): 30.0, ("augmix", 1): 20.0})
    assert "10.0 points less (ratio 0.67), which one seed" in finding(verdict, "AugMix against standard training")


def test_intervals_are_over_seeds_and_images_where_there_are_predictions(synthetic: Synthetic) -> None:
    synthetic.images, synthetic.seeds = 60, (0, 1, 2)
    synthetic.write()
    said = finding(verdict_of(synthetic), "AugMix against standard training")
    assert "(95 % interval " in said
    assert "alone" not in said


def test_one_seed_with_predictions_has_an_interval_over_images_alone(synthetic: Synthetic) -> None:
    synthetic.images, synthetic.seeds = 60, (0,)
    synthetic.write()
    said = finding(verdict_of(synthetic), "AugMix against standard training").split(". Its")[0]
    assert "(95 % interval over images alone " in said
    assert said.endswith("which one seed cannot tell from chance")


def test_augmix_with_other_parameters_is_what_was_asked(synthetic: Synthetic) -> None:
    synthetic.methods.append({"name": "depth_1", "preset": "augmix", "parameters": {"depth": 1}})
    figures = {("augmix", 0): 14.0, ("augmix", 1): 14.2, ("depth_1", 0): 18.0, ("depth_1", 1): 18.4}
    verdict = with_mce(synthetic, figures | {("standard", seed): 20.0 + seed for seed in (0, 1)})
    said = finding(verdict, "Depth 1 against AugMix")
    assert said.startswith(
        "Depth 1 has an mCE of 18.2 % on Digits-C, AugMix one of 14.1 %: 4.1 points more (95 % interval"
    )
    told = abstract(verdict)
    assert told.index("Depth 1 has an mCE") < told.index("AugMix has an mCE of 14.1 % on Digits-C, Standard training")


def test_the_ablation_answers_with_its_caveat(synthetic: Synthetic) -> None:
    figures = {("augmix", 0): 14.0, ("augmix", 1): 14.2, ("no_jsd", 0): 18.0, ("no_jsd", 1): 18.4}
    verdict = with_mce(synthetic, figures)
    said = finding(verdict, "What the Jensen–Shannon loss adds")
    assert "14.1 %" in said
    assert "4.1 points less (95 % interval over seeds alone 3.0 to 5.2" in said
    assert "more compute is part of the difference" in said
    assert "AugMix against standard training" not in dict(verdict.findings[0][1])


def test_what_did_not_finish_is_said(synthetic: Synthetic) -> None:
    synthetic.status = {("no_jsd", 0): "diverged", ("no_jsd", 1): "diverged", ("standard", 1): "failed"}
    synthetic.write()
    verdict = verdict_of(synthetic)
    assert "Two runs diverged (No JSD); their cells are marked." in verdict.warnings
    assert "One run failed (Standard training); its cells are marked." in verdict.warnings
    assert "three of six runs finished" in abstract(verdict)
    assert "What the Jensen–Shannon loss adds" not in dict(verdict.findings[0][1])


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        (
            {"code": "fedcba9876543210"},
            "The runs of AugMix with SmallNet come from different versions of the code: fedcba987654 (one run) and "
            "0123456789ab (one run).",
        ),
        ({"torch": "2.8.0"}, "The runs come from different versions of torch: "),
        ({"dirty": True}, "One run was trained with uncommitted changes"),
    ],
)
def test_runs_that_do_not_compare_are_warned_of(synthetic: Synthetic, changes: dict[str, Any], warning: str) -> None:
    synthetic.write()
    assert verdict_of(synthetic).warnings == []
    synthetic.run_changes = {2: changes}
    synthetic.write()
    (said,) = verdict_of(synthetic).warnings
    assert said.startswith(warning)


def test_different_training_images_are_warned_of(synthetic: Synthetic) -> None:
    synthetic.write()
    path = synthetic.folder / "digits/smallnet/augmix/seed0/provenance.json"
    path.write_text(path.read_text().replace("ab" * 32, "cd" * 32))
    (said,) = verdict_of(synthetic).warnings
    assert said.startswith("The runs on Digits were trained on different images.")


KEPT = {
    "train digits/smallnet/augmix/seed0": {"why": "code", "details": ["augmix/mixing.py"]},
    "evaluate digits/smallnet/augmix/seed0 on C": {"why": "data", "details": ["other images"]},
    "evaluate digits/smallnet/augmix/seed1 on C": {"why": "data", "details": ["other images"]},
    "generate digits-C fog": {"why": "settings", "details": ["seed 0 → 1"]},
    "prepare digits": {"why": "unknown", "details": ["it does not say which code made it"]},
    "train digits/smallnet/no_jsd/seed0": {"why": "code", "details": [f"augmix/{i}.py" for i in range(7)]},
}


def test_results_that_were_kept_are_named(synthetic: Synthetic) -> None:
    synthetic.write()
    (synthetic.folder / "kept.json").write_text(json.dumps(KEPT))
    assert verdict_of(synthetic).warnings == [
        "The weights of digits/smallnet/augmix/seed0 were made with other code (augmix/mixing.py), and kept.",
        "The predictions of digits/smallnet/augmix/seed0 on C and digits/smallnet/augmix/seed1 on C were made with "
        "other data (other images), and kept.",
        "The images of digits-C fog were made with other settings (seed 0 → 1), and kept.",
        "The images of digits do not say what they were made with, and were kept.",
        "The weights of digits/smallnet/no_jsd/seed0 were made with other code (augmix/0.py, augmix/1.py, "
        "augmix/2.py, augmix/3.py, augmix/4.py, 2 more), and kept.",
    ]


@pytest.mark.parametrize("text", ["[]", '{"train x": []}', '{"train x": {"why": "code"}}'])
def test_a_damaged_list_of_kept_results_is_named(synthetic: Synthetic, text: str) -> None:
    synthetic.write()
    (synthetic.folder / "kept.json").write_text(text)
    with pytest.raises(UserError, match=r"kept\.json"):
        verdict_of(synthetic)


def test_a_natural_test_set_has_its_sentences(synthetic: Synthetic) -> None:
    synthetic.testsets["writers"] = NATURAL
    synthetic.write()
    verdict = verdict_of(synthetic)
    assert "The lowest error on Digits-writers is that of AugMix" in finding(verdict, "Best figures")
    assert "Its error on Digits-writers is" in finding(verdict, "AugMix against standard training")


def test_a_measure_of_which_more_is_better_is_judged_so(synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "error", replace(MEASURES["error"], lower_is_better=False))
    verdict = with_mce(synthetic, {("standard", 0): 10.0, ("augmix", 0): 20.0})
    assert "The highest mCE on Digits-C is that of AugMix, 20.0 %" in finding(verdict, "Best figures")


def test_the_paper_is_quoted_with_what_differs(synthetic: Synthetic) -> None:
    synthetic.datasets = {"cifar100": {"loader": "cifar100", "title": "CIFAR-100"}}
    synthetic.architectures = ("resnext",)
    synthetic.write()
    said = finding(verdict_of(synthetic), "Beside the paper")
    assert "that of the AugMix paper, Table 1, 34.9 %" in said
    assert "4 epochs, not 200" in said


def test_nothing_finished(synthetic: Synthetic) -> None:
    synthetic.status = {(m, s): "missing" for m in ("standard", "augmix", "no_jsd") for s in (0, 1)}
    synthetic.write()
    verdict = verdict_of(synthetic)
    assert verdict.findings == [("Digits", [])]
    assert "no of six runs" not in abstract(verdict)
    assert "none of six runs finished" in abstract(verdict)
