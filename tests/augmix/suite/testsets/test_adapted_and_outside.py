"""Test sets of other test sets: adapted nets predict them; and images from outside, told from the clean ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augmix import adaptation, metrics, models
from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.config.runs import code_of_evaluation
from augmix.suite.data import datasets
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.evaluation import write_predictions
from augmix.suite.evaluate.measures import measures_of
from augmix.suite.evaluate.results import run_metrics
from augmix.suite.evaluate.scores import image_scores
from augmix.suite.testsets import base, folder, kinds
from augmix.suite.testsets.base import TestSet
from augmix.suite.testsets.generation import SEVERITIES

WriteConfig = Callable[..., Path]
CPU = torch.device("cpu")
FOG = {"shifts": ["fog", "contrast"]}
ADAPTED = {"kind": "adapted", "of": "C", "batch_size": 30, "prior": 16}


def made(experiment: Experiment) -> dict[str, TestSet]:
    """The test sets of the digits, all of them made, by name."""
    datasets.prepare(experiment.preparation("digits"), experiment.data / "digits")
    for making in experiment.makings():
        base.make(making.testset, making.shifts, making.number)
    return {testset.name: testset for testset in experiment.testsets("digits")}


def test_an_adapted_testset_is_the_other_with_an_adapted_net(write_config: WriteConfig, tmp_path: Path) -> None:
    experiment = load(write_config(testsets={"C": FOG, "P": None, "C_adapted": ADAPTED}))
    testsets = made(experiment)
    plain, adapted = testsets["C"], testsets["C_adapted"]
    assert [making.testset.name for making in experiment.makings()] == ["C", "C"], "it has no files of its own"
    assert (adapted.shifts, adapted.levels, adapted.mean, adapted.entering) == (
        *(plain.shifts, plain.levels, plain.mean, plain.entering),
    )
    assert (adapted.title, adapted.title_on("Digits")) == ("-C (adapted)", "Digits-C (adapted)")
    assert adapted.identity() == plain.identity()
    assert kinds.of_settings(json.loads(json.dumps(adapted.settings()))).evaluated_with() == adapted.evaluated_with()
    assert adapted.evaluated_with() != plain.evaluated_with()
    assert "augmix/suite/testsets/kinds/corruptions.py" in code_of_evaluation("smallnet", adapted).files
    assert [part.made for part in adapted.parts(40)] == [False, False]

    torch.manual_seed(0)
    net = models.Normalised(models.build("smallnet_thin", 10))
    data = Path(adapted.data)
    images = torch.from_numpy(np.load(data / "train_images.npy")).permute(0, 3, 1, 2)
    for _ in range(20):
        net(images)
    named: Any = {name: (testset, {}) for name, testset in testsets.items()}
    write_predictions(net, named, data, tmp_path / "p", CPU)
    without, found = (predictions.read(tmp_path / "p" / f"{t.name}.npz", t.shifts) for t in (plain, adapted))
    assert np.array_equal(found.labels, without.labels)
    shift = adapted.open(datasets.read(data, "test"), datasets.record(data)["classes"]).read("fog")
    assert found.shifts["fog"].shape == (len(SEVERITIES), shift.shape[1])
    level = np.arange(2 * shift.shape[1], 3 * shift.shape[1])
    order = np.random.default_rng(0).permutation(level)
    for batch in np.array_split(order, -(-len(order) // 30)):
        with torch.no_grad(), adaptation.adapted(net.eval(), 16):
            p = net(torch.from_numpy(shift.images[batch]).permute(0, 3, 1, 2)).softmax(1).numpy()
        there = found.shifts["fog"].ravel()[batch]
        np.testing.assert_allclose(there["confidence"], p.max(1), rtol=1e-4)
    assert (found.shifts["contrast"]["confidence"] != without.shifts["contrast"]["confidence"]).mean() > 0.9


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"kind": "adapted"}, "test set 'x': 'of' is None; valid: C, P, clean, w, y, z"),
        ({"kind": "adapted", "of": "D"}, "test set 'x': 'of' is 'D'; "),
        ({"kind": "adapted", "of": "P"}, "'of' is 'P'; nets are adapted to images of the data set's classes"),
        (
            {"kind": "adapted", "of": "z"},
            "'of' is 'z'; nets are adapted to images of the data set's classes that do not",
        ),
        ({"kind": "adapted", "of": "y"}, "'of' is 'y', which is adapted itself; name the test set that it is of"),
        ({**ADAPTED, "batch_size": 1}, r"testsets\.x\.batch_size is 1; it must be ≥ 2"),
        ({**ADAPTED, "adapt": "entropy"}, r"testsets\.x\.adapt is 'entropy'; valid: batchnorm"),
        ({"kind": "outside", "loader": "digit"}, "unknown data set loader 'digit'; did you mean 'digits'"),
        ({"kind": "as_outside", "of": "clean"}, "'of' is 'clean', which is the clean images"),
        ({"kind": "as_outside", "of": "w"}, "'of' is 'w', which is outside already; name another test set"),
        ({"kind": "as_outside", "of": "y"}, "'of' is 'y', which is adapted itself; name the test set that it is of"),
        ({"kind": "as_outside"}, "test set 'x': 'of' is None; valid: C, P, clean, w, y, z"),
    ],
)
def test_entries_that_cannot_be_are_one_line(write_config: WriteConfig, entry: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        load(
            write_config(
                testsets={
                    "C": FOG,
                    "P": {"shifts": ["tilt"]},
                    "w": {"kind": "outside", "loader": "fashion_small"},
                    "x": entry,
                    "y": ADAPTED,
                    "z": {"kind": "adversarial"},
                }
            )
        )
    assert "\n" not in str(caught.value)


def test_outside_images_are_compared_with_the_clean_ones(write_config: WriteConfig, tmp_path: Path) -> None:
    clothes = {"kind": "outside", "loader": "fashion_small", "images": 60}
    experiment = load(write_config(testsets={"C": None, "P": None, "clothes": clothes}))
    testsets = made(experiment)
    assert testsets["clothes"].shifts == ("clothes",)
    data = Path(testsets["clothes"].data)
    torch.manual_seed(0)
    net = models.Normalised(models.build("smallnet_thin", 10))
    write_predictions(net, {name: (t, {}) for name, t in testsets.items()}, data, tmp_path / "p", CPU)
    rows = {row[4]: row[5] for row in run_metrics(tmp_path / "p", [testsets["clothes"]])}
    clean, outside = (
        predictions.read(tmp_path / "p" / f"{name}.npz", (name,)).shifts[name] for name in ("clean", "clothes")
    )
    assert len(outside) == 60
    assert type(folder.beside(data)[-1]) is type(testsets["clothes"])
    assert rows == {
        f"ood_{metric}{suffix}": compute(-clean[field], -outside[field])
        for suffix, field in (("", "confidence"), ("_energy", "log_sum"))
        for metric, compute in (("auroc", metrics.auroc), ("fpr95", metrics.false_positive_rate))
    }


def test_outside_images_need_the_clean_ones(write_config: WriteConfig) -> None:
    with pytest.raises(UserError, match="it is compared with the clean test images; do not leave out 'clean'"):
        load(write_config(testsets={"clean": None, "x": {"kind": "outside", "loader": "fashion_small"}}))


@pytest.mark.parametrize("name", kinds.names())
def test_questions_about_errors_are_not_asked_of_outside_images(name: str) -> None:
    kind = kinds.kind(name)
    assert not (kind.outside and kind.question)


def test_any_testset_can_stand_outside(write_config: WriteConfig, tmp_path: Path) -> None:
    few = {"kind": "natural", "loader": "fashion_small", "images": 30, "classes": {"Bag": ["3", "4"], "*": None}}
    others = {
        "C": {**FOG, "images": 20},
        "P": {"shifts": ["tilt"], "images": 10},
        "attacked": {"kind": "adversarial", "images": 5, "steps": 1},
        "few": few,
    }
    standing = {f"{name}_outside": {"kind": "as_outside", "of": name} for name in others}
    experiment = load(write_config(testsets=others | standing))
    assert {making.testset.name for making in experiment.makings()} == {"C", "P", "few"}
    testsets = made(experiment)
    data = Path(testsets["C"].data)
    torch.manual_seed(0)
    net = models.Normalised(models.build("smallnet_thin", 10))
    write_predictions(net, {name: (t, {}) for name, t in testsets.items()}, data, tmp_path / "p", CPU)
    clean = predictions.read_clean(tmp_path / "p")
    for name in others:
        testset = testsets[f"{name}_outside"]
        again = kinds.of_settings(json.loads(json.dumps(testset.settings())))
        assert again.evaluated_with() == testset.evaluated_with() != testsets[name].evaluated_with()
        archive = predictions.read(tmp_path / "p" / f"{testset.name}.npz", testset.shifts)
        plain = predictions.read(tmp_path / "p" / f"{name}.npz", testset.shifts)
        rows = {row[2:5]: row[5] for row in run_metrics(tmp_path / "p", [testset])}
        assert {metric for _, _, metric in rows} == set(measures_of(testset))
        for shift, numbers in archive.shifts.items():
            same = numbers["prediction"] == plain.shifts[shift]["prediction"]
            assert same.all() != (name == "few"), "a net predicts among all of its classes"
            levels = numbers.reshape(testset.levels, -1)
            each = [metrics.auroc(-clean["log_sum"], -level["log_sum"]) for level in levels]
            assert rows[shift, "", "ood_auroc_energy"] == pytest.approx(np.mean(each))
            if testset.levels > 1:
                assert rows[shift, 3, "ood_auroc_energy"] == pytest.approx(each[2])
        for metric in measures_of(testset):
            of_images = image_scores(testset, archive, metric, clean)
            assert of_images is not None
            for shift in testset.shifts:
                assert of_images[shift].shape == clean.shape
                assert of_images[shift].mean() == pytest.approx(rows[shift, "", metric], abs=1e-9)
    assert testsets["C_outside"].title_on("Digits") == "Digits-C (outside)"
