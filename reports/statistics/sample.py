"""The statistics' input: a figure of every run, and how it would vary over other seeds and other test images."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Scores = Mapping[str, Mapping[int, npt.ArrayLike]]
"""method -> seed -> one score per base image, (N,)."""

DRAWS = 10_000
"""Bootstrap samples."""
FEW_IMAGES = 2000
"""The most images whose bootstrap samples are kept: all figures of an experiment share them."""
RESAMPLING_SEED = 20_200_425
"""Every sample of N images is resampled alike, so that the same inputs give the same bytes."""
RELATIVE_ROUNDING = 1e-12
"""Standard deviations below this share of the figures are rounding errors of a deviation that is zero."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The runs of one table and one measure: R runs (method × seed) that all saw the same N test images.

    Make it with `Sample.means` or `Sample.of_seeds`. A run's figure is in the scores' unit (a fraction).
    """

    methods: tuple[str, ...]
    seeds: tuple[tuple[int, ...], ...]
    """The seeds that finished, of each method."""
    values: FloatArray
    """(R,): the runs' figures, method by method."""
    images: int
    largest: float = 1.0
    """The greatest score that an image can have."""
    scores: FloatArray | None = None
    """(N, R), of which the figures are the means; without them nothing is known of other images."""

    @classmethod
    def means(cls, scores: Scores, largest: float = 1.0) -> "Sample":
        """Figures that are means over base images: of wrongness, of wrongness over 75 copies, of flips.

        `scores` has a (N,) array of bools, integers or floats per method and seed; N is two or more.
        """
        columns = [np.asarray(of[seed], np.float64) for of in scores.values() for seed in sorted(of)]
        table = np.stack(columns, axis=1)
        return cls(tuple(scores), _seeds_of(scores), table.mean(0), len(table), largest, table)

    @classmethod
    def of_seeds(cls, figures: Mapping[str, Mapping[int, float]], images: int, largest: float) -> "Sample":
        """Figures of runs, method -> seed -> figure, whose scores of single images are not at hand."""
        values = np.array([of[seed] for of in figures.values() for seed in sorted(of)], np.float64)
        return cls(tuple(figures), _seeds_of(figures), values, max(images, 2), largest)

    @cached_property
    def by_method(self) -> dict[str, dict[int, FloatArray]]:
        """Method -> seed -> (N,) scores; empty where they are not at hand."""
        if self.scores is None:
            return {}
        columns = iter(self.scores.T)
        runs = zip(self.methods, self.seeds, strict=True)
        return {name: {seed: next(columns) for seed in seeds} for name, seeds in runs}

    @cached_property
    def counts(self) -> IntArray:
        """(M,): how many seeds each method has."""
        return np.array([len(seeds) for seeds in self.seeds], np.int64)

    @cached_property
    def averaging(self) -> FloatArray:
        """(M, R): row m averages the runs of method m."""
        owner = np.repeat(np.arange(len(self.methods)), self.counts)
        return np.asarray((owner == np.arange(len(self.methods))[:, None]) / self.counts[:, None], np.float64)

    @cached_property
    def figures(self) -> FloatArray:
        """(M,): the methods' figures, means over images and seeds."""
        return self.averaging @ self.values

    @cached_property
    def seed_variances(self) -> FloatArray:
        """(M,): the variance of a method's runs between seeds, S − 1 degrees of freedom; 0 for a single seed."""
        between = self.averaging @ (self.values - self.averaging.T @ (self.counts * self.figures)) ** 2
        found = between * self.counts / np.maximum(self.counts - 1, 1)
        return np.where(found > (RELATIVE_ROUNDING * self.figures) ** 2, found, 0.0)

    @cached_property
    def covariance(self) -> FloatArray:
        """(R, R): how the figures vary together when other images are drawn and the nets stay; 0 if not known."""
        if self.scores is None:
            return np.zeros((len(self.values), len(self.values)))
        return np.atleast_2d(np.cov(self.scores, rowvar=False)) / self.images

    @cached_property
    def residual_variances(self) -> FloatArray:
        """(M,): the part of `seed_variances` that comes from having few images; 0 for a single seed.

        It is the seeds × images interaction over N: on other images, each seed errs on some of its own.
        """
        several = np.maximum(self.counts - 1, 1)
        alone = self.averaging @ np.diag(self.covariance)
        shared = (self.counts * np.diag(self.image_covariance) - alone) / several
        return np.where((self.counts > 1) & (alone - shared > RELATIVE_ROUNDING * alone), alone - shared, 0.0)

    @cached_property
    def image_covariance(self) -> FloatArray:
        """(M, M): of the methods' figures when other images are drawn and the nets stay."""
        return self.averaging @ self.covariance @ self.averaging.T

    @cached_property
    def resampled(self) -> FloatArray:
        """(B, M): the methods' figures on resampled base images: all copies of an image, in all its runs, at once.

        A paired cluster bootstrap (Davison & Hinkley, "Bootstrap Methods and their Application", 1997, Chapter 2).
        """
        assert self.scores is not None
        per_method = self.scores @ self.averaging.T
        blocks = (weights.astype(np.float64) for weights in _resamples(self.images))
        return np.concatenate([weights @ per_method for weights in blocks]) / self.images

    def image_degrees_of_freedom(self, contrast: FloatArray) -> float:
        """How well the variance over images of a (M,) contrast is known: 2 E² / Var, in [1, N − 1].

        The variance of a sample variance follows from the fourth moment: where two methods differ on few images,
        these are what counts, about twice as many degrees as images that differ. N − 1 where the scores are unknown.
        """
        most = float(self.images - 1)
        if self.scores is None:
            return most
        each = self.scores @ (contrast @ self.averaging)
        each = each - each.mean()
        second, fourth = float(np.mean(each**2)), float(np.mean(each**4))
        if fourth <= second**2:
            return most
        return min(max(2 * self.images * second**2 / (fourth - second**2), 1.0), most)


def _seeds_of(runs: Mapping[str, Mapping[int, Any]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(sorted(of)) for of in runs.values())


def _resamples(images: int) -> Iterable[npt.NDArray[np.uint8]]:
    """Blocks of (rows, N) weights: how often each image is in a sample of N images with replacement."""
    return _kept_resamples(images) if images <= FEW_IMAGES else _drawn_resamples(images)


@lru_cache(maxsize=4)
def _kept_resamples(images: int) -> list[npt.NDArray[np.uint8]]:
    return list(_drawn_resamples(images))


def _drawn_resamples(images: int) -> Iterator[npt.NDArray[np.uint8]]:
    rng = np.random.default_rng([RESAMPLING_SEED, images])
    rows = max(1, 2**20 // images)  # blocks that stay in the cache
    offsets = np.arange(rows)[:, None] * images
    for begin in range(0, DRAWS, rows):
        count = min(rows, DRAWS - begin)
        places = rng.integers(0, images, (count, images), dtype=np.int32) + offsets[:count]
        weights = np.bincount(places.ravel(), minlength=count * images).reshape(count, images)
        yield weights.astype(np.uint8)  # of 1 on average: 255 is out of reach
