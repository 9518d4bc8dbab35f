"""The figures that the report speaks of: what is measured, on which runs, and the mean over their seeds."""

from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from augmix.suite.evaluate.measures import MEASURES, Measure, measures_of
from augmix.suite.testsets.base import TestSet

MEAN = "mean"
"""The shift that stands for the mean over a test set's shifts, and the architecture that stands for that over all."""
POOLED = "pooled"
"""The shift that stands for all shifts' images at once."""


class Quantity(NamedTuple):
    """One row of metrics.csv, leaving open the run it belongs to; severity 0 is all of them, or none."""

    testset: str
    shift: str
    metric: str
    severity: int = 0

    @property
    def measure(self) -> Measure:
        """The measure that it is a value of."""
        return MEASURES[self.metric]


# The quantities that the paper's comparisons are about.
CLEAN_ERROR = Quantity("clean", "clean", "error")
MCE = Quantity("C", "mCE", "error")
MFP = Quantity("P", "mFP", "flip_probability")
CALIBRATION = Quantity("C", MEAN, "rms_calibration")
POOLED_CALIBRATION = CALIBRATION._replace(shift=POOLED)
VALIDATION = Quantity("validation", MEAN, "error")
"""The error under the validation corruptions, on the images kept for validation: sweeps are decided by it."""


def measure_of(testset: TestSet) -> Measure:
    """The measure that a test set is judged by."""
    return MEASURES[measures_of(testset)[0]]


def headline_of(testset: TestSet) -> Quantity | None:
    """The one figure of a test set: the mean over its shifts, or that of its only one; None where it has neither."""
    if testset.entering:
        return Quantity(testset.name, testset.mean, measure_of(testset).name)
    return overall(testset, measure_of(testset).name)


def overall(testset: TestSet, metric: str) -> Quantity | None:
    """A measure other than the headline's over all of a test set, as `headline_of`."""
    if testset.entering:
        return Quantity(testset.name, MEAN, metric)
    return Quantity(testset.name, testset.shifts[0], metric) if len(testset.shifts) == 1 else None


class Place(NamedTuple):
    """The runs that differ in their seed only; the architecture `mean` is the mean over all of them."""

    dataset: str
    architecture: str
    method: str


@dataclass(frozen=True)
class Cell:
    """One figure, in its measure's unit: the mean and sample standard deviation over the seeds that finished."""

    mean: float | None
    deviation: float | None
    finished: int
    asked: int
    word: str = ""
    """The reason why there is no mean: diverged, failed, missing, incomplete or not chosen."""
    measure: Measure = field(default=MEASURES["error"], repr=False)
    """The measure, which says how it is printed and in which direction it is better."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of a difference."""
    apart: bool | None = None
    """Whether it is told apart from the best of its row or column; None where that was not asked."""

    @property
    def partial(self) -> bool:
        """Whether this is a mean over fewer seeds than asked for."""
        return self.mean is not None and self.finished < self.asked


def summarise(seeds: pd.Series, asked: int, measure: Measure, word: str) -> Cell:
    """Average figures over seeds into a cell; `word` stands where there are none."""
    if seeds.empty:
        return Cell(None, None, 0, asked, word, measure)
    deviation = float(seeds.std()) if len(seeds) > 1 else None
    return Cell(float(seeds.mean()), deviation, len(seeds), asked, measure=measure)
