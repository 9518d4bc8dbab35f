"""NoisyMix: noise of the kind and the strength that its authors' code adds, on top of Mixup."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augmix import losses
from baselines import noisymix
from baselines.noisymix import NEUTRAL, mix_noisily
from tests.baselines.conftest import Elsewhere

GREY = torch.full((2000, 3, 16, 16), 192, dtype=torch.uint8)
TARGETS = torch.eye(2000)[:, :10]


class Fixed(np.random.Generator):
    """λ = 0.75, and a strength of 0.4 of every noise."""

    def beta(self, a: Any, b: Any, size: Any = None) -> Any:
        return 0.75 if a == b else 0.4


def noisy(kind: type[Tensor], added: float, multiplied: float, views: int = 1) -> list[Tensor]:
    rng, images = Fixed(np.random.PCG64(0)), [GREY.as_subclass(kind)] * views
    found = mix_noisily(images, TARGETS, rng, alpha=1, added=added, multiplied=multiplied)[0]
    return [view.as_subclass(Tensor) for view in found]


@pytest.mark.parametrize("kind", [Tensor, Elsewhere])
def test_noise_is_added_to_a_third_of_the_values(kind: type[Tensor]) -> None:
    """In units of half the range, its deviation is 0.5 · 0.4, for each further view as much again."""
    for i, view in enumerate(noisy(kind, 0.5, 0, views=3), 1):
        noise = (view - 192) / 127.5
        changed = noise.abs() > 1e-6
        assert abs(changed.float().mean() - (1 - NEUTRAL)) < 0.003
        assert noise[changed].std().item() == pytest.approx(i * 0.2, rel=0.01)
        assert abs(noise.mean()) < 0.002 * i
        kurtosis = ((noise[changed] / noise[changed].std()) ** 4).mean()
        assert abs(kurtosis - 3) < 0.1


@pytest.mark.parametrize("kind", [Tensor, Elsewhere])
def test_noise_multiplies_a_third_of_the_values(kind: type[Tensor]) -> None:
    """By a uniform factor of 1 ± 0.5 · 0.4, about mid-grey."""
    [view] = noisy(kind, 0, 0.5)
    factors = (view - 127.5) / (192 - 127.5)
    changed = (factors - 1).abs() > 1e-6
    assert abs(changed.float().mean() - (1 - NEUTRAL)) < 0.003
    assert factors.min().item() == pytest.approx(0.8, abs=1e-3)
    assert factors.max().item() == pytest.approx(1.2, abs=1e-3)
    assert factors[changed].std().item() == pytest.approx(0.4 / 12**0.5, rel=0.01)


def test_all_views_are_mixed_with_the_same_partners(images: Tensor, targets: Tensor) -> None:
    rng = np.random.default_rng(0)
    views, mixed = mix_noisily([images, images.float()], targets, rng, alpha=1, added=0, multiplied=0)
    assert torch.equal(views[0], views[1])
    rng = np.random.default_rng(0)
    share, partner = rng.beta(1, 1), torch.from_numpy(rng.permutation(64))
    torch.testing.assert_close(views[0], share * images + (1 - share) * images[partner], atol=1e-3, rtol=0)
    torch.testing.assert_close(mixed, share * targets + (1 - share) * targets[partner])


@pytest.mark.parametrize("kind", [Tensor, Elsewhere])
def test_the_two_kinds_of_noise_are_independent(kind: type[Tensor]) -> None:
    """Both are had by 0.35² of the values, none by 0.65²; what is added does not go by the factor."""
    [view] = noisy(kind, 0.5, 0.5)
    [factors] = noisy(kind, 0, 0.5)  # the same draws decide
    multiplied, added = (factors - 192).abs() > 1e-3, (view - factors).abs() > 1e-3
    assert abs((multiplied & added).float().mean() - 0.35**2) < 0.003
    assert abs((~multiplied & ~added).float().mean() - NEUTRAL**2) < 0.003
    both = multiplied & added
    assert abs(np.corrcoef(factors[both], (view - factors)[both])[0, 1]) < 0.01


def test_the_rest_is_augmix(images: Tensor, labels: Tensor, targets: Tensor) -> None:
    method = noisymix.method(views=3, weight=5)
    views = method.views(images, labels, nn.Identity(), np.random.default_rng(0))
    assert len(views) == 4
    assert torch.equal(views[0], images)
    logits = list(torch.randn(4, 64, 10, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(method.loss(logits, targets), losses.augmix(logits, targets, weight=5))


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [({"alpha": 0}, "alpha must be in"), ({"added": -1}, "added must be in"), ({"multiplied": -1}, "multiplied must")],
)
def test_refuses_parameters_out_of_range(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        noisymix.method(**parameters)
