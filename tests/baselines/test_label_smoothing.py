"""Label smoothing: the share of a target that goes to all classes alike."""

import pytest
import torch
from torch import Tensor

from baselines import label_smoothing


def test_the_loss_is_its_definition(targets: Tensor) -> None:
    logits = torch.randn(64, 10, generator=torch.Generator().manual_seed(0))
    log_p = logits.log_softmax(1)
    for smoothing in (0.0, 0.1, 0.5):
        expected = -(1 - smoothing) * (targets * log_p).sum(1).mean() - smoothing * log_p.mean()
        found = label_smoothing.method(smoothing=smoothing).loss([logits, -logits], targets)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1])
def test_refuses_shares_out_of_range(smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"smoothing must be in \[0, 1\]"):
        label_smoothing.method(smoothing=smoothing)
