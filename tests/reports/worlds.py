"""Made-up experiments whose truth is known: how often intervals cover it, pair by pair.

python -m tests.reports.worlds [TIMES]      # the table of docs/statistics.md, in about TIMES / 100 minutes on one core
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from reports.statistics.chance import LEVEL, Chance, chance_of
from reports.statistics.sample import Sample

Array = np.ndarray


@dataclass(frozen=True)
class World:
    """Nets that differ by method and seed on images of different difficulty: most are never got wrong.

    An image is got wrong when a normal variable exceeds a threshold. It is the sum of what the image does to all
    nets, to the nets of a method, to a single net, and of the net's own level.
    """

    errors: tuple[float, ...]
    """True errors of the methods."""
    deviations: tuple[float, ...]
    """The deviations of a net's true error over seeds, relative to the error; the methods take them in turns."""
    copies: bool = True
    """Whether an image's score is its mean wrongness over many corrupted copies; else that of one clean image."""
    image: float = 1.5
    image_by_method: float = 0.45
    image_by_net: float = 0.7

    def scores(self, rng: np.random.Generator, seeds: int, images: int) -> Array:
        """(methods, seeds, images)."""
        true, methods = np.array(self.errors), len(self.errors)
        alone = 0.8 if self.copies else 1.0
        without = self.image**2 + self.image_by_method**2 + self.image_by_net**2 + alone**2
        # The density at the threshold turns a shift of the level into a share of the errors.
        steepness = np.exp(-(ndtri(true) ** 2) / 2) / math.sqrt(2 * math.pi) / true
        relative = (np.resize(self.deviations, methods) / steepness) ** 2
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


# no JSD, AutoAugment, AugMix and standard training on the digits, mCE over twelve seeds each
REAL_ERRORS, REAL_DEVIATIONS = (0.0547, 0.0605, 0.0613, 0.1484), (0.22, 0.17, 0.27, 0.11)
WORLDS = {
    "corrupted": World(REAL_ERRORS, REAL_DEVIATIONS),
    "corrupted, spreads alike": World(REAL_ERRORS, (0.2,)),
    "corrupted, equal errors": World((0.06,) * 4, REAL_DEVIATIONS),
    "clean": World((0.03, 0.025, 0.03, 0.04), (0.05, 0.02, 0.1, 0.04), copies=False),
}


def named(scores: Array) -> dict[str, dict[int, Array]]:
    """(methods, seeds, images) as a mapping; methods are m00, m01, …"""
    return {f"m{m:02}": dict(enumerate(of)) for m, of in enumerate(scores)}


class Coverage(NamedTuple):
    """Shares of experiments."""

    pairs: dict[tuple[int, int], float]
    """Those in which the interval of a pair of methods alone covers its true difference, (i, j) -> share."""
    family: float
    """Those in which all intervals against the first method cover the truth together."""


def coverage(world: World, seeds: int, methods: int, images: int, times: int) -> Coverage:
    """Simulate `times` experiments: a World's methods repeat up to `methods`."""
    errors = np.resize(world.errors, methods)
    world = World(tuple(errors), world.deviations, world.copies)
    rng = np.random.default_rng([seeds, methods, images, times])
    pairs = list(combinations(range(min(methods, 4)), 2))
    hits = dict.fromkeys(pairs, 0)
    together = 0
    against = [(m, 0) for m in range(1, methods)]
    known: dict[tuple[int, int], Chance] = {}
    off: dict[tuple[int, int], float] = {}
    for _ in range(times):
        sample = Sample.means(named(world.scores(rng, seeds, images)))
        for i, j in {*pairs, *against}:
            chance = chance_of(sample, f"m{i:02}", f"m{j:02}")
            assert chance is not None
            known[i, j] = chance
            off[i, j] = abs(sample.figures[i] - sample.figures[j] - errors[i] + errors[j])
        for pair in pairs:
            hits[pair] += off[pair] <= known[pair].half_width(LEVEL)
        together += all(off[pair] <= known[pair].half_width(LEVEL, len(against)) for pair in against)
    return Coverage({pair: count / times for pair, count in hits.items()}, together / times)


def table(times: int) -> Iterator[str]:
    """The least and the greatest coverage of any pair, and that of families, in %, line by line."""
    yield "| world | seeds | images | least covered pair | most covered pair | family of 3 | family of 11 |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for (name, world), seeds, images in product(WORLDS.items(), (2, 3, 5, 12), (360, 10_000)):
        count = times if images < 1000 else times // 2
        few = coverage(world, seeds, 4, images, count)
        many = coverage(world, seeds, 12, images, count // 3)
        shares = [100 * share for share in few.pairs.values()]
        yield (
            f"| {name} | {seeds} | {images:,} | {min(shares):.1f} | {max(shares):.1f} | {100 * few.family:.1f} | "
            f"{100 * many.family:.1f} |"
        )


if __name__ == "__main__":
    for line in table(int(sys.argv[1]) if len(sys.argv) > 1 else 4000):
        print(line, flush=True)
