"""The metrics of -C, -P and calibration, as fractions, from a few numbers an image and no model.

What they take are fractions too: values outside [0, 1], such as per cents, are a ValueError that names the argument.

Definitions: Hendrycks & Dietterich, "Benchmarking Neural Network Robustness", ICLR 2019, Section 4; calibration:
Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019, and AugMix, Section 4.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

BIN_SIZE, BINS, RECALL = 100, 15, 0.95
LEAST = 2.0**-149
"""The least probability that single precision has."""


def error(prediction: ArrayLike, label: ArrayLike) -> float:
    """The share of predictions that differ from their labels: class numbers, two arrays of one shape.

    Raises ValueError when the shapes differ or nothing is in them.
    """
    return float(np.mean(np.not_equal(*_pair("prediction", prediction, "label", label))))


def corruption_error(errors: Mapping[str, ArrayLike], reference: Mapping[str, float] | None = None) -> dict[str, float]:
    """CE of each corruption from its errors at severities 1 to 5; their mean over corruptions is the mCE.

    Unnormalised as on CIFAR-C, or divided by a `reference` net's mean error of the same corruption (AlexNet on
    ImageNet-C). Raises ValueError where a corruption has no errors, or the reference lacks it or makes none on it.
    """
    if empty := [name for name, values in errors.items() if not np.size(values)]:
        raise ValueError(f"errors of {', '.join(empty)} are empty")
    for name, values in errors.items():
        _check_fractions(f"errors of {name}", values)
    mean = {name: float(np.mean(np.asarray(values))) for name, values in errors.items()}
    if reference is None:
        return mean
    if missing := sorted(set(mean) - set(reference)):
        raise ValueError(f"reference has no error for {', '.join(missing)}")
    _check_fractions("reference", [reference[name] for name in mean])
    if perfect := [name for name in mean if reference[name] <= 0]:
        raise ValueError(f"reference is 0 for {', '.join(perfect)}; errors cannot be divided by it")
    return {name: value / reference[name] for name, value in mean.items()}


def mean_corruption_error(errors: Mapping[str, ArrayLike], reference: Mapping[str, float] | None = None) -> float:
    """mCE: the mean over corruptions of their `corruption_error`; arguments and errors as there.

    Every corruption has as many errors; without a `reference` they may be any measure's values, in any unit.
    Raises ValueError also where corruptions have unequally many, or there is none.
    """
    if not errors:
        raise ValueError("errors is empty; give at least one corruption's errors")
    if reference is not None:
        return float(np.mean(list(corruption_error(errors, reference).values())))
    if len({np.size(values) for values in errors.values()}) > 1 or not all(map(np.size, errors.values())):
        raise ValueError("errors differ in length, or are empty; give each corruption's at the same severities")
    levels = zip(*(np.ravel(values) for values in errors.values()), strict=True)
    return float(np.mean([np.mean(level) for level in levels]))


def flip_probability(prediction: ArrayLike, against_first: bool = False) -> float:
    """The share of frames whose prediction differs from the frame before, for (N, T) predictions.

    `against_first` compares every frame with the first one instead: the noise sequences, whose frames are
    independent draws. Raises ValueError for another shape.
    """
    return float(np.mean(flips(prediction, against_first)))


def flips(prediction: ArrayLike, against_first: bool = False) -> np.ndarray:
    """Whether each frame's prediction differs: bools (N, T − 1); arguments and errors as of `flip_probability`."""
    frames = np.asarray(prediction)
    if frames.ndim != 2 or frames.shape[0] < 1 or frames.shape[1] < 2:
        raise ValueError(f"prediction has shape {frames.shape}; (sequences, at least 2 frames) is accepted")
    return np.asarray(frames[:, 1:] != (frames[:, :1] if against_first else frames[:, :-1]))


def mean_flip_probability(flips: Mapping[str, float]) -> float:
    """mFP: the mean over perturbations of their `flip_probability`, by name. Raises ValueError when there are none."""
    if not flips:
        raise ValueError("flips is empty; give at least one perturbation's flip probability")
    _check_fractions("flips", list(flips.values()))
    return float(np.mean(list(flips.values())))


def brier_score(true_probability: ArrayLike, squared_sum: ArrayLike) -> float:
    """The mean over examples of Σ_k (p_k − y_k)², in [0, 2], from each one's p(true class) and Σ_k p_k².

    For probabilities p (N, K) and labels y (N,): `brier_score(p[range(N), y], (p**2).sum(1))`.
    Raises ValueError when the shapes differ or nothing is in them.
    """
    true, squared = _pair("true_probability", true_probability, "squared_sum", squared_sum)
    _check_fractions("true_probability", true)
    _check_fractions("squared_sum", squared)
    return float(np.mean(squared.astype(float) - 2 * true.astype(float) + 1))


def negative_log_likelihood(true_probability: ArrayLike) -> float:
    """The mean over examples of −ln p(true class), in nats, from each one's p(true class) in single precision.

    A probability that single precision rounds to 0 counts as the least one that it has, 2⁻¹⁴⁹: 103.3 nats.
    Raises ValueError when nothing is in it.
    """
    true = np.asarray(true_probability, dtype=float)
    if not true.size:
        raise ValueError("true_probability is empty; at least one example is needed")
    _check_fractions("true_probability", true)
    return float(-np.log(np.maximum(true, LEAST)).mean())


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> float:
    """ECE: the example-weighted mean of |confidence − accuracy| over `bins` equal intervals of (0, 1].

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Equation 3. `confidence` is the predicted
    class's probability, `correct` whether it is the true one; two arrays of one shape. Raises ValueError when the
    shapes differ, nothing is in them or `bins` is below 1.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; at least 1 is accepted")
    confidence, correct = _confidences(confidence, correct)
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(index, confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / confidence.size)


def rms_calibration_error(confidence: ArrayLike, correct: ArrayLike, bin_size: int = BIN_SIZE) -> float:
    """√ of the example-weighted mean of (confidence − accuracy)² over bins of equally many examples.

    `confidence` is the predicted class's probability, `correct` whether it is the true one; two arrays of one shape.
    Examples are sorted by confidence (stably) and cut into bins of `bin_size`; the last full bin takes the
    remainder. All bins count (the published script drops the last one).
    Raises ValueError when the shapes differ, nothing is in them or `bin_size` is below 1.
    """
    if bin_size < 1:
        raise ValueError(f"bin_size is {bin_size}; at least 1 is accepted")
    confidence, correct = _confidences(confidence, correct)
    order = np.argsort(confidence, kind="stable")
    starts = np.arange(max(confidence.size // bin_size, 1)) * bin_size
    sizes = np.diff(np.append(starts, confidence.size))
    gap = np.add.reduceat(confidence[order] - correct[order], starts) / sizes
    return float(np.sqrt(np.average(gap**2, weights=sizes)))


def risk_coverage_area(confidence: ArrayLike, correct: ArrayLike) -> float:
    """AURC: the error among the k images of the highest confidence, averaged over all k.

    Geifman & El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017. Images of equal confidence
    come in any order: the value is the mean over their orders. Arguments and errors as of
    `expected_calibration_error`.
    """
    confidence, correct = _confidences(confidence, correct)
    _, level = np.unique(-confidence, return_inverse=True)
    wrong = (np.bincount(level, 1 - correct) / np.bincount(level))[np.sort(level)]
    return float(np.mean(np.cumsum(wrong) / np.arange(1, wrong.size + 1)))


def auroc(inside: ArrayLike, outside: ArrayLike) -> float:
    """The probability that the score of an image from outside is above that of one from inside; ties count half.

    The area under the curve of the true against the false positive rate, of out-of-distribution images as positives
    (Hendrycks & Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017). Any
    numbers, (N,) and (M,); raises ValueError where there are none, or one is not a number.
    """
    one, other = _scores(inside, outside)
    below = np.searchsorted(one, other, "left") + np.searchsorted(one, other, "right")
    return float(below.sum() / (2 * one.size * other.size))


def false_positive_rate(inside: ArrayLike, outside: ArrayLike, recall: float = RECALL) -> float:
    """FPR95: the share of inside images that are taken for outside ones where `recall` of the outside ones are.

    The threshold is the outside score at which the share of outside images at or above it is nearest to `recall`, the
    lower of two. The code of Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019, whose measure
    it is, also counts the inside images between that score and the next lower outside one: a difference that many
    outside images make small. Arguments as of `auroc`; raises ValueError also for a `recall` outside (0, 1].
    """
    one, other = _scores(inside, outside)
    return float(np.mean(one >= recall_threshold(other, recall)))


def recall_threshold(outside: ArrayLike, recall: float = RECALL) -> float:
    """The threshold of `false_positive_rate`: one of the outside scores, (M,)."""
    if not 0 < recall <= 1:
        raise ValueError(f"recall is {recall}; a fraction above 0, at most 1, is accepted")
    thresholds, counts = np.unique(np.asarray(outside, np.float64), return_counts=True)
    found = np.cumsum(counts[::-1])[::-1] / counts.sum()
    return float(thresholds[np.argmin(np.abs(found - recall).round(12))])


def shape_bias(prediction: ArrayLike, shape: ArrayLike, texture: ArrayLike) -> float:
    """The share of predictions by the shape among those by the shape or by the texture; a half where there is none.

    Geirhos et al., "ImageNet-trained CNNs are biased towards texture", ICLR 2019. Class numbers, three arrays of one
    shape; images of the shape and the texture of one class do not count. Raises ValueError as `error`.
    """
    by_shape, by_texture, _ = cue_decisions(prediction, shape, texture)
    decided = int(by_shape.sum() + by_texture.sum())
    return float(by_shape.sum() / decided) if decided else 0.5


def neither_cue(prediction: ArrayLike, shape: ArrayLike, texture: ArrayLike) -> float:
    """The share of predictions by neither the shape nor the texture, of images that have the two of two classes.

    Arguments and errors as of `shape_bias`; 0 where no image counts.
    """
    decisions = cue_decisions(prediction, shape, texture)
    return float(decisions[2].sum() / max(np.sum(decisions), 1))


def cue_decisions(prediction: ArrayLike, shape: ArrayLike, texture: ArrayLike) -> tuple[np.ndarray, ...]:
    """Whether each prediction is by the shape, by the texture, or by neither: bools; all False where both are one."""
    by_shape = np.equal(*_pair("prediction", prediction, "shape", shape))
    by_texture = np.equal(*_pair("prediction", prediction, "texture", texture))
    counts = np.not_equal(shape, texture)
    return by_shape & counts, by_texture & counts, counts & ~by_shape & ~by_texture


def top5_distance(top5: ArrayLike, against_first: bool = False) -> float:
    """T5D, unnormalised: how far the five likeliest classes move from one frame to the next, from 0 to 15.

    `top5` are classes, the likeliest first: (N, T, 5). A class that goes from place i to place j costs |i − j|, and
    6 − i where it leaves the five (Hendrycks & Dietterich, ICLR 2019, Section 4). `against_first` compares every frame
    with the first one. Raises ValueError for another shape.
    """
    return float(np.mean(top5_distances(top5, against_first)))


def top5_distances(top5: ArrayLike, against_first: bool = False) -> np.ndarray:
    """The distance of each frame from the one before, or from the first: (N, T − 1); arguments as `top5_distance`."""
    frames = np.asarray(top5)
    if frames.ndim != 3 or frames.shape[0] < 1 or frames.shape[1] < 2 or frames.shape[2] != 5:
        raise ValueError(f"top5 has shape {frames.shape}; (sequences, at least 2 frames, 5) is accepted")
    now, before = frames[:, 1:], frames[:, :1] if against_first else frames[:, :-1]
    same = before[..., :, None] == now[..., None, :]
    place = np.where(same.any(-1), same.argmax(-1), 5)
    distances: np.ndarray = np.abs(np.arange(5) - place).sum(-1)
    return distances


def _scores(inside: ArrayLike, outside: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both sorted, float64; ValueError where one is empty or holds what is no number."""
    for name, values in (("inside", inside), ("outside", outside)):
        if not np.size(values) or np.isnan(np.asarray(values, np.float64)).any():
            raise ValueError(f"{name} is empty, or holds what is not a number; scores are expected")
    one, other = (np.sort(np.asarray(values, np.float64).ravel()) for values in (inside, outside))
    return one, other


def _confidences(confidence: ArrayLike, correct: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as flat float arrays; ValueError where they are no fractions, or do not match."""
    for name, values in (("confidence", confidence), ("correct", correct)):
        _check_fractions(name, values)
    one, other = (values.astype(float).ravel() for values in _pair("confidence", confidence, "correct", correct))
    return one, other


def _check_fractions(name: str, values: ArrayLike) -> None:
    """Raise ValueError unless all are in [0, 1], but for what single precision rounds a sum of probabilities to."""
    array = np.asarray(values)
    outside = array[~((array >= -1e-5) & (array <= 1 + 1e-5))]
    if outside.size:
        raise ValueError(f"{name} holds {outside.flat[0]:g}; fractions in [0, 1] are accepted, not per cents")


def _pair(first: str, one: ArrayLike, second: str, other: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Two arguments as arrays; ValueError naming them unless they are of one shape and not empty."""
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape:
        raise ValueError(f"{first} has shape {a.shape}, {second} {b.shape}; they must be the same")
    if not a.size:
        raise ValueError(f"{first} is empty; at least one example is needed")
    return a, b
