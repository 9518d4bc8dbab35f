"""The largest of several correlated t-statistics: what a family of comparisons is judged by."""

from functools import cached_property, lru_cache

import numpy as np
from scipy.special import chdtri, ndtri, stdtr, stdtrit
from scipy.stats import qmc

from reports.statistics.sample import FloatArray

POINTS = 14
"""2^POINTS points of a scrambled Sobol sequence stand for the normal distribution."""
STEPS = 400
"""Quantiles of the chi distribution that stand for it."""
SEED = 1955


def two_sided(statistic: float, degrees: float) -> float:
    """The probability that |t| with so many degrees of freedom is at least as large: a p value."""
    return float(2 * stdtr(degrees, -abs(statistic)))


def quantile(probability: float, degrees: float) -> float:
    """The quantile of Student's t."""
    return float(stdtrit(degrees, probability))


class Largest:
    """The distribution of the largest |t| (or t) of K statistics with a common denominator and this correlation.

    A multivariate t distribution (Dunnett, JASA 50, 1955, where the correlations come from a shared control). With
    the chi variable given it is that of normals, whose largest is simulated once by quasi-random points; that costs
    milliseconds for any number of degrees of freedom, and the same correlations give the same numbers. Statistics
    with different degrees of freedom are each judged at their own (Hasler & Hothorn, Biometrical Journal 50, 2008).
    """

    def __init__(self, correlation: FloatArray, both_sides: bool = True) -> None:
        self.correlation = correlation
        self.both_sides = both_sides

    @cached_property
    def _largest(self) -> FloatArray:
        values, vectors = np.linalg.eigh(self.correlation)
        # Estimated correlations can be slightly impossible together: the nearest possible ones stand for them.
        root = vectors * np.sqrt(np.maximum(values, 0))
        root /= np.linalg.norm(root, axis=1, keepdims=True)
        normal = _independent(len(root)) @ root.T
        return np.sort((np.abs(normal) if self.both_sides else normal).max(1))

    def probability(self, statistic: float, degrees: float) -> float:
        """Of a largest statistic of at least this; `statistic` is its absolute value where both sides count."""
        single = two_sided(statistic, degrees) if self.both_sides else float(stdtr(degrees, -statistic))
        bound = len(self.correlation) * single
        # The probability is between a single test's and Bonferroni's. Far out few points lie beyond, and Bonferroni's
        # is nearly exact.
        if len(self.correlation) == 1 or bound < 1e-3:
            return min(bound, 1.0)
        return float(np.clip(self._beyond(statistic, chi(degrees)), single, min(bound, 1.0)))

    def critical(self, probability: float, degrees: float) -> float:
        """What the largest statistic exceeds with this probability."""
        tail = probability / 2 if self.both_sides else probability
        low, high = (quantile(1 - share, degrees) for share in (tail, tail / len(self.correlation)))
        values = chi(degrees)
        while high - low > 1e-6 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self._beyond(middle, values) > probability else (low, middle)
        return high

    def _beyond(self, statistic: float, values: FloatArray) -> float:
        below = np.searchsorted(self._largest, statistic * values)
        return 1 - float(below.mean()) / len(self._largest)


@lru_cache(maxsize=4)
def _independent(size: int) -> FloatArray:
    """(2^POINTS, size): standard normal."""
    points = qmc.Sobol(size, scramble=True, rng=SEED).random_base2(POINTS)
    return np.asarray(ndtri(np.clip(points, 1e-12, 1 - 1e-12)), np.float64)


@lru_cache(maxsize=256)
def chi(degrees: float) -> FloatArray:
    """Equally probable values of √(χ²/degrees)."""
    upper = (np.arange(STEPS) + 0.5) / STEPS
    return np.asarray(np.sqrt(chdtri(degrees, 1 - upper) / degrees), np.float64)
