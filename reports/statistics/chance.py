"""How a difference between two methods varies over other seeds and other test images."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from reports.statistics.sample import FloatArray, IntArray, Sample

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
PRIOR = 0.5
"""The weight of what is expected, beside 1 of what is seen, in a method's share of the variance: see `welch`."""
NOTHING = 1e-6
"""A variance is zero that is below this share of what one image makes."""
FEW = 20
"""Degrees of freedom over images of methods that differ on about ten images."""


class Interval(NamedTuple):
    """An interval that contains the true difference in a given share of experiments."""

    low: float
    high: float


class Part(NamedTuple):
    """A difference as one source of chance, or all together, see it."""

    standard_error: float
    degrees_of_freedom: float
    interval: Interval
    p: float


@dataclass(frozen=True)
class Chance:
    """The variance of a difference over other seeds and other images, in the two parts that make it up."""

    seeds: float
    """That between seeds, on whatever images."""
    seeds_degrees: float
    images: float
    """That of the images which all seeds share."""
    images_degrees: float

    def __add__(self, other: "Chance") -> "Chance":
        """The variance of a sum or a difference of two that are independent."""
        return Chance(
            self.seeds + other.seeds,
            _harmonic((self.seeds, self.seeds_degrees), (other.seeds, other.seeds_degrees)),
            self.images + other.images,
            _harmonic((self.images, self.images_degrees), (other.images, other.images_degrees)),
        )

    @property
    def error(self) -> float:
        """The standard error."""
        return float((self.seeds + self.images) ** 0.5)

    @property
    def degrees(self) -> float:
        """The harmonic mean of the parts' degrees of freedom, weighted by their shares of the variance.

        (Satterthwaite's, which squares the shares, cover 92 % instead of 95 % where two degrees meet a small known
        variance.)
        """
        return _harmonic((self.seeds, self.seeds_degrees), (self.images, self.images_degrees))

    def half_width(self, level: float, size: int = 1) -> float:
        """That of an interval that misses the truth in a share `level`, or of one of a family of `size` such.

        Far out, a variance between two or three seeds that came out small by chance must not pass for a known one: in
        a family each part has its own quantile (Graybill & Wang, JASA 75, 1980), which makes the wider intervals.
        """
        tail = level / 2 / size
        if size == 1:
            return -float(stdtrit(self.degrees, tail)) * self.error
        seeds, images = stdtrit([self.seeds_degrees, self.images_degrees], tail)
        return float((seeds**2 * self.seeds + images**2 * self.images) ** 0.5)

    def p(self, estimate: float, size: int = 1) -> float:
        """The level at which the interval of a difference, as one of `size`, just excludes zero."""
        alone = float(2 * stdtr(self.degrees, -abs(estimate) / self.error))
        low, high = np.log(max(alone * size, 1e-280)), np.log(size)

        def surplus(logarithm: float) -> float:
            return self.half_width(float(np.exp(logarithm)), size) - abs(estimate)

        # In a family intervals are wider, so that the level is higher.
        found = low if size == 1 or surplus(low) <= 0 or low >= high else brentq(surplus, low, high, xtol=1e-7)
        return min(1.0, float(np.exp(found)))

    def part(self, estimate: float) -> Part:
        """A difference as it sees it by itself."""
        return Part(self.error, self.degrees, around(estimate, self.half_width(LEVEL)), self.p(estimate))


def chance_of(sample: Sample, method: str, reference: str) -> Chance | None:
    """How the difference of two methods varies; None where one has one seed, so that its spread is unknown.

    Seeds and images are crossed: every run sees all images. A figure varies by its seeds' own level, by the images,
    and by how seeds and images meet (Searle, Casella & McCulloch, "Variance Components", 1992, Chapter 5). The
    bootstrap over images holds the last two, the spread over seeds the first and the last, so their sum would count
    the last twice: the part of the images that all seeds share is taken from the covariances between seeds, and added
    to the variance between seeds, which is that of the two methods' own seeds (`welch`).
    """
    pair, contrast, _ = contrast_of(sample, method, reference)
    if (sample.counts[pair] < 2).any():
        return None
    seeds = between_seeds(sample, pair)
    images = max(float(contrast @ sample.image_covariance @ contrast), 0.0)
    # The part of the images that all of a method's seeds share: the rest is in the seeds' already.
    shared = max(images - float(np.sum(sample.residual_variances[pair] / sample.counts[pair])), 0.0)
    degrees = sample.image_degrees_of_freedom(contrast)
    found = replace(seeds, images=shared, images_degrees=degrees)
    one_image = (sample.largest / sample.images) ** 2
    if seeds.seeds + shared <= one_image * NOTHING:
        # No image tells the methods or their seeds apart. One that does would be the least that can be seen.
        found = Chance(0.0, 1.0, one_image, 2.0)
    alone = Chance(0.0, 1.0, images, degrees)
    # Seeds that happen to have equally many of few errors look alike. Other images would still have others.
    return alone if degrees < FEW and alone.half_width(LEVEL) > found.half_width(LEVEL) else found


def between_seeds(sample: Sample, pair: list[int]) -> Chance:
    """How it varies over other seeds on the same images."""
    variances = sample.seed_variances[pair] / sample.counts[pair]
    return Chance(float(variances.sum()), welch(variances, sample.counts[pair] - 1), 0.0, 1.0)


def welch(variances: FloatArray, degrees: IntArray) -> float:
    """The degrees of freedom of the sum of two variances that have their own (Welch, Biometrika 34, 1947).

    Their shares of the sum are drawn a little towards that of the method with fewer seeds, one half where both have as
    many: at two or three seeds shares are guesses themselves. As they are seen, Welch's intervals cover 97.7 % of
    spreads that are alike at two seeds; these cover 93.8–96.6 % as long as one deviation is at most two and a half
    times the other, with unequal numbers of seeds too if there are three or more, down to 90.6 % where two meet twelve.
    """
    total = float(variances.sum())
    fewest = degrees == degrees.min()
    prior = fewest / fewest.sum()
    shares = (variances / total + PRIOR * prior) / (1 + PRIOR) if total else prior
    return 1 / float(np.sum(shares**2 / degrees))


def contrast_of(sample: Sample, method: str, reference: str) -> tuple[list[int], FloatArray, float]:
    """The places of the two methods, their weights (M,), and their difference."""
    i, j = sample.methods.index(method), sample.methods.index(reference)
    contrast = np.zeros(len(sample.methods))
    contrast[i], contrast[j] = 1, -1
    return [i, j], contrast, float(sample.figures[i] - sample.figures[j])


def around(estimate: float, half: float) -> Interval:
    """The interval of this half width."""
    return Interval(estimate - half, estimate + half)


def _harmonic(*parts: tuple[float, float]) -> float:
    """The harmonic mean of degrees of freedom, weighted by the variances that have them; 1 where there is none."""
    total = sum(variance for variance, _ in parts)
    return total / sum(variance / degrees for variance, degrees in parts) if total else 1.0
