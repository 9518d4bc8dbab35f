"""Evaluation: the numbers of each image, whichever batch it is in."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from torch import nn

from augmix import models
from augmix.errors import UserError
from augmix.suite.evaluate import evaluation
from augmix.suite.evaluate.evaluation import numbers
from augmix.suite.evaluate.predictions import NUMBERS
from augmix.suite.testsets.base import Adaptation, Shift
from augmix.suite.train.batches import IMAGES


class Channels(nn.Module):
    """Logits are the means of the channels."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean((2, 3)) / 50


def test_numbers_of_several_batches_are_those_of_each_image() -> None:
    rng = np.random.default_rng(0)
    count = 2 * IMAGES + 37
    levels = rng.integers(0, 256, (count, 1, 1, 3))
    images = np.broadcast_to(levels, (count, 4, 4, 3)).astype(np.uint8)
    labels = rng.integers(0, 3, count)
    found = numbers(Channels(), Shift(images, labels, labels.shape), torch.device("cpu"))
    assert found.dtype == NUMBERS
    assert found.shape == (count,)
    p = softmax(levels[:, 0, 0].astype(np.float64) / 50, axis=1)
    assert (p[np.arange(count), found["prediction"]] == p.max(1)).all()
    np.testing.assert_allclose(found["confidence"], p.max(1), rtol=1e-5)
    np.testing.assert_allclose(found["true_probability"], p[np.arange(count), labels], rtol=1e-5)
    np.testing.assert_allclose(found["squared_sum"], (p**2).sum(1), rtol=1e-5)


def test_further_numbers_and_what_is_no_number() -> None:
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 256, (20, 2, 2, 3)).astype(np.uint8), np.zeros(20, np.int64)
    net = models.Normalised(nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.Softplus()))
    found = numbers(net, Shift(images, labels, labels.shape), torch.device("cpu"), top5=True)
    with torch.no_grad():
        logits = net(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(found["log_sum"], logsumexp(logits, 1), rtol=1e-6)
    assert found["top5"].tolist() == np.argsort(-logits, 1)[:, :5].tolist()
    net.net.get_submodule("1").get_parameter("weight").data[0] = torch.nan
    with pytest.raises(UserError, match="logits are not finite for 20 of 20 images"):
        numbers(net, Shift(images, labels, labels.shape), torch.device("cpu"))


def test_an_adapted_net_sees_batches_of_all_images_of_a_severity(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def noted(net: nn.Module, shift: Shift, device: torch.device, top5: bool, prior: float) -> np.ndarray:
        seen.append(shift.labels)
        assert prior == 16
        assert (np.asarray(shift.images)[:, 0, 0, 0] == shift.labels).all()
        out = np.zeros(len(shift.labels), NUMBERS)
        out["prediction"] = shift.labels
        return out

    monkeypatch.setattr(evaluation, "numbers", noted)
    labels = np.arange(200)
    images = np.broadcast_to(labels[:, None, None, None], (200, 2, 2, 3)).astype(np.uint8)
    shift = Shift(images, labels, (2, 100), adaptation=Adaptation(30, 16, 5))
    found = evaluation._numbers_of(nn.Identity(), shift, torch.device("cpu"), False)
    assert (found["prediction"] == labels).all(), "each image has its own numbers"
    assert [len(batch) for batch in seen] == [25] * 8
    assert [set(np.concatenate(seen[i : i + 4])) for i in (0, 4)] == [set(range(100)), set(range(100, 200))]
    assert all((np.diff(batch) != 1).any() for batch in seen), "images are shuffled"
