"""The measures of predictions: one entry each, which says all that tables, figures and MLflow need."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from augmix import metrics
from augmix.suite.testsets.base import TestSet


@dataclass(frozen=True)
class Measure:
    """One measure of the predictions on some images."""

    name: str
    """Its name in metrics.csv."""
    title: str
    """Its name in print."""
    compute: Callable[[np.ndarray, np.ndarray], float]
    """From predictions (N,), an array of `predictions.NUMBERS`, and labels (N,), to a value.

    Of sequences, predictions are (N, T), and the labels' place has whether frames are compared with the first. Of
    outside images, those of the clean ones stand before them, and the labels' place has which are from outside. Of
    images of two cues the labels' place has the classes of shapes and textures, (N, 2).
    """
    needs: tuple[str, ...]
    """The fields of the predictions that it reads."""
    unit: str = "%"
    """Its unit in print."""
    scale: float = 100.0
    """The factor by which a value is multiplied in print: 100 for shares."""
    largest: float = 1.0
    """The greatest value that it can have; the least is 0."""
    decimals: int = 1
    """The decimals that are printed; a value of which they would show fewer than two digits gets one more."""
    lower_is_better: bool = True
    meaning: str = ""
    """Its definition, as the report ends the sentence `The Brier score is …`."""
    reference: str = ""
    """The work that defined it, by its key in the report's references."""
    proper: bool = False
    """Whether its title begins with a capital also within a sentence."""
    bins: int | None = None
    """The number of images of a bin, where it is measured in such: it says little of fewer than ten bins."""
    sequences: bool = False
    """Whether it is of sequences of frames, and not of predicted classes."""
    outside: bool = False
    """Whether it is of images from outside beside clean ones."""
    cues: bool = False
    """Whether it is of images that have the shape of one class and the texture of another."""
    pooled: bool = False
    """Whether it is also measured over all shifts' images at once, since it is not a mean over images."""

    @property
    def phrase(self) -> str:
        """Its title within a sentence."""
        return self.title if self.proper else self.title[:1].lower() + self.title[1:]

    @property
    def label(self) -> str:
        """Its title with its unit, as on an axis."""
        return f"{self.title} ({self.unit})"

    @property
    def remark(self) -> str:
        """A description of a value of metrics.csv that is seen alone: its unit, its direction and its definition."""
        unit = f"in {self.unit}" if self.scale == 1 else "a fraction"
        return f"{unit}; {'lower' if self.lower_is_better else 'higher'} is better; {self.meaning}"


def _correct(numbers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    correct: np.ndarray = numbers["prediction"] == labels
    return correct


def _apart(compute: Callable[[np.ndarray, np.ndarray], float], field: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """A measure of how well outside images are told by less of one number."""
    return lambda n, outside: compute(-n[field][~outside], -n[field][outside])


def truth(measure: Measure, labels: np.ndarray, cues: np.ndarray | None) -> np.ndarray:
    """The labels' place of a measure of classes, of the labels (N,) and the textures' classes of images of two cues."""
    if not measure.cues:
        return labels
    assert cues is not None
    return np.stack([labels, cues], axis=1)


MEASURES = {
    measure.name: measure
    for measure in (
        Measure(
            "error",
            "Error",
            lambda n, y: metrics.error(n["prediction"], y),
            ("prediction",),
            meaning="the share of images whose predicted class is not theirs",
        ),
        Measure(
            "brier",
            "Brier score",
            lambda n, y: metrics.brier_score(n["true_probability"], n["squared_sum"]),
            ("true_probability", "squared_sum"),
            unit="× 100",
            largest=2.0,
            meaning="the mean squared distance between the predicted probabilities and the true class",
            reference="brier",
            proper=True,
        ),
        Measure(
            "rms_calibration",
            "RMS calibration error",
            lambda n, y: metrics.rms_calibration_error(n["confidence"], _correct(n, y)),
            ("prediction", "confidence"),
            meaning=(
                "the root mean square of the difference between confidence and accuracy, in bins of at least "
                f"{metrics.BIN_SIZE} images of similar confidence"
            ),
            reference="calibration",
            proper=True,
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
            largest=104.0,
            decimals=2,
            meaning="the mean of minus the natural logarithm of the probability of the true class",
        ),
        Measure(
            "ece",
            "Expected calibration error",
            lambda n, y: metrics.expected_calibration_error(n["confidence"], _correct(n, y)),
            ("prediction", "confidence"),
            meaning="the mean absolute difference between confidence and accuracy, in 15 equal intervals of confidence",
            reference="ece",
            pooled=True,
        ),
        Measure(
            "aurc",
            "Area under the risk-coverage curve",
            lambda n, y: metrics.risk_coverage_area(n["confidence"], _correct(n, y)),
            ("prediction", "confidence"),
            meaning="the error among the images of the highest confidence, averaged over how many of them are kept",
            reference="aurc",
            pooled=True,
        ),
        Measure(
            "shape_bias",
            "Shape bias",
            lambda n, y: metrics.shape_bias(n["prediction"], *y.T),
            ("prediction",),
            lower_is_better=False,
            cues=True,
            meaning=(
                "the share of images predicted to be of their shape's class among those predicted to be of their "
                "shape's or their texture's"
            ),
            reference="stylized_imagenet",
        ),
        Measure(
            "neither_cue",
            "Answers by neither cue",
            lambda n, y: metrics.neither_cue(n["prediction"], *y.T),
            ("prediction",),
            cues=True,
            meaning="the share of images predicted to be of neither their shape's class nor their texture's",
            reference="stylized_imagenet",
        ),
        Measure(
            "ood_auroc",
            "AUROC of outside images",
            _apart(metrics.auroc, "confidence"),
            ("confidence",),
            lower_is_better=False,
            outside=True,
            meaning=(
                "the probability that a net is less confident of an image from outside than of a clean one, ties "
                "counting half"
            ),
            reference="msp",
            proper=True,
        ),
        Measure(
            "ood_fpr95",
            "FPR95 of outside images",
            _apart(metrics.false_positive_rate, "confidence"),
            ("confidence",),
            outside=True,
            meaning=(
                "the share of clean images that are taken for outside ones by their confidence where 95 % of the "
                "outside ones are"
            ),
            reference="msp",
            proper=True,
        ),
        Measure(
            "ood_auroc_energy",
            "AUROC by energy",
            _apart(metrics.auroc, "log_sum"),
            ("log_sum",),
            lower_is_better=False,
            outside=True,
            meaning=(
                "the AUROC of outside images by the energy, which is minus the logarithm of the sum of the logits' "
                "exponentials"
            ),
            reference="energy",
            proper=True,
        ),
        Measure(
            "ood_fpr95_energy",
            "FPR95 by energy",
            _apart(metrics.false_positive_rate, "log_sum"),
            ("log_sum",),
            outside=True,
            meaning="the FPR95 of outside images by the energy",
            reference="energy",
            proper=True,
        ),
        Measure(
            "flip_probability",
            "Flip probability",
            lambda n, against_first: metrics.flip_probability(n["prediction"], bool(against_first)),
            ("prediction",),
            sequences=True,
            meaning=(
                "the share of consecutive frames of a sequence, for noise of frames against the first, on which the "
                "prediction changes"
            ),
        ),
        Measure(
            "top5_distance",
            "Top-5 distance",
            lambda n, against_first: metrics.top5_distance(n["top5"], bool(against_first)),
            ("top5",),
            unit="places",
            scale=1.0,
            largest=15.0,
            decimals=2,
            sequences=True,
            meaning=(
                "the places that the five likeliest classes move from frame to frame, for noise from the first, those "
                "that leave them to the sixth; it is not divided by AlexNet's"
            ),
            reference="robustness",
        ),
    )
}
"""Every measure, by name."""


def measures_of(testset: TestSet) -> tuple[str, ...]:
    """The names of the measures of a test set, in their order above; the first one is its headline."""
    return tuple(
        name
        for name, measure in MEASURES.items()
        if (measure.sequences, measure.outside) == (testset.sequence, testset.outside)
        if testset.top5 or "top5" not in measure.needs
        if testset.cues or not measure.cues
    )
