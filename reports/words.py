"""Figures and differences in words, none of which says more than the seeds and the test images do."""

from collections.abc import Collection, Sequence
from typing import Any

from augmix.suite.evaluate.measures import Measure
from reports.evidence import Compared, between
from reports.layout import CONFIDENCE, decimal, printed_mean
from reports.loaded import Results
from reports.names import sentence
from reports.quantities import Cell, Place, Quantity

STEPWISE = (
    "Holm's step-down correction judges the clearest difference by the strictest level and each further one by a "
    "milder level, and an interval is as wide as its difference's level asks for."
)
FEW = "cannot tell: "
"""The beginning of a verdict on too few seeds, which are named behind it."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def count_word(count: int) -> str:
    """A small count as a word."""
    return NUMBERS[count] if count < len(NUMBERS) else f"{count:,}"


def plural(count: int, noun: str) -> str:
    """`two runs`."""
    return f"{count_word(count)} {noun}" + ("" if count == 1 else "s")


def enumerated(names: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def placed_once(sentences: Sequence[str], places: Collection[str]) -> list[str]:
    """Sentences without the place that they begin with where the one before has it: "On Digits, SmallNet, …".

    Where there is no other place, one mention is enough for all.
    """
    said, last = [], ""
    for text in sentences:
        place = max((place for place in places if text.startswith(f"On {place}, ")), key=len, default="")
        said.append(sentence(text.removeprefix(f"On {place}, ")) if place and place == last else text)
        last = place or (last if len(places) == 1 else "")
    return said


def averaged_over(results: Results) -> list[str]:
    """`nets` and `seeds`, each where the experiment has several: a mean over all runs is over these."""
    counted = (("nets", results.architectures), ("seeds", results.config["seeds"]))
    return [what for what, of in counted if len(of) > 1]


def setting_in_print(value: Any) -> str:
    """The value of a recipe's setting: `1.5·10⁻⁶`, `yes`, `30, 60 and 80`."""
    if isinstance(value, float):
        factor, _, exponent = f"{value:g}".partition("e")
        if not exponent:
            return factor
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{factor}·10{raised}".removeprefix("1·")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return enumerated([str(item) for item in value]) if value else "none"
    return str(value)


def stated(cell: Cell) -> str:
    """`15.2 % (1 of 2 seeds)`, or why there is none."""
    if cell.mean is None:
        return cell.word
    text = f"{printed_mean(cell)}\u00a0{cell.measure.unit}"
    return text + (f" ({cell.finished} of {cell.asked} seeds)" if cell.partial else "")


def amount(value: float, measure: Measure) -> str:
    """`4.1 points`, or the measure's unit where it is no percentage; without the sign."""
    unit = "points" if measure.unit == "%" else measure.unit
    return f"{decimal(abs(value), value, measure.decimals)} {unit}"


def bounds(interval: tuple[float, float], beside: float, measure: Measure) -> str:
    """An interval beside a difference that is printed without its sign: `0.4 to 4.2`, or `1.5 less to 0.9 more`."""
    low, high = (decimal(abs(bound), beside, measure.decimals) for bound in interval)
    if interval[0] < 0 < interval[1]:
        return f"{low} less to {high} more"
    return f"{low} to {high}" if interval[0] >= 0 else f"{high} to {low}"


def signed_interval(compared: Compared) -> str:
    """The interval of a difference with its signs: `−6.0 to −2.2`; a dash where there is none."""
    if compared.interval is None:
        return "–"
    return " to ".join(decimal(bound, compared.points, compared.measure.decimals) for bound in compared.interval)


def interval_of(compared: Compared) -> str:
    """The interval of a difference and what it is over: `95 % interval 0.4 to 4.2`; empty where there is none."""
    measure, points = compared.measure, compared.points
    if compared.interval is not None:
        over = "" if compared.over_images else " over seeds alone"
        return f"{CONFIDENCE} interval{over} {bounds(compared.interval, points, measure)}"
    if compared.images_interval is not None:
        return f"{CONFIDENCE} interval over images alone {bounds(compared.images_interval, points, measure)}"
    return ""


def significance(compared: Compared) -> str:
    """Whether a difference is significant, as the end of a sentence about it."""
    if compared.verdict.startswith(FEW):
        return f"which {compared.verdict.removeprefix(FEW)} cannot tell from chance"
    among = ""
    if compared.difference.adjustment == "Holm" and compared.difference.family_size > 1:
        among = f" among {count_word(compared.difference.family_size)} contrasts"
    return f"{compared.verdict}{among}"


def is_nothing(compared: Compared) -> bool:
    """Whether a difference would be printed as zero."""
    return float(f"{abs(compared.points):.{compared.measure.decimals + 1}f}") == 0


def difference_in_words(compared: Compared) -> str:
    """`2.3 points less (95 % interval 0.4 to 4.2), significant`."""
    return f"{_size(compared, 'no difference in the mean')}, {significance(compared)}"


def differences_in_words(found: Sequence[tuple[str, Compared]]) -> dict[str, str]:
    """Each significance among differences, the significant ones first, with those that have it; `found` names each.

    `2.3 points less on fog (95 % interval 0.4 to 4.2) and 1.2 points more on snow (…)` of `on fog` and `on snow`.
    """
    groups: dict[str, list[str]] = {}
    for name, one in sorted(found, key=lambda pair: not pair[1].significant):
        groups.setdefault(significance(one), []).append(_size(one, "equal in the mean", name))
    return {said: enumerated(sizes) for said, sizes in groups.items()}


def _size(compared: Compared, nothing: str, name: str = "") -> str:
    ratio = compared.difference.ratio
    within = [interval_of(compared), f"ratio {ratio:.2f}" if ratio and not is_nothing(compared) else ""]
    said = nothing if is_nothing(compared) else amount(compared.points, compared.measure)
    if not is_nothing(compared):
        said += " less" if compared.points < 0 else " more"
    details = "; ".join(filter(None, within))
    return f"{said}{f' {name}' if name else ''}{f' ({details})' if details else ''}"


def predicate(compared: Compared) -> str:
    """The same with its verb: `is 2.3 points less (…), significant`, or `shows no difference in the mean, …`."""
    return f"{'shows' if is_nothing(compared) else 'is'} {difference_in_words(compared)}"


def compared(results: Results, place: Place, reference: Place, quantity: Quantity) -> str:
    """The rest of a sentence about two figures: their difference, its interval and its significance."""
    found = between(results, place, reference, quantity)
    return "" if found is None else f": {difference_in_words(found)}"
