"""Test sets made of the data set's own images: textures, silhouettes, cue conflict, waves, the extra corruptions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from augmix.corruptions import EXTRA_CORRUPTIONS, textures
from augmix.suite.config.experiment import load
from augmix.suite.data import datasets
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.evaluation import write_predictions
from augmix.suite.evaluate.results import scores
from augmix.suite.testsets import base, kinds
from augmix.suite.testsets.base import TestSet
from augmix.suite.testsets.kinds import cue_conflict

WriteConfig = Callable[..., Path]
Made = Callable[..., TestSet]
CPU = torch.device("cpu")


@pytest.fixture
def made(write_config: WriteConfig) -> Made:
    """The test set of that name beside 40 prepared digits, its files made."""

    def make(name: str, dataset: dict[str, Any] | None = None, **entry: Any) -> TestSet:
        own = dataset or {"loader": "digits", "subset": {"train": 8, "test": 40}}
        found = load(write_config(datasets={"own": own}, testsets={"C": None, "P": None, name: entry}))
        datasets.prepare(found.preparation("own"), found.data / "own")
        [_, testset] = found.testsets("own")
        for making in testset.jobs():
            base.make(testset, making.shifts, making.number)
        assert kinds.of_settings(json.loads(json.dumps(testset.settings()))) == testset
        return testset

    return make


def opened(testset: TestSet) -> tuple[datasets.Split, base.Images]:
    data = Path(testset.data)
    test = datasets.read(data, "test")
    return test, testset.open(test, datasets.record(data)["classes"])


class Uneven(nn.Module):
    """Ten logits, which depend on where an image is bright."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean(1).flatten(1)[:, ::103][:, :10] / 25


def errors(testset: TestSet, folder: Path) -> tuple[dict[str, float], predictions.Predictions]:
    write_predictions(Uneven(), {testset.name: (testset, {})}, Path(testset.data), folder, CPU)
    archive = predictions.read(folder / f"{testset.name}.npz", testset.shifts)
    rows = scores(testset, archive)
    return {shift: value for shift, severity, metric, value in rows if (severity, metric) == ("", "error")}, archive


@pytest.mark.parametrize(
    ("name", "shifts", "mean"), [("textures", textures.TEXTURES, "mTE"), ("extra", EXTRA_CORRUPTIONS, "mCE-extra")]
)
def test_sets_with_severities(made: Made, tmp_path: Path, name: str, shifts: tuple[str, ...], mean: str) -> None:
    testset = made(name, images=5)
    assert testset.shifts == testset.entering == shifts
    test, images = opened(testset)
    assert images.read(shifts[0]).shape == (5, 5)
    found, _ = errors(testset, tmp_path / "p")
    assert found[mean] == pytest.approx(np.mean([found[shift] for shift in shifts]))
    if name == "textures":
        whole = np.ascontiguousarray(test.images[::8])
        assert np.array_equal(images.read("low_pass").images[10:15], textures.corrupt(whole, "low_pass", 3))


def test_silhouettes(made: Made) -> None:
    testset = made("silhouettes", images=10)
    assert testset.jobs() == []
    test, images = opened(testset)
    shift = images.read("silhouettes")
    assert np.array_equal(shift.images[:], textures.silhouette(test.images[::4]))
    assert np.array_equal(shift.labels, test.labels[::4])
    assert images.source == "digits, silhouettes"
    [(_, shown)] = testset.samples(3)
    assert shown.shape == (3, 32, 32, 3)


def test_conflicting_cues_are_the_same_images_by_either_label(made: Made) -> None:
    by_shape, by_texture = (made(f"cue_conflict_{labels}", seed=2) for labels in ("shape", "texture"))
    (test, shapes), (_, others) = opened(by_shape), opened(by_texture)
    assert np.array_equal(shapes.read(by_shape.name).images[:], others.read(by_texture.name).images[:])
    assert np.array_equal(shapes.labels, test.labels)
    assert (shapes.labels != others.labels).all()
    mates = cue_conflict.partners(test.labels, 2)
    assert np.array_equal(others.read(by_texture.name).labels, test.labels[mates])
    expected = textures.cue_conflict(test.images[:], test.images[:][mates])
    assert np.array_equal(shapes.read(by_shape.name).images[:], expected)


def test_partners_are_of_any_other_class() -> None:
    labels = np.array([3, 0, 0, 3, 1])
    drawn = np.stack([cue_conflict.partners(labels, seed) for seed in range(200)])
    for i, label in enumerate(labels):
        assert set(drawn[:, i]) == set(np.flatnonzero(labels != label))
    assert cue_conflict.partners(np.zeros(3, int), 0).tolist() == [0, 1, 2]


def test_photographs_are_changed_one_by_one(made: Made, imagenet_sample: Path) -> None:
    own = {
        "loader": "imagenet",
        "options": {"folder": str(imagenet_sample), "side": 48},
        "subset": {"train": 2, "test": 8},
    }
    for name in ("silhouettes", "cue_conflict_shape", "fourier"):
        options = {"radius": 1} if name == "fourier" else {}
        testset = made(name, own, images=4, **options)
        test, images = opened(testset)
        first = testset.shifts[0]
        pixels = np.asarray(test.images[:])[::2]
        assert isinstance(testset, kinds.kind(testset.kind))
        expected = testset.derive(first, pixels, test.labels[::2], np.arange(4))
        assert np.array_equal(images.read(first).images[:], expected)


def test_every_wave_is_measured_once(made: Made) -> None:
    testset = made("fourier", images=2)
    # Of 32 × 32 frequencies four are their own mirror images.
    assert len(testset.shifts) == (32 * 32 - 4) // 2 + 4
    assert set(testset.cells) == {(i, j) for i in range(-16, 16) for j in range(-16, 16)}
    for (i, j), shift in testset.cells.items():
        wave = textures.fourier_basis(32, *map(int, shift.split("_")))
        assert np.allclose(wave, textures.fourier_basis(32, i, j))
    assert len(dict(testset.samples(2))) == 8


def test_waves_are_added_with_random_signs(made: Made, tmp_path: Path) -> None:
    testset = made("fourier", images=20, radius=1, norm=2.0)
    assert testset.shifts == ("1_1", "1_0", "1_-1", "0_1", "0_0")
    test, images = opened(testset)
    noise = images.read("1_0").images[:].astype(int) - test.images[::2]
    wave = 255 * 2 * textures.fourier_basis(32, 1, 0)
    inside = (np.asarray(test.images[::2]) > 60) & (np.asarray(test.images[::2]) < 190)
    signs = []
    for n in range(20):
        for c in range(3):
            seen = inside[n, :, :, c]
            sign = np.sign((noise[n, :, :, c] * wave)[seen].sum())
            assert np.abs(noise[n, :, :, c] - sign * wave)[seen].max() <= 0.5 + 1e-4
            signs.append(sign)
    assert 15 < (np.array(signs) > 0).sum() < 45
    found, archive = errors(testset, tmp_path / "p")
    assert found["mFE"] == pytest.approx(np.mean([found[shift] for shift in testset.shifts]))
    assert archive.labels.shape == (20,)
    assert testset.size(40) == 20
    again = opened(testset)[1].read("1_0").images
    assert np.array_equal(again[:], images.read("1_0").images[:])
    assert not np.array_equal(opened(made("fourier", images=20, norm=2.0, seed=1))[1].read("1_0").images[:], again[:])
