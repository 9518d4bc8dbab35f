"""Sweeps: a value is chosen on one half of the runs and images and tested on the other."""

from typing import NamedTuple

import numpy as np

from reports.statistics.differences import Difference, compare
from reports.statistics.sample import Sample, Scores

SEED = 30


class Confirmation(NamedTuple):
    """A sweep's choice, and what data say that had no part in it."""

    chosen: str
    default: str
    tried: int
    """Values tried: so many figures had the chance to be the lowest."""
    difference: Difference | None
    """Chosen minus default on the other half; None where the default itself was chosen."""


def confirm(scores: Scores, default: str, largest: float = 1.0) -> Confirmation:
    """Choose the value with the lowest figure on half of the seeds and images; test it against the default on the rest.

    `scores` has validation scores per value and seed, as in `Sample.means`; every value counts as a method. The lower
    half of each value's seeds (rounded down) and a random half of the images (always the same) choose; the others
    test. The lowest of many figures is low by chance too: on the data that chose it, it passes for better far too
    often (30–39 % of sweeps without any effect), on fresh data as often as the confidence says, so that the test
    needs no correction for `tried`. With two or three seeds a half has one: the verdict says whether that can tell.
    Raises ValueError for an unknown default, a single value, a value with fewer than two seeds, fewer than four
    images, or bad scores.
    """
    everything = Sample.means(scores, largest)
    everything.index(default)
    if len(everything.methods) < 2:
        raise ValueError("a sweep of one value is given; at least two are needed to choose")
    if alone := [name for name, count in zip(everything.methods, everything.counts, strict=True) if count < 2]:
        raise ValueError(
            f"value '{alone[0]}' has one seed; at least two are needed to choose on one and test on another"
        )
    if everything.images < 4:
        raise ValueError(f"{everything.images} images are given; at least four are needed for two halves")
    order = np.random.default_rng(SEED).permutation(everything.images)
    halves = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    choose: dict[str, float] = {}
    test: dict[str, dict[int, np.ndarray]] = {}
    for name, runs in everything.by_method.items():
        seeds = list(runs)
        first = seeds[: len(seeds) // 2]
        choose[name] = float(np.mean([runs[seed][halves[0]].mean() for seed in first]))
        test[name] = {seed: runs[seed][halves[1]] for seed in seeds[len(first) :]}
    # The default wins among equal figures, then the first: a change needs a reason.
    chosen = min(choose, key=lambda name: (choose[name], name != default))
    difference = None
    if chosen != default:
        difference = compare(Sample.means(test, largest), chosen, default)
    return Confirmation(chosen, default, len(choose), difference)
