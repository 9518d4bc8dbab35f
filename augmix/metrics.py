"""The benchmarks' metrics, as fractions in [0, 1], from four numbers an image and no model.

Definitions: Hendrycks & Dietterich, "Benchmarking Neural Network Robustness", ICLR 2019, Section 4; calibration:
Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019, and AugMix, Section 4.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

BIN_SIZE = 100


def error(prediction: ArrayLike, label: ArrayLike) -> float:
    """The share of predictions that differ from their labels; any matching shapes."""
    return float(np.mean(np.asarray(prediction) != np.asarray(label)))


def corruption_error(errors: Mapping[str, ArrayLike], reference: Mapping[str, float] | None = None) -> dict[str, float]:
    """CE of each corruption from its errors at severities 1 to 5; their mean over corruptions is the mCE.

    Unnormalised as on CIFAR-C, or divided by a `reference` net's mean error of the same corruption (AlexNet on
    ImageNet-C). Raises ValueError where the reference lacks a corruption.
    """
    mean = {name: float(np.mean(np.asarray(values))) for name, values in errors.items()}
    if reference is None:
        return mean
    if missing := sorted(set(mean) - set(reference)):
        raise ValueError(f"reference has no error for {', '.join(missing)}")
    return {name: value / reference[name] for name, value in mean.items()}


def flip_probability(prediction: ArrayLike, against_first: bool = False) -> float:
    """The share of frames whose prediction differs from the frame before, for (N, T) predictions.

    `against_first` compares every frame with the first one instead: the noise sequences, whose frames are
    independent draws.
    """
    frames = np.asarray(prediction)
    if frames.ndim != 2 or frames.shape[1] < 2:
        raise ValueError(f"prediction has shape {frames.shape}; (sequences, at least 2 frames) is accepted")
    return float(np.mean(frames[:, 1:] != (frames[:, :1] if against_first else frames[:, :-1])))


def mean_flip_probability(flips: Mapping[str, float]) -> float:
    """mFP: the mean flip probability over perturbations."""
    return float(np.mean(list(flips.values())))


def brier_score(true_probability: ArrayLike, squared_sum: ArrayLike) -> float:
    """The mean over examples of Σ_k (p_k − y_k)², from p(true class) and Σ_k p_k²."""
    return float(np.mean(np.asarray(squared_sum, float) - 2 * np.asarray(true_probability, float) + 1))


def rms_calibration_error(confidence: ArrayLike, correct: ArrayLike, bin_size: int = BIN_SIZE) -> float:
    """√ of the example-weighted mean of (confidence − accuracy)² over bins of equally many examples.

    Examples are sorted by confidence (stably) and cut into bins of `bin_size`; the last full bin takes the
    remainder. All bins count (the published script drops the last one). NaN when there are no examples.
    """
    confidence, correct = np.asarray(confidence, float).ravel(), np.asarray(correct, float).ravel()
    if not confidence.size:
        return float("nan")
    order = np.argsort(confidence, kind="stable")
    starts = np.arange(max(confidence.size // bin_size, 1)) * bin_size
    sizes = np.diff(np.append(starts, confidence.size))
    gap = np.add.reduceat(confidence[order] - correct[order], starts) / sizes
    return float(np.sqrt(np.average(gap**2, weights=sizes)))
