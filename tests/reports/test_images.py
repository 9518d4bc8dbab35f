"""Errors by class, and the images that divide two methods."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from augmix.suite.evaluate import predictions
from reports.images import ACROSS, class_errors, disagreement, draw_images
from reports.loaded import load
from reports.style import WIDTH
from tests.reports.synthetic import Synthetic


@pytest.fixture
def predicted(synthetic: Synthetic) -> Synthetic:
    synthetic.images = 60
    synthetic.testsets = {"clean": {"kind": "clean"}, "C": {**(synthetic.testsets["C"] or {})}}
    synthetic.write()
    folder = synthetic.data / "digits"
    folder.mkdir(parents=True)
    np.save(folder / "test_images.npy", np.arange(60, dtype=np.uint8)[:, None, None, None].repeat(3, 3))
    np.save(folder / "test_labels.npy", np.random.default_rng(1).integers(0, 4, 60))
    (folder / "dataset.json").write_text(json.dumps({"classes": ["nought", "one", "two", "three"]}))
    return synthetic


def wrong(synthetic: Synthetic, method: str, seed: int) -> np.ndarray:
    """Whether each copy of each image is predicted wrongly, (75, 60)."""
    [testset] = [t for t in load(synthetic.folder, synthetic.data).testsets["digits"] if t.name == "C"]
    path = synthetic.folder / f"digits/smallnet/{method}/seed{seed}/predictions/C.npz"
    archive = predictions.read(path, testset.shifts)
    copies = [archive.shifts[shift]["prediction"] != archive.labels.reshape(5, 60) for shift in testset.shifts]
    return np.concatenate(copies)


def test_errors_by_class_are_those_of_the_predictions(predicted: Synthetic) -> None:
    results = load(predicted.folder, predicted.data)
    labels = np.load(predicted.data / "digits" / "test_labels.npy")
    corrupted = results.testset("digits", "C")
    assert corrupted is not None
    found = class_errors(results, "digits", corrupted)["AugMix"]
    for label in range(4):
        expected = np.mean([wrong(predicted, "augmix", seed)[:, labels == label].mean() for seed in (0, 1)])
        assert found[label] == pytest.approx(100 * expected)


def test_a_disagreement_is_one_of_all_seeds(predicted: Synthetic) -> None:
    results = load(predicted.folder, predicted.data)
    corrupted = results.testset("digits", "C")
    assert corrupted is not None
    found = disagreement(results, "digits", corrupted)
    assert found is not None
    shares = {name: [wrong(predicted, name, seed).mean(axis=0) for seed in (0, 1)] for name in ("standard", "augmix")}
    np.testing.assert_allclose(found.augmix, np.mean(shares["augmix"], axis=0))
    for image, verdict in enumerate(found.verdict):
        standard, augmix = ([share[image] for share in shares[name]] for name in ("standard", "augmix"))
        ours, theirs = min(standard) > 0.5 > max(augmix), min(augmix) > 0.5 > max(standard)
        assert verdict == int(ours) - int(theirs)
    assert (found.verdict == 1).any()


def test_the_sheet_shows_the_images_that_divide_most(
    predicted: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    results = load(predicted.folder, predicted.data)
    classes, sheet = draw_images(results, tmp_path, "digits")
    assert [text.get_text() for text in drawn[classes.name].axes[0].get_yticklabels()] != list("0123")
    corrupted = results.testset("digits", "C")
    assert corrupted is not None
    found = disagreement(results, "digits", corrupted)
    assert found is not None
    gain = np.where(found.verdict == 1, found.standard - found.augmix, -1)
    columns = max((found.verdict == 1).sum(), (found.verdict == -1).sum())
    assert drawn[sheet.name].get_figwidth() == pytest.approx(WIDTH / ACROSS * min(ACROSS, columns))
    first = drawn[sheet.name].axes[0]
    image = int(np.asarray(first.images[0].get_array())[0, 0, 0])
    assert image == gain.argmax()
    names = ["nought", "one", "two", "three"]
    assert first.texts[0].get_text() == (
        f"{names[found.labels[image]]}\n{100 * found.standard[image]:.0f} → {100 * found.augmix[image]:.0f} %"
    )
    assert f"({(found.verdict == 1).sum()} of 60 images)" in sheet.caption


def test_other_test_images_than_the_corrupted_ones_are_not_shown(
    predicted: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    np.save(predicted.data / "digits" / "test_labels.npy", np.zeros(60, np.int64))
    kinds = [d.kind for d in draw_images(load(predicted.folder, predicted.data), tmp_path, "digits")]
    assert kinds == ["classes"]


def test_without_predictions_there_is_neither(synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]) -> None:
    assert not list(draw_images(load(synthetic.write(), synthetic.data), tmp_path, "digits"))


def test_of_a_hundred_classes_the_hardest_are_shown(
    predicted: Synthetic, tmp_path: Path, drawn: dict[str, Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.images.CLASSES", 2)
    results = load(predicted.folder, predicted.data)
    classes, _ = draw_images(results, tmp_path, "digits")
    corrupted = results.testset("digits", "C")
    assert corrupted is not None
    errors = class_errors(results, "digits", corrupted)
    means = [np.mean([of[label] for of in errors.values()]) for label in range(4)]
    names = ["nought", "one", "two", "three"]
    labels = [text.get_text() for text in drawn[classes.name].axes[0].get_yticklabels()]
    assert labels == [names[label] for label in np.argsort(means)[:1:-1]]
    assert "on the 2 hardest of 4 classes" in classes.caption
