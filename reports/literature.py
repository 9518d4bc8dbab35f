"""Our figures beside the literature's, those of paper_results.yaml, where data set, net and method match."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from augmix.registry import method_parts
from augmix.suite.evaluate.paper import normalised_mce, paper_results
from reports.loaded import Results
from reports.names import PrintedMethod
from reports.quantities import CLEAN_ERROR, MCE, MFP, Cell, Place, Quantity, summarise
from reports.recipes import differences

PAPER = "AugMix paper"
ABLATIONS = {  # Table 4's names in ours
    "random_autoaugment": "random_autoaugment",
    "random_autoaugment_jsd": "no_mixing",
    "augmix_no_jsd": "no_jsd",
}
MAXBLUR = ("resnet50_maxblur", "standard")  # Table 2's maxblur_pool: an architecture of ours
STYLIZED = ["stylized_imagenet", "augmix"]  # the views of augmix_stylized


class PublishedFigure(NamedTuple):
    """A published figure in percent."""

    loader: str
    architecture: str
    method: str
    measure: str
    value: float
    source: str


class Comparison(NamedTuple):
    """Our figure beside a published one, and how our set-up differs from theirs."""

    place: Place
    published: PublishedFigure
    ours: Cell
    differs: str


def comparisons(results: Results) -> Iterator[Comparison]:
    """Every published figure that one of our configured methods has a counterpart for."""
    published = list(_published())
    for dataset, entry in results.datasets.items():
        for architecture in results.architectures:
            for method in results.methods:
                place = Place(dataset, architecture, method.name)
                theirs = _their_name(results, method)
                for figure in published:
                    if figure[:3] == (entry["loader"], architecture, theirs):
                        ours = _ours(results, place, figure.measure)
                        if ours is not None:
                            differs = differences(results, place, figure.method, figure.measure)
                            yield Comparison(place, figure, ours, differs)


def _their_name(results: Results, method: PrintedMethod) -> str | None:
    """The paper's name for one of our methods; None where it has no such method."""
    if method.preset is not None:
        return method.preset if method == results.method(method.preset) else None
    [entry] = [entry for entry in results.config["methods"] if entry["name"] == method.name]
    parts = method_parts(entry)
    views, [(loss, _)] = [source for source, _ in parts["views"]], parts["loss"]
    return "augmix_stylized" if (views, loss) == (STYLIZED, "augmix") else None


def _published() -> Iterator[PublishedFigure]:
    paper = paper_results()
    tables = paper["augmix_iclr2020"]
    for loader in ("cifar10", "cifar100"):
        table = tables[f"table1_{loader}c"]
        for architecture in ("allconv", "densenet", "wideresnet", "resnext"):
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
            yield PublishedFigure(loader, architecture, "augmix", measure, error, "RobustBench")
    for name, measure in (
        ("table2_imagenetc_resnet50", "mCE (AlexNet-normalised)"),
        ("table3_imagenetp_resnet50", "mFR (AlexNet-normalised)"),
    ):
        table = tables[name]
        for method in (key for key in table if key not in ("checked", "columns")):
            source = f"{PAPER}, Table {name[5]}"
            architecture, trained = MAXBLUR if method == "maxblur_pool" else ("resnet50", method)
            if name[5] == "2":
                yield PublishedFigure("imagenet", architecture, trained, "clean error", table[method][0], source)
            yield PublishedFigure("imagenet", architecture, trained, measure, table[method][-1], source)


def _ours(results: Results, place: Place, measure: str) -> Cell | None:
    """Our cell for a published measure; None where its test set was not evaluated."""
    if measure.endswith("(AlexNet-normalised)"):
        return normalised(results, place, measure[:3])
    quantity = CLEAN_ERROR if measure == "clean error" else MCE
    return results.cell(place, quantity) if results.has(quantity, place.dataset) else None


def normalised(results: Results, place: Place, measure: str) -> Cell | None:
    """The mCE or mFR in percent of AlexNet's, from our error or flip probability on each shift that enters it.

    None where a shift that enters it was not evaluated on the data set.
    """
    over = MCE if measure == "mCE" else MFP
    testset = results.testset(place.dataset, over.testset)
    quantities = {s: Quantity(over.testset, s, over.metric) for s in testset.entering} if testset is not None else {}
    if not quantities or not all(results.has(quantity, place.dataset) for quantity in quantities.values()):
        return None
    percent = paper_results()["alexnet_imagenetp_flip_rate"]
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
