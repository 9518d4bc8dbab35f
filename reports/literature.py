"""Our figures beside the literature's, those of paper_results.yaml, where data set, net and method match."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from augmix.registry import method_parts
from augmix.suite.evaluate.paper import normalised_mce, paper_results
from reports.loaded import Results
from reports.names import PrintedMethod, spaced
from reports.quantities import CLEAN_ERROR, MCE, MFP, Cell, Place, Quantity, summarise

PAPER = "AugMix paper"
ABLATIONS = {  # Table 4's names in ours
    "random_autoaugment": "random_autoaugment",
    "random_autoaugment_jsd": "no_mixing",
    "augmix_no_jsd": "no_jsd",
}
MAXBLUR = ("resnet50_maxblur", "standard")  # Table 2's maxblur_pool: an architecture of ours
EPOCHS = {"allconv": 100, "wideresnet": 100, "densenet": 200, "resnext": 200}
LONG_EPOCHS = ("augmix", "augmix_stylized", "autoaugment")  # on ImageNet 180, not 90
PARAMETERS: dict[str, dict[str, dict[str, Any]]] = {  # where the paper's are not the methods' defaults
    "imagenet": {
        "augmix": {"severity": 1},
        "augmix_stylized": {"severity": 1},
        "autoaugment": {"policy": "imagenet"},
        "random_autoaugment": {"severity": 1},
    },
    "cifar100": {"cutout": {"size": 0.25}},
}
STYLIZED = ["stylized_imagenet", "augmix"]  # the views of augmix_stylized
MEASURED_ON = {"clean error": CLEAN_ERROR.testset, "mCE": MCE.testset, "mFR": MFP.testset}
"""The test set of each measure, by the beginning of its name."""


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
                            yield Comparison(place, figure, ours, _differs(results, place, figure))


def _their_name(results: Results, method: PrintedMethod) -> str | None:
    """The paper's name for one of our methods; None where it has no such method."""
    if method.preset is not None:
        return method.preset if method == results.method(method.preset) else None
    parts = _parts(results, method.name)
    views, [(loss, _)] = [source for source, _ in parts["views"]], parts["loss"]
    return "augmix_stylized" if (views, loss) == (STYLIZED, "augmix") else None


def _parts(results: Results, name: str) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    [entry] = [entry for entry in results.config["methods"] if entry["name"] == name]
    return method_parts(entry)


def _published() -> Iterator[PublishedFigure]:
    paper = paper_results()
    tables = paper["augmix_iclr2020"]
    for loader in ("cifar10", "cifar100"):
        table = tables[f"table1_{loader}c"]
        for architecture in EPOCHS:
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


def _differs(results: Results, place: Place, figure: PublishedFigure) -> str:
    """The settings of our run that are not those of the published one, as far as the configuration shows."""
    entry = results.datasets[place.dataset]
    said = []
    name = next(name for measure, name in MEASURED_ON.items() if figure.measure.startswith(measure))
    testset = results.testset(place.dataset, name)
    if testset is not None and figure.measure != "clean error":
        if any(source.startswith("generated") for source in results.sources.get((place.dataset, name), [])):
            said.append(f"generated {testset.title}")
        size, whole = results.size(place.dataset, testset), results.test_images[place.dataset]
        if size is not None and size != whole:
            said.append(f"{testset.title} of {size:,} images")
    subset = entry.get("subset") or {}
    if subset.get("train"):
        said.append(f"{subset['train']:,} training images")
    if subset.get("test"):
        said.append(f"{subset['test']:,} test images")
    theirs = EPOCHS.get(place.architecture)
    if figure.loader == "imagenet":
        theirs = 180 if figure.method in LONG_EPOCHS else 90
    ours = sorted(results.runs_at(place)["epochs"].dropna().astype(int).unique())
    if theirs is not None and ours and ours != [theirs]:
        said.append(f"{'/'.join(map(str, ours))} epochs, not {theirs}")
    _, given = _parts(results, place.method)["views"][-1]
    parameters = {key: value for key, value in given.items() if key != "folder"}
    wanted = PARAMETERS.get(figure.loader, {}).get(figure.method, {})
    if parameters != wanted:
        said.append(f"{_settings(parameters)}, not {_settings(wanted)}")
    return "; ".join(said) or "–"


def _settings(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{spaced(key)} {value}" for key, value in parameters.items()) or "the default parameters"
