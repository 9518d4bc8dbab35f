"""The measures of predictions: one entry each, which says all that tables, figures and MLflow need."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from augmix import metrics


@dataclass(frozen=True)
class Measure:
    """One measure of the predictions on some images."""

    name: str
    """Its name in metrics.csv."""
    title: str
    """Its name in print."""
    compute: Callable[[np.ndarray, np.ndarray], float]
    """From predictions (N,), an array of `predictions.NUMBERS`, and labels (N,), to a value; see also `flips`."""
    needs: tuple[str, ...]
    """The fields of the predictions that it reads."""
    unit: str = "%"
    """Its unit in print."""
    scale: float = 100.0
    """What a value is multiplied by in print: 100 for shares."""
    decimals: int = 1
    """How many decimals are printed; values below 1 get one more."""
    lower_is_better: bool = True
    bins: int | None = None
    """The number of images of a bin, where it is measured in such: it says little of fewer than ten bins."""
    pooled: bool = False
    """Whether it is also measured over all shifts' images at once, since it is not a mean over images."""


def _correct(numbers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    correct: np.ndarray = numbers["prediction"] == labels
    return correct


def flips(numbers: np.ndarray, against_first: np.ndarray) -> float:
    """The flip probability of predictions (N, T); `against_first` is whether frames are compared with the first."""
    return metrics.flip_probability(numbers["prediction"], against_first=bool(against_first))


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("error", "Error", lambda n, y: metrics.error(n["prediction"], y), ("prediction",)),
        Measure(
            "brier",
            "Brier score",
            lambda n, y: metrics.brier_score(n["true_probability"], n["squared_sum"]),
            ("true_probability", "squared_sum"),
            unit="× 100",
        ),
        Measure(
            "rms_calibration",
            "RMS calibration error",
            lambda n, y: metrics.rms_calibration_error(n["confidence"], _correct(n, y)),
            ("prediction", "confidence"),
            bins=metrics.BIN_SIZE,
            pooled=True,
        ),
        Measure(
            "nll",
            "Negative log-likelihood",
            lambda n, y: metrics.negative_log_likelihood(n["true_probability"]),
            ("true_probability",),
            unit="nats",
            scale=1.0,
            decimals=2,
        ),
        Measure(
            "ece",
            "Expected calibration error",
            lambda n, y: metrics.expected_calibration_error(n["confidence"], _correct(n, y)),
            ("prediction", "confidence"),
            pooled=True,
        ),
        Measure("flip_probability", "Flip probability", flips, ("prediction",)),
    )
}
"""Every measure, by name."""
