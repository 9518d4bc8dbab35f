"""Differences between methods with intervals over other seeds and other test images, and what they can tell.

Scores are fractions, one per base image and run; the report multiplies by 100. Everything is deterministic.

    sample = Sample.means({"augmix": {0: wrong, 1: …}, "standard": {…}})       # (N,) each
    spread = spread_of(sample)                  # how much seeds differ; `spread.sentence` says whether it is pooled
    compare(sample, "augmix", "standard")       # one Difference
    against_control(sample, "augmix")           # Dunnett: all others against AugMix
    told_apart_from_best(sample)                # what is not bold
"""

from reports.statistics.calibration import Floor, calibration_floor, rms_calibration
from reports.statistics.differences import (
    Difference,
    Discordance,
    Interval,
    Part,
    Verdict,
    against_control,
    among_pairs,
    compare,
    holm,
    mcnemar,
    told_apart_from_best,
)
from reports.statistics.power import FalseClaims, aa_rate, detectable_difference
from reports.statistics.sample import Functional, Sample, Scores
from reports.statistics.spread import Spread, spread_of
from reports.statistics.sweeps import Confirmation, confirm

__all__ = [
    "Confirmation",
    "Difference",
    "Discordance",
    "FalseClaims",
    "Floor",
    "Functional",
    "Interval",
    "Part",
    "Sample",
    "Scores",
    "Spread",
    "Verdict",
    "aa_rate",
    "against_control",
    "among_pairs",
    "calibration_floor",
    "compare",
    "confirm",
    "detectable_difference",
    "holm",
    "mcnemar",
    "rms_calibration",
    "spread_of",
    "told_apart_from_best",
]
