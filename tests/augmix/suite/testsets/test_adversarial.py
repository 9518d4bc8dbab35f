"""The adversarial test set: images near the test images, made against each net, the same for a seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.data import datasets
from augmix.suite.data.datasets import evenly
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.evaluation import numbers, write_predictions
from augmix.suite.evaluate.measures import measures_of
from augmix.suite.evaluate.results import scores
from augmix.suite.testsets import kinds
from augmix.suite.testsets.base import Shift, TestSet

WriteConfig = Callable[..., Path]
CPU = torch.device("cpu")
DIGITS = {"loader": "digits", "subset": {"train": 40, "test": 60}, "flip": False}


class Linear(nn.Module):
    """Ten random projections of the pixels, with dropout and a norm, as nets have them; it keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.dropout, self.project = nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Linear(3 * 32 * 32, 10)
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            self.seen.append(images.float().clone())
        pixels: torch.Tensor = self.project(self.dropout(self.norm(images / 255)).flatten(1))
        return pixels


@pytest.fixture
def experiment(write_config: WriteConfig) -> Callable[..., Experiment]:
    """An experiment with the test set, its data prepared."""

    def make(**entry: Any) -> Experiment:
        testsets = {"C": None, "P": None, "attacked": {"kind": "adversarial", "images": 30, **entry}}
        found = load(write_config(datasets={"own": DIGITS}, testsets=testsets))
        if not (found.data / "own" / "dataset.json").exists():
            datasets.prepare(found.preparation("own"), found.data / "own")
        return found

    return make


def own_testset(experiment: Experiment) -> TestSet:
    [_, testset] = experiment.testsets("own")
    return testset


def seen_by(net: nn.Module, testset: TestSet) -> np.ndarray:
    """The numbers of a net on its own images."""
    opened = testset.open(datasets.read(Path(testset.data), "test"), [str(digit) for digit in range(10)])
    return numbers(net, opened.read(*testset.shifts), CPU)


def test_images_are_near_the_test_images_and_worse_for_the_net(experiment: Callable[..., Experiment]) -> None:
    testset, net = own_testset(experiment()), Linear()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    attacked = seen_by(net, testset)
    test = datasets.read(Path(testset.data), "test")
    chosen = evenly(60, 30)
    clean = numbers(Linear(), Shift(test.images[chosen], test.labels[chosen], (30,)), CPU)
    assert attacked["true_probability"].mean() < clean["true_probability"].mean() - 0.03
    [shown] = net.seen
    distance = np.abs(shown.permute(0, 2, 3, 1).numpy() - test.images[chosen])
    assert 7.9 < distance.max() <= 8 + 1e-4
    assert shown.min() >= 0
    assert shown.max() <= 255
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_seed_decides_the_images(experiment: Callable[..., Experiment]) -> None:
    first = seen_by(Linear(), own_testset(experiment()))
    again = seen_by(Linear(), own_testset(experiment()))
    other = seen_by(Linear(), own_testset(experiment(seed=1, steps=1)))
    assert (first == again).all()
    assert (first != other).any()
    testset = own_testset(experiment())
    opened = testset.open(datasets.read(Path(testset.data), "test"), [])
    for _ in range(2):  # also where it is read twice
        assert (numbers(Linear(), opened.read(*testset.shifts), CPU) == first).all()


def test_a_weaker_attack_does_less(experiment: Callable[..., Experiment]) -> None:
    net = Linear()
    errors = [seen_by(net, own_testset(experiment(epsilon=e / 255)))["true_probability"].mean() for e in (1, 4, 16)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[-1] + 0.05


def test_it_is_evaluated_as_any_test_set(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    testset = own_testset(experiment(steps=2))
    assert testset.jobs() == []
    assert kinds.of_settings(testset.settings()) == testset
    write_predictions(Linear(), {"attacked": (testset, {})}, Path(testset.data), tmp_path / "predictions", CPU)
    archive = predictions.read(tmp_path / "predictions" / "attacked.npz", testset.shifts)
    assert archive.source == "digits, PGD-2, ε 8/255, step 2/255"
    found = {metric: value for _, _, metric, value in scores(testset, archive)}
    assert found.keys() == set(measures_of(testset))
    assert 0 < found["error"] <= 1
    [part] = testset.parts(60)
    assert part.images == 30 * (1 + 3 * 2)


@pytest.mark.parametrize(("key", "value"), [("epsilon", 0), ("epsilon", 8), ("steps", 0), ("images", None)])
def test_odd_settings_are_refused(experiment: Callable[..., Experiment], key: str, value: Any) -> None:
    with pytest.raises(UserError, match=key):
        experiment(**{key: value})
