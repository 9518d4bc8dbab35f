"""Random streams and noise tables: the right distributions, and nothing but the key behind a draw."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from augmix.corruptions import noise


def probabilities(table: np.ndarray) -> np.ndarray:
    """Return what an alias table means: P(result | value), float (256, 256)."""
    own = (table >> 8) / 2**24
    result = own.copy()
    np.add.at(result, (np.arange(256)[:, None], table & 255), 1 - own)
    return result / 256


def truncated(cumulative: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return P(⌊255 · clip(y)⌋ = k) for k = 0 … 255 from y's distribution function."""
    below = cumulative(np.arange(1, 256) / 255)
    return np.diff(np.concatenate([[0], below, [1]]))


@pytest.mark.parametrize("value", [0, 1, 100, 254, 255])
def test_the_tables_hold_the_exact_distributions(value: int) -> None:
    x = value / 255
    gaussian = probabilities(noise.gaussian_noise_table(0.08))[value]
    assert np.allclose(gaussian, truncated(lambda y: stats.norm.cdf(y, x, 0.08)), atol=1e-7)
    speckle = probabilities(noise.speckle_noise_table(0.2))[value]
    black = truncated(lambda y: np.ones_like(y))
    expected = truncated(lambda y: stats.norm.cdf(y, x, 0.2 * x)) if value else black
    assert np.allclose(speckle, expected, atol=1e-7)
    for photons in (3, 60, 700):
        shot = probabilities(noise.shot_noise_table(photons))[value]
        counts = np.arange(3 * photons + 30)
        results = (np.clip(counts / photons, 0, 1) * 255).astype(int)
        expected = np.bincount(results, stats.poisson.pmf(counts, x * photons), 256)
        assert np.allclose(shot, expected, atol=1e-7)
    impulse = probabilities(noise.impulse_noise_table(0.1))[value]
    expected = np.bincount([value, 0, 255], [0.9, 0.05, 0.05], 256)
    assert np.allclose(impulse, expected, atol=1e-7)


def test_noise_is_drawn_from_the_table() -> None:
    images = np.repeat(np.array([0, 60, 200, 255], np.uint8), 100_000).reshape(4, -1)
    table = noise.gaussian_noise_table(0.1)
    results = noise.add_noise(images, table, noise.image_keys(0, "test", 1, 0, 4))
    for row, value in enumerate((0, 60, 200, 255)):
        expected = probabilities(table)[value] * 100_000
        likely = expected > 5
        observed = np.bincount(results[row], minlength=256)
        chi_squared = ((observed - expected)[likely] ** 2 / expected[likely]).sum()
        assert chi_squared < stats.chi2.ppf(1 - 1e-6, likely.sum())


def test_neighbouring_values_and_images_are_independent() -> None:
    draws = noise.normals(noise.image_keys(3, "test", 1, 0, 300), (301,))
    assert abs(np.corrcoef(draws[:, :-1].ravel(), draws[:, 1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.02


def test_draws_follow_their_distribution() -> None:
    keys = noise.image_keys(0, "test", 1, 0, 100)
    assert stats.kstest(noise.uniforms(keys, 501).ravel(), "uniform").pvalue > 1e-4
    assert stats.kstest(noise.normals(keys, (3, 167)).ravel(), "norm").pvalue > 1e-4


def test_keys_depend_on_seed_name_step_and_index() -> None:
    keys = noise.image_keys(1, "fog", 2, 0, 10)
    assert len(set(keys.tolist())) == 10
    assert np.array_equal(noise.image_keys(1, "fog", 2, 4, 3), keys[4:7])
    for other in [(2, "fog", 2), (1, "frost", 2), (1, "fog", 3)]:
        assert not np.isin(noise.image_keys(*other, 0, 10), keys).any()
