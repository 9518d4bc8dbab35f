"""Statistics: they agree with known tests where these apply, cover the truth, and make no sound of too little."""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest, dunnett, nct, t, ttest_ind, tukey_hsd

from reports.statistics import (
    Difference,
    Sample,
    aa_rate,
    against_control,
    among_pairs,
    calibration_floor,
    compare,
    confirm,
    detectable_difference,
    holm,
    mcnemar,
    rms_calibration,
    spread_of,
    told_apart_from_best,
)

NIGHTLY = "AUGMIX_TEST_NIGHTLY" in os.environ
Array = np.ndarray


@dataclass(frozen=True)
class World:
    """Nets that differ by method and seed on images of different difficulty: most are never got wrong.

    An image is got wrong when a normal variable exceeds a threshold. It is the sum of what the image does to all
    nets, to the nets of a method, to a single net, and of the net's own level.
    """

    errors: tuple[float, ...]
    """True errors of the methods."""
    relative_deviation: float
    """Of a net's true error over seeds."""
    spreads_differ: float = 0.0
    """Standard deviation of the logarithm of the methods' relative deviations."""
    copies: bool = True
    """Whether an image's score is its mean wrongness over many corrupted copies; else that of one clean image."""
    image: float = 1.5
    image_by_method: float = 0.45
    image_by_net: float = 0.7

    def scores(self, rng: np.random.Generator, seeds: int, images: int) -> Array:
        """(methods, seeds, images)."""
        true, methods = np.array(self.errors), len(self.errors)
        deviation = self.relative_deviation * np.exp(self.spreads_differ * rng.standard_normal(methods))
        alone = 0.8 if self.copies else 1.0
        without = self.image**2 + self.image_by_method**2 + self.image_by_net**2 + alone**2
        # The density at the threshold turns a shift of the level into a share of the errors.
        steepness = np.exp(-(ndtri(true) ** 2) / 2) / math.sqrt(2 * math.pi) / true
        relative = (deviation / steepness) ** 2
        level = np.sqrt(relative * without / (1 - np.minimum(relative, 0.5)))
        threshold = ndtri(true) * np.sqrt(without + level**2)
        shape = (methods, seeds, images)
        latent = (
            threshold[:, None, None]
            + self.image * rng.standard_normal(images)
            + self.image_by_method * rng.standard_normal((methods, 1, images))
            + self.image_by_net * rng.standard_normal(shape)
            + level[:, None, None] * rng.standard_normal((methods, seeds, 1))
        )
        if self.copies:
            return np.asarray(ndtr(latent / alone))
        return np.asarray(latent + alone * rng.standard_normal(shape) > 0, float)


CORRUPTED = World((0.06, 0.06, 0.055, 0.15), 0.2)
CLEAN = World((0.03, 0.025, 0.03, 0.04), 0.05, copies=False)


def named(scores: Array) -> dict[str, dict[int, Array]]:
    """(methods, seeds, images) as a mapping; methods are m00, m01, …"""
    return {f"m{m:02}": dict(enumerate(of)) for m, of in enumerate(scores)}


def without_images(values: Array) -> dict[str, dict[int, Array]]:
    """(methods, seeds): every image of a run has the run's figure, so that only seeds matter."""
    return named(np.repeat(values[:, :, None], 5, axis=2))


def figures_near_one(methods: int, seeds: int, shifts: tuple[float, ...]) -> Array:
    """Figures whose deviations are small beside them: relative deviations are then those in points."""
    rng = np.random.default_rng(methods + 10 * seeds)
    return np.asarray(1 + 0.01 * rng.standard_normal((methods, seeds)) + 0.01 * np.array(shifts)[:, None])


def wrong(images: int, *which: int) -> Array:
    found = np.zeros(images)
    found[list(which)] = 1
    return found


def covered(difference: Difference, truth: float) -> bool:
    assert difference.interval is not None
    return difference.interval.low <= truth <= difference.interval.high


def assert_sound(difference: Difference) -> None:
    """No number is NaN or infinite, and intervals contain their estimate."""
    for key, value in difference.row().items():
        assert not isinstance(value, float) or math.isfinite(value), key
    parts = [part.interval for part in (difference.seeds, difference.unpooled, difference.images) if part]
    for interval in [*parts, difference.interval, difference.family_interval]:
        assert interval is None or interval.low <= difference.estimate <= interval.high


# Against known tests


def test_dunnett_is_scipys_where_only_seeds_matter() -> None:
    values = figures_near_one(5, 4, (0, 0.5, 1, 2, 3))
    found = against_control(Sample.means(without_images(values), largest=2), "m00")
    known = dunnett(*values[1:], control=values[0], rng=np.random.default_rng(0))
    intervals = known.confidence_interval(0.95)
    for k, difference in enumerate(found):
        assert difference.p_adjusted == pytest.approx(known.pvalue[k], abs=0.01)
        assert difference.family_interval == pytest.approx((intervals.low[k], intervals.high[k]), abs=3e-4)
        assert (difference.family, difference.family_size, difference.adjustment) == ("against m00", 4, "Dunnett")
        assert (difference.verdict == "significant") == (known.pvalue[k] < 0.05)


def test_all_pairs_are_judged_as_by_tukey_where_only_seeds_matter() -> None:
    values = figures_near_one(4, 5, (0, 1, 2, 1.5))
    pairs = [("m00", "m01"), ("m00", "m02"), ("m00", "m03"), ("m01", "m02"), ("m01", "m03"), ("m02", "m03")]
    found = among_pairs(Sample.means(without_images(values), largest=2), pairs, family="all")
    known = tukey_hsd(*values).pvalue
    for difference, (one, other) in zip(found, pairs, strict=True):
        assert difference.p_adjusted == pytest.approx(known[int(one[1:]), int(other[1:])], abs=0.01)


def test_unpooled_is_welchs_t() -> None:
    scores = CORRUPTED.scores(np.random.default_rng(1), 4, 500)
    unpooled = compare(Sample.means(named(scores)), "m03", "m00").unpooled
    known = ttest_ind(scores[3].mean(1), scores[0].mean(1), equal_var=False)
    assert unpooled is not None
    assert unpooled.p == pytest.approx(known.pvalue)
    assert unpooled.interval == pytest.approx(tuple(known.confidence_interval(0.95)))


def test_holms_p_values() -> None:
    sample = Sample.means(named(CORRUPTED.scores(np.random.default_rng(2), 3, 300)))
    found = against_control(sample, "m03")
    together = holm([*found, found[0]], "two measures")
    p = sorted(d.p for d in together if d.p is not None)
    adjusted = sorted(d.p_adjusted for d in together if d.p_adjusted is not None)
    assert adjusted == pytest.approx(list(np.minimum(np.maximum.accumulate(np.array([4, 3, 2, 1]) * p), 1)))
    assert {(d.family, d.family_size, d.adjustment) for d in together} == {("two measures", 4, "Holm")}


def test_mcnemar_is_a_binomial_test() -> None:
    one, other = wrong(100, 1, 2, 3, 4, 5, 6), wrong(100, 6, 7)
    assert mcnemar(one, other) == (5, 1, binomtest(5, 6).pvalue)
    assert mcnemar(one, one) == (0, 0, 1.0)
    images = compare(Sample.means({"one": {0: one}, "other": {0: other}}), "one", "other").images
    assert images.p == binomtest(5, 6).pvalue


def test_images_alone_are_a_bootstrap_over_base_images() -> None:
    scores = CORRUPTED.scores(np.random.default_rng(3), 3, 800)
    images = compare(Sample.means(named(scores)), "m01", "m00").images
    each = (scores[1] - scores[0]).mean(0)
    assert images.standard_error == pytest.approx(each.std(ddof=1) / math.sqrt(800))
    half = 1.96 * each.std() / math.sqrt(800)
    assert images.interval == pytest.approx((each.mean() - half, each.mean() + half), abs=0.1 * half)


# Pooling


def test_degrees_of_freedom_are_those_of_all_methods_seeds() -> None:
    scores = named(CORRUPTED.scores(np.random.default_rng(4), 3, 300))
    assert spread_of(Sample.means(scores)).degrees_of_freedom == 4 * (3 - 1)
    del scores["m01"][2]
    spread = spread_of(Sample.means(scores))
    assert spread.degrees_of_freedom == 2 + 1 + 2 + 2
    assert spread.sentence.startswith("The spread over seeds is pooled over 4 methods (from ")
    scores["m00"] = {seed: np.zeros(300) for seed in range(3)}
    assert spread_of(Sample.means(scores)).degrees_of_freedom == 1 + 2 + 2


def test_a_method_of_one_seed_borrows_the_others_spread() -> None:
    scores = named(CORRUPTED.scores(np.random.default_rng(5), 4, 300))
    scores["m01"] = {0: scores["m01"][0]}
    difference = compare(Sample.means(scores), "m01", "m00")
    assert difference.interval is not None
    assert difference.seeds is not None
    assert difference.unpooled is None
    assert difference.n_seeds == (1, 4)


def test_pooled_deviation_is_that_of_the_logarithm() -> None:
    rng = np.random.default_rng(6)
    values = np.array([0.05, 0.1, 0.2])[:, None] * np.exp(0.1 * rng.standard_normal((3, 12)))
    spread = spread_of(Sample.means(without_images(values)))
    logarithms = math.sqrt(np.log(values).var(1, ddof=1).mean())
    assert spread.relative_deviation == pytest.approx(logarithms, rel=0.05)
    assert np.sqrt(spread.variances) == pytest.approx(spread.relative_deviation * values.mean(1))


def test_spreads_that_differ_too_much_are_not_pooled_and_it_says_so() -> None:
    rng = np.random.default_rng(7)
    values = 0.1 * np.exp(np.array([0.01, 0.01, 0.4])[:, None] * rng.standard_normal((3, 5)))
    sample = Sample.means(without_images(values))
    spread = spread_of(sample)
    assert not spread.pooled
    assert "differ too much to pool" in spread.sentence
    alike, unlike = compare(sample, "m00", "m01"), compare(sample, "m00", "m02")
    assert not alike.pooled
    assert alike.seeds is not None
    assert alike.unpooled is not None
    assert unlike.seeds is not None
    # Own spreads count most, and a little that of all methods.
    assert alike.unpooled.standard_error < alike.seeds.standard_error < unlike.seeds.standard_error
    assert 4 < alike.seeds.degrees_of_freedom <= 12


def test_equal_spreads_are_pooled() -> None:
    rng = np.random.default_rng(8)
    refused = 0
    for _ in range(300):
        values = 0.1 * np.exp(0.1 * rng.standard_normal((6, 3)))
        refused += not spread_of(Sample.means(without_images(values))).pooled
    assert refused / 300 < 0.25


# Both sources of chance at once


def test_the_variance_counts_seeds_images_and_their_interaction_once() -> None:
    world = World((0.1, 0.12), 0.08, image_by_net=1.5)
    rng = np.random.default_rng(9)
    found = [compare_quickly(world.scores(rng, 3, 150)) for _ in range(600)]
    estimates = np.array([d.estimate for d in found])
    expected = np.mean([d.standard_error**2 for d in found if d.standard_error is not None])
    assert expected == pytest.approx(estimates.var(), rel=0.15)
    # Each alone would be less, their sum more.
    seeds = np.mean([d.seeds.standard_error**2 for d in found if d.seeds is not None])
    images = np.mean([d.images.standard_error**2 for d in found])
    assert max(seeds, images) < expected < seeds + images


def compare_quickly(scores: Array) -> Difference:
    return compare(Sample.means(named(scores), draws=100), "m01", "m00")


CELLS = [(2, 2, 360), (3, 4, 360), (5, 2, 360)]
NIGHTLY_CELLS = [(s, m, n) for n in (360, 1000, 10_000) for m in (2, 4, 12) for s in (2, 3, 5, 12)]


@pytest.mark.parametrize(("seeds", "methods", "images"), NIGHTLY_CELLS if NIGHTLY else CELLS)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(CLEAN, id="clean"),
        pytest.param(CORRUPTED, id="corrupted"),
        pytest.param(World(CORRUPTED.errors, 0.2, spreads_differ=0.3), id="spreads differ"),
    ],
)
def test_intervals_cover_the_truth(world: World, seeds: int, methods: int, images: int) -> None:
    errors = np.resize(world.errors, methods)
    world = World(tuple(errors), world.relative_deviation, world.spreads_differ, world.copies)
    rng = np.random.default_rng([seeds, methods, images])
    times = int(np.clip(1e8 / (seeds * methods * images), 80, 1000)) if NIGHTLY else 300
    shares = []
    for _ in range(times):
        sample = Sample.means(named(world.scores(rng, seeds, images)), draws=100)
        spread = spread_of(sample)
        found = [compare(sample, f"m{m:02}", "m00", spread=spread) for m in range(1, methods)]
        shares.append(np.mean([covered(d, errors[m] - errors[0]) for m, d in enumerate(found, start=1)]))
    # Three standard errors of the simulation beyond 93–97 %; whole errors of few images make wider intervals.
    slack = 3 * np.std(shares) / math.sqrt(times)
    assert 0.93 - slack <= np.mean(shares) <= 0.97 + 0.01 * (not world.copies) + slack


def test_families_hold_together_and_the_best_is_among_the_bold() -> None:
    rng = np.random.default_rng(10)
    together = bold = 0
    times = 400 if NIGHTLY else 120
    for _ in range(times):
        sample = Sample.means(named(CORRUPTED.scores(rng, 3, 300)), draws=100)
        found = against_control(sample, "m00")
        truth = [error - CORRUPTED.errors[0] for error in CORRUPTED.errors[1:]]
        intervals = [d.family_interval for d in found]
        together += all(i is not None and i.low <= x <= i.high for i, x in zip(intervals, truth, strict=True))
        bold += not told_apart_from_best(sample)["m02"]
    assert together / times > 0.89
    assert bold / times > 0.93


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
    assert one.p == other.p
    assert one.interval is not None
    assert other.interval == (-one.interval.high, -one.interval.low)


def test_the_same_inputs_give_the_same_numbers() -> None:
    scores = named(CORRUPTED.scores(np.random.default_rng(13), 3, 300))
    rows = [[d.row() for d in against_control(Sample.means(scores), "m00")] for _ in range(2)]
    assert rows[0] == rows[1]
    backwards = {name: dict(reversed(of.items())) for name, of in reversed(scores.items())}
    again = {d.method: d for d in against_control(Sample.means(backwards), "m00")}
    for row in rows[0]:
        assert again[str(row["method"])].p_adjusted == pytest.approx(row["p_adjusted"], abs=2e-3)


def test_more_seeds_and_images_than_any_experiment_has_take_seconds() -> None:
    for seeds, images, limit in ((5, 1000, 10), (3, 10_000, 60)):
        errors = tuple(np.linspace(0.05, 0.15, 12))
        scores = named(World(errors, 0.1).scores(np.random.default_rng(14), seeds, images))
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


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.skipif(not NIGHTLY, reason="trains twelve nets")
def test_real_nets_are_not_told_apart_from_themselves() -> None:
    for scores in nets_on_digits():
        for size in (2, 3, 5, 6):
            assert aa_rate({"net": dict(enumerate(scores))}, size).rate <= 0.07


def test_a_method_is_not_told_apart_from_itself() -> None:
    found = [
        aa_rate(named(World((0.1, 0.12), 0.1).scores(np.random.default_rng(i), 12, 300)), 2, limit=100)
        for i in range(6)
    ]
    assert {(f.pairings, f.size) for f in found} == {(200, 2)}
    assert np.mean([f.rate for f in found]) <= 0.07


def test_every_pairing_comes_once() -> None:
    scores = World((0.1,), 0.1).scores(np.random.default_rng(15), 5, 50)[0]
    assert aa_rate({"net": dict(enumerate(scores))}, 2).pairings == 15  # 5!/(2! 2! 1!) / 2


# What can be seen


def test_detectable_difference_has_the_power_it_promises() -> None:
    values = figures_near_one(2, 12, (0, 0))
    difference = compare(Sample.means(without_images(values), largest=2), "m00", "m01")
    found = detectable_difference(difference)
    assert found is not None
    assert difference.standard_error is not None
    shift, critical = found / difference.standard_error, t.ppf(0.975, 22)
    assert 1 - nct.cdf(critical, 22, shift) == pytest.approx(0.8, abs=1e-3)


def test_more_seeds_see_smaller_differences_down_to_what_the_images_allow() -> None:
    sample = Sample.means(named(CORRUPTED.scores(np.random.default_rng(16), 3, 300)))
    difference = against_control(sample, "m00")[0]
    seen = [detectable_difference(difference, seeds=seeds) for seeds in (2, 3, 5, 12, 1_000_000)]
    assert all(value is not None for value in seen)
    assert seen == sorted(seen, key=lambda value: -(value or 0))
    assert seen[1] == pytest.approx(detectable_difference(difference), rel=0.01)
    assert (seen[-1] or 0) > 2.5 * 0.5 * difference.images.standard_error


# Too little, or nothing at all


@pytest.mark.parametrize(
    "scores",
    [
        pytest.param({"a": {0: wrong(50), 1: wrong(50)}, "b": {0: wrong(50), 1: wrong(50)}}, id="no errors"),
        pytest.param({"a": {0: wrong(50), 1: wrong(50)}, "b": {0: wrong(50, 1), 1: wrong(50)}}, id="one error"),
        pytest.param({"a": {0: 1 - wrong(50), 1: 1 - wrong(50)}, "b": {0: wrong(50), 1: wrong(50)}}, id="all errors"),
        pytest.param({"a": {0: wrong(50, 1)}, "b": {0: wrong(50, 2, 3)}}, id="one seed"),
        pytest.param({"a": {0: wrong(50, 1)}, "b": {0: wrong(50, 2), 1: wrong(50, 3), 2: None}}, id="unequal seeds"),
        pytest.param({"a": {0: wrong(50, 1), 1: wrong(50, 1)}, "b": {0: wrong(50, 1), 1: wrong(50, 1)}}, id="same"),
        pytest.param({"a": {0: [0, 1], 1: [1, 0]}, "b": {0: [0, 0], 1: [0, 1]}}, id="two images"),
    ],
)
def test_little_data_give_sound_statements(scores: dict[str, dict[int, Any]]) -> None:
    sample = Sample.means(scores)
    alone = compare(sample, "a", "b")
    for difference in [alone, *against_control(sample, "b"), *holm([alone], "alone")]:
        assert_sound(difference)
    assert detectable_difference(alone) is None or math.isfinite(detectable_difference(alone) or 0)
    assert set(told_apart_from_best(sample)) == {"a", "b"}
    assert "nan" not in spread_of(sample).sentence


def test_no_errors_at_all_are_no_difference_but_no_certainty() -> None:
    sample = Sample.means({name: {seed: wrong(1000) for seed in range(3)} for name in "ab"})
    difference = compare(sample, "a", "b")
    assert difference.verdict == "not significant"
    assert difference.interval is not None
    # The rule of three allows each method up to 3/1000.
    assert 0.003 < difference.interval.high < 0.006
    assert told_apart_from_best(sample) == {"a": False, "b": False}


def test_one_seed_cannot_tell_but_speaks_of_the_images() -> None:
    scores = CORRUPTED.scores(np.random.default_rng(17), 1, 500)
    sample = Sample.means(named(scores))
    for difference in [compare(sample, "m03", "m00"), *against_control(sample, "m00")]:
        assert difference.verdict == "cannot tell: one seed"
        assert difference.interval is difference.p is difference.seeds is None
        assert_sound(difference)
    assert not any(told_apart_from_best(sample).values())
    assert spread_of(sample).sentence.startswith("Every method has one seed")


def test_one_method_is_the_best() -> None:
    sample = Sample.means(named(CORRUPTED.scores(np.random.default_rng(18), 3, 100)[:1]))
    assert told_apart_from_best(sample) == {"m00": False}
    with pytest.raises(ValueError, match="there is no method besides 'm00'"):
        against_control(sample, "m00")


TWO: dict[str, dict[int, Any]] = {"a": {0: [0, 1, 0], 1: [1, 0, 0]}, "b": {0: [0, 0, 1], 1: [1, 1, 0]}}


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Sample.means({}), "there is no method"),
        (lambda: Sample.means({"a": {0: None}}), "method 'a' has no finished run; leave it out"),
        (lambda: Sample.means({"a": {0: [0, 1], 1: [0, 1, 0]}}), "some on 2, some on 3"),
        (lambda: Sample.means({"a": {0: [0]}}), "fewer than two images"),
        (lambda: Sample.means({"a": {0: [[0, 1]]}}), r"method 'a', seed 0: the scores have shape \(1, 2\)"),
        (lambda: Sample.means({"a": {0: [0, math.nan]}}), "a score is not finite; leave a diverged run out"),
        (lambda: Sample.means({"a": {0: [0, 2]}}), "scores are between 0 and 2; 0 to 1 is accepted"),
        (lambda: Sample.means({"a": {0: ["x", "y"]}}), "the scores are no numbers"),
        (lambda: Sample.means(TWO, draws=1), "at least 100 are needed"),
        (
            lambda: Sample.means(TWO, digests={"a": {0: "x", 1: "x"}, "b": {0: "x", 1: "y"}}),
            "method 'b', seed 1 was evaluated on other test images than method 'a', seed 0",
        ),
        (lambda: Sample.functionals({"a": {0: lambda weights: math.nan}}, 10), "the figure is nan"),
        (lambda: Sample.functionals({"a": {0: lambda weights: 0.5}}, 1), "at least two are needed"),
        (lambda: compare(Sample.means(TWO), "a", "c"), "there is no method 'c'; there are a, b"),
        (lambda: compare(Sample.means(TWO), "a", "a"), "method 'a' is compared with itself"),
        (lambda: compare(Sample.means(TWO), "a", "b", confidence=95), "confidence is 95; a number between 0 and 1"),
        (lambda: against_control(Sample.means(TWO), "b", ["a", "a"]), "given twice"),
        (lambda: among_pairs(Sample.means(TWO), [], family=""), "there is no pair"),
        (lambda: holm([], ""), "at least one difference"),
        (lambda: mcnemar(wrong(3), wrong(4)), "wrongness has shapes"),
        (lambda: mcnemar(wrong(3), wrong(3) + 0.5), "other values than 0 and 1"),
        (lambda: aa_rate(TWO, 2), "no method has more than 2 seeds; 4 or more are needed"),
        (lambda: detectable_difference(compare(Sample.means(TWO), "a", "b"), power=1), "power is 1"),
        (lambda: detectable_difference(compare(Sample.means(TWO), "a", "b"), seeds=1), "seeds is 1"),
        (lambda: confirm(TWO, "c"), "there is no method 'c'"),
        (lambda: confirm({"a": TWO["a"]}, "a"), "a sweep of one value"),
        (lambda: confirm({**TWO, "b": {0: [0, 0, 1]}}, "a"), "value 'b' has one seed"),
        (lambda: confirm(TWO, "a"), "at least four are needed"),
        (lambda: calibration_floor([0.5, 1.5]), "not between 0 and 1"),
        (lambda: calibration_floor([]), "confidence is empty"),
        (lambda: rms_calibration([0.5], [True, False]), "must be the same"),
        (lambda: rms_calibration([0.5], [True], 0), "bin_size is 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(act: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        act()
    assert "\n" not in str(refusal.value)


# Figures that are no means


def overconfident(rng: np.random.Generator, images: int, excess: float) -> tuple[Array, Array]:
    """Confidences and whether they were right, of a net that is `excess` too sure."""
    confidence = 1 - 0.5 * rng.random(images) ** 2
    return confidence, rng.random(images) < confidence - excess


def test_calibration_error_of_weighted_images_is_that_of_repeated_ones() -> None:
    rng = np.random.default_rng(19)
    confidence, correct = rng.random((60, 5)), rng.random((60, 5)) < 0.5
    weights = rng.multinomial(60, np.full(60, 1 / 60))
    repeated = np.repeat(np.arange(60), weights)
    found = rms_calibration(confidence, correct, 50)(weights.astype(np.int64))
    plain = rms_calibration(confidence[repeated], correct[repeated], 50)(np.ones(60, np.int64))
    assert found == pytest.approx(plain)
    gaps = (confidence - correct).ravel()[np.argsort(confidence, axis=None)]
    bins = [gaps[begin : begin + 50].mean() for begin in range(0, 300, 50)]
    everything = rms_calibration(confidence, correct, 50)(np.ones(60, np.int64))
    assert everything == pytest.approx(math.sqrt(np.mean(np.square(bins))))


def test_functionals_that_are_means_are_judged_as_means() -> None:
    scores = CORRUPTED.scores(np.random.default_rng(20), 3, 400)

    def mean_of(each: Array) -> Callable[[Array], float]:
        return lambda weights: float(weights @ each / len(each))

    runs = {name: {seed: mean_of(each) for seed, each in of.items()} for name, of in named(scores).items()}
    one = compare(Sample.functionals(runs, 400, draws=2000), "m03", "m00")
    other = compare(Sample.means(named(scores)), "m03", "m00")
    assert one.estimate == pytest.approx(other.estimate)
    assert one.standard_error == pytest.approx(other.standard_error, rel=0.03)
    assert one.images.interval == pytest.approx(other.images.interval, abs=0.15 * other.images.standard_error)


def test_nets_of_different_calibration_are_told_apart() -> None:
    rng = np.random.default_rng(21)
    runs = {
        name: {seed: rms_calibration(*overconfident(rng, 2000, excess)) for seed in range(3)}
        for name, excess in (("good", 0.0), ("same", 0.0), ("sure", 0.15))
    }
    sample = Sample.functionals(runs, 2000, draws=300)
    assert compare(sample, "sure", "good").verdict == "significant"
    assert compare(sample, "same", "good").verdict == "not significant"
    assert_sound(compare(sample, "same", "good"))


def test_calibration_floor_is_what_perfectly_calibrated_nets_score() -> None:
    rng = np.random.default_rng(22)
    confidence = overconfident(rng, 1000, 0)[0]
    floor = calibration_floor(confidence)
    ones = np.ones(1000, np.int64)
    scored = [rms_calibration(confidence, rng.random(1000) < confidence)(ones) for _ in range(400)]
    assert floor.expected == pytest.approx(float(np.mean(scored)), rel=0.03)
    assert np.mean(np.array(scored) > floor.upper) == pytest.approx(0.05, abs=0.035)
    assert rms_calibration(confidence, rng.random(1000) < confidence - 0.1)(ones) > floor.upper


# Sweeps


def swept(rng: np.random.Generator, errors: Mapping[str, float], seeds: int = 4) -> dict[str, dict[int, Array]]:
    scores = World(tuple(errors.values()), 0.1).scores(rng, seeds, 120)
    return {name: dict(enumerate(of)) for name, of in zip(errors, scores, strict=True)}


def test_choosing_among_equals_claims_no_more_than_it_promises() -> None:
    rng = np.random.default_rng(23)
    fresh = stale = 0
    times = 100
    for _ in range(times):
        scores = swept(rng, dict.fromkeys("abcdefgh", 0.1))
        found = confirm(scores, "a")
        assert found.tried == 8
        fresh += found.difference is not None and found.difference.verdict == "significant"
        sample = Sample.means(scores, draws=100)
        lowest = sample.methods[int(np.argmin(sample.figures))]
        stale += lowest != "a" and compare(sample, lowest, "a").verdict == "significant"
    assert fresh / times <= 0.1
    assert stale > 2 * fresh


def test_a_better_value_is_chosen_and_confirmed() -> None:
    found = confirm(swept(np.random.default_rng(24), {"1": 0.3, "3": 0.3, "5": 0.1}, seeds=6), "3")
    assert (found.chosen, found.default, found.tried) == ("5", "3", 3)
    assert min(found.choosing, key=lambda name: found.choosing[name]) == "5"
    assert found.difference is not None
    assert (found.difference.method, found.difference.reference) == ("5", "3")
    assert found.difference.verdict == "significant"
    assert found.difference.n_seeds == (3, 3)
    assert found.difference.n_images == 60


def test_the_default_needs_no_confirmation() -> None:
    found = confirm(swept(np.random.default_rng(25), {"1": 0.3, "3": 0.1}), "3")
    assert (found.chosen, found.difference) == ("3", None)
    same = {name: {seed: wrong(10, 1) for seed in range(2)} for name in ("1", "3")}
    assert confirm(same, "3").chosen == "3"


def test_a_sweep_of_two_seeds_has_one_to_test_with() -> None:
    found = confirm(swept(np.random.default_rng(26), {"1": 0.1, "3": 0.3}, seeds=2), "3")
    assert found.difference is not None
    assert found.difference.verdict == "cannot tell: one seed"
