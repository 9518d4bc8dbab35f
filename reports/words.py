"""Figures and differences in words, none of which says more than the seeds do."""

from collections.abc import Sequence

import pandas as pd

from reports.layout import decimal
from reports.results import Cell, Place, Quantity, Results

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def number(count: int) -> str:
    """A small count as a word."""
    return NUMBERS[count] if count < len(NUMBERS) else f"{count:,}"


def plural(count: int, noun: str) -> str:
    """`two runs`."""
    return f"{number(count)} {noun}" + ("" if count == 1 else "s")


def sentence(text: str) -> str:
    """With a capital."""
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def figure(cell: Cell) -> str:
    """`15.2 ± 0.4 % (1 of 2 seeds)`, or why there is none."""
    if cell.mean is None:
        return cell.word
    spread = f"\u00a0±\u00a0{decimal(cell.deviation, cell.mean)}" if cell.deviation is not None else ""
    text = f"{decimal(cell.mean, cell.mean)}{spread}\u00a0%"
    return text + (f" ({cell.finished} of {cell.asked} seeds)" if cell.partial else "")


def points(differences: pd.Series) -> str:
    """`4.1 ± 0.1 points`, without the sign."""
    mean = float(differences.mean())
    spread = f"\u00a0±\u00a0{decimal(float(differences.std()), mean)}" if len(differences) > 1 else ""
    return f"{decimal(abs(mean), mean)}{spread} points"


def told_apart(differences: pd.Series) -> bool:
    """Whether every seed agrees on the sign and the mean exceeds twice its standard error."""
    agree = bool((differences > 0).all() or (differences < 0).all())
    return (
        len(differences) > 1
        and agree
        and float(abs(differences.mean())) > 2 * float(differences.std()) / len(differences) ** 0.5
    )


def borne_out(differences: pd.Series) -> str:
    """What the seeds say to a difference, as the end of a sentence about it."""
    if len(differences) == 0:
        return "though no seed finished with both"
    if len(differences) == 1:
        return "in a single seed"
    if not told_apart(differences):
        return "which the seeds do not bear out"
    return f"in {'both' if len(differences) == 2 else f'each of {number(len(differences))}'} seeds"


def compared(results: Results, place: Place, reference: Place, quantity: Quantity) -> str:
    """The rest of a sentence about two figures: their difference and ratio, and what the seeds say to that."""
    ours, theirs = results.cell(place, quantity).mean, results.cell(reference, quantity).mean
    if ours is None or theirs is None:
        return ""
    differences = results.difference(place, reference, quantity)
    shown = differences if len(differences) else pd.Series([ours - theirs])
    if f"{abs(shown.mean()):.2f}" == "0.00":
        return ": no difference" + (" in the mean" if len(differences) > 1 else "")
    ratio = f" (ratio {ours / theirs:.2f})" if theirs else ""
    return f": {points(shown)} {'less' if shown.mean() < 0 else 'more'}{ratio}, {borne_out(differences)}"
