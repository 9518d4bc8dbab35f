"""Mixup, CutMix and FMix: what is pasted is what the targets say, for every view alike."""

import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from baselines import cutmix, fmix, mixup

BATCH, CLASSES = 8, 8
TARGETS = torch.eye(CLASSES)
# Image i has the value i everywhere, so a mixed image tells its partner and how much of it there is.
CONSTANT = torch.arange(BATCH, dtype=torch.uint8).view(-1, 1, 1, 1).expand(BATCH, 3, 30, 24).contiguous()


def mixed(module: ModuleType, seed: int, views: int = 1, **parameters: Any) -> tuple[list[Tensor], Tensor]:
    return module.method(**parameters).mix([CONSTANT] * views, TARGETS, np.random.default_rng(seed))


def shares(targets: Tensor) -> Tensor:
    """How much each image kept of itself; -1 for an image that is its own partner."""
    own = targets.diagonal()
    return torch.where((targets > 0).sum(1) == 2, own, torch.full_like(own, -1))


@pytest.mark.parametrize("module", [mixup, cutmix, fmix])
@pytest.mark.parametrize("seed", range(20))
def test_targets_sum_to_one(module: ModuleType, seed: int) -> None:
    _, targets = mixed(module, seed)
    assert targets.shape == TARGETS.shape
    assert (targets >= 0).all()
    torch.testing.assert_close(targets.sum(1), torch.ones(BATCH))


@pytest.mark.parametrize("module", [mixup, cutmix, fmix])
def test_every_view_is_mixed_alike(module: ModuleType) -> None:
    seed = next(seed for seed in range(20) if (mixed(module, seed)[1] != TARGETS).any())
    (first, second), _ = mixed(module, seed, views=2)
    assert torch.equal(first, second)
    assert not torch.equal(first.float(), CONSTANT.float())


@pytest.mark.parametrize("module", [mixup, cutmix, fmix])
def test_the_views_given_stay_as_they_are(module: ModuleType) -> None:
    before = CONSTANT.clone()
    for seed in range(5):
        mixed(module, seed)
    assert torch.equal(CONSTANT, before)


@pytest.mark.parametrize("seed", range(10))
def test_mixups_images_are_mixed_as_its_targets(seed: int) -> None:
    [view], targets = mixed(mixup, seed)
    expected = targets @ torch.arange(BATCH, dtype=torch.float32)
    torch.testing.assert_close(view, expected.view(-1, 1, 1, 1).expand_as(view), atol=1e-4, rtol=0)


def areas(view: Tensor) -> Tensor:
    """The share of every value in each image: (B, K)."""
    return torch.stack([(view == value).float().mean((1, 2, 3)) for value in range(CLASSES)], 1)


@pytest.mark.parametrize("seed", range(30))
def test_cutmixs_targets_are_the_pasted_area_exactly(seed: int) -> None:
    [view], targets = mixed(cutmix, seed, probability=1.0)
    torch.testing.assert_close(targets, areas(view), atol=1e-6, rtol=0)
    pasted = view[:, 0] != CONSTANT[:, 0]
    for box in pasted:
        assert torch.equal(box, box.any(1)[:, None] & box.any(0))


@pytest.mark.parametrize("seed", range(30))
def test_fmixs_targets_are_the_masks_area_within_a_pixel(seed: int) -> None:
    [view], targets = mixed(fmix, seed)
    assert (targets - areas(view)).abs().max() <= 1 / (30 * 24) + 1e-6


def test_cutmix_leaves_the_other_half_of_the_batches_alone() -> None:
    untouched = sum(torch.equal(mixed(cutmix, seed)[1], TARGETS) for seed in range(400))
    assert abs(untouched - 200) < 4.5 * 10
    views, targets = mixed(cutmix, 0, probability=0.0)
    assert torch.equal(views[0], CONSTANT)
    assert torch.equal(targets, TARGETS)


def test_shares_are_beta_distributed() -> None:
    """Uniform at α = 1; towards the ends below it. CutMix's box loses what leaves the image."""
    for module in (mixup, fmix):
        kept = torch.stack([shares(mixed(module, seed)[1]).max() for seed in range(200)])
        assert stats.kstest(kept[kept >= 0].numpy(), "uniform").pvalue > 0.001
        kept = torch.stack([shares(mixed(module, seed, alpha=0.2)[1]).max() for seed in range(200)])
        assert stats.kstest(kept[kept >= 0].numpy(), stats.beta(0.2, 0.2).cdf).pvalue > 0.001


def test_cutmixs_box_has_the_wanted_area_before_it_is_cut_off() -> None:
    class Centred(np.random.Generator):
        """λ = 0.75 and a box in the middle."""

        def beta(self, a: Any, b: Any, size: Any = None) -> Any:
            return 0.75

        def integers(self, low: Any, *args: Any, **kwargs: Any) -> Any:
            return low // 2

    view = cutmix.method(probability=1.0).mix([CONSTANT], TARGETS, Centred(np.random.PCG64(1)))[0][0]
    assert (view != CONSTANT)[:, 0].sum((1, 2)).max() == 15 * 12


@pytest.mark.parametrize("size", [(64, 64), (96, 48)])
def test_fmixs_spectrum_decays_alike_in_every_direction(size: tuple[int, int]) -> None:
    rng, decay = np.random.default_rng(0), 3.0
    power = np.mean([np.abs(np.fft.fft2(fmix.low_frequency_image(size, decay, rng))) ** 2 for _ in range(400)], 0)
    fy, fx = np.meshgrid(np.fft.fftfreq(size[0]), np.fft.fftfreq(size[1]), indexing="ij")
    frequency, angle = np.hypot(fy, fx), np.degrees(np.arctan2(fy, fx)) % 180
    used = (frequency > 1.5 / min(size)) & (np.maximum(abs(fx), abs(fy)) < 0.49)
    levels = []
    for direction in range(0, 180, 30):
        sector = used & (np.minimum(abs(angle - direction), 180 - abs(angle - direction)) <= 15)
        slope, level = np.polyfit(np.log(frequency[sector]), np.log(power[sector]), 1)
        assert slope == pytest.approx(-2 * decay, abs=0.1), direction
        levels.append(level)
    assert np.ptp(levels) < 0.3


def test_fmixs_lowest_frequencies_are_floored() -> None:
    rng = np.random.default_rng(0)
    power = np.mean([np.abs(np.fft.fft2(fmix.low_frequency_image((32, 32), 3.0, rng))) ** 2 for _ in range(2000)], 0)
    assert power[0, 0] == pytest.approx(power[0, 1], rel=0.15)
    assert power[0, 1] == pytest.approx(power[1, 0], rel=0.15)


def test_fmixs_mask_is_the_brightest_part() -> None:
    for seed in range(20):
        share = (seed + 0.5) / 20
        mask = fmix.mask((20, 13), share, 3.0, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        rng.random()
        grey = fmix.low_frequency_image((20, 13), 3.0, rng)
        assert mask.sum() in (math.floor(share * 260), math.ceil(share * 260))
        assert grey[mask].min() > grey[~mask].max()


def test_fmix_rounds_up_and_down_equally_often() -> None:
    sums = np.array([fmix.mask((5, 5), 0.5, 3.0, np.random.default_rng(seed)).sum() for seed in range(400)])
    assert set(sums) == {12, 13}
    assert abs((sums == 12).sum() - 200) < 4.5 * 10


@pytest.mark.parametrize("module", [mixup, cutmix, fmix])
@pytest.mark.parametrize("alpha", [0, -1, float("nan")])
def test_refuses_alpha_out_of_range(module: ModuleType, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha must be in \(0, 1e\+06\]"):
        module.method(alpha=alpha)


def test_refuses_other_parameters_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"probability must be in \[0, 1\], not 1.5"):
        cutmix.method(probability=1.5)
    with pytest.raises(ValueError, match=r"decay must be in \[0, 10\], not -1"):
        fmix.method(decay=-1)
