"""The results in sentences, none of which says more than the metrics do."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from reports.evidence import Evidence, confirmed, evidence
from reports.files import STATUSES
from reports.layout import CONFIDENCE, printed_mean
from reports.literature import PAPER, comparisons
from reports.loaded import Results, majority, records
from reports.names import PrintedMethod, architecture_title, headline_phrase, sentence
from reports.quantities import CALIBRATION, POOLED_CALIBRATION, Cell, Quantity
from reports.reproduction import counted
from reports.significance import detectable
from reports.tuning import Sweep, decided_by, sweeps_of
from reports.words import compared, count_word, difference_in_words, enumerated, plural, stated

MOST_DETAILS = 5
"""A warning names so many of the files or settings that differ."""
MADE = {
    "prepare": "The images of {}",
    "generate": "The images of {}",
    "train": "The weights of {}",
    "evaluate": "The predictions of {}",
}
"""The results of each stage, as a warning speaks of them."""


class Question(NamedTuple):
    """A pair of methods whose difference answers something, and a caveat about the answer."""

    method: str
    reference: str
    asks: str
    caveat: str = ""


QUESTIONS = (
    Question("augmix", "standard", "AugMix against standard training"),
    Question(
        "augmix",
        "no_jsd",
        "What the Jensen–Shannon loss adds",
        "The loss looks at three views of an image where its ablation looks at one, so more compute is part of "
        "the difference.",
    ),
    Question(
        "augmix",
        "kl_only",
        "Jensen–Shannon against Kullback–Leibler",
        "At one weight λ, form and strength are confounded: Kullback–Leibler is the stronger.",
    ),
    Question("augmix", "no_mixing", "What mixing adds"),
    Question("augmix", "single_chain", "Three chains against one"),
    Question("augmix", "fmix", "AugMix against FMix"),
)


class Verdict(NamedTuple):
    """Sentences for the abstract, findings as data set -> (lead, text), and warnings."""

    abstract: list[str]
    findings: list[tuple[str, list[tuple[str, str]]]]
    warnings: list[str]


def judge(results: Results) -> Verdict:
    """Put the results into words: the best, the differences and whether they are significant, the failures."""
    findings = []
    abstract = [_opening(results)]
    for dataset in results.datasets:
        best = [line for headline in _headlines(results, dataset) if (line := _best(results, dataset, headline))]
        answers = {q.asks: found for q in _questions(results) if (found := _answer(results, dataset, q))}
        said = {
            "Best figures" if len(results.methods) > 1 else "Figures": best,
            **answers,
            "Sweeps": _sweeps(results, dataset),
            "Calibration": _calibration(results, dataset),
            "Beside the paper": _against_paper(results, dataset),
        }
        findings.append(
            (results.dataset_title(dataset), [(lead, " ".join(text)) for lead, text in said.items() if text])
        )
        abstract += best[:1] + [sentences[0] for sentences in list(answers.values())[:2]]
    outcome = _outcome(results)
    warnings = [*outcome, *_kept(results), *_code_warnings(results)]
    abstract += [*counted(results), *detectable(results), *outcome]
    if len(results.config["seeds"]) == 1:
        abstract.append("Every figure rests on one seed: other seeds may order the methods otherwise.")
    return Verdict(abstract, findings, warnings)


def _opening(results: Results) -> str:
    datasets = enumerated([results.dataset_title(name) for name in results.datasets])
    architectures = enumerated([architecture_title(name) for name in results.architectures])
    done, asked = int((results.runs["status"] == "done").sum()), len(results.runs)
    outcome = f"{count_word(done) if done else 'none'} of {plural(asked, 'run')} finished"
    over = "; figures are means over the architectures" if len(results.architectures) > 1 else ""
    return (
        f"We train {plural(len(results.all_methods), 'method')} on {datasets} with {architectures} "
        f"and {plural(len(results.config['seeds']), 'seed')} each; {outcome}{over}."
    )


class Headline(NamedTuple):
    """The figure that a test set is judged by, in words."""

    quantity: Quantity
    phrase: str
    """Its name within a sentence: `mCE`, `clean error`."""
    where: str
    """The test set: `on Digits-C`."""

    @property
    def article(self) -> str:
        """The indefinite article that goes before the phrase."""
        return "an" if re.match("[aeiou]|m[A-Z]", self.phrase) else "a"


def _headlines(results: Results, dataset: str) -> list[Headline]:
    """The figures that a data set's test sets are judged by: first the mCE, where there is one."""
    return [
        Headline(quantity, headline_phrase(testset), f"on {results.title_of(dataset, testset)}")
        for family, quantity in results.judged
        if (testset := family.members.get(dataset)) is not None
    ]


def _cells(results: Results, dataset: str, quantity: Quantity) -> list[tuple[PrintedMethod, Cell]]:
    """Each method's figure on a data set, averaged over the architectures, where there is one."""
    cells = [(m, results.cell(results.overall_place(dataset, m.name), quantity)) for m in results.methods]
    return [(method, cell) for method, cell in cells if cell.mean is not None]


def _best(results: Results, dataset: str, headline: Headline) -> str | None:
    """The method with the best figure, and those that cannot be told from it."""
    measure = headline.quantity.measure
    sign = 1 if measure.lower_is_better else -1
    cells = sorted(_cells(results, dataset, headline.quantity), key=lambda pair: sign * (pair[1].mean or 0.0))
    what = f"{headline.phrase} {headline.where}"
    if len(cells) == 0:
        return None
    best, cell = cells[0]
    if len(cells) == 1:
        return f"The {headline.phrase} of {best.title} {headline.where} is {stated(cell)}."
    extreme = "lowest" if measure.lower_is_better else "highest"
    equal = [m.title for m, c in cells if printed_mean(c) == printed_mean(cell)]
    if len(equal) > 1:
        said = f"The {extreme} {what} is {printed_mean(cell)}\u00a0{measure.unit}, equal in {enumerated(equal)}"
    else:
        second, other = cells[1]
        said = f"The {extreme} {what} is that of {best.title}, {stated(cell)}"
        said += f"; {second.title} follows with {stated(other)}"
    architecture = results.overall_architecture
    known = evidence(results, dataset, architecture, headline.quantity)
    if len(cells) == 2 and len(equal) == 1:
        # Of two alone the difference is told, by an interval of two sides, here or in the answer to their question.
        asked = {best, second} in [set(_pair(results, question) or ()) for question in _questions(results)]
        one, reference = (results.overall_place(dataset, method.name) for method in (second, best))
        return f"{said}{'' if asked else compared(results, one, reference, headline.quantity)}."
    return f"{said}{'' if known is None else _doubt(known, [m for m, _ in cells[1:]])}."


def _doubt(known: Evidence, others: Sequence[PrintedMethod]) -> str:
    """A clause on the methods that the best one is not told apart from, or on what so few seeds can say of that."""
    near = [method.title for method in others if not known.apart[method.name]]
    if known.sample.counts.max() == 1:
        return "; one seed cannot say which is the best"
    if len(near) == len(others):
        return "; no method is told apart from the best"
    sure = f" ({CONFIDENCE} confidence, one-sided)"
    if not near:
        return f"; all others are told apart from it{sure}"
    are = "is" if len(near) == 1 else "are"
    return f"; {enumerated(near)} {are} not told apart from it, all others are{sure}"


def _questions(results: Results) -> list[Question]:
    """The questions about the experiment's methods: first those about AugMix with other parameters, somebody's own."""
    presets = {entry["name"]: entry.get("preset") for entry in results.config["methods"]}
    variants = [m for m in results.methods if presets[m.name] == "augmix" != m.name and m.name not in results.swept]
    of_parameters = [Question(m.name, "augmix", f"{m.title} against AugMix") for m in variants]
    return [*of_parameters, *QUESTIONS]


def _pair(results: Results, question: Question) -> tuple[PrintedMethod, PrintedMethod] | None:
    """The two methods that a question is about, where the experiment has both."""
    named = {method.name: method for method in results.methods}
    method, reference = (named.get(name) or results.method(name) for name in (question.method, question.reference))
    return None if method is None or reference is None else (method, reference)


def _answer(results: Results, dataset: str, question: Question) -> list[str]:
    """The sentences on what a pair of methods shows on the data set: the mCE first, then the other test sets."""
    pair = _pair(results, question)
    if pair is None:
        return []
    method, reference = pair
    sentences: list[str] = []
    places = [results.overall_place(dataset, m.name) for m in (method, reference)]
    for headline in _headlines(results, dataset):
        ours, theirs = (results.cell(place, headline.quantity) for place in places)
        if ours.mean is None or theirs.mean is None:
            continue
        if sentences:
            said = f"Its {headline.phrase} {headline.where} is {stated(ours)} against {stated(theirs)}"
        else:
            said = f"{method.title} has {headline.article} {headline.phrase} of {stated(ours)} {headline.where}, "
            said += f"{reference.title} one of {stated(theirs)}"
        sentences.append(f"{said}{compared(results, places[0], places[1], headline.quantity)}.")
    return [*sentences, question.caveat] if sentences and question.caveat else sentences


def _sweeps(results: Results, dataset: str) -> list[str]:
    """Each sweep's value with the lowest figure, beside the figure of the default."""
    said = []
    quantity = decided_by(results)
    what = "mCE" if results.chosen is None else "validation error"
    for sweep in sweeps_of(results):
        cells = [(value, m, results.cell(results.overall_place(dataset, m), quantity)) for value, m in sweep.values]
        finished = sorted((c for c in cells if c[2].mean is not None), key=lambda c: c[2].mean or 0.0)
        default = next((cell for _, method, cell in finished if method == sweep.default), None)
        if len(finished) > 1:
            value, method, cell = finished[0]
            line = f"{sweep.title}: {value} has the lowest {what}, {stated(cell)}"
            if method == sweep.default:
                line += ", and is the default"
            elif default is not None:
                line += f", the default {stated(default)}"
                line += _confirmation(results, dataset, sweep, quantity)
            said.append(line + ".")
    return said


def _confirmation(results: Results, dataset: str, sweep: Sweep, quantity: Quantity) -> str:
    """A sentence on the lowest of several values, which is low by chance, too."""
    assert sweep.default is not None
    methods = [method for _, method in sweep.values]
    architecture = results.overall_architecture
    found = confirmed(results, dataset, architecture, quantity, methods, sweep.default)
    if found is None:
        return "; the lowest of several is low by chance, too, so this says nothing against the default"
    method, difference = found
    anew = "; chosen anew on half of the seeds and images"
    if difference is None:
        return f"{anew}, the default is the lowest"
    value = next(value for value, name in sweep.values if name == method)
    return f"{anew}, {value} has on the other half {difference_in_words(difference)}"


def _calibration(results: Results, dataset: str) -> list[str]:
    """AugMix's calibration on corrupted images beside standard training's."""
    found = (quantity for quantity in (CALIBRATION, POOLED_CALIBRATION) if results.has(quantity, dataset))
    quantity = next(found, None)
    method, reference = results.method("augmix"), results.method("standard")
    if quantity is None or method is None or reference is None:
        return []
    cells = {m.name: cell for m, cell in _cells(results, dataset, quantity)}
    if method.name not in cells or reference.name not in cells:
        return []
    pooled = quantity == POOLED_CALIBRATION
    over = "pooled over all corrupted images" if pooled else f"averaged over the cells of -{quantity.testset}"
    ours, theirs = (results.overall_place(dataset, found.name) for found in (method, reference))
    return [
        f"The {quantity.measure.phrase}, {over}, is {stated(cells[method.name])} with {method.title} "
        f"and {stated(cells[reference.name])} with {reference.title}{compared(results, ours, theirs, quantity)}."
    ]


def _against_paper(results: Results, dataset: str) -> list[str]:
    """AugMix's mCE beside the paper's, for each architecture that the paper has."""
    return [
        f"With {architecture_title(c.place.architecture)}, our {c.published.measure} of AugMix is "
        f"{stated(c.ours)}, that of the {c.published.source}, {c.published.value:.1f}\u00a0%"
        + ("." if c.differs == "–" else f" (ours differs: {c.differs}).")
        for c in comparisons(results)
        if (c.place.dataset, c.published.method) == (dataset, "augmix")
        and c.published.source.startswith(PAPER)
        and c.published.measure.startswith("mCE")
        and c.ours.mean is not None
    ]


def _outcome(results: Results) -> list[str]:
    """The runs that did not finish, and those that were not evaluated after a choice."""
    said = []
    verbs = zip(STATUSES[1:], ("diverged", "failed", "did not finish"), strict=True)
    found = {verb: list(results.runs.loc[results.runs["status"] == status, "method"]) for status, verb in verbs}
    found["had no evaluation on test images"] = [run["method"] for run in results.untested]
    for verb, methods in found.items():
        if methods:
            names = majority(results.titles[name] for name in methods)
            whose = "its" if len(methods) == 1 else "their"
            count = sentence(plural(len(methods), "run"))
            said.append(f"{count} {verb} ({enumerated(names)}); {whose} cells are marked.")
    return said


def _kept(results: Results) -> list[str]:
    """The results that were made with something else than what is asked for, and accepted: each by its name."""
    found: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for key, said in results.kept.items():
        stage, _, name = key.partition(" ")
        found.setdefault((stage, str(said["why"]), tuple(map(str, said["details"]))), []).append(name)
    warnings = []
    for (stage, why, details), names in found.items():
        what = MADE.get(stage, f"The results of {stage} {{}}").format(enumerated(names))
        if why == "unknown":
            warnings.append(f"{what} do not say what they were made with, and were kept.")
            continue
        more = [f"{len(details) - MOST_DETAILS} more"] if len(details) > MOST_DETAILS else []
        differing = ", ".join([*details[:MOST_DETAILS], *more])
        warnings.append(f"{what} were made with other {why}{f' ({differing})' if differing else ''}, and kept.")
    return warnings


def _code_warnings(results: Results) -> list[str]:
    """Faults that make runs hard to compare or to repeat."""
    done = results.runs[results.runs["status"] == "done"]
    warnings = []
    # Methods and architectures differ in their own files by nature.
    for (architecture, method), runs in done.groupby(["arch", "method"], sort=False):
        if len(majority(runs["code"])) > 1:
            whose = f"{results.titles[str(method)]} with {architecture_title(str(architecture))}"
            warnings.append(f"The runs of {whose} come from different versions of the code: {_tally(runs['code'])}.")
    if len(majority(done["torch"])) > 1:
        warnings.append(f"The runs come from different versions of torch: {_tally(done['torch'])}.")
    warnings = [f"{warning} Train them anew before comparing." for warning in warnings]
    for dataset, runs in done.groupby("dataset", sort=False):
        noted = [results.provenance(run).get("data_sha256") or {} for run in records(runs)]
        digests = {digests["train_images"] for digests in noted if "train_images" in digests}
        if len(digests) > 1:
            title = results.dataset_title(str(dataset))
            warnings.append(f"The runs on {title} were trained on different images. Train them anew before comparing.")
    dirty = int(done["dirty"].str.lower().isin(["true", "1"]).sum())
    if dirty:
        were = "was" if dirty == 1 else "were"
        warnings.append(
            f"{sentence(plural(dirty, 'run'))} {were} trained with uncommitted changes, "
            "so the commit alone does not give the code."
        )
    return warnings


def _tally(column: pd.Series) -> str:
    """The distinct values of some runs with the number of runs of each."""
    values = majority(column)
    return enumerated([f"{value[:12]} ({plural(int((column == value).sum()), 'run')})" for value in values])
