"""The RMS calibration error that chance alone makes."""

import numpy as np

from augmix.metrics import BIN_SIZE


def calibration_floor(confidence: np.ndarray, correct: np.ndarray) -> float:
    """The RMS calibration error that a perfectly calibrated net with these confidences would have by chance.

    `confidence` is the predicted class's probability, `correct` whether it is the true class: (N,) or (N, copies)
    arrays of one shape. Bins are those of `augmix.metrics.rms_calibration_error`. Within a bin of n examples accuracy
    differs from confidence by about √(p (1 − p) / n), however good the net is (Bröcker & Smith, Weather and
    Forecasting 22, 2007); by more where a net errs on all copies of an image or on none. So the variance of a bin's
    accuracy is that of Bernoulli draws, and for each two copies of an image in it the product of their residuals,
    which are taken from the bin's mean lest miscalibration count as chance. The floor is the root of its mean over
    the bins: of the square that chance gives on average.
    """
    probability, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    images, size = len(probability), probability.size
    order = np.argsort(probability, axis=None, kind="stable")
    bins = np.minimum(np.arange(size) // BIN_SIZE, max(size // BIN_SIZE, 1) - 1)
    sizes = np.bincount(bins)
    p, gaps = probability.ravel()[order], (probability - right).ravel()[order]
    residuals = gaps - (np.bincount(bins, gaps) / sizes)[bins]
    # An image's copies in a bin are a cluster.
    names, cluster = np.unique(bins * images + order // (size // images), return_inverse=True)
    owner, counts = names // images, np.bincount(cluster)
    clustered = np.bincount(owner, np.bincount(cluster, residuals) ** 2)
    # Squares about a mean that they take part in are too small by their shares of it.
    lost = np.bincount(owner, counts.astype(float) ** 2) / sizes**2
    together = clustered / np.where(lost < 1, 1 - lost, 1)
    alone = np.bincount(bins, residuals**2) * sizes / np.maximum(sizes - 1, 1)
    variances = np.bincount(bins, p * (1 - p)) + together - alone
    return float(np.sqrt(max(np.sum(variances / sizes), 0.0) / size))
