"""The results in sentences, none of which says more than the metrics do."""

from statistics import mean, stdev
from typing import NamedTuple

from reports.layout import decimal, printed_mean
from reports.names import Method, architecture_title
from reports.published import comparisons
from reports.results import CLEAN_ERROR, MCE, MFP, STATUSES, Cell, Quantity, Results, majority
from reports.sweeps import decided_by, sweeps_of
from reports.tables import CALIBRATION

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
    Question("augmix", "kl_only", "Jensen–Shannon against Kullback–Leibler"),
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
    datasets = _listed([results.dataset_title(name) for name in results.datasets])
    architectures = _listed([architecture_title(name) for name in results.architectures])
    done, asked = sum(run["status"] == "done" for run in results.runs), len(results.runs)
    outcome = f"{number(done) if done else 'none'} of {_counted(asked, 'run')} finished"
    over = "; figures are means over the architectures" if len(results.architectures) > 1 else ""
    return (
        f"We train {_counted(len(results.all_methods), 'method')} on {datasets} with {architectures} "
        f"and {_counted(len(results.config['seeds']), 'seed')} each; {outcome}{over}."
    )


def _cells(results: Results, dataset: str, quantity: Quantity) -> list[tuple[Method, Cell]]:
    """Each method's figure on a data set, averaged over the architectures, where there is one."""
    cells = [(m, results.architecture_mean(dataset, m.name, quantity)) for m in results.methods]
    return [(method, cell) for method, cell in cells if cell.mean is not None]


def _best(results: Results, dataset: str, label: str) -> str | None:
    """Who has the lowest figure, and whether the next one can be told apart from it."""
    cells = sorted(_cells(results, dataset, MEASURES[label]), key=lambda pair: pair[1].mean or 0.0)
    where = _where(results, dataset, label)
    if len(cells) == 0:
        return None
    best, cell = cells[0]
    if len(cells) == 1:
        return f"The {label} of {best.title} {where} is {_figure(cell)}."
    second, other = cells[1]
    if printed_mean(cell) == printed_mean(other):
        return f"The lowest {label} {where} is {_figure(cell)}, equal in {best.title} and {second.title}."
    said = f"The lowest {label} {where} is that of {best.title}, {_figure(cell)}"
    said += f"; {second.title} follows with {_figure(other)}"
    differences = _differences(results, dataset, second.name, best.name, MEASURES[label])
    if len(differences) > 1 and not _told_apart(differences):
        said += ", a difference that the seeds do not bear out"
    return said + "."


def _answer(results: Results, dataset: str, question: Question) -> list[str]:
    """What the pair of methods shows on the data set: mCE first, then clean error and mFP."""
    method, reference = results.method(question.method), results.method(question.reference)
    if method is None or reference is None:
        return []
    sentences: list[str] = []
    for label, quantity in MEASURES.items():
        cells = {m.name: cell for m, cell in _cells(results, dataset, quantity)}
        if method.name in cells and reference.name in cells:
            ours, theirs = cells[method.name], cells[reference.name]
            differences = _differences(results, dataset, method.name, reference.name, quantity)
            where = _where(results, dataset, label)
            if sentences:
                said = f"Its {label} {where} is {_figure(ours)} against {_figure(theirs)}"
            else:
                article = "a" if label == "clean error" else "an"
                said = f"{method.title} has {article} {label} of {_figure(ours)} {where}, "
                said += f"{reference.title} one of {_figure(theirs)}"
            sentences.append(f"{said}{_compared(ours, theirs, differences)}.")
    return [*sentences, question.caveat] if sentences and question.caveat else sentences


def _compared(cell: Cell, other: Cell, differences: list[float]) -> str:
    """The rest of a sentence about two figures: their difference and ratio, and what the seeds say to that."""
    assert cell.mean is not None
    assert other.mean is not None
    points = mean(differences) if differences else cell.mean - other.mean
    if f"{abs(points):.2f}" == "0.00":
        return ": no difference" + (" in the mean" if len(differences) > 1 else "")
    said = f": {decimal(abs(points), points)}{_spread(differences)} points {'less' if points < 0 else 'more'}"
    if other.mean:
        said += f" (ratio {cell.mean / other.mean:.2f})"
    if not differences:
        return f"{said}, though no seed finished with both"
    if len(differences) == 1:
        return f"{said}, in a single seed"
    if not _told_apart(differences):
        return f"{said}, which the seeds do not bear out"
    return f"{said}, in {'both' if len(differences) == 2 else f'each of {number(len(differences))}'} seeds"


def _differences(results: Results, dataset: str, method: str, reference: str, quantity: Quantity) -> list[float]:
    """Method minus reference in points, for each seed that finished with both."""
    ours = results.architecture_seeds(dataset, method, quantity)
    theirs = results.architecture_seeds(dataset, reference, quantity)
    return [100 * (ours[seed] - theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]


def _told_apart(differences: list[float]) -> bool:
    """Whether every seed agrees on the sign and the mean exceeds twice its standard error."""
    agree = all(d > 0 for d in differences) or all(d < 0 for d in differences)
    return agree and abs(mean(differences)) > 2 * stdev(differences) / len(differences) ** 0.5


def _spread(differences: list[float]) -> str:
    return f"\u00a0±\u00a0{decimal(stdev(differences), mean(differences))}" if len(differences) > 1 else ""


def _figure(cell: Cell) -> str:
    assert cell.mean is not None
    spread = f"\u00a0±\u00a0{decimal(cell.deviation, cell.mean)}" if cell.deviation is not None else ""
    text = f"{decimal(cell.mean, cell.mean)}{spread}\u00a0%"
    return text + (f" ({cell.finished} of {cell.asked} seeds)" if cell.partial else "")


def _where(results: Results, dataset: str, label: str) -> str:
    suffix = {"mCE": "-C", "mFP": "-P"}.get(label, "")
    return f"on {results.dataset_title(dataset)}{suffix}"


def _sweeps(results: Results, dataset: str) -> list[str]:
    """Of each sweep, the value with the lowest figure and what the default has."""
    said = []
    quantity = decided_by(results)
    what = "mCE" if results.chosen is None else "validation error"
    for sweep in sweeps_of(results):
        cells = [(value, m, results.architecture_mean(dataset, m, quantity)) for value, m in sweep.values]
        finished = sorted((c for c in cells if c[2].mean is not None), key=lambda c: c[2].mean or 0.0)
        default = next((cell for _, method, cell in finished if method == sweep.default), None)
        if len(finished) > 1:
            value, method, cell = finished[0]
            sentence = f"{sweep.title}: {value} has the lowest {what}, {_figure(cell)}"
            if method == sweep.default:
                sentence += ", and is the default"
            elif default is not None:
                sentence += f", the default {_figure(default)}"
                differences = _differences(results, dataset, method, sweep.default or "", quantity)
                if len(differences) > 1 and not _told_apart(differences):
                    sentence += ", a difference that the seeds do not bear out"
            said.append(sentence + ".")
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
        f"The RMS calibration error, {over}, is {_figure(cells[method.name])} with {method.title} "
        f"and {_figure(cells[reference.name])} with {reference.title}."
    ]


def _against_paper(results: Results, dataset: str) -> list[str]:
    """AugMix's mCE beside the paper's, for each architecture that the paper has."""
    return [
        f"With {architecture_title(c.place.architecture)}, our {c.published.measure} of AugMix is "
        f"{_figure(c.ours)}, that of the {c.published.source}, {c.published.value:.1f}\u00a0%"
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
        runs = [run for run in results.runs if run["status"] == status]
        if runs:
            names = majority(titles[run["method"]] for run in runs)
            verb = {"diverged": "diverged", "failed": "failed", "missing": "did not finish"}[status]
            whose = "its" if len(runs) == 1 else "their"
            said.append(f"{_sentence(_counted(len(runs), 'run'))} {verb} ({_listed(names)}); {whose} cells are marked.")
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
    done = [run for run in results.runs if run["status"] == "done"]
    warnings = []
    for column, what in (("source_hash", "versions of the code"), ("torch", "versions of torch")):
        values = majority(run[column] for run in done)
        if len(values) > 1:
            counts = _listed([f"{value[:12]} ({_runs_with(done, column, value)})" for value in values])
            warnings.append(f"The runs come from different {what}: {counts}. Train them anew before comparing.")
    for dataset in results.datasets:
        digests = [digest for run in done if run["dataset"] == dataset for digest in _data_digests(results, run)]
        if len(set(digests)) > 1:
            title = results.dataset_title(dataset)
            warnings.append(f"The runs on {title} were trained on different images. Train them anew before comparing.")
    dirty = sum(run["dirty"].lower() in ("true", "1") for run in done)
    if dirty:
        were = "was" if dirty == 1 else "were"
        warnings.append(
            f"{_sentence(_counted(dirty, 'run'))} {were} trained with uncommitted changes, "
            "so the commit alone does not give the code."
        )
    return warnings


def _data_digests(results: Results, run: dict[str, str]) -> list[str]:
    """The sha256 of the images that a run was trained on, where it noted one."""
    noted = results.provenance(run).get("data_sha256") or {}
    return [str(noted["train_images"])] if "train_images" in noted else []


def _runs_with(runs: list[dict[str, str]], column: str, value: str) -> str:
    return _counted(sum(run[column] == value for run in runs), "run")


def number(count: int) -> str:
    """A small count as a word."""
    words = (
        "no",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    )
    return words[count] if count < len(words) else f"{count:,}"


def _counted(count: int, noun: str) -> str:
    return f"{number(count)} {noun}" + ("" if count == 1 else "s")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
