"""Figures and differences in words, none of which says more than the seeds do."""

from collections.abc import Sequence

import pandas as pd

from augmix.suite.evaluate.measures import Measure
from reports.layout import decimal, number
from reports.loaded import Results
from reports.quantities import Cell, Place, Quantity

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def count_word(count: int) -> str:
    """A small count as a word."""
    return NUMBERS[count] if count < len(NUMBERS) else f"{count:,}"


def plural(count: int, noun: str) -> str:
    """`two runs`."""
    return f"{count_word(count)} {noun}" + ("" if count == 1 else "s")


def sentence(text: str) -> str:
    """With a capital."""
    return text[:1].upper() + text[1:]


def enumerated(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def stated(cell: Cell) -> str:
    """`15.2 ± 0.4 % (1 of 2 seeds)`, or why there is none."""
    if cell.mean is None:
        return cell.word
    spread = f"\u00a0±\u00a0{number(cell, cell.deviation)}" if cell.deviation is not None else ""
    text = f"{number(cell, cell.mean)}{spread}\u00a0{cell.measure.unit}"
    return text + (f" ({cell.finished} of {cell.asked} seeds)" if cell.partial else "")


def points(differences: pd.Series, measure: Measure) -> str:
    """`4.1 ± 0.1 points`, or the measure's unit where it is no percentage; without the sign."""
    mean = float(differences.mean())
    spread = ""
    if len(differences) > 1:
        spread = f"\u00a0±\u00a0{decimal(float(differences.std()), mean, measure.decimals)}"
    unit = "points" if measure.unit == "%" else measure.unit
    return f"{decimal(abs(mean), mean, measure.decimals)}{spread} {unit}"


def significant(differences: pd.Series) -> bool:
    """Whether every seed agrees on the sign and the mean exceeds twice its standard error."""
    agree = bool((differences > 0).all() or (differences < 0).all())
    return (
        len(differences) > 1
        and agree
        and float(abs(differences.mean())) > 2 * float(differences.std()) / len(differences) ** 0.5
    )


def significance(differences: pd.Series) -> str:
    """Whether a difference is significant over the seeds, as the end of a sentence about it."""
    if len(differences) == 0:
        return "though no seed finished with both"
    if len(differences) == 1:
        return "in a single seed"
    if not significant(differences):
        return "not significant over the seeds"
    return f"in {'both' if len(differences) == 2 else f'each of {count_word(len(differences))}'} seeds"


def compared(results: Results, place: Place, reference: Place, quantity: Quantity) -> str:
    """The rest of a sentence about two figures: their difference and ratio, and its significance."""
    ours, theirs = results.cell(place, quantity).mean, results.cell(reference, quantity).mean
    if ours is None or theirs is None:
        return ""
    differences = results.difference(place, reference, quantity)
    shown = differences if len(differences) else pd.Series([ours - theirs])
    if float(f"{abs(shown.mean()):.{quantity.measure.decimals + 1}f}") == 0:
        return ": no difference" + (" in the mean" if len(differences) > 1 else "")
    ratio = f" (ratio {ours / theirs:.2f})" if theirs else ""
    more = "less" if shown.mean() < 0 else "more"
    return f": {points(shown, quantity.measure)} {more}{ratio}, {significance(differences)}"
