"""Measures: one entry each, equal to plain NumPy, and to the bit what they were before they had entries."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from augmix import metrics
from augmix.corruptions import CORRUPTIONS
from augmix.suite.evaluate import results
from augmix.suite.evaluate.measures import MEASURES, Measure, measures_of
from augmix.suite.evaluate.predictions import NUMBERS, Predictions
from augmix.suite.testsets import kinds
from augmix.suite.testsets.kinds.clean import Clean
from augmix.suite.testsets.kinds.corruptions import Corruptions

CLASSIFICATION = ("error", "brier", "rms_calibration", "nll", "ece")


def made_up(count: int, classes: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities float64 (count, classes), labels, and the four numbers of each as an evaluation gives them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.3), count)
    labels = np.where(rng.random(count) < 0.6, p.argmax(1), rng.integers(0, classes, count))
    numbers = np.empty(count, NUMBERS)
    numbers["prediction"], numbers["confidence"] = p.argmax(1), p.max(1)
    numbers["true_probability"], numbers["squared_sum"] = p[np.arange(count), labels], (p**2).sum(1)
    return p, labels, numbers


def plain_rms(p: np.ndarray, labels: np.ndarray) -> float:
    order = np.argsort(p.max(1).astype(np.float32), kind="stable")
    correct = (p.argmax(1) == labels)[order]
    groups = np.array_split(np.arange(len(p)), [100 * i for i in range(1, len(p) // 100)])
    gaps = [(p.max(1)[order][g].mean() - correct[g].mean()) ** 2 * len(g) for g in groups]
    return math.sqrt(sum(gaps) / len(p))


def plain_ece(p: np.ndarray, labels: np.ndarray) -> float:
    confidence, correct = p.max(1), p.argmax(1) == labels
    total = 0.0
    for low, high in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


PLAIN: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "error": lambda p, y: np.mean(p.argmax(1) != y),
    "brier": lambda p, y: np.mean(((p - np.eye(p.shape[1])[y]) ** 2).sum(1)),
    "rms_calibration": plain_rms,
    "nll": lambda p, y: -np.mean(np.log(p[np.arange(len(y)), y])),
    "ece": plain_ece,
}


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_every_measure_of_classes_equals_plain_numpy(name: str) -> None:
    for count in (1, 99, 730):
        p, labels, numbers = made_up(count, seed=count)
        assert MEASURES[name].compute(numbers, labels) == pytest.approx(PLAIN[name](p, labels), rel=1e-4, abs=1e-6)


def test_a_probability_that_is_rounded_to_nothing_costs_much_and_not_everything() -> None:
    _, labels, numbers = made_up(50)
    numbers["true_probability"][3] = 0
    value = MEASURES["nll"].compute(numbers, labels)
    assert math.isfinite(value)
    assert value > 149 * math.log(2) / 50


@pytest.mark.parametrize("name", MEASURES)
def test_an_entry_names_all_that_it_needs(name: str) -> None:
    measure = MEASURES[name]
    assert measure.name == name
    assert set(measure.needs) <= set(NUMBERS.names or ())
    _, labels, numbers = made_up(200)
    truth = labels if name in CLASSIFICATION else np.array(False)
    shape = (-1,) if name in CLASSIFICATION else (20, 10)
    expected = measure.compute(numbers.reshape(shape), truth)
    for field in set(NUMBERS.names or ()) - set(measure.needs):
        numbers[field] = -1
    assert measure.compute(numbers.reshape(shape), truth) == expected


def test_every_kind_has_measures() -> None:
    for name in kinds.names():
        assert measures_of(kinds.kind(name))
    assert MEASURES["flip_probability"].compute(np.zeros((2, 3), NUMBERS), np.array(True)) == 0


def test_one_entry_adds_a_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    mean = Measure("mean_confidence", "Confidence", lambda n, y: float(n["confidence"].mean()), ("confidence",))
    monkeypatch.setitem(MEASURES, mean.name, mean)
    _, labels, numbers = made_up(60)
    rows = list(results.scores(Clean("clean", ""), Predictions({"clean": numbers}, labels, "x")))
    assert [row[2] for row in rows] == [*CLASSIFICATION, "mean_confidence"]
    assert rows[-1] == ("clean", "", "mean_confidence", float(numbers["confidence"].mean()))


def former_rows(
    archive: dict[str, np.ndarray], labels: np.ndarray, names: list[str]
) -> Iterator[tuple[str, int | str, str, float]]:
    """The rows of a -C as they were computed before test sets had kinds and measures entries."""

    def scores(numbers: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        correct = numbers["prediction"] == truth
        return {
            "error": metrics.error(numbers["prediction"], truth),
            "brier": metrics.brier_score(numbers["true_probability"], numbers["squared_sum"]),
            "rms_calibration": metrics.rms_calibration_error(numbers["confidence"], correct),
        }

    cells = {name: [scores(archive[name][s], labels[s]) for s in range(5)] for name in names}
    for name, severities in cells.items():
        for severity, found in enumerate(severities, 1):
            for metric, value in found.items():
                yield name, severity, metric, value
        for metric in severities[0]:
            yield name, "", metric, float(np.mean([found[metric] for found in severities]))
    entering = [name for name in names if name in CORRUPTIONS]
    for metric in ("error", "brier", "rms_calibration"):
        by_severity = [np.mean([cells[name][s][metric] for name in entering]) for s in range(5)]
        for severity, mean in enumerate(by_severity, 1):
            yield "mean", severity, metric, float(mean)
        shift = "mCE" if metric == "error" else "mean"
        if shift == "mean" or len(entering) == len(CORRUPTIONS):
            yield shift, "", metric, float(np.mean(by_severity))
    pooled = np.concatenate([archive[name] for name in entering], axis=1)
    correct = pooled["prediction"] == np.tile(labels, len(entering))
    yield "pooled", "", "rms_calibration", metrics.rms_calibration_error(pooled["confidence"], correct)


@pytest.mark.parametrize("names", [(*CORRUPTIONS, "saturate"), ("saturate", "fog", "pixelate")])
def test_the_numbers_are_those_of_before_to_the_bit(names: tuple[str, ...]) -> None:
    archive, labels = {}, np.tile(made_up(130)[1], (5, 1))
    for i, name in enumerate(names):
        parts = [made_up(130, seed=10 * i + s)[2] for s in range(5)]
        archive[name] = np.stack(parts)
    testset = Corruptions("C", "", names, "", None, False, None, "cifar", 0, False)
    found = list(results.scores(testset, Predictions(archive, labels.ravel(), "x")))
    former = list(former_rows(archive, labels, list(names)))
    assert [row for row in found if row[2] not in ("nll", "ece")] == former
    # The two that are new are there wherever the others are, and pooled where they are no means over images.
    for metric, like in (("nll", "brier"), ("ece", "rms_calibration")):
        places = [row[:2] for row in former if row[2] == like]
        assert [row[:2] for row in found if row[2] == metric] == places
    fewer = replace(testset, names=("saturate",))
    rows = results.scores(fewer, Predictions(archive, labels.ravel(), "x"))
    assert {row[0] for row in rows} == {"saturate"}, "nothing enters a mean"
