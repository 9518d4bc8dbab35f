"""Patch Uniform: noise that is uniform, in squares of every size, and nothing outside of them."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from baselines import patch_uniform
from baselines.cutout import squares

GREY = torch.full((2000, 1, 16, 16), 128, dtype=torch.uint8)


def noisy(amplitude: float, seed: int = 0) -> torch.Tensor:
    method = patch_uniform.method(amplitude=amplitude)
    [view] = method.views(GREY, torch.zeros(len(GREY)), nn.Identity(), np.random.default_rng(seed))
    return view


def patches(seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return squares(rng.integers(1, 17, len(GREY)), (16, 16), rng, torch.device("cpu"))


def test_noise_is_uniform_and_not_gaussian() -> None:
    noise = (noisy(0.4).float() - 128)[patches()].numpy()
    assert noise.min() == -102
    assert noise.max() == 102
    # Undo the rounding to whole values before comparing distributions.
    noise = noise + np.random.default_rng(1).uniform(-0.5, 0.5, noise.shape)
    assert stats.kstest(noise[:50_000], stats.uniform(-102, 204).cdf).pvalue > 0.001
    assert stats.kstest(noise[:50_000], stats.norm(0, noise.std()).cdf).pvalue < 1e-9


def test_only_the_patch_changes() -> None:
    view = noisy(1.0)
    assert view.dtype == torch.uint8
    assert (view == 128)[~patches()].all()
    assert (view[patches()] == 0).float().mean() > 0.2


def test_sides_are_uniform_from_one_pixel_to_the_whole_image() -> None:
    longest = torch.maximum(patches().any(2).sum((1, 2)), patches().any(3).sum((1, 2)))
    assert longest.min() == 1
    assert longest.max() == 16


@pytest.mark.parametrize("amplitude", [0, -1, 1.01])
def test_refuses_amplitudes_out_of_range(amplitude: float) -> None:
    with pytest.raises(ValueError, match=r"amplitude must be in \(0, 1\]"):
        patch_uniform.method(amplitude=amplitude)
