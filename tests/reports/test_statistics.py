"""Statistics: they agree with known tests where these apply, cover the truth, and make no sound of too little."""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, nct, t, ttest_ind

from augmix import metrics
from augmix.suite.evaluate.measures import MEASURES
from augmix.suite.evaluate.predictions import NUMBERS
from augmix.suite.evaluate.scores import EACH
from reports.evidence import Compared
from reports.statistics.calibration import calibration_floor
from reports.statistics.chance import LEVEL, Chance, chance_of, welch
from reports.statistics.differences import (
    Difference,
    against_control,
    compare,
    holm,
    mcnemar,
    told_apart_from_best,
)
from reports.statistics.power import detectable_difference
from reports.statistics.sample import Sample
from reports.statistics.sweeps import confirm
from tests.reports.worlds import REAL_DEVIATIONS, REAL_ERRORS, WORLDS, World, coverage, named

NIGHTLY = "AUGMIX_TEST_NIGHTLY" in os.environ
Array = np.ndarray
CORRUPTED = World((0.06, 0.06, 0.055, 0.15), (0.2,))


def without_images(values: Array) -> dict[str, dict[int, Array]]:
    """(methods, seeds): every image of a run has the run's figure, so that only seeds matter."""
    return named(np.repeat(values[:, :, None], 5, axis=2))


def wrong(images: int, *which: int) -> Array:
    found = np.zeros(images)
    found[list(which)] = 1
    return found


def interval(difference: Difference) -> tuple[float, float]:
    assert difference.both is not None
    return difference.both.interval


def assert_sound(difference: Difference) -> None:
    """No number is NaN or infinite, and intervals contain their estimate."""
    for key, value in difference.row().items():
        assert not isinstance(value, float) or math.isfinite(value), key
    parts = [part.interval for part in (difference.seeds, difference.both, difference.images) if part]
    for found in [*parts, difference.family_interval]:
        assert found is None or found.low <= difference.estimate <= found.high


# Against known tests


def test_many_seeds_that_alone_matter_are_judged_by_welchs_t() -> None:
    rng = np.random.default_rng(1)
    values = 1 + np.array([0.01, 0.03])[:, None] * rng.standard_normal((2, 400)) + np.array([[0.0], [0.002]])
    found = compare(Sample.means(without_images(values), 2), "m01", "m00")
    known = ttest_ind(values[1], values[0], equal_var=False)
    assert found.both is not None
    assert found.both.p == pytest.approx(known.pvalue, rel=0.01)
    assert found.both.interval == pytest.approx(tuple(known.confidence_interval(0.95)), rel=0.01)


def test_degrees_of_freedom_are_between_the_fewer_seeds_and_all_of_them() -> None:
    for seeds in (2, 3, 5, 12):
        degrees = np.array([seeds - 1, seeds - 1])
        assert welch(np.array([1.0, 1.0]), degrees) == pytest.approx(2 * (seeds - 1))
        unlike = [welch(np.array([1.0, ratio]), degrees) for ratio in (1, 2, 10, 1e9)]
        assert unlike == sorted(unlike, reverse=True)
        assert unlike[-1] > seeds - 1
    for fewer, more in ((2, 3), (3, 5), (4, 5)):
        degrees = np.array([fewer - 1, more - 1])
        alike = welch(np.array([1 / fewer, 1 / more]), degrees)
        assert fewer - 1 < alike < 2 * (fewer - 1)
        assert welch(np.array([1e9, 1]), degrees) == pytest.approx(fewer - 1)
    assert welch(np.zeros(2), np.array([2, 3])) > 0


def test_a_family_is_bonferronis_where_only_seeds_matter() -> None:
    values = 1 + 0.01 * np.random.default_rng(2).standard_normal((4, 5)) + np.array([[0], [0.01], [0.02], [0.03]])
    found = against_control(Sample.means(without_images(values), 2), "m00")
    for one in found:
        assert one.both is not None
        assert one.p_adjusted == pytest.approx(min(1, 3 * one.both.p), rel=1e-5)
        half = t.ppf(1 - 0.025 / 3, one.both.degrees_of_freedom) * one.both.standard_error
        assert one.family_interval == pytest.approx((one.estimate - half, one.estimate + half))
        assert (one.row()["family"], one.family_size, one.adjustment) == ("against m00", 3, "Bonferroni")


@pytest.mark.parametrize("adjustment", ["Bonferroni", "Holm"])
def test_a_difference_is_significant_where_its_printed_interval_excludes_zero(adjustment: str) -> None:
    rng = np.random.default_rng(3)
    seen = set()
    for seeds in (2, 3, 5) * 40:
        world = World(tuple(0.1 + 0.06 * rng.random(5)), tuple(0.2 * rng.random(5)))
        found = against_control(Sample.means(named(world.scores(rng, seeds, 200))), "m00")
        found = holm(found) if adjustment == "Holm" else found
        assert {one.adjustment for one in found} == {adjustment}
        for one in found:
            low, high = Compared(one, MEASURES["error"], True).interval or (0, 0)
            assert one.both is not None
            assert low <= 100 * one.both.interval.low < 100 * one.both.interval.high <= high
            excludes = low > 0 or high < 0
            assert (one.verdict == "significant") == excludes
            assert (one.p_adjusted or 0) >= one.both.p
            seen.add((excludes, one.both.p < LEVEL, seeds))
    # In each, the interval of the difference alone would have said otherwise of some.
    assert {(True, True), (False, True), (False, False)} <= {(told, alone) for told, alone, _ in seen}
    assert (False, True, 2) in seen


def test_a_step_of_holm_finds_what_bonferroni_does_not() -> None:
    values = 1 + 0.01 * np.random.default_rng(4).standard_normal((4, 5)) + np.array([[0], [0.02], [0.03], [0.04]])
    family = against_control(Sample.means(without_images(values), 2), "m00")
    found = holm(family)
    assert [one.verdict for one in family] != [one.verdict for one in found]
    widths = [one.family_interval.high - one.family_interval.low for one in found if one.family_interval]
    assert max(widths) > min(widths)


@pytest.mark.parametrize("size", [1, 2, 3, 11, 40])
def test_p_values_and_intervals_of_any_variances_agree(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(100):
        parts = [*10 ** rng.uniform(-3, 0, 2)]
        chance = Chance(parts[0], 10 ** rng.uniform(0, 1.5), parts[1], 10 ** rng.uniform(0, 4))
        width = chance.half_width(LEVEL, size)
        assert chance.p(1.0001 * width, size) < LEVEL < chance.p(0.9999 * width, size)
        assert width <= chance.half_width(LEVEL, size + 1)


def test_holms_p_values() -> None:
    values = 1 + 0.01 * np.random.default_rng(4).standard_normal((4, 5)) + np.array([[0], [0.01], [0.02], [0.03]])
    found = against_control(Sample.means(without_images(values), 2), "m00")
    together = holm([*found, found[0]])
    p = sorted(d.both.p for d in together if d.both is not None)
    adjusted = sorted(d.p_adjusted for d in together if d.p_adjusted is not None)
    expected = np.minimum(np.maximum.accumulate(np.array([4, 3, 2, 1]) * p), 1)
    assert adjusted == pytest.approx(list(expected), rel=1e-5)
    assert {(d.family_size, d.adjustment) for d in together} == {(4, "Holm")}


def test_a_p_value_is_the_level_at_which_the_interval_excludes_zero() -> None:
    for chance in (Chance(1, 1.4, 0, 1), Chance(1, 2.5, 0.3, 40), Chance(0.1, 4, 1, 300)):
        for size in (1, 3, 11):
            widths = [chance.half_width(level, size) for level in (0.2, 0.05, 0.001)]
            assert [chance.p(width, size) for width in widths] == pytest.approx([0.2, 0.05, 0.001], rel=1e-4)
            assert chance.half_width(0.05, size) >= chance.half_width(0.05)
        assert chance.p(0, 11) == chance.p(0) == 1
        assert chance.p(1e9, 11) < 1e-6


def test_mcnemar_is_a_binomial_test() -> None:
    one, other = wrong(100, 1, 2, 3, 4, 5, 6), wrong(100, 6, 7)
    assert mcnemar(one, other) == (5, 1, pytest.approx(binomtest(5, 6).pvalue))
    assert mcnemar(one, one) == (0, 0, 1.0)
    images = compare(Sample.means({"one": {0: one}, "other": {0: other}}), "one", "other").images
    assert images.p == pytest.approx(binomtest(5, 6).pvalue)


def test_images_alone_are_a_bootstrap_over_base_images() -> None:
    scores = CORRUPTED.scores(np.random.default_rng(3), 3, 800)
    images = compare(Sample.means(named(scores)), "m01", "m00").images
    each = (scores[1] - scores[0]).mean(0)
    assert images.standard_error == pytest.approx(each.std(ddof=1) / math.sqrt(800))
    half = 1.96 * each.std() / math.sqrt(800)
    assert images.interval == pytest.approx((each.mean() - half, each.mean() + half), abs=0.1 * half)


# Both sources of chance at once


def test_the_variance_counts_seeds_images_and_their_interaction_once() -> None:
    world = World((0.1, 0.12), (0.08,), image_by_net=1.5)
    rng = np.random.default_rng(9)
    found = []
    for _ in range(600):
        sample = Sample.means(named(world.scores(rng, 3, 150)))
        chance = chance_of(sample, "m01", "m00")
        assert chance is not None
        found.append((sample.figures[1] - sample.figures[0], chance.error**2, chance.seeds, _images(sample)))
    estimates, both, seeds, images = np.array(found).T
    assert both.mean() == pytest.approx(estimates.var(), rel=0.15)
    # Each alone would be less, their sum more.
    assert max(seeds.mean(), images.mean()) < both.mean() < seeds.mean() + images.mean()


def _images(sample: Sample) -> float:
    contrast = np.array([-1.0, 1.0])
    return float(contrast @ sample.image_covariance @ contrast)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("seeds", [2, 3, 5, 12] if NIGHTLY else [2, 5])
@pytest.mark.parametrize("images", [360, 10_000] if NIGHTLY else [360])
@pytest.mark.parametrize("methods", [2, 12] if NIGHTLY else [4])
def test_the_interval_of_every_pair_covers_the_truth(world: str, seeds: int, images: int, methods: int) -> None:
    times = int(np.clip(1e8 / (seeds * methods * images), 200, 1500)) if NIGHTLY else 200
    found = coverage(WORLDS[world], seeds, methods, images, times)
    # Four standard errors of the simulation beyond 93–97 %; whole errors of few images make wider intervals.
    slack = 4 * math.sqrt(0.05 * 0.95 / times)
    whole = 0.01 if world == "clean" and seeds == 2 else 0
    for share in found.pairs.values():
        assert 0.93 - slack <= share <= 0.97 + whole + slack
    assert found.family >= 0.94 - slack


def test_spreads_are_not_pooled() -> None:
    """Two methods' interval does not depend on what others there are."""
    scores = named(World(REAL_ERRORS, REAL_DEVIATIONS).scores(np.random.default_rng(10), 3, 300))
    one = compare(Sample.means(scores), "m00", "m02")
    alone = compare(Sample.means({name: scores[name] for name in ("m00", "m02")}), "m00", "m02")
    assert interval(alone) == pytest.approx(interval(one))


def test_the_best_is_among_the_bold() -> None:
    rng = np.random.default_rng(10)
    times = 400 if NIGHTLY else 100
    samples = (Sample.means(named(CORRUPTED.scores(rng, 3, 300))) for _ in range(times))
    assert np.mean([not told_apart_from_best(sample)["m02"] for sample in samples]) > 0.93


def test_one_image_in_each_of_two_seeds_is_no_difference() -> None:
    sample = Sample.means(
        {"one": {0: wrong(360, 1, 2), 1: wrong(360, 1, 3)}, "other": {0: wrong(360, 2), 1: wrong(360, 3)}}
    )
    difference = compare(sample, "one", "other")
    assert difference.estimate == pytest.approx(1 / 360)
    assert difference.verdict == "cannot tell: two seeds"
    assert_sound(difference)


def test_a_clear_difference_is_found() -> None:
    found = against_control(Sample.means(named(CORRUPTED.scores(np.random.default_rng(11), 5, 1000))), "m03")
    assert {d.verdict for d in found} == {"significant"}
    assert all(d.family_interval is not None and d.family_interval.high < 0 for d in found)


def test_swapping_the_methods_changes_the_sign_only() -> None:
    sample = Sample.means(named(CORRUPTED.scores(np.random.default_rng(12), 3, 300)))
    one, other = compare(sample, "m00", "m03"), compare(sample, "m03", "m00")
    low, high = interval(one)
    assert interval(other) == (-high, -low)
    turned = one.turned()
    assert turned.row() == pytest.approx(other.row() | {"ratio": 1 / one.ratio if one.ratio else None}, abs=1e-4)


def test_the_same_inputs_give_the_same_numbers() -> None:
    scores = named(CORRUPTED.scores(np.random.default_rng(13), 3, 300))
    rows = [[d.row() for d in against_control(Sample.means(scores), "m00")] for _ in range(2)]
    assert rows[0] == rows[1]
    backwards = {name: dict(reversed(of.items())) for name, of in reversed(scores.items())}
    again = {d.method: d for d in against_control(Sample.means(backwards), "m00")}
    for row in rows[0]:
        assert again[str(row["method"])].p_adjusted == pytest.approx(row["p_adjusted"])


def test_more_seeds_and_images_than_any_experiment_has_take_seconds() -> None:
    for seeds, images, limit in ((5, 1000, 10), (3, 10_000, 60)):
        errors = tuple(np.linspace(0.05, 0.15, 12))
        scores = named(World(errors, (0.1,)).scores(np.random.default_rng(14), seeds, images))
        begin = time.process_time()
        sample = Sample.means(scores)
        against_control(sample, "m00")
        against_control(sample, "m01")
        told_apart_from_best(sample)
        assert time.process_time() - begin < limit / 4  # four measures


# A method against itself


def nets_on_digits() -> tuple[Array, Array]:
    """Twelve small nets that differ in their seed: (12, images) wrongness, and mean wrongness over corrupted copies."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    pixels, labels = load_digits(return_X_y=True)
    pixels, rng = pixels / 16, np.random.default_rng(0)
    order = rng.permutation(len(pixels))
    train, test = order[:1437], order[1437:]
    clean = pixels[test]
    noisy = [np.clip(clean + s * rng.standard_normal(clean.shape), 0, 1) for s in (0.1, 0.2, 0.3) for _ in range(3)]
    moved = [np.roll(clean.reshape(-1, 8, 8), k, axis).reshape(-1, 64) for axis in (1, 2) for k in (-1, 1)]
    errors, corrupted = [], []
    for seed in range(12):
        net = MLPClassifier((32,), learning_rate_init=3e-3, max_iter=30, random_state=seed)
        net.fit(pixels[train], labels[train])
        errors.append(net.predict(clean) != labels[test])
        corrupted.append(np.mean([net.predict(images) != labels[test] for images in noisy + moved], axis=0))
    return np.array(errors), np.array(corrupted)


def claims_about_itself(scores: Array, size: int) -> list[bool]:
    """The A/A test: `size` of a method's nets against `size` others, all pairings, as if they were two methods."""

    def pairings() -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        for one in combinations(range(len(scores)), size):
            rest = [place for place in range(one[0] + 1, len(scores)) if place not in one]
            yield from ((one, other) for other in combinations(rest, size))

    found = list(pairings())
    every = max(1, len(found) // 500)
    return [
        compared.both is not None and compared.both.p < LEVEL
        for one, other in found[::every]
        for compared in [
            compare_runs({"one": dict(enumerate(scores[list(one)])), "other": dict(enumerate(scores[list(other)]))})
        ]
    ]


class Judged:
    """A difference without the bootstrap, which the A/A test does not need."""

    def __init__(self, sample: Sample) -> None:
        chance = chance_of(sample, "one", "other")
        self.both = None if chance is None else chance.part(float(sample.figures[0] - sample.figures[1]))


def compare_runs(runs: Mapping[str, Mapping[int, Array]]) -> Judged:
    return Judged(Sample.means(runs))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.nightly
def test_real_nets_are_not_told_apart_from_themselves() -> None:
    clean, corrupted = nets_on_digits()
    for size in (2, 3, 5, 6):
        assert np.mean(claims_about_itself(clean, size)) <= 0.07
        assert np.mean(claims_about_itself(corrupted, size)) <= 0.07
    # The test could fail: by the test images alone, which take these nets for all there are, it does.
    pairs = [Sample.means({"one": {0: one}, "other": {0: other}}) for one, other in combinations(corrupted, 2)]
    alone = [Chance(0, 1, _images(pair), 100).p(float(np.diff(pair.figures)[0])) < LEVEL for pair in pairs]
    assert np.mean(alone) > 0.2


def test_a_method_is_not_told_apart_from_itself() -> None:
    scores = [World((0.1,), (0.1,)).scores(np.random.default_rng(i), 6, 300)[0] for i in range(20)]
    found = [claims_about_itself(runs, 2) for runs in scores]
    assert {len(claims) for claims in found} == {45}  # every pairing once: 6! / (2! 2! 2!) / 2
    assert np.mean(found) <= 0.07


# Power


def test_detectable_difference_has_the_power_it_promises() -> None:
    values = 1 + 0.01 * np.random.default_rng(5).standard_normal((2, 12))
    difference = compare(Sample.means(without_images(values), 2), "m00", "m01")
    found = detectable_difference(difference)
    assert found is not None
    assert difference.both is not None
    degrees = difference.both.degrees_of_freedom
    shift, critical = found / difference.both.standard_error, t.ppf(0.975, degrees)
    assert 1 - nct.cdf(critical, degrees, shift) == pytest.approx(0.8, abs=1e-3)


def test_more_seeds_see_smaller_differences() -> None:
    scores = CORRUPTED.scores(np.random.default_rng(16), 12, 300)
    seen = []
    for seeds in (2, 3, 5, 12):
        found = against_control(Sample.means(named(scores[:, :seeds])), "m03")
        seen.append(np.mean([detectable_difference(one) or 0 for one in found]))
    assert seen == sorted(seen, reverse=True)


# Too little, or nothing at all


@pytest.mark.parametrize(
    "scores",
    [
        pytest.param({"a": {0: wrong(50), 1: wrong(50)}, "b": {0: wrong(50), 1: wrong(50)}}, id="no errors"),
        pytest.param({"a": {0: wrong(50), 1: wrong(50)}, "b": {0: wrong(50, 1), 1: wrong(50)}}, id="one error"),
        pytest.param({"a": {0: 1 - wrong(50), 1: 1 - wrong(50)}, "b": {0: wrong(50), 1: wrong(50)}}, id="all errors"),
        pytest.param({"a": {0: wrong(50, 1)}, "b": {0: wrong(50, 2, 3)}}, id="one seed"),
        pytest.param({"a": {0: wrong(50, 1)}, "b": {0: wrong(50, 2), 1: wrong(50, 3)}}, id="unequal seeds"),
        pytest.param({"a": {0: wrong(50, 1), 1: wrong(50, 1)}, "b": {0: wrong(50, 1), 1: wrong(50, 1)}}, id="same"),
        pytest.param({"a": {0: [0, 1], 1: [1, 0]}, "b": {0: [0, 0], 1: [0, 1]}}, id="two images"),
    ],
)
def test_little_data_give_sound_statements(scores: dict[str, dict[int, Any]]) -> None:
    sample = Sample.means(scores)
    alone = compare(sample, "a", "b")
    for difference in [alone, *against_control(sample, "b"), *holm([alone])]:
        assert_sound(difference)
    assert detectable_difference(alone) is None or math.isfinite(detectable_difference(alone) or 0)
    assert set(told_apart_from_best(sample)) == {"a", "b"}


def test_no_errors_at_all_are_no_difference_but_no_certainty() -> None:
    sample = Sample.means({name: {seed: wrong(1000) for seed in range(3)} for name in "ab"})
    difference = compare(sample, "a", "b")
    assert difference.verdict == "not significant"
    # The rule of three allows each method up to 3/1000.
    assert 0.003 < interval(difference)[1] < 0.006
    assert told_apart_from_best(sample) == {"a": False, "b": False}


def test_one_seed_cannot_tell_but_speaks_of_the_images() -> None:
    scores = CORRUPTED.scores(np.random.default_rng(17), 1, 500)
    sample = Sample.means(named(scores))
    for difference in [compare(sample, "m03", "m00"), *against_control(sample, "m00")]:
        assert difference.verdict == "cannot tell: one seed"
        assert difference.both is difference.seeds is difference.p_adjusted is None
        assert_sound(difference)
    assert not any(told_apart_from_best(sample).values())


def test_a_method_of_one_seed_does_not_borrow_the_others_spread() -> None:
    scores = named(CORRUPTED.scores(np.random.default_rng(5), 4, 300))
    scores["m01"] = {0: scores["m01"][0]}
    found = {one.method: one for one in against_control(Sample.means(scores), "m00")}
    assert (found["m01"].both, found["m01"].n_seeds, found["m01"].verdict) == (None, (1, 4), "cannot tell: one seed")
    assert {one.family_size for one in found.values()} == {2}
    assert found["m03"].both is not None


def test_one_method_is_the_best() -> None:
    sample = Sample.means(named(CORRUPTED.scores(np.random.default_rng(18), 3, 100)[:1]))
    assert told_apart_from_best(sample) == {"m00": False}
    assert against_control(sample, "m00") == []
    assert holm([]) == []


# Calibration


def overconfident(rng: np.random.Generator, images: int, excess: float, nets: int = 1) -> tuple[Array, Array]:
    """`nets` records of `NUMBERS` of nets that are `excess` too sure, and the labels; hard images are hard to all."""
    hard = rng.standard_normal(images)
    numbers = np.zeros((nets, images), NUMBERS)
    probability = 1 / (1 + np.exp(-1.5 - 0.7 * hard - 0.7 * rng.standard_normal((nets, images))))
    numbers["prediction"] = rng.random((nets, images)) > probability
    numbers["confidence"] = np.clip(probability + excess, 0, 1)
    return numbers, np.zeros(images, np.int64)


@pytest.mark.parametrize(
    ("metric", "figure"),
    [("rms_calibration", metrics.rms_calibration_error), ("ece", metrics.expected_calibration_error)],
)
def test_scores_of_calibration_have_its_mean_and_its_spread_over_images(
    metric: str, figure: Callable[[Array, Array], float]
) -> None:
    rng = np.random.default_rng(19)
    values, errors = [], []
    for _ in range(300):
        numbers, labels = overconfident(rng, 1000, 0.08)
        each = EACH[metric](numbers[0], labels)
        values.append(each.mean())
        errors.append(each.var() / 1000)
        assert values[-1] == pytest.approx(figure(numbers[0]["confidence"], numbers[0]["prediction"] == 0), abs=1e-12)
    assert np.mean(errors) == pytest.approx(np.var(values), rel=0.25)


@pytest.mark.parametrize("metric", ["rms_calibration", "ece"])
def test_intervals_of_calibration_cover_the_truth(metric: str) -> None:
    rng = np.random.default_rng(20)
    differences, halves = [], []
    for _ in range(300 if NIGHTLY else 150):
        numbers, labels = overconfident(rng, 1000, 0, nets=6)
        excess = np.where(np.arange(6) < 3, 0.1, 0.05) + 0.01 * rng.standard_normal(6)
        numbers["confidence"] = np.clip(numbers["confidence"] + excess[:, None], 0, 1)
        scores = [EACH[metric](each, labels) for each in numbers]
        sample = Sample.means({"sure": dict(enumerate(scores[:3])), "less": dict(enumerate(scores[3:]))})
        chance = chance_of(sample, "sure", "less")
        assert chance is not None
        differences.append(sample.figures[0] - sample.figures[1])
        halves.append(chance.half_width(LEVEL))
    assert 0.9 <= np.mean(np.abs(differences - np.mean(differences)) <= halves) <= 0.99


@pytest.mark.parametrize("copies", [1, 20])
@pytest.mark.parametrize("alike", [False, True])
def test_calibration_floor_is_what_perfectly_calibrated_nets_score(copies: int, alike: bool) -> None:
    """`alike`: a net errs on all copies of an image or on none."""
    rng = np.random.default_rng(22)
    squares, floors = [], []
    for _ in range(200):
        confidence = np.repeat(1 - 0.5 * rng.random((400, 1)) ** 2, copies, 1) - 1e-3 * rng.random((400, copies))
        correct = rng.random((400, 1 if alike else copies)) < confidence
        squares.append(metrics.rms_calibration_error(confidence, correct) ** 2)
        floors.append(calibration_floor(confidence, correct) ** 2)
    assert np.mean(floors) == pytest.approx(np.mean(squares), rel=0.12)


def test_a_miscalibrated_net_has_the_floor_of_a_calibrated_one() -> None:
    rng = np.random.default_rng(23)
    confidence = 1 - 0.5 * rng.random(2000) ** 2
    good, bad = (rng.random(2000) < confidence - excess for excess in (0, 0.15))
    assert calibration_floor(confidence, bad) == pytest.approx(calibration_floor(confidence, good))
    assert metrics.rms_calibration_error(confidence, bad) > 2 * calibration_floor(confidence, bad)


# Sweeps


def swept(rng: np.random.Generator, errors: Mapping[str, float], seeds: int = 4) -> dict[str, dict[int, Array]]:
    scores = World(tuple(errors.values()), (0.1,)).scores(rng, seeds, 120)
    return {name: dict(enumerate(of)) for name, of in zip(errors, scores, strict=True)}


def test_choosing_among_equals_claims_no_more_than_it_promises() -> None:
    rng = np.random.default_rng(23)
    fresh = stale = 0
    times = 100
    for _ in range(times):
        scores = swept(rng, dict.fromkeys("abcdefgh", 0.1))
        sample = Sample.means(scores)
        _, difference = confirm(sample, "a")
        fresh += difference is not None and difference.verdict == "significant"
        lowest = sample.methods[int(np.argmin(sample.figures))]
        chance = chance_of(sample, lowest, "a") if lowest != "a" else None
        stale += chance is not None and chance.p(float(sample.figures.min() - sample.figures[0])) < LEVEL
    assert fresh / times <= 0.1
    assert stale > 2 * fresh


def test_a_better_value_is_chosen_and_confirmed() -> None:
    scores = swept(np.random.default_rng(24), {"1": 0.3, "3": 0.3, "5": 0.1}, seeds=6)
    chosen, difference = confirm(Sample.means(scores), "3")
    assert chosen == "5"
    assert difference is not None
    assert (difference.method, difference.reference) == ("5", "3")
    assert difference.verdict == "significant"
    assert difference.n_seeds == (3, 3)
    assert difference.n_images == 60


def test_the_default_needs_no_confirmation() -> None:
    assert confirm(Sample.means(swept(np.random.default_rng(25), {"1": 0.3, "3": 0.1})), "3") == ("3", None)
    same = {name: {seed: wrong(10, 1) for seed in range(2)} for name in ("1", "3")}
    assert confirm(Sample.means(same), "3") == ("3", None)


def test_a_sweep_of_two_seeds_has_one_to_test_with() -> None:
    scores = swept(np.random.default_rng(26), {"1": 0.1, "3": 0.3}, seeds=2)
    _, difference = confirm(Sample.means(scores), "3")
    assert difference is not None
    assert difference.verdict == "cannot tell: one seed"
