"""Differences between methods with intervals over other seeds and other test images, and what they can tell.

Scores are fractions, one per base image and run; the report multiplies by 100. Everything is deterministic.

    sample = Sample.means({"augmix": {0: wrong, 1: …}, "standard": {…}})       # (N,) each
    compare(sample, "augmix", "standard")       # one Difference
    against_control(sample, "augmix")           # all others against AugMix, as a family
    told_apart_from_best(sample)                # what is not bold
"""

from reports.statistics.calibration import calibration_floor
from reports.statistics.chance import Chance, Interval
from reports.statistics.differences import (
    Difference,
    Verdict,
    against_control,
    compare,
    difference_of,
    holm,
    mcnemar,
    told_apart_from_best,
)
from reports.statistics.power import detectable_difference
from reports.statistics.sample import Sample
from reports.statistics.sweeps import confirm

__all__ = [
    "Chance",
    "Difference",
    "Interval",
    "Sample",
    "Verdict",
    "against_control",
    "calibration_floor",
    "compare",
    "confirm",
    "detectable_difference",
    "difference_of",
    "holm",
    "mcnemar",
    "told_apart_from_best",
]
