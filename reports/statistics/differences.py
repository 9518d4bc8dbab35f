"""Differences between methods, with intervals over other seeds and other test images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import bdtr

from reports.statistics.chance import (
    LEVEL,
    NOTHING,
    Chance,
    Interval,
    Part,
    around,
    between_seeds,
    chance_of,
    contrast_of,
)
from reports.statistics.sample import FloatArray, Sample

Verdict = Literal["significant", "not significant", "cannot tell: one seed", "cannot tell: two seeds"]
Adjustment = Literal["none", "Bonferroni", "Holm"]


@dataclass(frozen=True)
class Difference:
    """The figure of `method` minus that of `reference`, in the scores' unit; None stands for what cannot be told.

    What is printed is `family_interval` with the verdict: zero lies outside of it where that is "significant", and only
    there. Everything else is for the CSV.
    """

    method: str
    reference: str
    n_seeds: tuple[int, int]
    """The numbers of seeds of the method and of the reference."""
    n_images: int
    estimate: float
    ratio: float | None
    """The figure over the reference's; None where the reference has no error."""
    chance: Chance | None
    """How it varies over other seeds and other images at once."""
    seeds: Part | None
    """Over other seeds on the same images: Welch's t of the two methods' own seeds."""
    images: Part
    """Over other images with the same nets: a paired bootstrap over base images."""
    family_size: int = 1
    """The number of the comparisons that share the risk of a false claim."""
    adjustment: Adjustment = "none"
    p_adjusted: float | None = None
    family_interval: Interval | None = None
    """After Bonferroni all of a family hold together in a share `CONFIDENCE` of experiments, after Holm each does."""

    @property
    def both(self) -> Part | None:
        """This difference alone as seeds and images together see it."""
        return None if self.chance is None else self.chance.part(self.estimate)

    @property
    def verdict(self) -> Verdict:
        """Whether the difference is significant, or that so few seeds cannot tell."""
        if self.p_adjusted is not None and self.p_adjusted < LEVEL:
            return "significant"
        if self.p_adjusted is None or min(self.n_seeds) == 1:
            return "cannot tell: one seed"
        return "cannot tell: two seeds" if min(self.n_seeds) == 2 else "not significant"

    def turned(self) -> "Difference":
        """The same difference seen from the other method."""
        return replace(
            self,
            method=self.reference,
            reference=self.method,
            n_seeds=(self.n_seeds[1], self.n_seeds[0]),
            estimate=-self.estimate,
            ratio=1 / self.ratio if self.ratio else None,
            seeds=self.seeds and _turned(self.seeds),
            images=_turned(self.images),
            family_interval=self.family_interval and _negative(self.family_interval),
        )

    def row(self) -> dict[str, str | float | int | None]:
        """The difference as one row of a CSV: column -> value; None is an empty cell."""
        return {
            "method": self.method,
            "reference": self.reference,
            "seeds": self.n_seeds[0],
            "reference_seeds": self.n_seeds[1],
            "images": self.n_images,
            "difference": self.estimate,
            "ratio": self.ratio,
            **_columns("", self.both),
            "family": "" if self.adjustment == "none" else f"against {self.reference}",
            "family_size": self.family_size,
            "adjustment": self.adjustment,
            "family_low": self.family_interval and self.family_interval.low,
            "family_high": self.family_interval and self.family_interval.high,
            "p_adjusted": self.p_adjusted,
            "verdict": self.verdict,
            **_columns("seeds_", self.seeds),
            **_columns("images_", self.images),
        }


class Discordance(NamedTuple):
    """Two nets' errors on the same images."""

    only_first: int
    """Images that the first alone gets wrong."""
    only_second: int
    p: float


def mcnemar(first: Sequence[bool] | FloatArray, second: Sequence[bool] | FloatArray) -> Discordance:
    """McNemar's exact test of two nets' wrongness on the same images, (N,) of 0 and 1 each.

    Where both err alike, an image that one alone gets wrong is as probably the one's as the other's: a binomial test
    of a half (McNemar, Psychometrika 12, 1947). It is about these two nets, not about other seeds.
    """
    one, other = np.asarray(first, float), np.asarray(second, float)
    only_first, only_second = int(np.sum(one > other)), int(np.sum(other > one))
    p = min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))
    return Discordance(only_first, only_second, p)


def compare(sample: Sample, method: str, reference: str) -> Difference:
    """The difference of two methods, with an interval over other seeds and other test images at once; see `chance_of`.

    With one seed there is only `images`, about these very nets. The verdict "cannot tell: two seeds" stands where
    nothing was found and one of the methods has two seeds: the interval is then several times as wide as more seeds
    with the same spread would make it.
    """
    pair, contrast, estimate = contrast_of(sample, method, reference)
    other = float(sample.figures[pair[1]])
    chance = chance_of(sample, method, reference)
    alone = between_seeds(sample, pair) if chance else Chance(0, 1, 0, 1)
    return difference_of(
        Difference(
            method=method,
            reference=reference,
            n_seeds=(int(sample.counts[pair[0]]), int(sample.counts[pair[1]])),
            n_images=sample.images,
            estimate=estimate,
            ratio=float(sample.figures[pair[0]]) / other if other > 0 else None,
            chance=chance,
            # A standard error of zero would be no statement about other seeds.
            seeds=alone.part(estimate) if alone.seeds else None,
            images=_images(sample, pair, contrast, estimate),
        )
    )


def difference_of(difference: Difference) -> Difference:
    """The difference with its own p value and interval as those that count."""
    both = difference.both
    return replace(difference, p_adjusted=both and both.p, family_interval=both and both.interval)


def against_control(sample: Sample, control: str) -> list[Difference]:
    """Every other method against one control, as a family after Bonferroni.

    Each interval is `Chance.half_width`. Dunnett's test would take the spreads over seeds for alike, which few seeds
    cannot show: with spreads as unlike as real ones 9 % of its families of eleven make a false claim, and 12–14 %
    where the control's is the widest.
    """
    others = [name for name in sample.methods if name != control]
    return _family([compare(sample, name, control) for name in others], "Bonferroni")


def holm(differences: Iterable[Difference]) -> list[Difference]:
    """The differences, maybe of several samples, as one family after Holm (Scand. J. Statist. 6, 1979).

    Step by step the difference that is clearest among the k which are left is judged as one of k, until one is not
    significant. An interval is as wide as the step that decides on its difference asks for, so that the two agree; it
    holds in at least a share `CONFIDENCE` of experiments, as no step's is narrower than that of the difference alone.
    Differences without a p value do not count. Earlier adjustments are replaced.
    """
    return _family(list(differences), "Holm")


def told_apart_from_best(sample: Sample, lower_is_better: bool = True) -> dict[str, bool]:
    """Method -> whether it is surely not the best; the others may be, and are what a table prints in bold.

    The true best is among them in at least a share `CONFIDENCE` of experiments, as in Hsu's comparisons with the best
    (Annals of Statistics 9, 1981): each method is the control of one-sided tests, here after Bonferroni. Where one
    seed says nothing, no method is told apart.
    """
    sign = 1 if lower_is_better else -1

    several = [name for name, count in zip(sample.methods, sample.counts, strict=True) if count > 1]

    def beaten(name: str) -> bool:
        others = [(sign * contrast_of(sample, name, other)[2], other) for other in several if other != name]
        # The best of them beat most: what follows is rarely computed.
        for estimate, other in sorted(others, reverse=True):
            chance = chance_of(sample, name, other) if estimate > 0 else None
            if chance is not None and estimate > chance.half_width(2 * LEVEL, len(others)):
                return True
        return False

    return {name: beaten(name) for name in sample.methods}


def _images(sample: Sample, pair: Sequence[int], contrast: FloatArray, estimate: float) -> Part:
    """The images alone: an interval from the bootstrap's percentiles, and a p value."""
    variance, one_image = float(contrast @ sample.image_covariance @ contrast), (sample.largest / sample.images) ** 2
    low = high = estimate
    if variance > one_image * NOTHING:
        tails = LEVEL / 2, 1 - LEVEL / 2
        low, high = (float(bound) for bound in np.quantile(sample.resampled @ contrast, tails))
    chance = Chance(0.0, 1.0, variance, sample.image_degrees_of_freedom(contrast))
    if low == high:
        # No image tells the methods apart, or too few for one to be missing from a resample that counts.
        chance = Chance(0.0, 1.0, max(variance, one_image), 2.0)
        low, high = chance.part(estimate).interval
    p = chance.p(estimate)
    if sample.scores is not None and (sample.counts[pair] == 1).all():
        runs = [sample.scores @ sample.averaging[m] for m in pair]
        if all(np.isin(run, (0, 1)).all() for run in runs):
            p = mcnemar(*runs).p
    return Part(chance.error, chance.degrees, Interval(low, high), p)


def _family(given: Sequence[Difference], adjustment: Adjustment) -> list[Difference]:
    """The differences with p values and intervals of a family, of which those without a p value are no part."""
    left = {i: (one.chance, one.estimate) for i, one in enumerate(given) if one.chance is not None}
    size = deciding = len(left)
    found = [replace(one, family_size=size, adjustment=adjustment) for one in given]
    highest = 0.0
    while left:
        step = len(left) if adjustment == "Holm" else size
        if highest < LEVEL:
            deciding = step  # the first step that finds nothing decides on all that are left
        p, i = min((chance.p(estimate, step), i) for i, (chance, estimate) in left.items())
        chance, estimate = left.pop(i)
        highest = max(highest, p)
        interval = around(estimate, chance.half_width(LEVEL, deciding))
        found[i] = replace(found[i], p_adjusted=highest, family_interval=interval)
    return found


def _negative(interval: Interval) -> Interval:
    return Interval(-interval.high, -interval.low)


def _turned(part: Part) -> Part:
    return part._replace(interval=_negative(part.interval))


def _columns(prefix: str, part: Part | None) -> dict[str, float | None]:
    return {
        f"{prefix}low": part and part.interval.low,
        f"{prefix}high": part and part.interval.high,
        f"{prefix}standard_error": part and part.standard_error,
        f"{prefix}degrees_of_freedom": part and part.degrees_of_freedom,
        f"{prefix}p": part and part.p,
    }
