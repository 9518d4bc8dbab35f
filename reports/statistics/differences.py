"""Differences between methods, with intervals over other seeds and other test images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtr
from scipy.stats import binomtest

from reports.statistics.joint import Largest, quantile, two_sided
from reports.statistics.sample import FloatArray, Sample
from reports.statistics.spread import Spread, spread_of, welch

CONFIDENCE = 0.95
NOTHING = 1e-6
"""A variance is zero that is below this share of what one image makes."""
FEW = 20
"""Degrees of freedom over images of methods that differ on about ten images."""

Verdict = Literal["significant", "not significant", "cannot tell: one seed", "cannot tell: two seeds"]
Adjustment = Literal["none", "Dunnett", "single step", "Holm"]


class Interval(NamedTuple):
    """What contains the true difference in a given share of experiments."""

    low: float
    high: float


class Part(NamedTuple):
    """What one source of chance alone says of a difference."""

    standard_error: float
    degrees_of_freedom: float
    interval: Interval
    p: float


@dataclass(frozen=True)
class Difference:
    """The figure of `method` minus that of `reference`, in the scores' unit; None stands for what cannot be told.

    What is printed is `interval`, or `family_interval` where the difference is one of a family, with the verdict.
    Everything else is for the CSV.
    """

    method: str
    reference: str
    estimate: float
    ratio: float | None
    """The figure over the reference's; None where the reference has no error."""
    confidence: float
    standard_error: float | None
    """Of the estimate over other seeds and other images at once."""
    degrees_of_freedom: float | None
    interval: Interval | None
    """Over other seeds and other images at once, of this difference alone."""
    p: float | None
    family: str
    """What the comparisons are that share the risk of a false claim; empty for a difference alone."""
    family_size: int
    adjustment: Adjustment
    critical: float | None
    """What |estimate| / standard error must exceed."""
    family_interval: Interval | None
    """All intervals of the family hold together in a share `confidence` of experiments."""
    p_adjusted: float | None
    seeds: Part | None
    """Over other seeds on the same images, with the spread of all methods where they are alike."""
    unpooled: Part | None
    """Over other seeds on the same images, from the two methods' own seeds: Welch's t."""
    images: Part
    """Over other images with the same nets: a paired bootstrap over base images."""
    pooled: bool
    """Whether the spread over seeds is that of all methods; otherwise mostly the two methods' own."""
    seeds_degrees_of_freedom: float
    """Of the spread over seeds that `interval` rests on; 0 where nothing is known of it."""
    n_seeds: tuple[int, int]
    """Of the method and of the reference."""
    n_images: int
    verdict: Verdict

    def row(self) -> dict[str, str | float | int | None]:
        """The difference as one row of a CSV: column -> value; None is an empty cell."""
        found: dict[str, str | float | int | None] = {
            "method": self.method,
            "reference": self.reference,
            "seeds": self.n_seeds[0],
            "reference_seeds": self.n_seeds[1],
            "images": self.n_images,
            "difference": self.estimate,
            "ratio": self.ratio,
            "confidence": self.confidence,
            "low": self.interval and self.interval.low,
            "high": self.interval and self.interval.high,
            "standard_error": self.standard_error,
            "degrees_of_freedom": self.degrees_of_freedom,
            "p": self.p,
            "family": self.family,
            "family_size": self.family_size,
            "adjustment": self.adjustment,
            "family_low": self.family_interval and self.family_interval.low,
            "family_high": self.family_interval and self.family_interval.high,
            "p_adjusted": self.p_adjusted,
            "verdict": self.verdict,
            "pooled": str(self.pooled).lower(),
        }
        for name, part in (("seeds", self.seeds), ("unpooled", self.unpooled), ("images", self.images)):
            found |= {
                f"{name}_low": part and part.interval.low,
                f"{name}_high": part and part.interval.high,
                f"{name}_standard_error": part and part.standard_error,
                f"{name}_degrees_of_freedom": part and part.degrees_of_freedom,
                f"{name}_p": part and part.p,
            }
        return found


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
    Raises ValueError when the shapes differ, nothing is in them or there are other values than 0 and 1.
    """
    one, other = np.asarray(first, float), np.asarray(second, float)
    if one.shape != other.shape or one.ndim != 1 or not one.size:
        raise ValueError(f"wrongness has shapes {one.shape} and {other.shape}; two equal (images,) are accepted")
    if not (np.isin(one, (0, 1)).all() and np.isin(other, (0, 1)).all()):
        raise ValueError("wrongness has other values than 0 and 1")
    only_first, only_second = int(np.sum(one > other)), int(np.sum(other > one))
    apart = only_first + only_second
    return Discordance(only_first, only_second, float(binomtest(only_first, apart).pvalue) if apart else 1.0)


def compare(
    sample: Sample, method: str, reference: str, *, confidence: float = CONFIDENCE, spread: Spread | None = None
) -> Difference:
    """The difference of two methods, with an interval over other seeds and other test images at once.

    Seeds and images are crossed: every run sees all images. A figure varies by its seeds' own level, by the images,
    and by how seeds and images meet (Searle, Casella & McCulloch, "Variance Components", 1992, Chapter 5). The
    bootstrap over images holds the last two, the spread over seeds the first and the last, so their sum would count
    the last twice: the part of the images that all seeds share is taken from the covariances between seeds, and added
    to the variance between seeds (`spread_of`).

    The interval is estimate ± t · standard error. Its degrees of freedom are the harmonic mean of those of seeds and
    images, weighted by their shares of the variance. (Satterthwaite's, which squares the shares, cover 92 % instead
    of 95 % where two degrees meet a small known variance; these cover 94.2–96.4 % there.)
    `spread` is `spread_of(sample)` where it is at hand already.

    With one seed, unless other methods' seeds tell the spread, there is only `images`, about these very nets. The
    verdict "cannot tell: two seeds" stands where nothing was found with at most two degrees of freedom: the interval
    is then more than twice as wide as more seeds with the same spread would make it.
    Raises ValueError for an unknown method, a method against itself, or a confidence that is not between 0 and 1.
    """
    _check(confidence)
    return _alone(sample, spread or spread_of(sample), method, reference, confidence)


def against_control(
    sample: Sample,
    control: str,
    methods: Sequence[str] | None = None,
    *,
    family: str = "",
    confidence: float = CONFIDENCE,
    spread: Spread | None = None,
) -> list[Difference]:
    """Every other method (or `methods`) against one control, the risk of any false claim held as in Dunnett's test.

    The correlations come from the shared control's seeds and from the shared images. `family` names the comparisons.
    Raises ValueError for an unknown method, a control among `methods`, no method besides the control, or a bad
    confidence.
    """
    sample.index(control)
    others = [name for name in sample.methods if name != control] if methods is None else list(methods)
    if not others:
        raise ValueError(f"there is no method besides '{control}' to compare with it")
    pairs = [(name, control) for name in others]
    return _family(sample, pairs, family or f"against {control}", "Dunnett", confidence, spread)


def among_pairs(
    sample: Sample,
    pairs: Sequence[tuple[str, str]],
    *,
    family: str,
    confidence: float = CONFIDENCE,
    spread: Spread | None = None,
) -> list[Difference]:
    """Any (method, reference) pairs of one sample, the risk of any false claim held over all of them.

    A single-step test on the largest |t|, as in Dunnett's and Tukey's, with the pairs' own correlations.
    Raises ValueError for an unknown method, a method against itself, no pairs, or a bad confidence.
    """
    if not pairs:
        raise ValueError("there is no pair to compare; give at least one")
    return _family(sample, pairs, family, "single step", confidence, spread)


def holm(differences: Iterable[Difference], family: str) -> list[Difference]:
    """The differences as one family, their p values adjusted by Holm's method (Scand. J. Statist. 6, 1979).

    For comparisons of several samples, whose correlations are unknown. Holm's method has no intervals of its own:
    those of the family are Bonferroni's, which can be a little wider than the verdict. Differences without a p value
    do not count. Earlier adjustments are replaced. Raises ValueError when there is no difference, or their
    confidences are not one.
    """
    given = list(differences)
    if len({difference.confidence for difference in given}) != 1:
        raise ValueError("a family needs at least one difference, and one confidence for all")
    order = sorted((d.p, i) for i, d in enumerate(given) if d.p is not None)
    adjusted: dict[int, float] = {}
    highest = 0.0
    for rank, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = highest
    found = []
    for i, difference in enumerate(given):
        critical = None
        if difference.degrees_of_freedom is not None:
            tail = (1 - difference.confidence) / 2 / len(order)
            critical = quantile(1 - tail, difference.degrees_of_freedom)
        found.append(_judged(difference, family, len(order), "Holm", critical, adjusted.get(i)))
    return found


def told_apart_from_best(
    sample: Sample, *, confidence: float = CONFIDENCE, spread: Spread | None = None
) -> dict[str, bool]:
    """Method -> whether it is surely not the best; the others may be, and are what a table prints in bold.

    The true best, the method with the lowest true figure, is among them in at least a share `confidence` of
    experiments (Hsu, Annals of Statistics 9, 1981: each method is the control of a one-sided Dunnett test). Where one
    seed says nothing, no method is told apart. Raises ValueError for a bad confidence.
    """
    _check(confidence)
    spread = spread or spread_of(sample)
    return {name: _beaten(sample, spread, name, confidence) for name in sample.methods}


def _beaten(sample: Sample, spread: Spread, name: str, confidence: float) -> bool:
    pairs = [(name, other) for other in sample.methods if other != name]
    found = [(pair, total) for pair in pairs if (total := total_of(sample, spread, *pair)) is not None]
    # A method with the lowest figure is not beaten, whatever the distribution.
    if not any(total.estimate > 0 for _, total in found):
        return False
    # A probability lies between a single test's and Bonferroni's: only where these disagree it has to be computed.
    level = 1 - confidence
    single = [float(stdtr(total.degrees, -total.estimate / total.error)) for _, total in found]
    if min(single) * len(found) < level or min(single) >= level:
        return min(single) * len(found) < level
    largest = Largest(_correlation(sample, spread, [pair for pair, _ in found]), both_sides=False)
    return any(
        total.estimate > 0 and largest.probability(total.estimate / total.error, total.degrees) < level
        for _, total in found
    )


def _family(
    sample: Sample,
    pairs: Sequence[tuple[str, str]],
    family: str,
    adjustment: Adjustment,
    confidence: float,
    spread: Spread | None,
) -> list[Difference]:
    _check(confidence)
    if len(set(pairs)) < len(pairs):
        raise ValueError("a pair of methods is given twice")
    spread = spread or spread_of(sample)
    found = [_alone(sample, spread, method, reference, confidence) for method, reference in pairs]
    known = [(d.method, d.reference) for d in found if d.standard_error is not None]
    if not known:
        return [_judged(d, family, 0, adjustment, None, None) for d in found]
    largest = Largest(_correlation(sample, spread, known))
    judged = []
    for difference in found:
        degrees = difference.degrees_of_freedom
        if degrees is None:
            judged.append(_judged(difference, family, len(known), adjustment, None, None))
            continue
        assert difference.standard_error is not None
        p = largest.probability(abs(difference.estimate) / difference.standard_error, degrees)
        critical = largest.critical(1 - confidence, degrees)
        judged.append(_judged(difference, family, len(known), adjustment, critical, p))
    return judged


def _judged(
    difference: Difference,
    family: str,
    size: int,
    adjustment: Adjustment,
    critical: float | None,
    p_adjusted: float | None,
) -> Difference:
    interval = None
    if critical is not None and difference.standard_error is not None:
        interval = _around(difference.estimate, critical * difference.standard_error)
    return replace(
        difference,
        family=family,
        family_size=size,
        adjustment=adjustment,
        critical=critical,
        family_interval=interval,
        p_adjusted=p_adjusted,
        verdict=_verdict(p_adjusted, difference.seeds_degrees_of_freedom, difference.n_seeds, difference.confidence),
    )


class Total(NamedTuple):
    """A difference, and how it varies over seeds and images at once."""

    estimate: float
    error: float
    degrees: float
    p: float
    seeds_variance: float
    seeds_degrees: float


def total_of(sample: Sample, spread: Spread, method: str, reference: str) -> Total | None:
    """What `compare` rests on, without the bootstrap; None where nothing is known of the spread over seeds.

    Raises ValueError for an unknown method or a method against itself.
    """
    pair, contrast, estimate = _contrast(sample, method, reference)
    variances = spread.variances[pair] / sample.counts[pair]
    seeds, degrees = float(variances.sum()), spread.degrees_between(variances, pair)
    if not degrees:
        return None
    images = max(float(contrast @ sample.image_covariance @ contrast), 0.0)
    # The part of the images that all of a method's seeds share: the rest is in the seeds' already.
    shared = max(images - float(np.sum(spread.residuals[pair] / sample.counts[pair])), 0.0)
    image_degrees = sample.image_degrees_of_freedom(contrast)
    one_image = (sample.largest / sample.images) ** 2
    if seeds + shared > one_image * NOTHING:
        error = (seeds + shared) ** 0.5
        together = error**2 / (seeds / degrees + shared / image_degrees)
    else:
        # No image tells the methods or their seeds apart. One that does would be the least that can be seen.
        error, together = one_image**0.5, 2.0
    if image_degrees < FEW and images**0.5 * quantile(0.975, image_degrees) > error * quantile(0.975, together):
        # Seeds that happen to have equally many of few errors look alike. Other images would still have others.
        error, together = images**0.5, image_degrees
    return Total(estimate, error, together, two_sided(estimate / error, together), seeds, degrees)


def _contrast(sample: Sample, method: str, reference: str) -> tuple[list[int], FloatArray, float]:
    """Where the two methods stand, their weights (M,), and their difference."""
    i, j = sample.index(method), sample.index(reference)
    if i == j:
        raise ValueError(f"method '{method}' is compared with itself")
    contrast = np.zeros(len(sample.methods))
    contrast[i], contrast[j] = 1, -1
    return [i, j], contrast, float(sample.figures[i] - sample.figures[j])


def _alone(sample: Sample, spread: Spread, method: str, reference: str, confidence: float) -> Difference:
    pair, contrast, estimate = _contrast(sample, method, reference)
    own = spread.own[pair] / sample.counts[pair]
    total = total_of(sample, spread, method, reference)
    seeds = None if total is None else _part(estimate, total.seeds_variance, total.seeds_degrees, confidence)
    critical = None if total is None else quantile((1 + confidence) / 2, total.degrees)
    interval = None if total is None or critical is None else _around(estimate, critical * total.error)
    p = None if total is None else total.p
    degrees = 0.0 if total is None else total.seeds_degrees
    n_seeds = (int(sample.counts[pair[0]]), int(sample.counts[pair[1]]))
    reference_figure = float(sample.figures[pair[1]])
    return Difference(
        method=method,
        reference=reference,
        estimate=estimate,
        ratio=float(sample.figures[pair[0]]) / reference_figure if reference_figure > 0 else None,
        confidence=confidence,
        standard_error=None if total is None else total.error,
        degrees_of_freedom=None if total is None else total.degrees,
        interval=interval,
        p=p,
        family="",
        family_size=1,
        adjustment="none",
        critical=critical,
        family_interval=interval,
        p_adjusted=p,
        seeds=seeds,
        unpooled=_part(estimate, float(own.sum()), welch(own, spread.own_degrees_of_freedom[pair]), confidence),
        images=_images(sample, pair, contrast, estimate, confidence),
        pooled=spread.pooled,
        seeds_degrees_of_freedom=degrees,
        n_seeds=n_seeds,
        n_images=sample.images,
        verdict=_verdict(p, degrees, n_seeds, confidence),
    )


def _images(sample: Sample, pair: Sequence[int], contrast: FloatArray, estimate: float, confidence: float) -> Part:
    """The images alone: an interval from the bootstrap's percentiles, and a p value."""
    variance, one_image = float(contrast @ sample.image_covariance @ contrast), (sample.largest / sample.images) ** 2
    drawn = sample.resampled @ contrast if variance > one_image * NOTHING else np.full(1, estimate)
    low, high = (float(bound) for bound in np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]))
    degrees = sample.image_degrees_of_freedom(contrast)
    if variance <= one_image * NOTHING or low == high:
        # No image tells the methods apart, or too few for one to be missing from a resample that counts.
        variance, degrees = max(variance, one_image), 2.0
        low, high = _around(estimate, quantile((1 + confidence) / 2, degrees) * variance**0.5)
    error = variance**0.5
    p = two_sided(estimate / error, degrees)
    if sample.scores is not None and all(sample.counts[m] == 1 for m in pair):
        runs = [sample.scores @ sample.averaging[m] for m in pair]
        if all(np.isin(run, (0, 1)).all() for run in runs):
            p = mcnemar(*runs).p
    return Part(error, degrees, Interval(low, high), p)


def _part(estimate: float, variance: float, degrees: float, confidence: float) -> Part | None:
    """None where no spread is known or seen: a standard error of zero would be no statement about other seeds."""
    error = variance**0.5
    if not degrees or not error:
        return None
    interval = _around(estimate, quantile((1 + confidence) / 2, degrees) * error)
    return Part(error, degrees, interval, two_sided(estimate / error, degrees))


def _correlation(sample: Sample, spread: Spread, pairs: Sequence[tuple[str, str]]) -> FloatArray:
    """Of the pairs' differences, over seeds and images."""
    contrasts = np.zeros((len(pairs), len(sample.methods)))
    for row, (method, reference) in zip(contrasts, pairs, strict=True):
        row[sample.index(method)], row[sample.index(reference)] = 1, -1
    images = contrasts @ (sample.image_covariance - np.diag(spread.residuals / sample.counts)) @ contrasts.T
    # As in `_alone`, a variance over images is at least zero.
    positive = np.sqrt(np.maximum(np.diag(images), 0))
    scale = np.divide(positive, np.sqrt(np.abs(np.diag(images))), out=np.zeros(len(pairs)), where=positive > 0)
    seeds = contrasts @ np.diag(spread.variances / sample.counts) @ contrasts.T
    together = seeds + images * np.outer(scale, scale)
    deviations = np.sqrt(np.diag(together))
    # Differences that nothing moves have no correlation; they are judged as if independent, which is on the safe side.
    together[deviations == 0, :] = together[:, deviations == 0] = 0
    deviations = np.where(deviations > 0, deviations, 1)
    found = np.clip(together / np.outer(deviations, deviations), -1, 1)
    np.fill_diagonal(found, 1)
    return np.asarray(found, np.float64)


def _around(estimate: float, half: float) -> Interval:
    return Interval(estimate - half, estimate + half)


def _verdict(p: float | None, seeds_degrees: float, n_seeds: tuple[int, int], confidence: float) -> Verdict:
    if p is not None and p < 1 - confidence:
        return "significant"
    if p is None or (seeds_degrees <= 2 and min(n_seeds) == 1):
        return "cannot tell: one seed"
    return "cannot tell: two seeds" if seeds_degrees <= 2 and min(n_seeds) == 2 else "not significant"


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; a number between 0 and 1 is accepted")
