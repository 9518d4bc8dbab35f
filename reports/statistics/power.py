"""The power of an experiment."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri, ndtr

from reports.statistics.chance import LEVEL
from reports.statistics.differences import Difference

POWER = 0.8
STEPS = 400
"""Quantiles of the chi distribution that stand for it."""


def detectable_difference(difference: Difference) -> float | None:
    """The true difference that such an experiment calls significant with probability `POWER`, in the scores' unit.

    It rests on the difference's standard error and on the critical value of its family, not on its estimate (the
    power at the estimate would say no more than the p value): the noncentral t distribution is solved for its
    noncentrality. None where nothing is known of the spread over seeds.
    """
    if difference.chance is None:
        return None
    chance = difference.chance
    critical = chance.half_width(LEVEL, difference.family_size) / chance.error
    # A noncentral t exceeds the critical value where a normal exceeds it times the chi variable.
    upper = 1 - (np.arange(STEPS) + 0.5) / STEPS
    border = critical * np.sqrt(chdtri(chance.degrees, upper) / chance.degrees)

    def missing(shift: float) -> float:
        return float(np.mean(ndtr(shift - border) + ndtr(-shift - border))) - POWER

    high = critical + 1
    while missing(high) < 0:
        high *= 2
    return chance.error * float(brentq(missing, 0.0, high, xtol=1e-9))
