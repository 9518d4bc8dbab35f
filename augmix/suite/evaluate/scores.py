"""What each test image contributes to a measure: the figures of metrics.csv, not yet averaged over images."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from augmix.suite.evaluate.predictions import Predictions
from augmix.suite.testsets.base import TestSet

FloatArray = npt.NDArray[np.float64]

LEAST = 2.0**-149
"""The least probability that single precision has: see `augmix.metrics.negative_log_likelihood`."""
EACH: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "error": lambda n, y: n["prediction"] != y,
    "brier": lambda n, y: n["squared_sum"].astype(float) - 2 * n["true_probability"].astype(float) + 1,
    "nll": lambda n, y: -np.log(np.maximum(n["true_probability"].astype(float), LEAST)),
}
"""Each image's value of the measures that are means over images."""


def image_scores(testset: TestSet, archive: Predictions, metric: str) -> dict[str, FloatArray] | None:
    """Each base image's value of a measure, by shift, and under `testset.mean` over the shifts that enter the mean.

    An image's copies at all severities, or the frames of its sequence, make one number, so that the mean over images
    is the value in metrics.csv. (N,) float64 each; None for a measure that is no mean over images.
    """
    if not testset.sequence and metric not in EACH:
        return None
    labels = archive.labels.reshape(testset.levels, -1)
    found: dict[str, FloatArray] = {}
    for shift in testset.shifts:
        numbers = archive.shifts[shift]
        if testset.sequence:
            found[shift] = _flips(numbers["prediction"], shift in testset.independent)
        else:
            each = EACH[metric](numbers.reshape(labels.shape), labels)
            found[shift] = np.asarray(each, np.float64).mean(axis=0)
    entering = [found[shift] for shift in testset.shifts if shift in testset.entering]
    if entering:
        found[testset.mean] = np.mean(entering, axis=0)
    return found


def base_labels(testset: TestSet, archive: Predictions) -> np.ndarray:
    """The labels of the base images, int64 (N,): those of one severity."""
    labels: np.ndarray = archive.labels.reshape(testset.levels, -1)[0]
    return labels


def _flips(prediction: np.ndarray, against_first: bool) -> FloatArray:
    """The share of an image's frames on which its prediction changes: (N, T) -> (N,)."""
    before = prediction[:, :1] if against_first else prediction[:, :-1]
    return np.asarray((prediction[:, 1:] != before).mean(axis=1), np.float64)
