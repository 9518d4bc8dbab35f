"""The Jensen–Shannon loss against a float64 reference, and its properties."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from augmix import losses


def reference(logits: list[np.ndarray]) -> float:
    """The definition, in float64: the mean over views of KL(p ‖ M), summed over classes, averaged over images."""
    p = np.stack([softmax(view.astype(np.float64), axis=1) for view in logits])
    mean = np.clip(p.mean(0), 1e-7, 1)
    return float((p * (np.log(p) - np.log(mean))).sum(-1).mean())


def random_logits(views: int, scale: float = 3.0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(views)
    return [torch.randn(16, 10, generator=generator) * scale for _ in range(views)]


@pytest.mark.parametrize("views", [2, 3, 4])
def test_equals_the_float64_reference(views: int) -> None:
    logits = random_logits(views)
    expected = 12 * reference([view.numpy() for view in logits])
    assert losses.jensen_shannon(logits, 12.0).item() == pytest.approx(expected, rel=1e-5)


def test_is_zero_for_equal_views_and_symmetric() -> None:
    a, b, c = random_logits(3)
    assert losses.jensen_shannon([a, a, a]).item() == pytest.approx(0, abs=1e-5)
    assert losses.jensen_shannon([a, b, c]).item() == pytest.approx(losses.jensen_shannon([c, a, b]).item(), rel=1e-6)
    assert losses.jensen_shannon([a, b]).item() > 0


def test_is_at_most_the_logarithm_of_the_number_of_views() -> None:
    certain = [torch.nn.functional.one_hot(torch.full((4,), k), 10).float() * 1000 for k in range(3)]
    assert losses.jensen_shannon(certain, 1.0).item() == pytest.approx(np.log(3), rel=1e-4)


def test_gradients() -> None:
    logits = [view[:4].double().requires_grad_() for view in random_logits(3, 1.0)]
    assert torch.autograd.gradcheck(lambda *views: losses.jensen_shannon(views), logits)


def test_one_view_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two views, got 1"):
        losses.jensen_shannon(random_logits(1))


def test_augmix_adds_cross_entropy_of_the_clean_view_only() -> None:
    logits = random_logits(3)
    labels = torch.arange(16) % 10
    targets = torch.nn.functional.one_hot(labels, 10).float()
    expected = torch.nn.functional.cross_entropy(logits[0], labels) + losses.jensen_shannon(logits)
    assert losses.augmix(logits, targets).item() == pytest.approx(expected.item(), rel=1e-6)
    assert losses.cross_entropy(logits, targets).item() == pytest.approx(
        torch.nn.functional.cross_entropy(logits[0], labels).item(), rel=1e-6
    )
