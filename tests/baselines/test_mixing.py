"""Mixup, CutMix and FMix: what is pasted is what the targets say, for every view alike."""

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from augmix.suite.io.configuration import read
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


@pytest.mark.parametrize("size", [(32, 32), (40, 32), (21, 15)])
def test_the_released_masks_images_have_one_horizontal_cycle_at_most(size: tuple[int, int]) -> None:
    """Their vertical waves run one way, with a variance that two rows of the spectrum add up to."""
    rng, decay, (height, width) = np.random.default_rng(0), 3.0, size
    spectra = [np.fft.fft2(fmix.released_image(size, decay, rng)) for _ in range(4000)]
    power = np.mean(np.abs(spectra) ** 2, 0)
    assert power[:, 2:-1].max() < 1e-12 * power.max()
    frequencies = np.abs(np.fft.fftfreq(width))[: min(width // 2 + 1, height // 2)]
    expected = [
        sum(max(np.hypot(row / height, f), 1 / max(size)) ** (-2 * decay) for row in (0, 1)) for f in frequencies
    ]
    # The sign of the vertical frequency is kept where the horizontal one is 1.
    np.testing.assert_allclose(power[: len(expected), 1], expected, rtol=0.15)
    assert power[width // 2 + 1 + width % 2 :, 1].max() < 1e-12 * power.max()
    # The real part is left of a horizontally constant wave: half of its power, at both signs of the frequency.
    np.testing.assert_allclose(power[1 : len(expected), 0], np.array(expected[1:]) / 4, rtol=0.15)
    np.testing.assert_allclose(power[-1 : -len(expected) : -1, 0], power[1 : len(expected), 0])


def edges(masks: str) -> tuple[float, float]:
    """The number of edges in a row and in a column, on average over 32×32 masks of half the area."""
    rng = np.random.default_rng(0)
    drawn = np.array([fmix.mask((32, 32), 0.5, 3.0, rng, fmix.IMAGES[masks]) for _ in range(3000)])
    return float(np.diff(drawn, axis=2).sum(2).mean()), float(np.diff(drawn, axis=1).sum(1).mean())


def test_the_released_masks_have_as_many_edges_as_those_of_the_released_code() -> None:
    """Running that code gave 1.89 in a row and 1.30 in a column, ± 0.03."""
    assert edges("released") == pytest.approx((1.89, 1.30), abs=0.05)
    in_a_row, in_a_column = edges("formula")
    assert in_a_row == pytest.approx(in_a_column, abs=0.05)


def test_released_masks_are_used_where_they_are_asked_for() -> None:
    """Each row of such a mask has two edges at most, that of the formula has more now and then."""
    counts = {}
    for masks in fmix.IMAGES:
        views = [mixed(fmix, seed, masks=masks)[0][0] for seed in range(100)]
        counts[masks] = max(int((view[:, 0].diff(dim=2) != 0).sum(2).max()) for view in views)
    assert counts["released"] == 2
    assert counts["formula"] > 2
    assert all(torch.equal(mixed(fmix, 0)[0][0], view) for view in mixed(fmix, 0, masks="formula")[0])


def test_fmixs_targets_follow_the_share_with_either_masks() -> None:
    for seed in range(20):
        [view], targets = mixed(fmix, seed, masks="released")
        assert (targets - areas(view)).abs().max() <= 1 / (30 * 24) + 1e-6


@pytest.mark.parametrize("experiment", ["cifar10", "cifar100"])
def test_fmix_is_trained_with_its_authors_decay(experiment: str) -> None:
    settings, _ = read(Path(__file__).parents[2] / "config" / f"{experiment}.yaml")
    [entry] = [entry for entry in settings["methods"] if not isinstance(entry, str) and entry["name"] == "fmix"]
    assert entry["training"] == {"weight_decay": 1e-4, "nesterov": False}


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
    with pytest.raises(ValueError, match="unknown masks 'relesed'; did you mean 'released'"):
        fmix.method(masks="relesed")
