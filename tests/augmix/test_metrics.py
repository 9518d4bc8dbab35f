"""The metrics against hand-made cases and plain loops."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from augmix import metrics


def test_error() -> None:
    assert metrics.error([1, 2, 3, 4], [1, 2, 0, 0]) == 0.5


def test_corruption_error_is_the_mean_over_severities() -> None:
    errors = {"fog": [0.1, 0.2, 0.3, 0.4, 0.5], "snow": [0.0] * 5}
    assert metrics.corruption_error(errors) == pytest.approx({"fog": 0.3, "snow": 0.0})
    assert metrics.corruption_error(errors, {"fog": 0.6, "snow": 0.5}) == pytest.approx({"fog": 0.5, "snow": 0.0})
    with pytest.raises(ValueError, match="no error for snow"):
        metrics.corruption_error(errors, {"fog": 0.6})


def test_flip_probability_compares_neighbours_or_the_first() -> None:
    frames = [[1, 1, 2, 1], [0, 0, 0, 0]]
    assert metrics.flip_probability(frames) == pytest.approx(2 / 6)
    assert metrics.flip_probability(frames, against_first=True) == pytest.approx(1 / 6)
    assert metrics.mean_flip_probability({"a": 0.1, "b": 0.3}) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="at least 2 frames"):
        metrics.flip_probability([[1], [2]])


def test_brier_score_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(5), 200)
    labels = rng.integers(5, size=200)
    expected = ((p - np.eye(5)[labels]) ** 2).sum(1).mean()
    assert metrics.brier_score(p[np.arange(200), labels], (p**2).sum(1)) == pytest.approx(expected)


@pytest.mark.parametrize("count", [50, 100, 199, 200, 1234])
def test_calibration_equals_a_plain_loop(count: int) -> None:
    rng = np.random.default_rng(count)
    confidence = rng.choice(np.linspace(0.1, 1, 37), count)
    correct = rng.random(count) < confidence**2
    order = sorted(range(count), key=lambda i: confidence[i])
    bins = max(count // 100, 1)
    total = 0.0
    for b in range(bins):
        members = order[b * 100 : count if b == bins - 1 else (b + 1) * 100]
        gap = np.mean([confidence[i] for i in members]) - np.mean([correct[i] for i in members])
        total += len(members) * gap**2
    assert metrics.rms_calibration_error(confidence, correct) == pytest.approx(math.sqrt(total / count))


def test_negative_log_likelihood_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(5), 200)
    labels = rng.integers(5, size=200)
    expected = -sum(math.log(p[i, label]) for i, label in enumerate(labels)) / 200
    assert metrics.negative_log_likelihood(p[np.arange(200), labels]) == pytest.approx(expected)
    # A probability that single precision rounds to nothing counts as the least that it has, not as infinitely bad.
    assert metrics.negative_log_likelihood(np.array([1e-46, 1.0], np.float32)) == pytest.approx(149 * math.log(2) / 2)
    assert metrics.negative_log_likelihood([1.0]) == 0


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_expected_calibration_error_equals_a_plain_loop(bins: int) -> None:
    rng = np.random.default_rng(bins)
    confidence = np.concatenate([rng.random(300) ** 2, np.arange(bins + 1) / bins])  # and every edge
    correct = rng.random(len(confidence)) < confidence
    total = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        # Intervals are open below and closed above; 0 goes with the first.
        members = [i for i, c in enumerate(confidence) if low < c <= high or (b == 0 and c == 0)]
        if members:
            total += abs(sum(confidence[i] - correct[i] for i in members))
    assert metrics.expected_calibration_error(confidence, correct, bins) == pytest.approx(total / len(confidence))
    with pytest.raises(ValueError, match="bins is 0"):
        metrics.expected_calibration_error([0.5], [True], bins=0)


@pytest.mark.parametrize(
    "metric",
    [metrics.error, metrics.brier_score, metrics.rms_calibration_error, metrics.expected_calibration_error],
)
def test_arguments_that_do_not_match_are_refused(metric: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 1\).* \(3,\)"):
        metric(np.ones((3, 1)), np.ones(3))
    with pytest.raises(ValueError, match="is empty"):
        metric([], [])


def test_means_over_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="errors of fog are empty"):
        metrics.corruption_error({"snow": [0.5], "fog": []})
    with pytest.raises(ValueError, match="true_probability is empty"):
        metrics.negative_log_likelihood([])
    with pytest.raises(ValueError, match="flips is empty"):
        metrics.mean_flip_probability({})
    with pytest.raises(ValueError, match="at least 2 frames"):
        metrics.flip_probability(np.ones((0, 5)))
    with pytest.raises(ValueError, match="bin_size is 0"):
        metrics.rms_calibration_error([0.5], [True], bin_size=0)
    with pytest.raises(ValueError, match="reference is 0 for fog"):
        metrics.mean_corruption_error({"snow": [0.5], "fog": [0.5]}, {"snow": 0.5, "fog": 0})


@pytest.mark.parametrize("value", [60.0, -0.1, math.nan])
def test_per_cents_are_refused(value: float) -> None:
    for call, name in (
        (lambda: metrics.corruption_error({"fog": [0.3, value]}), "errors of fog"),
        (lambda: metrics.corruption_error({"fog": [0.3]}, {"fog": value}), "reference"),
        (lambda: metrics.mean_corruption_error({"fog": [0.3, value]}, {"fog": 0.8}), "errors of fog"),
        (lambda: metrics.mean_corruption_error({"fog": [0.3]}, {"fog": value}), "reference"),
        (lambda: metrics.mean_flip_probability({"tilt": value}), "flips"),
        (lambda: metrics.brier_score([value], [0.5]), "true_probability"),
        (lambda: metrics.brier_score([0.5], [value]), "squared_sum"),
        (lambda: metrics.negative_log_likelihood([0.5, value]), "true_probability"),
        (lambda: metrics.expected_calibration_error([value], [True]), "confidence"),
        (lambda: metrics.rms_calibration_error([value], [True]), "confidence"),
        (lambda: metrics.rms_calibration_error([0.5], [value]), "correct"),
    ):
        with pytest.raises(ValueError, match=rf"{name} holds {value:g}; fractions in \[0, 1\] are accepted"):
            call()


def test_a_sum_of_probabilities_in_single_precision_is_accepted() -> None:
    above = np.nextafter(np.float32(1), np.float32(2))
    assert metrics.rms_calibration_error([above], [True]) == pytest.approx(0, abs=1e-6)
    assert metrics.brier_score([above], [above]) == pytest.approx(0, abs=1e-6)


def test_outside_scores_are_ranked_as_pairs_say() -> None:
    inside, outside = [0.1, 0.2, 0.2, 0.7], [0.2, 0.9]
    assert metrics.auroc(inside, outside) == pytest.approx((1 + 0.5 + 0.5 + 0 + 4) / 8)
    assert metrics.auroc(outside, inside) == pytest.approx(1 - 6 / 8)
    assert metrics.false_positive_rate(inside, outside) == pytest.approx(3 / 4), "all of them are nearer than a half"
    assert metrics.false_positive_rate(inside, outside, 0.5) == 0
    assert metrics.false_positive_rate(inside, outside, 0.75) == pytest.approx(3 / 4), "of two, the lower threshold"
    for bad in ([], [float("nan")]):
        with pytest.raises(ValueError, match="inside is empty, or holds what is not a number"):
            metrics.auroc(bad, outside)
    with pytest.raises(ValueError, match="recall is 95"):
        metrics.false_positive_rate(inside, outside, 95)


def test_the_top_five_are_of_sequences() -> None:
    assert metrics.top5_distance([[[0, 1, 2, 3, 4], [9, 0, 1, 2, 3]]]) == 5, "each moves by a place, the last leaves"
    assert metrics.top5_distance([[[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]]) == 15
    with pytest.raises(ValueError, match=r"top5 has shape \(1, 2, 4\)"):
        metrics.top5_distance([[[0, 1, 2, 3], [0, 1, 2, 3]]])
