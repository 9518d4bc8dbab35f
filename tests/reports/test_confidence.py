"""Reliability diagrams and calibration by severity show what the predictions say."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from augmix.suite.evaluate import predictions
from reports.confidence import draw_confidence, shown_methods
from reports.loaded import load
from reports.quantities import Quantity
from tests.reports.synthetic import Synthetic


@pytest.fixture
def predicted(synthetic: Synthetic) -> Synthetic:
    synthetic.images = 120
    synthetic.testsets = {"clean": {"kind": "clean"}, "C": {**(synthetic.testsets["C"] or {})}}
    return synthetic


def test_a_reliability_diagram_has_the_accuracy_at_each_confidence(
    predicted: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    results = load(predicted.write(), predicted.data)
    [drawing] = draw_confidence(results, tmp_path, "digits")
    clean, corrupted, *severities = drawn[drawing.name].axes
    names = results.testsets["digits"][1].shifts
    for ax, testset, shifts in ((clean, "clean", ("clean",)), (corrupted, "C", names)):
        confidence, right = [], []
        for seed in (0, 1):
            path = predicted.folder / f"digits/smallnet/augmix/seed{seed}/predictions/{testset}.npz"
            archive = predictions.read(path, shifts)
            for shift in shifts:
                numbers = archive.shifts[shift].ravel()
                confidence.append(numbers["confidence"].astype(float))
                right.append(numbers["prediction"] == archive.labels)
        told, true = np.concatenate(confidence), np.concatenate(right)
        expected = []
        for i in range(15):
            within = (told > i / 15) & (told <= (i + 1) / 15)
            if within.sum() >= 30:
                expected.append([100 * told[within].mean(), 100 * true[within].mean()])
        assert expected
        _, _, augmix, _ = ax.lines  # the diagonal comes first
        np.testing.assert_allclose(np.asarray(augmix.get_xydata(), float), expected, rtol=1e-6)
    said = [text.get_text() for text in corrupted.texts]
    value = np.mean([predicted.value(method="augmix", seed=s, shift="pooled", metric="ece") for s in (0, 1)])
    assert (said[0], said[2]) == ("ECE (%)", f"{100 * value:.1f}")
    assert [ax.get_ylabel() for ax in severities] == ["RMS calibration error (%)", "Expected calibration error (%)"]


def test_several_nets_share_one_row_of_panels(predicted: Synthetic, tmp_path: Path, drawn: dict[str, Figure]) -> None:
    predicted.architectures, predicted.seeds = ("smallnet", "allconv"), (0,)
    results = load(predicted.write(), predicted.data)
    [drawing] = draw_confidence(results, tmp_path, "digits")
    clean, _, rms, _ = drawn[drawing.name].axes
    folder = predicted.folder / "digits"
    found = [
        predictions.read(folder / f"{net}/augmix/seed0/predictions/clean.npz", ("clean",))
        for net in predicted.architectures
    ]
    told = np.concatenate([archive.shifts["clean"]["confidence"].astype(float) for archive in found])
    right = np.concatenate([archive.shifts["clean"]["prediction"] == archive.labels for archive in found])
    last = told > 14 / 15
    assert last.sum() >= 30
    assert np.asarray(clean.lines[2].get_xydata(), float)[-1] == pytest.approx(
        [100 * told[last].mean(), 100 * right[last].mean()]
    )
    where = {"method": "augmix", "testset": "C", "shift": "mean", "severity": 5, "metric": "rms_calibration"}
    errors = [100 * predicted.value(arch=net, **where) for net in predicted.architectures]
    assert float(np.asarray(rms.lines[1].get_ydata(), float)[-1]) == pytest.approx(np.mean(errors))
    assert "all nets together" in drawing.caption


def test_calibration_by_severity_begins_with_clean_images_and_has_the_seeds_spread(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    [drawing] = draw_confidence(load(synthetic.write(), synthetic.data), tmp_path, "digits")
    assert drawing.caption.startswith("Calibration on Digits: errors by severity")
    assert "bands ± one standard deviation" in drawing.caption
    rms = drawn[drawing.name].axes[0]
    expected = []
    for severity in range(6):
        where = {"testset": "C", "shift": "mean", "severity": severity} if severity else {"shift": "clean"}
        seeds = [
            100 * synthetic.value(method="augmix", seed=seed, metric="rms_calibration", **where) for seed in (0, 1)
        ]
        expected.append((np.mean(seeds), np.std(seeds, ddof=1)))
    means, deviations = np.transpose(expected)
    np.testing.assert_allclose(np.asarray(rms.lines[1].get_ydata(), float), means)
    edges = np.asarray(rms.collections[1].get_paths()[0].vertices)
    for severity in range(6):
        of = edges[edges[:, 0] == severity, 1]
        assert (of.min(), of.max()) == pytest.approx(
            (means[severity] - deviations[severity], means[severity] + deviations[severity])
        )


def test_of_many_methods_the_two_of_the_question_and_the_extremes_are_shown(synthetic: Synthetic) -> None:
    names = ("cutout", "standard", "mixup", "cutmix", "augmix", "fmix")
    synthetic.methods = [{"name": name, "preset": name} for name in names]
    synthetic.write()
    for row in synthetic.metrics:
        if (row["shift"], row["metric"]) == ("clean", "ece"):
            row["value"] = {"cutout": 0.2, "mixup": 0.4, "cutmix": 0.1, "fmix": 0.3}.get(row["method"], 0.9)
    synthetic.rewrite_metrics()
    found = shown_methods(load(synthetic.folder, synthetic.data), "digits", Quantity("clean", "clean", "ece"))
    assert [method.name for method in found] == ["standard", "mixup", "cutmix", "augmix"]
