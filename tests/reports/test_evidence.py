"""The report's statements on differences rest on every seed and every test image, or say on what they do."""

import csv
import io
import re
import time
from pathlib import Path

import numpy as np
import pytest

from augmix.errors import UserError
from augmix.suite.evaluate import predictions
from reports.calibration import calibration_table
from reports.differences import differences_table
from reports.evidence import evidence, reasons
from reports.layout import as_csv, as_markdown
from reports.loaded import Results, load
from reports.quantities import CLEAN_ERROR, MCE, MFP, Quantity
from reports.significance import detectable, statistics_in_words, would_be_found
from reports.tables import all_tables, headline_tables
from reports.verdict import judge
from tests.reports.synthetic import Synthetic


@pytest.fixture
def predicted(synthetic: Synthetic) -> Synthetic:
    """Three methods with three seeds each and predictions on 60 test images."""
    synthetic.images, synthetic.seeds = 60, (0, 1, 2)
    synthetic.write()
    return synthetic


def results_of(synthetic: Synthetic) -> Results:
    return load(synthetic.folder, synthetic.data)


def archive_of(synthetic: Synthetic, testset: str, method: str = "augmix") -> Path:
    return synthetic.folder / f"digits/smallnet/{method}/seed1/predictions/{testset}.npz"


def rows_of(synthetic: Synthetic) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(differences_table(results_of(synthetic))))))


@pytest.mark.parametrize("quantity", [MCE, CLEAN_ERROR, MFP])
def test_the_mean_over_images_is_the_value_in_the_metrics(predicted: Synthetic, quantity: Quantity) -> None:
    testset, shift, metric, _ = quantity
    found = evidence(results_of(predicted), "digits", "smallnet", quantity)
    assert found is not None
    assert found.over_images
    assert found.sample.scores is not None
    assert found.sample.scores.shape == (60, 9)
    values = [
        predicted.value(method=m, seed=s, testset=testset, shift=shift, metric=metric, severity="")
        for m in ("standard", "augmix", "no_jsd")
        for s in (0, 1, 2)
    ]
    assert found.sample.scores.mean(axis=0) == pytest.approx(values, abs=1e-9)


def test_predictions_that_are_not_those_of_the_metrics_are_refused(predicted: Synthetic) -> None:
    predicted.metrics = [row | ({"value": 0.2} if row["shift"] == "mCE" else {}) for row in predicted.metrics]
    predicted.rewrite_metrics()
    with pytest.raises(UserError, match=r"C\.npz gives a value of .* for error on mCE, .*metrics\.csv has 0\.2"):
        all_tables(results_of(predicted))


def test_a_run_on_other_test_images_is_refused(predicted: Synthetic) -> None:
    path = archive_of(predicted, "clean")
    found = predictions.read(path, ("clean",))
    predictions.write(path, found._replace(labels=found.labels[::-1].copy()), {})
    with pytest.raises(UserError, match=r"augmix/seed1/predictions/clean\.npz has predictions on other test images"):
        all_tables(results_of(predicted))


def test_runs_on_changed_images_of_the_same_labels_are_compared_over_seeds_alone(predicted: Synthetic) -> None:
    path = archive_of(predicted, "clean")
    predictions.write(path, predictions.read(path, ("clean",)), {"images": "others"})
    results = results_of(predicted)
    over = [found.over_images for q in (CLEAN_ERROR, MCE) if (found := evidence(results, "digits", "smallnet", q))]
    assert over == [False, True]
    assert reasons(results) == ["predictions are not all on the same images"]


def test_measures_that_are_no_means_have_intervals_over_images(synthetic: Synthetic) -> None:
    synthetic.images, synthetic.seeds = 60, (0, 1, 2)
    cues = {"kind": "cue_conflict", "labels": "shape", "images": None, "seed": 0}
    synthetic.testsets |= {"C_outside": {"kind": "as_outside", "of": "C"}, "cues": cues}
    synthetic.write()
    results = results_of(synthetic)
    for quantity in (
        Quantity("C_outside", "mAUROC", "ood_auroc"),
        Quantity("C_outside", "mean", "ood_fpr95"),
        Quantity("cues", "cues", "shape_bias"),
        Quantity("cues", "cues", "neither_cue"),
    ):
        found = evidence(results, "digits", "smallnet", quantity)
        assert found is not None
        assert found.over_images, quantity
    assert "Shape bias, cues" in as_markdown(calibration_table(results))
    ((_, table),) = [pair for pair in headline_tables(results) if pair[0].name == "C_outside"]
    assert table.caption == "Mean AUROC (mAUROC) on -C (outside), in %"


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_without_an_archive_intervals_are_over_seeds_alone_and_the_report_says_so(
    predicted: Synthetic, damage: str
) -> None:
    path = archive_of(predicted, "C")
    path.unlink() if damage == "missing" else path.write_bytes(b"PK")
    results = results_of(predicted)
    ((_, findings),) = judge(results).findings
    said = dict(findings)["AugMix against standard training"].replace("\u00a0", " ")
    assert "95 % interval over seeds alone" in said.split(". Its")[0]
    assert "95 % interval over seeds alone" not in said.split(". Its")[1]
    assert any("alone" in sentence for sentence in statistics_in_words(results))
    assert reasons(results) == [f"predictions {'are not at hand' if damage == 'missing' else 'cannot be read'}"]


def test_the_csv_has_every_interval_and_mcnemar(predicted: Synthetic) -> None:
    found = rows_of(predicted)
    calibration = [row for row in found if row["metric"] in ("rms_calibration", "ece") and row["method"] == "no_jsd"]
    assert {(row["testset"], row["shift"]) for row in calibration} == {
        ("clean", "clean"),
        ("C", "mean"),
        ("C", "pooled"),
    }
    assert {row["intervals_over"] for row in found} == {"seeds and images"}
    headlines = [row for row in found if row["metric"] in ("error", "flip_probability")]
    rows = {(row["shift"], row["method"], row["reference"]): row for row in headlines}
    assert len(rows) == 3 * (2 + 2)
    row = rows["clean", "standard", "augmix"]
    for low, high in (("low", "high"), ("family_low", "family_high"), ("seeds_low", "seeds_high")):
        assert float(row[low]) < float(row["difference"]) < float(row[high])
    assert (row["family"], row["adjustment"], row["intervals_over"]) == (
        "against augmix",
        "Bonferroni",
        "seeds and images",
    )
    assert float(row["p_adjusted"]) >= float(row["p"])
    assert row["mcnemar_seeds"] == "0;1;2"
    only = [[int(count) for count in row[f"mcnemar_only_{side}"].split(";")] for side in ("method", "reference")]
    assert float(row["difference"]) == pytest.approx(100 * (sum(only[0]) - sum(only[1])) / 180, abs=1e-3)
    assert rows["mCE", "standard", "augmix"]["mcnemar_p"] == ""


@pytest.mark.parametrize(
    ("images", "seeds", "status"),
    [
        (20, (0,), {}),
        (20, (0, 1, 2), {("augmix", 1): "diverged", ("augmix", 2): "failed"}),
        (20, (0, 1), {("augmix", 0): "diverged", ("augmix", 1): "diverged"}),
        (0, (0, 1), {("standard", 1): "missing", ("augmix", 1): "missing", ("no_jsd", 1): "missing"}),
    ],
)
def test_nothing_is_ever_nan(
    synthetic: Synthetic, images: int, seeds: tuple[int, ...], status: dict[tuple[str, int], str]
) -> None:
    synthetic.images, synthetic.seeds, synthetic.status = images, seeds, status
    results = load(synthetic.write(), synthetic.data)
    for table in all_tables(results):
        assert "nan" not in f"{as_csv(table)} {as_markdown(table)}".lower().replace("nan in epoch", "")
    verdict = judge(results)
    assert "nan" not in str(verdict).lower().replace("nan in epoch", "")


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_methods_without_an_error_or_without_a_hit_are_not_told_apart(synthetic: Synthetic, value: float) -> None:
    synthetic.write()
    synthetic.metrics = [row | {"value": value} for row in synthetic.metrics]
    synthetic.rewrite_metrics()
    results = results_of(synthetic)
    for table in all_tables(results):
        assert "nan" not in as_csv(table).lower()
        assert not table.bold.to_numpy().any()
    assert not any(row["verdict"] == "significant" for row in rows_of(synthetic))


def test_one_method_has_no_differences(synthetic: Synthetic) -> None:
    synthetic.methods = synthetic.methods[:1]
    results = load(synthetic.write(), synthetic.data)
    assert differences_table(results).cells.empty
    assert detectable(results) == []


def test_what_can_be_detected_is_said(predicted: Synthetic) -> None:
    (said,) = detectable(results_of(predicted))
    assert said.startswith("With three seeds a method, a true difference of ")
    assert "points of mCE and " in said
    assert "points of clean error between AugMix and another method would be found significant in four" in said
    predicted.seeds = (0,)
    predicted.write()
    (said,) = detectable(results_of(predicted))
    assert said == "With one seed of a method, no difference from it can be found significant, however large."


def test_no_difference_is_said_to_be_seen_that_is_greater_than_any_can_be(synthetic: Synthetic) -> None:
    synthetic.images, synthetic.seeds = 2, (0, 1)
    synthetic.write()
    said = detectable(results_of(synthetic))
    assert said[-1] == (
        "With two seeds a method, no difference in clean error between AugMix and another method, however large, would "
        "be found significant in four of five such experiments."
    )
    assert all(float(points) <= 100 for points in re.findall(r"([\d.]+) points", " ".join(said)))
    known = evidence(results_of(synthetic), "digits", "smallnet", CLEAN_ERROR)
    assert known is not None
    assert would_be_found(known.against("augmix").values(), "clean error") == [
        "Where a difference in clean error is not significant here, not even a true one of 100 points would be found "
        "significant in four of five such experiments."
    ]


def test_the_mean_over_architectures_has_its_own_scores(predicted: Synthetic) -> None:
    predicted.architectures = ("allconv", "wideresnet")
    predicted.write()
    results = results_of(predicted)
    single = [evidence(results, "digits", name, MCE) for name in (*predicted.architectures, "mean")]
    values = [found.sample.figures for found in single if found is not None and found.over_images]
    assert np.mean(values[:2], axis=0) == pytest.approx(values[2])


@pytest.mark.slow
@pytest.mark.nightly
def test_the_statistics_of_a_large_experiment_take_seconds(synthetic: Synthetic) -> None:
    synthetic.methods = [{"name": name, "preset": name} for name in ("standard", "augmix")]
    synthetic.methods += [{"name": f"m{i}", "preset": f"m{i}"} for i in range(10)]
    synthetic.images, synthetic.seeds = 1000, (0, 1, 2)
    results = load(synthetic.write(), synthetic.data)
    started = time.process_time()
    for quantity in (MCE, CLEAN_ERROR, MFP):
        found = evidence(results, "digits", "smallnet", quantity)
        assert found is not None
        assert found.over_images
        assert len(found.against("augmix")) == len(found.against("standard")) == 11
        assert found.apart
    assert time.process_time() - started < 10
