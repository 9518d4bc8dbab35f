"""Differences between methods with intervals over other seeds and other test images, and what they can tell.

Scores are fractions, one per base image and run; the report multiplies by 100. Everything is deterministic.

    sample = Sample.means({"augmix": {0: wrong, 1: …}, "standard": {…}})       # (N,) each
    compare(sample, "augmix", "standard")       # one Difference
    against_control(sample, "augmix")           # all others against AugMix, as a family
    told_apart_from_best(sample)                # what is not bold
"""
