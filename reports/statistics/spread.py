"""How much a method's figure varies from seed to seed, learnt from all methods of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri

from reports.statistics.sample import FloatArray, IntArray, Sample

POOLING_LEVEL = 0.2
"""Spreads whose differences are less probable than this, were they all alike, are not taken for one.

A table of few seeds shows unlike spreads seldom, so that little doubt must suffice (Bancroft, Biometrics 20, 1964).
"""
BORROWED = 2
"""So many degrees of freedom the spread of all methods adds to a method's own where the spreads are unlike."""
NULL_DRAWS = 10_000
FLOOR = 0.05
"""The share of experiments whose spread would by chance be smaller than the least that is believed."""


@dataclass(frozen=True, eq=False)
class Spread:
    """The variance of one run's figure between seeds, for each method of a sample; make it with `spread_of`."""

    methods: tuple[str, ...]
    pooled: bool
    """Whether all methods share one relative deviation; otherwise each has mostly its own."""
    relative_deviations: tuple[float | None, ...]
    """Of each method alone: standard deviation over seeds over mean; None without two seeds or without errors."""
    relative_deviation: float
    """τ: the shared relative deviation beyond what the number of images explains; 0 where that explains all."""
    probability: float
    """Of spreads that differ as much as these or more, were they alike; 1 where fewer than two can be compared."""
    variances: FloatArray
    """(M,): of one run's figure between seeds, on the same images."""
    own: FloatArray
    """(M,): of the method's own seeds alone; 0 for a single seed."""
    residuals: FloatArray
    """(M,): the part of `variances` that comes from having few images."""
    degrees_of_freedom: int
    """Of the pooled deviation: Σ (S − 1) over the methods that have errors, M·(S − 1) where all have S seeds."""
    own_degrees_of_freedom: IntArray
    """(M,): S − 1."""

    def degrees_between(self, variances: FloatArray, pair: Sequence[int]) -> float:
        """The degrees of freedom of the sum of a pair's `variances`, each over its number of seeds; 0 for none."""
        if self.pooled or not self.degrees_of_freedom:
            return float(self.degrees_of_freedom)
        return min(welch(variances, self.own_degrees_of_freedom[pair] + BORROWED), float(self.degrees_of_freedom))

    @property
    def sentence(self) -> str:
        """What the pooling rests on, in a sentence for the reader."""
        known = [value for value in self.relative_deviations if value is not None]
        if not self.degrees_of_freedom:
            return "Every method has one seed, so nothing is known of how the figures vary over seeds."
        if not known:
            return "No method has an error, so nothing is known of how the figures vary over seeds."
        if len(known) == 1:
            return f"The spread over seeds rests on one method: {self.degrees_of_freedom} degrees of freedom."
        span = f"from {100 * min(known):.1f}\u00a0% to {100 * max(known):.1f}\u00a0% of the figure"
        if self.pooled:
            return (
                f"The spread over seeds is pooled over {len(known)} methods ({span}): "
                f"{self.degrees_of_freedom} degrees of freedom."
            )
        return (
            f"The spreads over seeds differ too much to pool ({span}; p = {self.probability:.2g}): each method's own "
            f"counts, and that of all {len(known)} as {BORROWED} more degrees of freedom."
        )


def welch(variances: FloatArray, degrees: IntArray) -> float:
    """The degrees of freedom of a sum of variances that have their own: Welch, Biometrika 34, 1947.

    0 where one has none, their sum where there is no variance.
    """
    total = float(variances.sum())
    if not degrees.all() or total == 0:
        return float(degrees.sum()) if degrees.all() else 0.0
    # Shares first: the squares of tiny variances would vanish.
    return 1 / float(np.sum((variances / total) ** 2 / degrees))


def spread_of(sample: Sample, level: float = POOLING_LEVEL) -> Spread:
    """Pool the methods' deviations over seeds on the log of the figure, unless they differ too much.

    The model of method m with figure μ is: variance between seeds = τ² μ² + φ, where φ is what N images alone give
    (`Sample.residual_variances`) and τ is the deviation of the log of the error, one for all methods. τ solves
    Σ (S − 1) V / (τ² μ² + φ) = Σ (S − 1) over the observed variances V (Paule & Mandel, J. Res. NBS 87, 1982). Where
    even τ = 0 asks for more spread than there is, the φ are scaled down instead, which keeps intervals exact, but
    not to what only 5 % of experiments would show. The log's deviations are taken to first order, so that a run
    without any error has one. Methods without an error, or with one seed, say nothing about τ.

    Whether spreads are alike is judged by Σ (S − 1) (V/expected − 1)², whose distribution under equal spreads is
    simulated with chi-squares: unlike Bartlett's statistic it bears a spread of zero, which few images give at times.
    At a probability below `level` a method's variance is the mean of its own and of the model's, weighted by S − 1 and
    by 2, so that a table that just fails the test is not read quite differently from one that just passes it.
    Returns variances in squared units of the scores; raises nothing for any valid sample.
    """
    degrees = sample.counts - 1
    figures, own, residual = sample.figures, sample.seed_variances, sample.residual_variances
    relative = tuple(
        float(np.sqrt(variance) / figure) if count > 1 and figure > 0 else None
        for variance, figure, count in zip(own, figures, sample.counts, strict=True)
    )
    usable = (degrees > 0) & (figures > 0) & ((own > 0) | (residual > 0))
    squared = _excess(degrees[usable], own[usable], figures[usable] ** 2, residual[usable])
    expected = squared * figures**2 + residual
    known = usable & (expected > 0)
    ratios = own[known] / expected[known]
    rounding = sample.step**2 / 12  # so that equal counts of few errors are not taken for a spread of zero
    rounded = (own[known] + rounding) / (expected[known] + rounding)
    weights = degrees[known]
    probability = _probability_of_alike(rounded, weights)
    pooled = probability >= level
    scale = float(np.average(ratios, weights=weights)) if known.any() else 1.0
    variances = expected * max(scale, _floor(int(weights.sum())))
    if not pooled:
        variances = (BORROWED * variances + degrees * own) / (BORROWED + degrees)
    return Spread(
        sample.methods,
        pooled,
        relative,
        float(np.sqrt(squared)),
        probability,
        variances,
        own,
        residual,
        int(weights.sum() or degrees.sum()),  # without any error nothing is pooled, but seeds there are
        degrees,
    )


def _excess(degrees: IntArray, own: FloatArray, squares: FloatArray, residual: FloatArray) -> float:
    """τ²: the root of Σ degrees (own / (τ² squares + residual) − 1), which falls in τ²; 0 where there is none."""

    def surplus(squared: float) -> float:
        return float(np.sum(degrees * (own / (squared * squares + residual) - 1)))

    if not own.any() or (residual.all() and surplus(0.0) <= 0):
        return 0.0
    # At this τ² each term is at most zero, as `residual` only adds to what divides.
    highest = float(np.max(own / squares)) * (1 + 1e-9)  # rounding could leave the sum above zero
    lowest = highest * 1e-12
    return float(brentq(surplus, lowest, highest, xtol=1e-300, rtol=1e-12)) if surplus(lowest) > 0 else lowest


def _floor(degrees: int) -> float:
    """What a mean of chi-squares over their expectation falls below in 5 % of experiments."""
    return float(chdtri(degrees, 1 - FLOOR)) / degrees if degrees else 0.0


def _probability_of_alike(ratios: FloatArray, degrees: IntArray) -> float:
    if len(ratios) < 2 or not ratios.any():
        return 1.0
    alike = _simulated_unlikeness(tuple(int(count) for count in degrees))
    smaller = np.searchsorted(alike, _unlikeness(ratios[None], degrees)[0], side="left")
    return float((NULL_DRAWS - smaller + 1) / (NULL_DRAWS + 1))


@lru_cache(maxsize=32)
def _simulated_unlikeness(degrees: tuple[int, ...]) -> FloatArray:
    rng = np.random.default_rng(0)
    ratios = np.stack([rng.chisquare(count, NULL_DRAWS) / count for count in degrees], axis=1)
    return np.sort(_unlikeness(ratios, np.array(degrees)))


def _unlikeness(ratios: FloatArray, degrees: IntArray) -> FloatArray:
    mean = np.average(ratios, axis=1, weights=degrees)
    return np.asarray(np.sum(degrees * (ratios / mean[:, None] - 1) ** 2, axis=1), np.float64)
