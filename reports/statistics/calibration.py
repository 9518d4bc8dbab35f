"""The RMS calibration error: over resampled images, and what chance alone makes of it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reports.statistics.sample import FloatArray, Functional, IntArray

BIN_SIZE = 100
SEED = 2019


class Floor(NamedTuple):
    """The RMS calibration error of a perfectly calibrated net, as a fraction."""

    expected: float
    upper: float
    """What it stays below in a share `confidence` of test sets."""


def rms_calibration(confidence: npt.ArrayLike, correct: npt.ArrayLike, bin_size: int = BIN_SIZE) -> Functional:
    """A run's RMS calibration error as a function of its base images' weights, for `Sample.functionals`.

    `confidence` is the predicted class's probability, `correct` whether it is the true class: (N,) or (N, copies)
    arrays of one shape, of which an image's copies are weighted together. The function takes (N,) int64 weights: how
    often each base image counts. It sorts by confidence, cuts bins of `bin_size` examples, of which the last takes
    the remainder, and returns √ of the example-weighted mean of (confidence − accuracy)².
    Raises ValueError when the shapes differ, nothing is in them, a confidence is not in [0, 1] or `bin_size` is below
    one.
    """
    probability = _probabilities(confidence, bin_size)
    right = np.asarray(correct, np.float64)
    if right.shape != probability.shape:
        raise ValueError(f"confidence has shape {probability.shape}, correct {right.shape}; they must be the same")
    images = np.repeat(np.arange(len(probability)), probability[0].size)
    order = np.argsort(probability, axis=None, kind="stable")
    gaps, images = (probability - right).ravel()[order], images[order]

    def figure(weights: IntArray) -> float:
        return float(_rms(np.repeat(gaps, weights[images])[None], bin_size)[0])

    return figure


def calibration_floor(
    confidence: npt.ArrayLike, bin_size: int = BIN_SIZE, *, share: float = 0.95, draws: int = 200
) -> Floor:
    """The RMS calibration error that a perfectly calibrated net with these confidences would have by chance.

    In each of `draws` test sets, an example is right with the probability that the net gave; bins are those of
    `rms_calibration`. `confidence` may have any shape. Within a bin of n examples accuracy differs from confidence by
    about √(p (1 − p) / n), however good the net is; a figure that is not above `upper` shows no miscalibration
    (Bröcker & Smith, Weather and Forecasting 22, 2007: consistency resampling). Copies of an image are drawn
    independently: where a net errs on all of them or none, chance makes more of it than this.
    Raises ValueError when nothing is in it, a confidence is not in [0, 1], `bin_size` is below one, `draws` is below
    20 or `share` is not between 0 and 1.
    """
    if draws < 20 or not 0 < share < 1:
        raise ValueError(f"draws is {draws} and share {share}; at least 20, and between 0 and 1, are accepted")
    ordered = np.sort(_probabilities(confidence, bin_size), axis=None)
    rng = np.random.default_rng(SEED)
    rows = max(1, 2**20 // ordered.size)
    found = []
    for begin in range(0, draws, rows):
        uniform = rng.random((min(rows, draws - begin), ordered.size), np.float32)
        found.append(_rms(ordered - (uniform < ordered), bin_size))
    figures = np.concatenate(found)
    return Floor(float(figures.mean()), float(np.quantile(figures, share)))


def _rms(gaps: FloatArray, bin_size: int) -> FloatArray:
    """Of (draws, examples) sorted by confidence: confidence − correct of each -> (draws,)."""
    size = gaps.shape[1]
    starts = np.arange(max(size // bin_size, 1)) * bin_size
    sizes = np.diff(np.append(starts, size))
    means = np.add.reduceat(gaps, starts, axis=1) / sizes
    return np.asarray(np.sqrt(means**2 @ sizes / size), np.float64)


def _probabilities(confidence: npt.ArrayLike, bin_size: int) -> FloatArray:
    if bin_size < 1:
        raise ValueError(f"bin_size is {bin_size}; at least 1 is accepted")
    found = np.asarray(confidence, np.float64)
    if not found.size or not found.ndim:
        raise ValueError("confidence is empty; at least one example is needed")
    if not (found.min() >= 0 and found.max() <= 1):  # false of NaN too
        raise ValueError("a confidence is not between 0 and 1")
    return found
