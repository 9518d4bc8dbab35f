"""Evaluation: the four numbers of each image, whichever batch it is in."""

import numpy as np
import torch
from scipy.special import softmax
from torch import nn

from augmix.suite.evaluate.evaluation import numbers
from augmix.suite.evaluate.predictions import NUMBERS
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
    found = numbers(Channels(), images, labels, torch.device("cpu"))
    assert found.dtype == NUMBERS
    assert found.shape == (count,)
    p = softmax(levels[:, 0, 0].astype(np.float64) / 50, axis=1)
    assert (p[np.arange(count), found["prediction"]] == p.max(1)).all()
    np.testing.assert_allclose(found["confidence"], p.max(1), rtol=1e-5)
    np.testing.assert_allclose(found["true_probability"], p[np.arange(count), labels], rtol=1e-5)
    np.testing.assert_allclose(found["squared_sum"], (p**2).sum(1), rtol=1e-5)
