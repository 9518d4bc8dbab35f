"""Questions that a critic of AugMix asks, answered from the runs of the experiments that were made for them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from augmix.registry import method_parts
from reports.beyond import adaptation, natural, texture
from reports.evidence import Compared, as_family, between, between_nets, compared_cells, contrasts, interaction
from reports.layout import Answer, Column, Row, Table, columns_of, framed
from reports.loaded import Results, remembered
from reports.names import PrintedMethod, architecture_title, sentence
from reports.quantities import CLEAN_ERROR, MCE, MFP, POOLED_CALIBRATION, VALIDATION, Cell, Place, Quantity
from reports.significance import would_be_found
from reports.since import since
from reports.tuning import LOSSES, consistency_losses
from reports.words import (
    FEW,
    STEPWISE,
    amount,
    compared,
    differences_in_words,
    enumerated,
    placed_once,
    plural,
    predicate,
    significance,
    stated,
)

LONG = "standard, three times the epochs"
GRID = {
    "Crops": ("standard", LONG, "crop_jsd"),
    "One chain": ("random_autoaugment", "random_autoaugment_all_views", "no_mixing"),
    "Mixed chains": ("no_jsd", "no_jsd_all_views", "augmix"),
}
COSTS = {"one": "Cross-entropy, one view", "all": "Cross-entropy, all views", "jsd": "JSD"}
CONTRASTS = (
    ("three times the compute alone", LONG, "standard"),
    ("JSD over crops", "crop_jsd", LONG),
    ("JSD over one chain", "no_mixing", "random_autoaugment_all_views"),
    ("JSD over mixed chains", "augmix", "no_jsd_all_views"),
    ("mixing under cross-entropy on all views", "no_jsd_all_views", "random_autoaugment_all_views"),
    ("mixing under JSD", "augmix", "no_mixing"),
    ("all of AugMix", "augmix", LONG),
)
JUDGED_BY = {"clean": CLEAN_ERROR, "mce": MCE, "mfp": MFP, "calibration": POOLED_CALIBRATION}
"""The figures by which consistency losses are compared."""
HEADS = {"clean": "Clean error", "mce": "mCE", "mfp": "mFP", "calibration": "RMS calibration, -C"}
IN_WORDS = {"clean": "clean error", "mce": "mCE", "mfp": "mFP", "calibration": "RMS calibration error on -C"}
KNOWN_POLICIES = ("cifar10", "imagenet")
ATTENTION = ("attention_stage", "vit", "vit_b16")
"""The architectures with self-attention."""
PAIR = {"attention_stage", "convolution_stage"}
"""Two that differ in attention alone."""


@remembered
def answers(results: Results) -> list[Answer]:
    """The questions that the experiment has the runs for."""
    asked = (_consistency, _attention, _fmix, _factorial, texture, natural, adaptation, since)
    places = {results.where(*place) for place in product(results.datasets, results.architectures)}
    return [a._replace(text=placed_once(a.text, places)) for ask in asked if (a := ask(results))]


def question_tables(results: Results) -> list[Table]:
    """The answers' tables."""
    return [table for answer in answers(results) for table in answer.tables]


def _cell(results: Results, compared: Compared | None) -> Cell | str:
    """A difference in points with its interval; a dash where there is none."""
    return "–" if compared is None else compared.cell(len(results.config["seeds"]))


def _consistency(results: Results) -> Answer | None:
    """JSD against KL in both directions, each at the λ that is best for it, and beside controls of the same compute."""
    sweeps = consistency_losses(results)
    measured = {name: quantity for name, quantity in JUDGED_BY.items() if results.has(quantity)}
    rows, differences, text = [], [], []
    asked: list[tuple[str, Place, Place]] = []
    for dataset, architecture in product(results.datasets, results.architectures) if sweeps else ():
        chosen = {
            sweep.name: (value, Place(dataset, architecture, method))
            for sweep in sweeps
            for value, method in sweep.values
            if (results.chosen or {}).get((dataset, architecture, sweep.name)) == method
        }
        if "jsd_weight" not in chosen:
            continue
        jsd = chosen["jsd_weight"][1]
        labels = {place: LOSSES[name] for name, (_, place) in chosen.items()}
        weights = {place: value for value, place in chosen.values()}
        alone = [method for method in results.methods if method.name not in results.swept]  # they have no λ to choose
        labels |= {Place(dataset, architecture, method.name): method.title for method in alone}
        for place, label in labels.items():
            cells = [results.cell(place, quantity) for quantity in (VALIDATION, *measured.values())]
            rows.append(Row(place, results.where(*place[:2]), label, [weights.get(place, "–"), *cells]))
            asked += [(label, place, jsd)] if place != jsd else []
        ends = [
            LOSSES[sweep.name]
            for sweep in sweeps
            if sweep.name in chosen and chosen[sweep.name][0] in (sweep.values[0][0], sweep.values[-1][0])
        ]
        if ends:
            text.append(f"The λ of {enumerated(ends)} is at an end of its range: a better one may lie beyond.")
    pairs = [(place, jsd) for _, place, jsd in asked]
    judged = {name: contrasts(results, pairs, quantity) for name, quantity in measured.items()}
    for label, place, jsd in asked:
        found = {name: judged[name].get((place, jsd)) for name in measured}
        points = [_cell(results, one) for one in found.values()]
        differences.append(Row(place, results.where(*place[:2]), label, points))
        there = {name: one for name, one in found.items() if one is not None}
        text += _against_jsd(results.where(*place[:2]), label, there)
    text += would_be_found(judged["mce"].values(), "mCE") if "mce" in judged else []
    keys = ["dataset", "architecture", "method"]
    heads = {"weight": "λ", "validation": "Validation error"} | {name: HEADS[name] for name in measured}
    tables = [
        Table(
            "consistency",
            "Each consistency loss at its own best λ, and training without one (%)",
            framed(keys, columns_of(heads), rows),
        ),
        Table(
            "consistency_against",
            "The same minus JSD, in points",
            framed(keys, columns_of({name: HEADS[name] for name in measured}), differences),
        ),
    ]
    caveat = (
        "At one λ, form and strength are confounded: KL at λ is as strong as JSD at 2.25 λ where views differ little, "
        "stronger still where they differ much. So each loss has the λ with the lowest error on the images kept for "
        "validation, under corruptions or severities that -C has not. The corruptions of the mCE were touched once, "
        "after that choice, by the chosen nets alone and those without a λ."
    )
    return Answer("Is JSD better than plain KL?", [*text, caveat], tables, "consistency") if rows else None


def _against_jsd(where: str, label: str, found: Mapping[str, Compared]) -> Iterator[str]:
    """By which figures JSD is better than another loss, by which worse, and by which neither is shown."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, one in found.items():
        said = "not shown to be better or worse" if not one.significant else "better" if one.points > 0 else "worse"
        groups.setdefault((said, significance(one)), []).append(name)
    for (said, _), names in groups.items():
        by = enumerated([f"the {IN_WORDS[name]}" for name in names], "or" if said.startswith("not") else "and")
        verb = "that of the latter is" if len(names) == 1 else "those of the latter are"
        [(told, sizes)] = differences_in_words([("", found[name]) for name in names]).items()
        yield f"On {where}, JSD is {said} than {label} by {by}; {verb} {sizes}, {told}."


def _attention(results: Results) -> Answer | None:
    """AugMix's gain on nets with attention beside that on convolutional nets."""
    attention = [name for name in results.architectures if name in ATTENTION]
    standard, augmix = results.method("standard"), results.method("augmix")
    others = [name for name in results.architectures if name not in attention]
    if not attention or not others or standard is None or augmix is None:
        return None
    rows, text = [], []
    for dataset in [name for name in results.datasets if results.has(MCE, name)]:
        gains: dict[str, Compared] = {}
        for architecture in results.architectures:
            plain, mixed = (Place(dataset, architecture, method.name) for method in (standard, augmix))
            gain = between(results, plain, mixed, MCE)
            if gain is not None:
                gains[architecture] = gain
            sizes = results.runs_at(mixed)["parameters"].dropna()
            cells: list[Cell | str] = [f"{sizes.iloc[0]:,.0f}" if len(sizes) else "–"]
            cells += [results.cell(place, quantity) for quantity in (CLEAN_ERROR, MCE) for place in (plain, mixed)]
            cells.append(_cell(results, gain))
            title = architecture_title(architecture)
            rows.append(Row((dataset, architecture), results.dataset_title(dataset), title, cells))
            text.append(
                f"On {results.where(dataset, architecture)}, AugMix has an mCE of {stated(results.cell(mixed, MCE))}, "
                f"standard training one of {stated(results.cell(plain, MCE))}{compared(results, mixed, plain, MCE)}."
            )
        text += _against_convolution(results, dataset, list(product(attention, others)), [standard, augmix])
        both = [(one, other) for one, other in product(attention, others) if {one, other} <= gains.keys()]
        found = [interaction(gains[one], gains[other]) for one, other in both]
        judged = as_family(found)
        for (one, other), more in zip(both, judged, strict=True):
            text.append(
                f"AugMix's gain on {architecture_title(one)}, beside that on {architecture_title(other)}, "
                f"{predicate(more)}."
            )
        text += would_be_found(judged, "gains")
    heads = {"parameters": ("", "Parameters"), "clean_standard": ("Clean error", standard.title)}
    heads |= {"clean_augmix": ("Clean error", augmix.title), "mce_standard": ("mCE", standard.title)}
    heads |= {"mce_augmix": ("mCE", augmix.title), "gain": ("mCE", "Gain")}
    table = Table(
        "attention",
        "AugMix's gain on each architecture (%; the gain in points)",
        framed(["dataset", "architecture"], [Column(*head, name) for name, head in heads.items()], rows),
    )
    caveat = (
        "The two nets have one trunk, one recipe and equally many parameters, and differ in their last stage alone: "
        "their differences are the effect of attention there. It says nothing about large pretrained nets."
        if set(results.architectures) == PAIR
        else "A small vision transformer trained on little data is not the vision transformers of the literature, "
        "which are far larger and pretrained: this says nothing about those. The nets differ in more than attention, "
        "in size and recipe too, so a difference between them is not the effect of attention by itself."
    )
    return Answer("Does attention help?", [*text, caveat], [table]) if rows else None


def _against_convolution(
    results: Results, dataset: str, nets: Sequence[tuple[str, str]], methods: Sequence[PrintedMethod]
) -> list[str]:
    """Nets with attention minus those without, in clean error and mCE after each method, as one family after Holm."""
    found = [
        (method, net, other, name, one)
        for method, (net, other), name in product(methods, nets, ("clean", "mce"))
        for place in [Place(dataset, net, method.name)]
        for one in [between_nets(results, place, place._replace(architecture=other), JUDGED_BY[name])]
        if one is not None
    ]
    judged = as_family(one for *_, one in found)
    return [
        f"After {method.title if method.preset == 'augmix' else 'standard training'}, {architecture_title(net)}'s "
        f"{IN_WORDS[name]} on {results.dataset_title(dataset)}, beside that of {architecture_title(other)}, "
        f"{predicate(one)}."
        for (method, net, other, name, _), one in zip(found, judged, strict=True)
    ]


def _fmix(results: Results) -> Answer | None:
    """FMix, alone and with AutoAugment's views, against AugMix on Fashion-MNIST."""
    fashion = [name for name, entry in results.datasets.items() if entry["loader"] == "fashion_mnist"]
    parts = {entry["name"]: method_parts(entry) for entry in results.config["methods"]}
    mixes = [method for method in results.methods if "fmix" in dict(parts[method.name]["mix"])]
    augmix = results.method("augmix")
    if not fashion or not mixes or augmix is None:
        return None
    rows, text, lower, judged = [], [], [], []
    for dataset, architecture, method in product(fashion, results.architectures, [*mixes, augmix]):
        place, base = (Place(dataset, architecture, m.name) for m in (method, augmix))
        where = results.where(dataset, architecture)
        cells: list[Cell | str] = [results.cell(place, quantity) for quantity in (CLEAN_ERROR, MCE)]
        for quantity, what in ((CLEAN_ERROR, "clean error"), (MCE, "mCE")):
            found = between(results, place, base, quantity) if place != base else None
            cells.append(_cell(results, found))
            if place != base:
                ours, theirs = (stated(results.cell(at, quantity)) for at in (place, base))
                text.append(
                    f"On {where}, the {what} of {method.title} is {ours}, that of AugMix {theirs}"
                    f"{compared(results, place, base, quantity)}."
                )
            judged += [found] if found is not None else []
            if found is not None and found.significant and found.points < 0:
                lower.append(f"the {what} of {method.title}")
        rows.append(Row((dataset, architecture, method.name), where, method.title, cells))
    beaten = "no figure of FMix is shown to beat AugMix's"
    if lower:
        beaten = f"AugMix is beaten, and the difference is significant, by {enumerated(lower)}"
    text.insert(0, f"In these runs, {beaten}.")
    text += would_be_found(judged, "these figures")
    views = [dict(parts[method.name]["views"]) for method in mixes]
    policies = [of["autoaugment"].get("policy", KNOWN_POLICIES[0]) for of in views if "autoaugment" in of]
    given = [policy for policy in policies if policy not in KNOWN_POLICIES]
    if given:
        claim = (
            f"The published claim is for FMix with Fast AutoAugment; here its policy is that of {enumerated(given)}."
        )
    else:
        claim = (
            "The published claim is for FMix with Fast AutoAugment. No policy found by Fast AutoAugment was given, so "
            "exactly this claim was not tested"
            + (": here FMix goes with AutoAugment's published policy, found on other data." if policies else ".")
        )
    epochs = plural(results.config["training"]["epochs"], "epoch")
    limit = f"Mixed images ask for long training: after more than the {epochs} here, the order may differ."
    heads = {"clean": "Clean error", "mce": "mCE", "clean_against": "Clean − AugMix", "mce_against": "mCE − AugMix"}
    table = Table(
        "fmix",
        "FMix and AugMix on Fashion-MNIST (%; the last two columns in points)",
        framed(["dataset", "architecture", "method"], columns_of(heads), rows),
    )
    return Answer("Does FMix beat AugMix on Fashion-MNIST?", [*text, claim, limit], [table])


def _factorial(results: Results) -> Answer | None:
    """Views × loss, with the controls that cost as much as three views."""
    common = results.config["training"]["epochs"]
    changed: Mapping[str, Any] = {entry["name"]: entry.get("training") or {} for entry in results.config["methods"]}
    lengths = {method.name: changed[method.name].get("epochs", common) for method in results.methods}
    names = {n: m.name for row in GRID.values() for n in row if (m := results.method(n)) and lengths[m.name] == common}
    for method in results.methods:
        if method.preset == "standard" and lengths[method.name] == 3 * common:
            names[LONG] = method.name
    if not {*GRID["One chain"], *GRID["Mixed chains"]} <= names.keys():
        return None
    measures: Mapping[str, Quantity] = {"mCE": MCE, "Clean error": CLEAN_ERROR}
    grid, rows = [], []
    text: list[str] = []
    asked = {
        (dataset, architecture): {
            asks: (places[one], places[other]) for asks, one, other in CONTRASTS if one in places and other in places
        }
        for dataset, architecture in product(results.datasets, results.architectures)
        for places in [{name: Place(dataset, architecture, method) for name, method in names.items()}]
    }
    pairs = [pair for found in asked.values() for pair in found.values()]
    judged = {quantity: contrasts(results, pairs, quantity) for quantity in (MCE, CLEAN_ERROR)}
    for dataset, architecture in product(results.datasets, results.architectures):
        where = results.where(dataset, architecture)
        for (label, quantity), (views, row) in product(measures.items(), GRID.items()):
            cells = _of_row(results, dataset, architecture, quantity, [names.get(name) for name in row])
            grid.append(Row((dataset, architecture, label, views), f"{label}, {where}", views, cells))
        found = asked[dataset, architecture]
        rows += [_contrast(results, where, asks, pair, judged) for asks, pair in found.items()]
        text += _effects(where, found, judged[MCE])
    heads = [Column("", "Difference", "between")]
    heads += [Column(label, t, f"{label}_{t}") for label in measures for t in ("Points", "Verdict")]
    tables = [
        Table(
            "factorial",
            "Views × loss (%): mCE, then clean error",
            framed(["dataset", "architecture", "measure", "views"], columns_of(COSTS), grid),
            "row",
            notes=(
                "A step of the last two columns costs about three of the first's. Crops under cross-entropy on all "
                "views are standard training for three times the epochs, the control for that compute.",
            ),
        ),
        Table(
            "contrasts",
            "What each part is worth in points: all but the first at equal compute",
            framed(["dataset", "architecture", "contrast"], heads, rows),
            notes=(
                "The contrasts in one measure are a family; significant are those whose interval excludes zero. "
                f"{STEPWISE}",
            ),
        ),
    ]
    return Answer("What is the gain made of?", text, tables)


def _of_row(
    results: Results, dataset: str, architecture: str, quantity: Quantity, methods: Sequence[str | None]
) -> list[Cell]:
    """The figures of a row's methods, told apart among each other; None is one that was not run."""
    there = [method for method in methods if method is not None]
    found = dict(zip(there, compared_cells(results, dataset, architecture, quantity, there), strict=True))
    absent = Cell(None, None, 0, 0, "not run")
    return [absent if method is None else found[method] for method in methods]


def _contrast(
    results: Results,
    where: str,
    asks: str,
    pair: tuple[Place, Place],
    judged: Mapping[Quantity, Mapping[tuple[Place, Place], Compared]],
) -> Row:
    """One method minus another in each measure, and whether the difference is significant."""
    cells: list[Cell | str] = [" − ".join(results.titles[place.method] for place in pair)]
    for found in judged.values():
        one = found.get(pair)
        cells += [_cell(results, one), "–" if one is None else one.verdict.removeprefix(FEW)]
    return Row((*pair[0][:2], asks), where, sentence(asks), cells)


def _effects(
    where: str, asked: Mapping[str, tuple[Place, Place]], judged: Mapping[tuple[Place, Place], Compared]
) -> Iterator[str]:
    """The contrasts that are significant, and those that are not, by the mCE."""
    effects: dict[bool, list[str]] = {True: [], False: []}
    for asks, pair in asked.items():
        if pair in judged:
            found = judged[pair]
            more = "less" if found.points < 0 else "more"
            effects[found.significant].append(f"{asks} ({amount(found.points, found.measure)} {more})")
    for clear, verdict in ((True, "is significant"), (False, "is not significant")):
        if effects[clear]:
            yield (
                f"On {where} and by the mCE, the effect of {enumerated(effects[clear])} {verdict} "
                f"among {plural(len(judged), 'contrast')}."
            )
