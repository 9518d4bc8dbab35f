"""The share of each test image in a measure: the figures of metrics.csv, not yet averaged over images."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from augmix import metrics
from augmix.suite.data.datasets import evenly
from augmix.suite.evaluate.measures import MEASURES, truth
from augmix.suite.evaluate.predictions import Predictions
from augmix.suite.testsets.base import TestSet

FloatArray = npt.NDArray[np.float64]
INTERVALS = metrics.BINS
"""Those of confidence, of the expected calibration error."""


def _gaps(numbers: np.ndarray, labels: np.ndarray) -> FloatArray:
    """Confidence minus correctness."""
    return np.asarray(numbers["confidence"].astype(float) - (numbers["prediction"] == labels), np.float64)


def _expected_calibration(numbers: np.ndarray, labels: np.ndarray) -> FloatArray:
    """Each gap with the sign of its interval's sum: a mean over images in all but name."""
    gaps, interval = _gaps(numbers, labels), _intervals(numbers)
    return gaps * np.sign(np.bincount(interval, gaps, minlength=INTERVALS))[interval]


def _intervals(numbers: np.ndarray) -> np.ndarray:
    """The interval of confidence of each prediction, counted from 0."""
    places = np.ceil(numbers["confidence"].astype(float) * INTERVALS).astype(int) - 1
    return np.asarray(np.clip(places, 0, INTERVALS - 1))


def _rms_calibration(numbers: np.ndarray, labels: np.ndarray) -> FloatArray:
    """The error, and how much of its change a little more weight of each image would be.

    Of a bin with the mean gap g, an image with the gap d moves the mean of g² over all images by 2 g d − g² minus
    that mean, and its root f by 1/(2 f) of that (the infinitesimal jackknife; Efron, Biometrika 68, 1981). Their mean
    is f, and their spread that of f over other images, where bins hold enough of them.
    """
    gaps = _gaps(numbers, labels)
    order = np.argsort(numbers["confidence"].astype(float), kind="stable")
    bins = np.empty(len(gaps), np.int64)
    bins[order] = np.minimum(np.arange(len(gaps)) // metrics.BIN_SIZE, max(len(gaps) // metrics.BIN_SIZE, 1) - 1)
    mean = (np.bincount(bins, gaps) / np.bincount(bins))[bins]
    square = float(np.mean(mean**2))
    if not square:
        return np.zeros(len(gaps))
    return np.asarray((2 * mean * gaps - mean**2 + square) / (2 * square**0.5), np.float64)


def _risk_coverage(numbers: np.ndarray, labels: np.ndarray) -> FloatArray:
    """The area, and how much of its change a little more weight of each image would be (see `_rms_calibration`).

    With r_k the error among the k most confident images, the one at place i with the error e has
    r_i + Σ_{k ≥ i} (e − r_k) / k, whose mean over images is that of r_k; images of one confidence share their places.
    """
    _, level = np.unique(-numbers["confidence"].astype(float), return_inverse=True)
    wrong, each, count = numbers["prediction"] != labels, np.bincount(level), np.arange(1, len(level) + 1)
    ordered = np.sort(level)

    def shared(values: np.ndarray) -> np.ndarray:
        """Values of places, averaged over the places of each image's confidence."""
        return np.asarray((np.bincount(ordered, values) / each)[level])

    risk = np.cumsum((np.bincount(level, wrong) / each)[ordered]) / count
    rest, later = (np.cumsum(values[::-1])[::-1] for values in (1 / count, risk / count))
    return shared(risk) + wrong * shared(rest) - shared(later)


def _shape_bias(numbers: np.ndarray, classes: np.ndarray) -> FloatArray:
    """The bias, and how much of its change a little more weight of each image would be (see `_rms_calibration`)."""
    by_shape, by_texture, _ = metrics.cue_decisions(numbers["prediction"], *classes.T)
    bias = metrics.shape_bias(numbers["prediction"], *classes.T)
    decided = float(np.mean(by_shape | by_texture)) or 1.0
    return np.asarray(bias + (by_shape * (1 - bias) - by_texture * bias) / decided, np.float64)


def _neither_cue(numbers: np.ndarray, classes: np.ndarray) -> FloatArray:
    """The share, and how much of its change a little more weight of each image would be; 0 of those of one cue."""
    decisions = metrics.cue_decisions(numbers["prediction"], *classes.T)
    counting, share = np.any(decisions, axis=0), metrics.neither_cue(numbers["prediction"], *classes.T)
    return np.asarray(share + counting * (decisions[2] - share) / (float(counting.mean()) or 1.0), np.float64)


EACH: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "error": lambda n, y: n["prediction"] != y,
    "brier": lambda n, y: n["squared_sum"].astype(float) - 2 * n["true_probability"].astype(float) + 1,
    "rms_calibration": _rms_calibration,
    "nll": lambda n, y: -np.log(np.maximum(n["true_probability"].astype(float), metrics.LEAST)),
    "ece": _expected_calibration,
    "aurc": _risk_coverage,
    "shape_bias": _shape_bias,
    "neither_cue": _neither_cue,
}
"""From predictions (N,) and their `truth` to each image's value, (N,), whose mean is the measure's."""
OF_SEQUENCES: Mapping[str, Callable[[np.ndarray, bool], np.ndarray]] = {
    "flip_probability": lambda n, against_first: metrics.flips(n["prediction"], against_first).mean(axis=1),
    "top5_distance": lambda n, against_first: metrics.top5_distances(n["top5"], against_first).mean(axis=1),
}
"""From predictions (N, T), and whether frames are compared with the first, to each sequence's value, (N,)."""


Pair = tuple[FloatArray, FloatArray]


def _apart(
    field: str, shares: Callable[[FloatArray, FloatArray], Pair]
) -> Callable[[np.ndarray, np.ndarray], FloatArray]:
    """From the predictions of clean images (N,) and outside ones, (M,) or (M, T), to shares of clean images, (N,)."""

    def each(clean: np.ndarray, outside: np.ndarray) -> FloatArray:
        one, other = shares(-clean[field].astype(float), -outside[field].astype(float).ravel())
        # An outside image shares its place with a clean one, which may be the very image that it was made of.
        moved = (other - other.mean()).reshape(len(outside), -1).mean(axis=1)
        count, made = len(clean), len(outside)
        places = evenly(count, made) if made <= count else np.arange(made) * count // made
        return np.asarray(one + count / made * np.bincount(places, moved, minlength=count), np.float64)

    return each


def _auroc(clean: FloatArray, outside: FloatArray) -> Pair:
    """The share of the other images that each one is on the right side of (DeLong et al., Biometrics 44, 1988)."""

    def passed(ordered: FloatArray, values: FloatArray) -> FloatArray:
        places = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
        return np.asarray(places / (2 * len(ordered)), np.float64)

    return 1 - passed(np.sort(outside), clean), passed(np.sort(clean), outside)


def _false_positives(clean: FloatArray, outside: FloatArray) -> Pair:
    """Whether a clean image is flagged; and how far an outside one moves the rate, by moving the threshold.

    That is the slope of the ROC curve there, which is taken over two standard errors of the recall on either side.
    """
    level, threshold = metrics.RECALL, metrics.recall_threshold(outside)
    reach = 2 * (level * (1 - level) / len(outside)) ** 0.5
    ends = [metrics.recall_threshold(outside, to) for to in (max(level - reach, level / 2), min(level + reach, 1))]
    rates, recalls = ([float(np.mean(scores >= end)) for end in ends] for scores in (clean, outside))
    slope = (rates[1] - rates[0]) / (recalls[1] - recalls[0]) if recalls[1] > recalls[0] else 0.0
    return (clean >= threshold).astype(float), -slope * (outside >= threshold).astype(float)


OF_OUTSIDE: Mapping[str, Callable[[np.ndarray, np.ndarray], FloatArray]] = {
    f"ood_{name}{suffix}": _apart(field, shares)
    for suffix, field in (("", "confidence"), ("_energy", "log_sum"))
    for name, shares in (("auroc", _auroc), ("fpr95", _false_positives))
}
"""From the predictions of clean images (N,) and outside ones, (M,) or (M, T), to values (N,), whose mean is theirs.

Their spread is that of the measure over other clean and other outside images at once (see `_rms_calibration`).
"""


def image_scores(
    testset: TestSet, archive: Predictions, metric: str, clean: np.ndarray | None = None
) -> dict[str, FloatArray] | None:
    """Each base image's value of a measure, by shift, under `testset.mean` over those that enter it, and `pooled`.

    An image's copies at all severities, or the frames of its sequence, make one number, so that the mean over images
    is the value in metrics.csv. Outside images are told from the `clean` ones, an array of their `NUMBERS`, with
    which they share the places. (N,) float64 each; None for a measure that is not known image by image.
    """
    if metric not in (OF_OUTSIDE if testset.outside else OF_SEQUENCES if testset.sequence else EACH):
        return None
    labels = archive.labels.reshape(testset.levels, -1)
    found: dict[str, FloatArray] = {}
    for shift in testset.shifts:
        numbers = archive.shifts[shift]
        if testset.sequence:
            found[shift] = np.asarray(OF_SEQUENCES[metric](numbers, shift in testset.independent), np.float64)
        elif clean is not None:
            apart = [OF_OUTSIDE[metric](clean, level) for level in numbers.reshape(*labels.shape, -1)]
            found[shift] = np.mean(apart, axis=0)
        else:
            truths = [truth(MEASURES[metric], level, archive.cues) for level in labels]
            levels = zip(numbers.reshape(labels.shape), truths, strict=True)
            found[shift] = np.mean([EACH[metric](*level) for level in levels], axis=0, dtype=np.float64)
    entering = [shift for shift in testset.shifts if shift in testset.entering]
    if entering:
        found[testset.mean] = np.mean([found[shift] for shift in entering], axis=0)
    if entering and MEASURES[metric].pooled:
        together = np.concatenate([archive.shifts[shift].reshape(labels.shape) for shift in entering], axis=1)
        each = EACH[metric](together.ravel(), np.tile(labels, len(entering)).ravel())
        found["pooled"] = each.reshape(-1, labels.shape[1]).mean(axis=0)
    return found


def reliability(testset: TestSet, archive: Predictions) -> FloatArray:
    """Predictions by interval of confidence, (3, INTERVALS): how many, the sum of their confidence, how many are right.

    They are those on the shifts that enter the mean, at all severities; of a test set without a mean, on all of them.
    """
    shifts = [shift for shift in testset.shifts if shift in testset.entering] or testset.shifts
    numbers = np.concatenate([archive.shifts[shift].ravel() for shift in shifts])
    right = numbers["prediction"] == np.tile(archive.labels, len(shifts))
    interval = _intervals(numbers)
    sums = [np.bincount(interval, of, minlength=INTERVALS) for of in (None, numbers["confidence"], right)]
    return np.asarray(sums, np.float64)


def base_labels(testset: TestSet, archive: Predictions) -> np.ndarray:
    """The labels of the base images, int64 (N,): those of one severity."""
    labels: np.ndarray = archive.labels.reshape(testset.levels, -1)[0]
    return labels
