"""The power of an experiment."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri, ndtr

from reports.statistics.chance import CONFIDENCE, LEVEL
from reports.statistics.differences import Difference

STEPS = 400
"""Quantiles of the chi distribution that stand for it."""


def detectable_difference(difference: Difference, power: float = 0.8) -> float | None:
    """The true difference that such an experiment calls significant with probability `power`, in the scores' unit.

    It rests on the difference's standard error and on the critical value of its family, not on its estimate (the
    power at the estimate would say no more than the p value): the noncentral t distribution is solved for its
    noncentrality. None where nothing is known of the spread over seeds.
    Raises ValueError for a `power` that is not above 1 − confidence and below 1.
    """
    if not LEVEL < power < 1:
        raise ValueError(f"power is {power}; a number above {1 - CONFIDENCE:g} and below 1 is accepted")
    if difference.chance is None:
        return None
    chance = difference.chance
    critical = chance.half_width(LEVEL, difference.family_size) / chance.error
    # A noncentral t exceeds the critical value where a normal exceeds it times the chi variable.
    upper = 1 - (np.arange(STEPS) + 0.5) / STEPS
    border = critical * np.sqrt(chdtri(chance.degrees, upper) / chance.degrees)

    def missing(shift: float) -> float:
        return float(np.mean(ndtr(shift - border) + ndtr(-shift - border))) - power

    high = critical + 1
    while missing(high) < 0:
        high *= 2
    return chance.error * float(brentq(missing, 0.0, high, xtol=1e-9))
