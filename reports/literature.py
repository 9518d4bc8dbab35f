"""Our figures beside the literature's, those of paper_results.yaml, where data set, net and method match."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import pandas as pd

from augmix.registry import method_parts
from augmix.suite.evaluate.paper import normalised_mce, paper_results
from reports.loaded import Results
from reports.names import PrintedMethod, spaced
from reports.quantities import CLEAN_ERROR, MCE, MEAN, MFP, Cell, Place, Quantity, summarise
from reports.recipes import differences

PAPER, ROBUSTBENCH = "AugMix paper", "RobustBench"
OVER_ALEXNET = "(AlexNet-normalised)"
FLIP_RATES = "alexnet_imagenetp_flip_rate"
ABLATIONS = {  # Table 4's names in ours
    "random_autoaugment": "random_autoaugment",
    "random_autoaugment_jsd": "no_mixing",
    "augmix_no_jsd": "no_jsd",
}
MAXBLUR = ("resnet50_maxblur", "standard")  # Table 2's maxblur_pool: an architecture of ours
STYLIZED = ["stylized_imagenet", "augmix"]  # the views of augmix_stylized
NETS = ("allconv", "densenet", "wideresnet", "resnext")
"""The architectures of Table 1, over which its last row of each data set is the mean."""


class PublishedFigure(NamedTuple):
    """A published figure in percent."""

    loader: str
    architecture: str
    """One of ours, or the mean over those of Table 1."""
    method: str
    measure: str
    value: float
    source: str
    shift: str = ""
    """The corruption or perturbation that it is of; empty for a figure over all of them, or on clean images."""


class Comparison(NamedTuple):
    """Our figure beside a published one, and how our set-up differs from theirs."""

    place: Place
    published: PublishedFigure
    ours: Cell
    differs: str


def comparisons(results: Results) -> Iterator[Comparison]:
    """Every published figure over a whole test set that one of our configured methods has a counterpart for."""
    for key, place in places(results):
        for figure in published():
            if figure[:3] == key and not figure.shift and place.architecture != MEAN:
                ours = ours_beside(results, place, figure)
                if ours is not None:
                    differs = differences(results, place, figure.method, figure.measure)
                    yield Comparison(place, figure, ours, differs)


def places(results: Results) -> Iterator[tuple[tuple[str, str, str], Place]]:
    """Our places beside the loader, architecture and method under which the paper's figures for them would stand."""
    means = [MEAN] if set(results.architectures) == set(NETS) else []
    for dataset, entry in results.datasets.items():
        for architecture in [*results.architectures, *means]:
            for method in results.methods:
                if theirs := their_name(results, method):
                    yield (entry["loader"], architecture, theirs), Place(dataset, architecture, method.name)


def their_name(results: Results, method: PrintedMethod) -> str | None:
    """The paper's name for one of our methods; None where it has no such method."""
    if method.preset is not None:
        return method.preset if method == results.method(method.preset) else None
    [entry] = [entry for entry in results.config["methods"] if entry["name"] == method.name]
    parts = method_parts(entry)
    views, [(loss, _)] = [source for source, _ in parts["views"]], parts["loss"]
    return "augmix_stylized" if (views, loss) == (STYLIZED, "augmix") else None


@cache
def published() -> tuple[PublishedFigure, ...]:
    """Every published figure: all cells of the paper's tables, then RobustBench's."""
    return tuple(_published())


def _published() -> Iterator[PublishedFigure]:
    paper = paper_results()
    tables = paper["augmix_iclr2020"]
    for loader in ("cifar10", "cifar100"):
        table = tables[f"table1_{loader}c"]
        for architecture in (*NETS, MEAN):
            for method, value in zip(table["columns"], table[architecture], strict=True):
                yield PublishedFigure(loader, architecture, method, "mCE", value, f"{PAPER}, Table 1")
        for name, ours in ABLATIONS.items():
            value = tables["table4_ablation_wrn40_2"][name][loader == "cifar100"]
            yield PublishedFigure(loader, "wideresnet", ours, "mCE", value, f"{PAPER}, Table 4")
    robustbench = paper["robustbench_corruptions"]
    for key, loader, architecture in (
        ("augmix_wrn40_2_cifar10", "cifar10", "wideresnet"),
        ("augmix_resnext29_cifar10", "cifar10", "resnext"),
        ("augmix_wrn40_2_cifar100", "cifar100", "wideresnet"),
        ("augmix_resnext29_cifar100", "cifar100", "resnext"),
    ):
        for measure, accuracy in (("clean error", "clean_acc"), ("mCE", "corruption_acc")):
            error = round(100 - robustbench[key][accuracy], 2)
            yield PublishedFigure(loader, architecture, "augmix", measure, error, ROBUSTBENCH)
    for method in ("standard", "augmix"):
        row = robustbench[f"{method}_resnet50_imagenet"]
        for measure, value in (("clean error", round(100 - row["clean_acc"], 2)), (f"mCE {OVER_ALEXNET}", row["mce"])):
            yield PublishedFigure("imagenet", "resnet50", method, measure, value, f"{ROBUSTBENCH}, 5,000 images")
    yield from _imagenet(tables["table2_imagenetc_resnet50"], f"{PAPER}, Table 2", "CE", clean=True)
    # Its clean errors are those of Table 2 once more.
    yield from _imagenet(tables["table3_imagenetp_resnet50"], f"{PAPER}, Table 3", "FR", clean=False)


def _imagenet(table: Mapping[str, Any], source: str, measure: str, clean: bool) -> Iterator[PublishedFigure]:
    """The cells of a table of ImageNet, by shift in percent of AlexNet's `measure`."""
    for row in (key for key in table if key not in ("checked", "columns")):
        architecture, method = MAXBLUR if row == "maxblur_pool" else ("resnet50", row)
        known = dict(zip(table["columns"], table[row], strict=True))
        first, last = known.pop("clean"), known.pop(f"m{measure.lower()}")
        if clean:
            yield PublishedFigure("imagenet", architecture, method, "clean error", first, source)
        yield PublishedFigure("imagenet", architecture, method, f"m{measure} {OVER_ALEXNET}", last, source)
        for shift, value in known.items():
            yield PublishedFigure("imagenet", architecture, method, f"{measure}, {spaced(shift)}", value, source, shift)


def ours_beside(results: Results, place: Place, figure: PublishedFigure) -> Cell | None:
    """Our cell for a published figure; None where what it is measured on was not evaluated."""
    if figure.shift:
        return _by_shift(results, place, figure)
    if figure.measure.endswith(OVER_ALEXNET):
        return normalised(results, place, figure.measure[:3])
    quantity = CLEAN_ERROR if figure.measure == "clean error" else MCE
    return results.cell(place, quantity) if results.has(quantity, place.dataset) else None


def _by_shift(results: Results, place: Place, figure: PublishedFigure) -> Cell | None:
    """Our error or flip probability on one shift, in percent of AlexNet's."""
    over, known = (MCE, "alexnet_imagenetc_error") if figure.measure.startswith("CE") else (MFP, FLIP_RATES)
    quantity = over._replace(shift=figure.shift)
    if not results.has(quantity, place.dataset):
        return None
    whole = 1.0 if over == MCE else 100.0
    cell, seeds = results.cell(place, quantity), results.seeds(place, quantity)
    return summarise(whole * seeds / paper_results()[known][figure.shift], cell.asked, over.measure, cell.word)


def normalised(results: Results, place: Place, measure: str) -> Cell | None:
    """The mCE or mFR in percent of AlexNet's, from our error or flip probability on each shift that enters it.

    None where a shift that enters it was not evaluated on the data set.
    """
    over = MCE if measure == "mCE" else MFP
    testset = results.testset(place.dataset, over.testset)
    quantities = {s: Quantity(over.testset, s, over.metric) for s in testset.entering} if testset is not None else {}
    if not quantities or not all(results.has(quantity, place.dataset) for quantity in quantities.values()):
        return None
    percent = paper_results()[FLIP_RATES]
    if over == MFP and not quantities.keys() <= percent.keys():
        return None  # not ImageNet-P's perturbations
    by_seed = pd.DataFrame({s: results.seeds(place, quantity) for s, quantity in quantities.items()}).dropna()
    shares = by_seed / over.measure.scale
    if over == MCE:
        values = {seed: normalised_mce(dict(row)) for seed, row in shares.iterrows()}
    else:
        ratios = shares / pd.Series({s: percent[s] / 100 for s in quantities})
        values = dict(ratios.mean(axis=1))
    cell = results.cell(place, next(iter(quantities.values())))
    found = 100 * pd.Series(values, dtype=float)
    return summarise(found, cell.asked, over.measure, cell.word or "missing")
