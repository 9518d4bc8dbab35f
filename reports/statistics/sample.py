"""What the statistics work on: a figure of every run, and how it would vary over other test images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Scores = Mapping[str, Mapping[int, npt.ArrayLike | None]]
"""method -> seed -> one score per base image, (N,); None for a run that did not finish."""
Functional = Callable[[IntArray], float]
"""A run's figure when base image i counts weights[i] times: weights (N,) that sum to N -> float."""

Run = TypeVar("Run")

RESAMPLING_SEED = 20_200_425
"""Every sample of N images is resampled alike, so that the same inputs give the same bytes."""
RELATIVE_ROUNDING = 1e-12
"""Standard deviations below this share of the figures are rounding errors of a deviation that is zero."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The runs of one table and one measure: R runs (method × seed) that all saw the same N test images.

    Make it with `Sample.means` or `Sample.functionals`. A run's figure is in the scores' unit (a fraction).
    """

    methods: tuple[str, ...]
    seeds: tuple[tuple[int, ...], ...]
    """The seeds that finished, of each method."""
    values: FloatArray
    """(R,): the runs' figures, method by method."""
    covariance: FloatArray
    """(R, R): how the figures vary together when other images are drawn and the nets stay."""
    images: int
    largest: float = 1.0
    """The greatest score an image can have."""
    scores: FloatArray | None = None
    """(N, R), where a figure is the mean of its scores."""
    replicates: FloatArray | None = None
    """(B, R): the figures on resampled images, where they are no means."""
    draws: int = 10_000

    @classmethod
    def means(
        cls,
        scores: Scores,
        *,
        largest: float = 1.0,
        draws: int = 10_000,
        digests: Mapping[str, Mapping[int, str]] | None = None,
    ) -> "Sample":
        """Figures that are means over base images: of wrongness, of wrongness over 75 copies, of flips.

        `scores` has a (N,) array of bools, integers or floats in [0, `largest`] per method and seed; runs that are
        None are left out. `draws` is the number of bootstrap samples. `digests` may name the test images that each
        run was evaluated on.
        Raises ValueError when there is no method, a method has no run, runs were evaluated on different numbers of
        images or on images of different digests, or a score is not finite or out of range.
        """
        runs: dict[str, dict[int, npt.ArrayLike]] = _finished(scores)
        _check_digests(runs, digests)
        columns = [_column(values, name, seed, largest) for name, of in runs.items() for seed, values in of.items()]
        sizes = sorted({len(column) for column in columns})
        if len(sizes) > 1:
            raise ValueError(
                f"runs were evaluated on different images: some on {sizes[0]}, some on {sizes[-1]}; "
                "evaluate them on the same test set"
            )
        if sizes[0] < 2:
            raise ValueError("scores of fewer than two images are given; at least two are needed")
        _check_draws(draws)
        table = np.stack(columns, axis=1)
        covariance = np.atleast_2d(np.cov(table, rowvar=False)) / sizes[0]
        return cls(
            tuple(runs),
            tuple(tuple(of) for of in runs.values()),
            table.mean(0),
            covariance,
            sizes[0],
            float(largest),
            table,
            None,
            draws,
        )

    @classmethod
    def functionals(
        cls,
        runs: Mapping[str, Mapping[int, Functional | None]],
        images: int,
        *,
        largest: float = 1.0,
        draws: int = 1_000,
    ) -> "Sample":
        """Figures that are no means over images, such as the RMS calibration error.

        `runs` has a function of the images' weights per method and seed: (`images`,) int64 that sum to `images` ->
        the figure in [0, `largest`]. All ones give the figure itself; `draws` resamples give its covariance, the
        same images for all runs.
        Raises ValueError when there is no method, a method has no run, `images` is below two, or a figure is not
        finite or negative.
        """
        finished = _finished(runs)
        if images < 2:
            raise ValueError(f"images is {images}; at least two are needed")
        _check_draws(draws)
        functions = [function for of in finished.values() for function in of.values()]
        values = np.array([float(function(np.ones(images, np.int64))) for function in functions])
        names = [f"method '{name}', seed {seed}" for name, of in finished.items() for seed in of]
        for name, value in zip(names, values, strict=True):
            if not 0 <= value <= largest:
                raise ValueError(f"{name}: the figure is {value}; 0 to {largest:g} is accepted")
        replicates = np.array(
            [
                [float(function(row)) for function in functions]
                for weights in _resamples(images, draws)
                for row in weights.astype(np.int64)
            ]
        )
        if not np.isfinite(replicates).all():
            raise ValueError("a figure is not finite on resampled images; leave its run out")
        covariance = np.atleast_2d(np.cov(replicates, rowvar=False))
        seeds = tuple(tuple(of) for of in finished.values())
        # Resampled images come in copies, which moves a figure that is no mean; only the spread is wanted.
        centred = replicates - replicates.mean(0) + values
        return cls(tuple(finished), seeds, values, covariance, images, float(largest), None, centred, draws)

    def index(self, method: str) -> int:
        """Where the method stands in `methods`; ValueError where it does not."""
        if method not in self.methods:
            raise ValueError(f"there is no method '{method}'; there are {', '.join(self.methods)}")
        return self.methods.index(method)

    def regroup(self, groups: Mapping[str, Sequence[int] | IntArray]) -> "Sample":
        """Some of the runs under other names: name -> places of runs in `values`.

        Raises ValueError for a name without runs.
        """
        if not groups or not all(len(places) for places in groups.values()):
            raise ValueError("a group has no run; name at least one")
        chosen = np.concatenate([np.asarray(places, np.int64) for places in groups.values()])
        return Sample(
            tuple(groups),
            tuple(tuple(int(place) for place in places) for places in groups.values()),
            self.values[chosen],
            self.covariance[np.ix_(chosen, chosen)],
            self.images,
            self.largest,
            None if self.scores is None else self.scores[:, chosen],
            None if self.replicates is None else self.replicates[:, chosen],
            self.draws,
        )

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
    def residual_variances(self) -> FloatArray:
        """(M,): the part of `seed_variances` that comes from having few images; 0 for a single seed.

        It is the seeds × images interaction over N: on other images, each seed errs on some of its own.
        """
        found = np.zeros(len(self.methods))
        for m, runs in enumerate(self._blocks):
            size = len(runs)
            block = self.covariance[np.ix_(runs, runs)]
            if size > 1:
                alone = np.trace(block) / size
                shared = (block.sum() - np.trace(block)) / (size * (size - 1))
                found[m] = alone - shared if alone - shared > RELATIVE_ROUNDING * alone else 0.0
        return found

    @cached_property
    def step(self) -> float:
        """The least by which a run's figure can change: by the smallest score of one image; 0 where it is unknown."""
        positive = None if self.scores is None else self.scores[self.scores > 0]
        return 0.0 if positive is None or not positive.size else float(positive.min()) / self.images

    @cached_property
    def _blocks(self) -> list[IntArray]:
        return [np.flatnonzero(row) for row in self.averaging]

    @cached_property
    def image_covariance(self) -> FloatArray:
        """(M, M): of the methods' figures when other images are drawn and the nets stay."""
        return self.averaging @ self.covariance @ self.averaging.T

    @cached_property
    def resampled(self) -> FloatArray:
        """(B, M): the methods' figures on resampled base images: all copies of an image, in all its runs, at once.

        A paired cluster bootstrap (Davison & Hinkley, "Bootstrap Methods and their Application", 1997, Chapter 2).
        """
        if self.replicates is not None:
            return self.replicates @ self.averaging.T
        assert self.scores is not None
        per_method = self.scores @ self.averaging.T
        return np.concatenate([weights @ per_method for weights in _resamples(self.images, self.draws)]) / self.images

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


def _finished(runs: Mapping[str, Mapping[int, Run | None]]) -> dict[str, dict[int, Run]]:
    """The runs that are not None, seeds in ascending order."""
    if not runs:
        raise ValueError("there is no method; give at least one")
    found = {name: {seed: run for seed in sorted(of) if (run := of[seed]) is not None} for name, of in runs.items()}
    for name, of in found.items():
        if not of:
            raise ValueError(f"method '{name}' has no finished run; leave it out")
    return found


def _column(values: npt.ArrayLike, name: str, seed: int, largest: float) -> FloatArray:
    try:
        column = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"method '{name}', seed {seed}: the scores are no numbers") from None
    if column.ndim != 1:
        raise ValueError(f"method '{name}', seed {seed}: the scores have shape {column.shape}; (images,) is accepted")
    if not np.isfinite(column).all():
        raise ValueError(f"method '{name}', seed {seed}: a score is not finite; leave a diverged run out")
    if column.size and not (column.min() >= 0 and column.max() <= largest):
        raise ValueError(
            f"method '{name}', seed {seed}: scores are between {column.min():g} and {column.max():g}; "
            f"0 to {largest:g} is accepted"
        )
    return column


def _check_digests(runs: Mapping[str, Mapping[int, object]], digests: Mapping[str, Mapping[int, str]] | None) -> None:
    if digests is None:
        return
    first: tuple[str, int, str | None] | None = None
    for name, of in runs.items():
        for seed in of:
            digest = digests.get(name, {}).get(seed)
            first = first or (name, seed, digest)
            if digest is None or digest != first[2]:
                raise ValueError(
                    f"method '{name}', seed {seed} was evaluated on other test images than "
                    f"method '{first[0]}', seed {first[1]}; evaluate them on the same test set"
                )


def _check_draws(draws: int) -> None:
    if draws < 100:
        raise ValueError(f"draws is {draws}; at least 100 are needed for an interval")


def _resamples(images: int, draws: int) -> Iterator[FloatArray]:
    """Blocks of (rows, N) weights: how often each image is in a sample of N images with replacement."""
    rng = np.random.default_rng([RESAMPLING_SEED, images])
    rows = max(1, 2**20 // images)  # blocks that stay in the cache
    offsets = np.arange(rows)[:, None] * images
    for begin in range(0, draws, rows):
        count = min(rows, draws - begin)
        places = rng.integers(0, images, (count, images), dtype=np.int32) + offsets[:count]
        weights = np.bincount(places.ravel(), minlength=count * images).reshape(count, images)
        yield weights.astype(np.float64)
