"""Findings of tables and figures, in sentences of their captions with the run's own numbers."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from augmix.errors import UserError
from augmix.suite.data.datasets import check_loader, loader_module
from augmix.suite.evaluate.measures import Measure
from augmix.suite.testsets.base import TestSet
from reports.evidence import between, control_names
from reports.layout import decimal
from reports.loaded import Results
from reports.names import headline_phrase, spaced
from reports.quantities import MCE, Place, Quantity
from reports.words import count_word, enumerated, plural

PHOTOMETRIC = ("frost", "fog", "brightness", "contrast")
"""The corruptions that change brightness and contrast most: on small images they make much of the mCE."""


def extremes(values: Mapping[str, float], what: str, measure: Measure) -> str:
    """`The lowest mCE is that of AugMix, 29.6 %, the highest that of FMix, 40.3 %.`; empty of fewer than two values."""
    if len(values) < 2:
        return ""
    (low, least), *_, (high, most) = sorted(values.items(), key=lambda pair: pair[1])
    said = [f"{name}, {_figure(value, measure)}" for name, value in ((low, least), (high, most))]
    return f"The lowest {what} is that of {said[0]}, the highest that of {said[1]}."


def _figure(value: float, measure: Measure) -> str:
    return f"{decimal(value, value, measure.decimals)}\u00a0{measure.unit}"


def of_methods(results: Results, dataset: str, quantity: Quantity, what: str) -> str:
    """The methods with the lowest and the highest value of a quantity, over all architectures."""
    cells = {m.title: results.cell(results.overall_place(dataset, m.name), quantity).mean for m in results.methods}
    return extremes({name: mean for name, mean in cells.items() if mean is not None}, what, quantity.measure)


def of_shifts(results: Results, place: tuple[str, str], quantities: Mapping[str, Quantity]) -> str:
    """The shifts that are easiest and hardest for the methods on average, of one data set and architecture."""
    means = {}
    for shift, quantity in quantities.items():
        found = [results.cell(Place(*place, method.name), quantity).mean for method in results.methods]
        if values := [value for value in found if value is not None]:
            means[spaced(shift)] = sum(values) / len(values)
    measures = [quantity.measure for quantity in quantities.values()]
    return extremes(means, f"{measures[0].phrase}, averaged over the methods,", measures[0]) if means else ""


def of_severities(results: Results, dataset: str, ends: tuple[Quantity, Quantity]) -> str:
    """How far the figures of the methods that all are compared with rise from the first quantity to the second."""
    said: list[str] = []
    for name in control_names(results):
        low, high = (results.cell(results.overall_place(dataset, name), quantity).mean for quantity in ends)
        if low is not None and high is not None:
            decimals = ends[0].measure.decimals
            rise = f"{decimal(low, low, decimals)} to {_figure(high, ends[0].measure)}"
            said.append(f"{'from ' if not said else ''}{rise} with {results.titles[name]}")
    return f"From the clean images to the highest severity it goes {enumerated(said)}." if said else ""


def significant(results: Results) -> str:
    """How many methods differ significantly from the first control in the first headline; empty where none can."""
    control = next(iter(control_names(results)), None)
    if control is None or not results.judged:
        return ""
    family, quantity = results.judged[0]
    dataset, testset = next(iter(family.members.items()))
    places = [results.overall_place(dataset, m.name) for m in results.methods if m.name != control]
    found = [between(results, place, place._replace(method=control), quantity) for place in places]
    clear = [one.significant for one in found if one is not None]
    if not clear:
        return ""
    where = f"{headline_phrase(testset)} on {results.title_of(dataset, testset)}"
    count = f"{count_word(sum(clear)) if any(clear) else 'none'} of {plural(len(clear), 'method')}"
    return f"In {where}, {count} differ{'s' if sum(clear) < 2 else ''} significantly from {results.titles[control]}"


def limits(results: Results) -> Iterator[str]:
    """Known limits of the figures on each data set, from its loader and from the figures themselves."""
    for dataset, entry in results.datasets.items():
        known = None
        with suppress(UserError):  # the results may come from another checkout
            check_loader(entry["loader"])
            known = getattr(loader_module(entry["loader"]), "limits", None)
        for text in known(**entry["options"]) if known else ():
            yield f"{results.dataset_title(dataset)}: {text}."
        testset = results.testset(dataset, MCE.testset)
        if testset is not None:
            yield from _photometric(results, dataset, testset)


def _photometric(results: Results, dataset: str, testset: TestSet) -> Iterator[str]:
    """The share of the mCE that a few corruptions make, where it is more than theirs of the corruptions."""
    few = [name for name in PHOTOMETRIC if name in testset.entering]
    shares = []
    for method in results.methods:
        place = results.overall_place(dataset, method.name)
        cells = {s: results.cell(place, Quantity(testset.name, s, MCE.metric)) for s in testset.entering}
        errors = {shift: cell.mean for shift, cell in cells.items() if cell.mean is not None}
        if len(errors) == len(cells) and any(errors.values()):
            shares.append(100 * sum(errors[name] for name in few) / sum(errors.values()))
    if shares and few and min(shares) > 100 * len(few) / len(testset.entering):
        ends = sorted({f"{share:.0f}" for share in (min(shares), max(shares))}, key=float)
        yield (
            f"{count_word(len(few)).capitalize()} of the {count_word(len(testset.entering))} {testset.noun}s, "
            f"{enumerated([spaced(name) for name in few])}, make {' to '.join(ends)} % of every method's "
            f"{testset.mean} on {results.title_of(dataset, testset)}: it says most about those."
        )
