"""The consistency losses against float64 references, and their properties."""

from collections.abc import Callable

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


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("loss", [losses.jensen_shannon, losses.kullback_leibler])
def test_a_class_that_cannot_be_adds_nothing(loss: Callable[..., torch.Tensor], dtype: torch.dtype) -> None:
    some = [view[:, :9].to(dtype).requires_grad_() for view in random_logits(3)]
    masked = [torch.nn.functional.pad(view, (0, 1), value=-torch.inf) for view in some]
    expected, found = loss(some), loss(masked)
    assert found.item() == pytest.approx(expected.item(), rel=1e-3 if dtype == torch.float16 else 1e-6)
    for one, other in zip(torch.autograd.grad(expected, some), torch.autograd.grad(found, some), strict=True):
        torch.testing.assert_close(other, one)


def test_one_view_is_refused() -> None:
    for divergence in (losses.jensen_shannon, losses.kullback_leibler):
        with pytest.raises(ValueError, match=f"{divergence.__name__} compares at least two views, got 1"):
            divergence(random_logits(1))


def kl_reference(p_logits: np.ndarray, q_logits: np.ndarray) -> float:
    """KL(p ‖ q) in float64, summed over classes, averaged over images."""
    p, q = (softmax(logits.astype(np.float64), axis=1) for logits in (p_logits, q_logits))
    return float((p * (np.log(p) - np.log(q))).sum(1).mean())


@pytest.mark.parametrize("views", [2, 3, 4])
@pytest.mark.parametrize("reverse", [False, True])
def test_kl_equals_the_float64_reference(views: int, reverse: bool) -> None:
    logits = random_logits(views)
    clean, *others = (view.numpy() for view in logits)
    pairs = [(view, clean) if reverse else (clean, view) for view in others]
    expected = 12 * float(np.mean([kl_reference(p, q) for p, q in pairs]))
    assert losses.kullback_leibler(logits, 12.0, reverse).item() == pytest.approx(expected, rel=1e-5)


def test_kl_by_hand_tells_its_directions_apart() -> None:
    """p = (½, ½), q = (¼, ¾): KL(p ‖ q) = ½ ln(4/3), KL(q ‖ p) = ¾ ln 3 − ln 2."""
    p, q = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
    assert losses.kullback_leibler([p, q], 1.0).item() == pytest.approx(np.log(4 / 3) / 2, rel=1e-5)
    assert losses.kullback_leibler([p, q], 1.0, reverse=True).item() == pytest.approx(
        0.75 * np.log(3) - np.log(2), rel=1e-5
    )


def test_kl_is_zero_for_equal_views_and_positive_otherwise() -> None:
    a, b, _ = random_logits(3)
    for reverse in (False, True):
        assert losses.kullback_leibler([a, a, a], reverse=reverse).item() == pytest.approx(0, abs=1e-6)
        assert losses.kullback_leibler([a, b], reverse=reverse).item() > 0


def test_kl_is_stronger_than_jsd_at_equal_weight() -> None:
    """2.25 times where views differ little and independently."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(4000, 10, generator=generator, dtype=torch.float64)
    shifts = 1e-3 * torch.randn(2, 4000, 10, generator=generator, dtype=torch.float64)
    logits = [clean, *(clean + shift for shift in shifts)]
    ratio = losses.kullback_leibler(logits) / losses.jensen_shannon(logits)
    assert ratio.item() == pytest.approx(2.25, rel=0.02)


@pytest.mark.parametrize(("second", "factor"), [(1.0, 4.5), (-1.0, 1.5)])
def test_how_much_stronger_kl_is_depends_on_how_the_views_differ(second: float, factor: float) -> None:
    """Predictions that differ little: with d and e the differences from p, weighted by 1/p, KL is (d² + e²)/4 and JSD
    (d² + e² − d·e)/9.
    """
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(500, 10, generator=generator, dtype=torch.float64)
    shift = 1e-3 * torch.randn(500, 10, generator=generator, dtype=torch.float64)
    logits = [clean, clean + shift, clean + second * shift]
    ratio = losses.kullback_leibler(logits) / losses.jensen_shannon(logits)
    assert ratio.item() == pytest.approx(factor, rel=0.01)


@pytest.mark.parametrize("reverse", [False, True])
def test_kl_has_no_limit_and_jsd_has_one(reverse: bool) -> None:
    sure = 100 * torch.eye(3, dtype=torch.float64)[:, None]
    assert losses.jensen_shannon(list(sure), 1.0).item() == pytest.approx(np.log(3), rel=1e-6)
    assert losses.kullback_leibler(list(sure), 1.0, reverse).item() == pytest.approx(100, rel=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_kls_gradients_go_through_every_view(reverse: bool) -> None:
    logits = [view[:4].double().requires_grad_() for view in random_logits(3, 1.0)]
    assert torch.autograd.gradcheck(lambda *views: losses.kullback_leibler(views, 12.0, reverse), logits)
    losses.kullback_leibler(logits, 12.0, reverse).backward()
    assert all(view.grad is not None and view.grad.abs().sum() > 0 for view in logits)


def test_cross_entropy_of_all_views_is_their_mean() -> None:
    logits = random_logits(3)
    targets = torch.softmax(torch.randn(16, 10, generator=torch.Generator().manual_seed(9)), 1)
    expected = np.mean([torch.nn.functional.cross_entropy(view, targets).item() for view in logits])
    assert losses.cross_entropy_all(logits, targets).item() == pytest.approx(expected, rel=1e-6)


def test_augmix_adds_cross_entropy_of_the_clean_view_only() -> None:
    logits = random_logits(3)
    labels = torch.arange(16) % 10
    targets = torch.nn.functional.one_hot(labels, 10).float()
    expected = torch.nn.functional.cross_entropy(logits[0], labels) + losses.jensen_shannon(logits)
    assert losses.augmix(logits, targets).item() == pytest.approx(expected.item(), rel=1e-6)
    assert losses.cross_entropy(logits, targets).item() == pytest.approx(
        torch.nn.functional.cross_entropy(logits[0], labels).item(), rel=1e-6
    )


def test_label_smoothing_is_of_the_cross_entropy_alone() -> None:
    logits = random_logits(3)
    labels = torch.arange(16) % 10
    targets = torch.nn.functional.one_hot(labels, 10).float()
    spread = 0.9 * targets + 0.1 / 10
    expected = -(spread * logits[0].log_softmax(1)).sum(1).mean() + losses.jensen_shannon(logits)
    assert losses.augmix(logits, targets, label_smoothing=0.1).item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.equal(losses.augmix(logits, targets, label_smoothing=0.0), losses.augmix(logits, targets))


@pytest.mark.parametrize("loss", [losses.jensen_shannon, losses.kullback_leibler])
def test_logits_of_pixels_are_those_of_so_many_images(loss: Callable[..., torch.Tensor]) -> None:
    rng = np.random.default_rng(0)
    views = [torch.from_numpy(rng.normal(size=(4, 7, 3, 5))) for _ in range(3)]
    flat = [view.movedim(1, -1).reshape(-1, 7) for view in views]
    torch.testing.assert_close(loss(views, 2.0), loss(flat, 2.0))
