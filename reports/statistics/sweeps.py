"""Sweeps: a value is chosen on one half of the runs and images and tested on the other."""

import numpy as np

from reports.statistics.differences import Difference, compare
from reports.statistics.sample import Sample

SEED = 30


def confirm(sample: Sample, default: str) -> tuple[str, Difference | None]:
    """Choose the value with the lowest figure on half of the seeds and images; test it against the default on the rest.

    `sample` has validation scores; every value counts as a method, and has two seeds or more. The lower half of each
    value's seeds (rounded down) and a random half of the images (always the same) choose; the others test. The lowest
    of many figures is low by chance too: on the data that chose it, it passes for better far too often (30–39 % of
    sweeps without any effect), on fresh data as often as the confidence says, so that the test needs no correction for
    the number of values. With two or three seeds a half has one: the verdict says whether that can tell.
    Returns the choice and its difference from the default on the other half; None where the default itself was chosen.
    """
    order = np.random.default_rng(SEED).permutation(sample.images)
    halves = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    choose: dict[str, float] = {}
    test: dict[str, dict[int, np.ndarray]] = {}
    for name, runs in sample.by_method.items():
        seeds = list(runs)
        first = seeds[: len(seeds) // 2]
        choose[name] = float(np.mean([runs[seed][halves[0]].mean() for seed in first]))
        test[name] = {seed: runs[seed][halves[1]] for seed in seeds[len(first) :]}
    # The default wins among equal figures, then the first: a change needs a reason.
    chosen = min(choose, key=lambda name: (choose[name], name != default))
    if chosen == default:
        return chosen, None
    return chosen, compare(Sample.means(test, sample.largest), chosen, default)
