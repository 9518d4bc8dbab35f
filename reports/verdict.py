"""The results in sentences, none of which says more than the metrics do."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reports.layout import printed_mean
from reports.names import Method, architecture_title
from reports.published import comparisons
from reports.results import CLEAN_ERROR, MCE, MEAN, MFP, STATUSES, Cell, Place, Quantity, Results, majority, records
from reports.sweeps import decided_by, sweeps_of
from reports.tables import CALIBRATION
from reports.words import compared, figure, listed, number, plural, sentence, told_apart

MEASURES = {"mCE": MCE, "clean error": CLEAN_ERROR, "mFP": MFP}


class Question(NamedTuple):
    """A pair of methods whose difference answers something, and what to bear in mind about the answer."""

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
    """Put the results into words: the best, the differences that the seeds bear out, what failed."""
    findings = []
    abstract = [_opening(results)]
    for dataset in results.datasets:
        best = [sentence for label in MEASURES if (sentence := _best(results, dataset, label))]
        answers = {q.asks: found for q in QUESTIONS if (found := _answer(results, dataset, q))}
        said = {
            "Lowest figures" if len(results.methods) > 1 else "Figures": best,
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
    return Verdict([*abstract, *outcome, *_seed_caveat(results)], findings, [*outcome, *_code_warnings(results)])


def _opening(results: Results) -> str:
    datasets = listed([results.dataset_title(name) for name in results.datasets])
    architectures = listed([architecture_title(name) for name in results.architectures])
    done, asked = int((results.runs["status"] == "done").sum()), len(results.runs)
    outcome = f"{number(done) if done else 'none'} of {plural(asked, 'run')} finished"
    over = "; figures are means over the architectures" if len(results.architectures) > 1 else ""
    return (
        f"We train {plural(len(results.all_methods), 'method')} on {datasets} with {architectures} "
        f"and {plural(len(results.config['seeds']), 'seed')} each; {outcome}{over}."
    )


def _cells(results: Results, dataset: str, quantity: Quantity) -> list[tuple[Method, Cell]]:
    """Each method's figure on a data set, averaged over the architectures, where there is one."""
    cells = [(m, results.cell(_overall(results, dataset, m.name), quantity)) for m in results.methods]
    return [(method, cell) for method, cell in cells if cell.mean is not None]


def _overall(results: Results, dataset: str, method: str) -> Place:
    """The mean over the architectures, or the only one."""
    return Place(dataset, results.architectures[0] if len(results.architectures) == 1 else MEAN, method)


def _best(results: Results, dataset: str, label: str) -> str | None:
    """Who has the lowest figure, and whether the next one can be told apart from it."""
    cells = sorted(_cells(results, dataset, MEASURES[label]), key=lambda pair: pair[1].mean or 0.0)
    where = _where(results, dataset, label)
    if len(cells) == 0:
        return None
    best, cell = cells[0]
    if len(cells) == 1:
        return f"The {label} of {best.title} {where} is {figure(cell)}."
    second, other = cells[1]
    equal = [m.title for m, c in cells if printed_mean(c) == printed_mean(cell)]
    if len(equal) > 1:
        return f"The lowest {label} {where} is {printed_mean(cell)}\u00a0%, equal in {listed(equal)}."
    said = f"The lowest {label} {where} is that of {best.title}, {figure(cell)}"
    said += f"; {second.title} follows with {figure(other)}"
    return f"{said}{_doubt(results, dataset, second.name, best.name, MEASURES[label])}."


def _doubt(results: Results, dataset: str, method: str, reference: str, quantity: Quantity) -> str:
    """A clause where there are seeds to compare two methods by, and they do not tell them apart."""
    ours, theirs = (_overall(results, dataset, name) for name in (method, reference))
    differences = results.difference(ours, theirs, quantity)
    apart = len(differences) < 2 or told_apart(differences)
    return "" if apart else ", a difference that the seeds do not bear out"


def _answer(results: Results, dataset: str, question: Question) -> list[str]:
    """What the pair of methods shows on the data set: mCE first, then clean error and mFP."""
    method, reference = results.method(question.method), results.method(question.reference)
    if method is None or reference is None:
        return []
    sentences: list[str] = []
    places = [_overall(results, dataset, m.name) for m in (method, reference)]
    for label, quantity in MEASURES.items():
        ours, theirs = (results.cell(place, quantity) for place in places)
        if ours.mean is None or theirs.mean is None:
            continue
        where = _where(results, dataset, label)
        if sentences:
            said = f"Its {label} {where} is {figure(ours)} against {figure(theirs)}"
        else:
            article = "a" if label == "clean error" else "an"
            said = f"{method.title} has {article} {label} of {figure(ours)} {where}, "
            said += f"{reference.title} one of {figure(theirs)}"
        sentences.append(f"{said}{compared(results, places[0], places[1], quantity)}.")
    return [*sentences, question.caveat] if sentences and question.caveat else sentences


def _where(results: Results, dataset: str, label: str) -> str:
    suffix = {"mCE": "-C", "mFP": "-P"}.get(label, "")
    return f"on {results.dataset_title(dataset)}{suffix}"


def _sweeps(results: Results, dataset: str) -> list[str]:
    """Of each sweep, the value with the lowest figure and what the default has."""
    said = []
    quantity = decided_by(results)
    what = "mCE" if results.chosen is None else "validation error"
    for sweep in sweeps_of(results):
        cells = [(value, m, results.cell(_overall(results, dataset, m), quantity)) for value, m in sweep.values]
        finished = sorted((c for c in cells if c[2].mean is not None), key=lambda c: c[2].mean or 0.0)
        default = next((cell for _, method, cell in finished if method == sweep.default), None)
        if len(finished) > 1:
            value, method, cell = finished[0]
            line = f"{sweep.title}: {value} has the lowest {what}, {figure(cell)}"
            if method == sweep.default:
                line += ", and is the default"
            elif default is not None:
                line += f", the default {figure(default)}"
                line += _doubt(results, dataset, method, sweep.default or "", quantity)
            said.append(line + ".")
    return said


def _calibration(results: Results, dataset: str) -> list[str]:
    """AugMix's calibration on corrupted images beside standard training's."""
    labels = ["RMS calibration error, -C", "RMS calibration error, -C pooled"]
    label = next((name for name in labels if results.has(CALIBRATION[name], dataset)), None)
    method, reference = results.method("augmix"), results.method("standard")
    if label is None or method is None or reference is None:
        return []
    cells = {m.name: cell for m, cell in _cells(results, dataset, CALIBRATION[label])}
    if method.name not in cells or reference.name not in cells:
        return []
    over = "pooled over all corrupted images" if "pooled" in label else "averaged over the cells of -C"
    return [
        f"The RMS calibration error, {over}, is {figure(cells[method.name])} with {method.title} "
        f"and {figure(cells[reference.name])} with {reference.title}."
    ]


def _against_paper(results: Results, dataset: str) -> list[str]:
    """AugMix's mCE beside the paper's, for each architecture that the paper has."""
    return [
        f"With {architecture_title(c.place.architecture)}, our {c.published.measure} of AugMix is "
        f"{figure(c.ours)}, that of the {c.published.source}, {c.published.value:.1f}\u00a0%"
        + ("." if c.differs == "–" else f" (ours differs: {c.differs}).")
        for c in comparisons(results)
        if (c.place.dataset, c.published.method) == (dataset, "augmix")
        and c.published.source != "RobustBench"
        and c.published.measure.startswith("mCE")
        and c.ours.mean is not None
    ]


def _outcome(results: Results) -> list[str]:
    """Which runs did not finish."""
    said = []
    titles = {method.name: method.title for method in results.all_methods}
    for status in STATUSES[1:]:
        runs = results.runs[results.runs["status"] == status]
        if len(runs):
            names = majority(titles[name] for name in runs["method"])
            verb = {"diverged": "diverged", "failed": "failed", "missing": "did not finish"}[status]
            whose = "its" if len(runs) == 1 else "their"
            said.append(f"{sentence(plural(len(runs), 'run'))} {verb} ({listed(names)}); {whose} cells are marked.")
    return said


def _seed_caveat(results: Results) -> list[str]:
    asked = len(results.config["seeds"])
    if asked == 1:
        return ["Every figure rests on one seed: differences may be chance."]
    if asked < 5:
        return [f"With {number(asked)} seeds, a standard deviation is itself a rough estimate."]
    return []


def _code_warnings(results: Results) -> list[str]:
    """What makes runs hard to compare or to repeat."""
    done = results.runs[results.runs["status"] == "done"]
    warnings = []
    for column, what in (("source_hash", "versions of the code"), ("torch", "versions of torch")):
        values = majority(done[column])
        if len(values) > 1:
            counts = [f"{value[:12]} ({plural(int((done[column] == value).sum()), 'run')})" for value in values]
            warnings.append(f"The runs come from different {what}: {listed(counts)}. Train them anew before comparing.")
    for dataset, runs in done.groupby("dataset", sort=False):
        digests = {digest for run in records(runs) for digest in _data_digests(results, run)}
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


def _data_digests(results: Results, run: Mapping[str, Any]) -> list[str]:
    """The sha256 of the images that a run was trained on, where it noted one."""
    noted = results.provenance(run).get("data_sha256") or {}
    return [str(noted["train_images"])] if "train_images" in noted else []
