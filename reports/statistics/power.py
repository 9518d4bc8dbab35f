"""What an experiment can see, and what it sees where nothing is."""

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from reports.statistics.differences import CONFIDENCE, Difference, total_of
from reports.statistics.joint import chi, quantile, two_sided
from reports.statistics.sample import Sample, Scores
from reports.statistics.spread import spread_of


def detectable_difference(difference: Difference, *, power: float = 0.8, seeds: int | None = None) -> float | None:
    """The true difference that such an experiment calls significant with probability `power`, in the scores' unit.

    It rests on the difference's standard error and on the critical value of its family, not on its estimate (the
    power at the estimate would say no more than the p value): the noncentral t distribution is solved for its
    noncentrality. With `seeds` it is that of an experiment with so many seeds of every method, of which the spread is
    what it is here. None where nothing is known of the spread over seeds.
    Raises ValueError for a `power` that is not above 1 − confidence and below 1, or fewer than two `seeds`.
    """
    if not 1 - difference.confidence < power < 1:
        raise ValueError(f"power is {power}; a number above {1 - difference.confidence:g} and below 1 is accepted")
    if seeds is not None and seeds < 2:
        raise ValueError(f"seeds is {seeds}; at least 2 are needed for a spread")
    error, degrees, critical = difference.standard_error, difference.degrees_of_freedom, difference.critical
    if error is None or degrees is None or critical is None:
        return None
    if seeds is not None and difference.seeds is not None:
        here = difference.seeds.standard_error**2
        images = max(error**2 - here, 0.0)
        # Of two methods with different numbers of seeds, what counts is the harmonic mean.
        mean = 2 / sum(1 / count for count in difference.n_seeds)
        there = here * mean / seeds
        known = difference.seeds_degrees_of_freedom * (seeds - 1) / max(mean - 1, 1 / 2)
        image_share = error**2 / degrees - here / difference.seeds.degrees_of_freedom
        before = two_sided(critical, degrees)
        error = (there + images) ** 0.5
        degrees = error**2 / (there / known + max(image_share, 0.0))
        # The same share of false claims as for a single comparison at the family's critical value.
        critical = quantile(1 - before / 2, degrees)
    return error * _noncentrality(critical, degrees, power)


def _noncentrality(critical: float, degrees: float, power: float) -> float:
    # A noncentral t exceeds the critical value where a normal exceeds it times the chi variable.
    border = critical * chi(degrees)

    def missing(shift: float) -> float:
        return float(np.mean(ndtr(shift - border) + ndtr(-shift - border))) - power

    high = critical + 1
    while missing(high) < 0:
        high *= 2
    return float(brentq(missing, 0.0, high, xtol=1e-9))


class FalseClaims(NamedTuple):
    """How often a method was told apart from itself."""

    claims: int
    pairings: int
    size: int
    """Seeds on each side."""

    @property
    def rate(self) -> float:
        return self.claims / self.pairings


def aa_rate(
    scores: Scores, size: int, *, confidence: float = CONFIDENCE, limit: int = 2_000, largest: float = 1.0
) -> FalseClaims:
    """The A/A test: of each method `size` seeds against `size` others, judged as if they were two methods.

    `scores` has (N,) arrays of scores per method and seed, as in `Sample.means`. Each pairing is judged in a table in
    which the other methods have `size` seeds, too, and help to tell the spread. All pairings of a method are judged,
    or where there are more than `limit` of them, so many at random (always the same). Methods with fewer than
    2 × `size` seeds are not tested.
    The share of claims should be about 1 − `confidence`, which is what the statistics promise where nothing differs.
    Pairings of the same few runs are not independent: the share of one method's twelve seeds varies much more than
    that of so many coin tosses, so give several methods or more seeds where you can.
    Raises ValueError when `size` is below two, no method has 2 × `size` seeds, or scores are bad.
    """
    sample = Sample.means(scores, largest=largest)
    if size < 2 or sample.counts.max() < 2 * size:
        raise ValueError(
            f"no method has more than {sample.counts.max()} seeds; {2 * max(size, 2)} or more are needed, half of "
            "them on a side"
        )
    ends = np.cumsum(sample.counts)
    places = [np.arange(end - count, end) for end, count in zip(ends, sample.counts, strict=True)]
    claims = pairings = 0
    for name, own in zip(sample.methods, places, strict=True):
        if len(own) < 2 * size:
            continue
        beside = {other: there for other, there in zip(sample.methods, places, strict=True) if other != name}
        for turn, (one, other) in enumerate(_pairings(len(own), size, limit)):
            # The others' seeds take turns, lest all pairings rest on the same few.
            span = range(turn * size, (turn + 1) * size)
            rest = {f"beside {third}": np.unique(there.take(span, mode="wrap")) for third, there in beside.items()}
            part = sample.regroup({"one": own[list(one)], "other": own[list(other)], **rest})
            total = total_of(part, spread_of(part), "one", "other")
            claims += total is not None and total.p < 1 - confidence
            pairings += 1
    return FalseClaims(claims, pairings, size)


def _pairings(count: int, size: int, limit: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Disjoint pairs of `size` of `count` places, each once."""
    if comb(count, size) * comb(count - size, size) // 2 <= limit:
        for one in combinations(range(count), size):
            # The half with the lowest place is named first: each pairing comes once.
            rest = [place for place in range(one[0] + 1, count) if place not in one]
            for other in combinations(rest, size):
                yield one, other
        return
    rng = np.random.default_rng(0)
    seen: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
    while len(seen) < limit:
        places = [int(place) for place in rng.permutation(count)[: 2 * size]]
        one, other = sorted((tuple(sorted(places[:size])), tuple(sorted(places[size:]))))
        if (one, other) not in seen:
            seen.add((one, other))
            yield one, other
