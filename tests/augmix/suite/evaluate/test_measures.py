"""Measures: one entry each, equal to plain NumPy, and to the bit what they were before they had entries."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from augmix import metrics
from augmix.corruptions import CORRUPTIONS
from augmix.errors import UserError
from augmix.suite.evaluate import results, scores
from augmix.suite.evaluate.measures import MEASURES, Measure, measures_of, truth
from augmix.suite.evaluate.predictions import RANKED, Predictions
from augmix.suite.testsets import kinds
from augmix.suite.testsets.kinds.clean import Clean
from augmix.suite.testsets.kinds.corruptions import Corruptions
from augmix.suite.testsets.kinds.perturbations import Perturbations

CLASSIFICATION = ("error", "brier", "rms_calibration", "nll", "ece", "aurc")


def made_up(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities float64 (count, 7), labels, and the numbers of each as an evaluation gives them."""
    rng, classes = np.random.default_rng(seed), 7
    p = rng.dirichlet(np.full(classes, 0.3), count)
    labels = np.where(rng.random(count) < 0.6, p.argmax(1), rng.integers(0, classes, count))
    numbers = np.empty(count, RANKED)
    numbers["log_sum"], numbers["top5"] = rng.normal(size=count), np.argsort(-p, axis=1)[:, :5]
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


def plain_aurc(p: np.ndarray, labels: np.ndarray) -> float:
    order = sorted(range(len(p)), key=lambda i: -p[i].max())
    wrong = [p[i].argmax() != labels[i] for i in order]
    return float(np.mean([np.mean(wrong[:k]) for k in range(1, len(p) + 1)]))


PLAIN: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "error": lambda p, y: np.mean(p.argmax(1) != y),
    "brier": lambda p, y: np.mean(((p - np.eye(p.shape[1])[y]) ** 2).sum(1)),
    "rms_calibration": plain_rms,
    "nll": lambda p, y: -np.mean(np.log(p[np.arange(len(y)), y])),
    "ece": plain_ece,
    "aurc": plain_aurc,
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
    assert set(measure.needs) <= set(RANKED.names or ())
    _, labels, numbers = made_up(200)
    labels = truth(measure, labels, labels[::-1])
    known = np.array(False) if measure.sequences else labels > 3 if measure.outside else labels
    shape = (20, 10) if measure.sequences else (-1,)
    expected = measure.compute(numbers.reshape(shape), known)
    for field in set(RANKED.names or ()) - set(measure.needs):
        numbers[field] = -1
    assert measure.compute(numbers.reshape(shape), known) == expected


def test_every_kind_has_measures() -> None:
    for name in kinds.names():
        assert measures_of(kinds.kind(name))
    assert MEASURES["flip_probability"].compute(np.zeros((2, 3), RANKED), np.array(True)) == 0


@pytest.mark.parametrize(("name", "score"), [("", "confidence"), ("_energy", "log_sum")])
def test_outside_images_are_told_from_clean_ones(name: str, score: str) -> None:
    _, _, clean = made_up(140, seed=1)
    _, labels, outside = made_up(90, seed=2)
    outside[score] -= 0.1
    testset = replace(Clean("svhn", ""))
    object.__setattr__(testset, "outside", True)
    rows = list(results.scores(testset, Predictions({"clean": outside}, labels, "x"), clean))
    values = {row[2]: row[3] for row in rows}
    assert list(values) == ["ood_auroc", "ood_fpr95", "ood_auroc_energy", "ood_fpr95_energy"]
    pairs = [np.sign(i - o) for i in clean[score].tolist() for o in outside[score].tolist()]
    assert values[f"ood_auroc{name}"] == pytest.approx(0.5 + np.mean(pairs) / 2)
    threshold = np.sort(outside[score])[round(0.95 * 90 + 1e-9) - 1]  # 86 of 90 are nearer to 95 % than 85
    assert values[f"ood_fpr95{name}"] == pytest.approx(np.mean(clean[score] <= threshold))


@pytest.mark.parametrize("metric", ["ood_auroc", "ood_fpr95"])
@pytest.mark.parametrize("outside", ["as many", "fewer", "more", "its own"])
def test_the_shares_of_images_vary_as_the_measure_of_outside_images_does(metric: str, outside: str) -> None:
    rng, count = np.random.default_rng(5), 400
    made = {"fewer": 250, "more": 900}.get(outside, count)
    values, errors = [], []
    for _ in range(400):
        clean, other = np.zeros(count, RANKED), np.zeros(made, RANKED)
        level = rng.normal(size=count)
        clean["confidence"] = level + 1.5
        # Images that were made of the clean ones go with them.
        other["confidence"] = (
            0.8 * level + 0.6 * rng.normal(size=count) if outside == "its own" else rng.normal(size=made)
        )
        each = scores.OF_OUTSIDE[metric](clean, other)
        both = np.concatenate([clean, other])
        values.append(MEASURES[metric].compute(both, np.arange(count + made) >= count))
        assert each.mean() == pytest.approx(values[-1], abs=1e-12)
        errors.append(each.std(ddof=1) / count**0.5)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


@pytest.mark.parametrize("against_first", [False, True])
def test_the_top_five_move_as_the_authors_count_it(against_first: bool) -> None:
    rng = np.random.default_rng(3)
    logits = np.cumsum(rng.normal(size=(6, 8, 12)), axis=1)
    numbers = np.zeros((6, 8), RANKED)
    numbers["top5"] = np.argsort(-logits, axis=2)[..., :5]
    counts = np.cumsum([0] + [1] * 5 + [0] * 6)  # of the first ranks, how many lie below a rank: the sixth counts last
    distances = []
    for sequence in logits:
        ranks = [np.argsort(np.argsort(-frame)) for frame in sequence]
        for i in range(1, 8):
            before = ranks[0 if against_first else i - 1]
            sigma = ranks[i][np.argsort(before)]
            distances.append(np.abs(counts[:5] - counts[sigma][:5]).sum())
    found = MEASURES["top5_distance"].compute(numbers, np.array(against_first))
    assert found == pytest.approx(np.mean(distances))
    assert found > 1


def test_the_top_five_are_asked_for() -> None:
    testset = Perturbations("P", "", ("tilt",), "", None, False, None, "cifar", 0, False)
    numbers = np.zeros((3, 4), RANKED)
    numbers["top5"] = np.arange(5)
    numbers["top5"][:, 2:] = np.arange(5)[::-1]
    archive = Predictions({"tilt": numbers}, np.zeros(3, np.int64), "x")
    assert {row[2] for row in results.scores(testset, archive)} == {"flip_probability"}
    rows = list(results.scores(replace(testset, top5=True), archive))
    assert ("tilt", "", "top5_distance", 12 / 3) in rows
    assert ("mean", "", "top5_distance", 12 / 3) in rows
    assert "top5" in replace(testset, top5=True).evaluated_with()
    assert "top5" not in testset.evaluated_with()
    replace(testset, top5=True).check(["a", "b", "c", "d", "e"])
    testset.check(["a", "b"])
    with pytest.raises(UserError, match="P: 'top5' needs five classes, and there are 2; leave it out"):
        replace(testset, top5=True).check(["a", "b"])


@pytest.mark.parametrize("count", [1, 6, 300])
def test_the_shares_of_images_in_the_risk_coverage_area(count: int) -> None:
    _, labels, numbers = made_up(count)
    numbers["confidence"] = numbers["confidence"].round(1)  # many are equal
    area = MEASURES["aurc"].compute
    value, each = area(numbers, labels), scores.EACH["aurc"](numbers, labels)
    assert each.mean() == pytest.approx(value)
    if count == 6:
        orders = [list(order) for order in permutations(range(6))]
        falling = [o for o in orders if (np.diff(numbers["confidence"][o]) <= 0).all()]
        wrong = numbers["prediction"] != labels
        areas = [np.mean(np.cumsum(wrong[order]) / np.arange(1, 7)) for order in falling]
        assert len(falling) > 1
        assert value == pytest.approx(np.mean(areas)), "the order of images of equal confidence decides nothing"
    if count == 300:  # an image more of one kind moves the value as its share says
        many = np.repeat(np.arange(300), 100)
        value, each = area(numbers[many], labels[many]), scores.EACH["aurc"](numbers[many], labels[many])
        for i in (0, 7, 150, 299):
            more = np.r_[many, i]
            change = area(numbers[more], labels[more]) - value
            assert change * 30001 == pytest.approx(each[100 * i] - value, rel=0.01)


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
    assert [row for row in found if row[2] not in ("nll", "ece", "aurc")] == former
    # Those that are new are there wherever the others are, and pooled where they are no means over images.
    for metric, like in (("nll", "brier"), ("ece", "rms_calibration"), ("aurc", "rms_calibration")):
        places = [row[:2] for row in former if row[2] == like]
        assert [row[:2] for row in found if row[2] == metric] == places
    fewer = replace(testset, names=("saturate",))
    rows = results.scores(fewer, Predictions(archive, labels.ravel(), "x"))
    assert {row[0] for row in rows} == {"saturate"}, "nothing enters a mean"
