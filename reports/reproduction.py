"""The fate of the paper's results here: each published figure beside ours, and its orderings of methods."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import pandas as pd
from scipy.special import stdtrit

from reports.evidence import Compared, contrasts
from reports.layout import Column, Row, Table, columns_of, decimal, framed
from reports.literature import NETS, PAPER, PublishedFigure, ours_beside, places, published, their_name
from reports.loaded import Results, remembered
from reports.names import sentence
from reports.quantities import MCE, MEAN, Cell, Place
from reports.recipes import differences
from reports.words import STEPWISE, count_word, enumerated, plural, signed_interval

STATUSES = ("reproduced", "differs", "cannot tell", "not comparable", "not run")
"""The ends that a published figure can come to."""
VERDICTS = {"holds": "holds", "fails": "fails", "cannot tell": "cannot be told"}
"""The ends that an ordering can come to, and how a sentence says so."""
Ordering = tuple[str, str]
"""The better and the worse of two methods, under the paper's names."""


class Outcome(NamedTuple):
    """One published figure beside ours."""

    figure: PublishedFigure
    place: Place | None
    ours: Cell | None
    interval: tuple[float, float] | None
    """In 95 % of experiments such as ours, the figure of one more run lies in it."""
    status: str
    why: str


class Ordered(NamedTuple):
    """An ordering of two methods by the paper's mCE, beside ours on one data set."""

    better: Place
    worse: Place
    compared: Compared

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if not self.compared.significant:
            return "cannot tell"
        return "holds" if self.compared.points < 0 else "fails"


@remembered
def outcomes(results: Results) -> list[Outcome]:
    """Each published figure with what became of it, once for every data set of ours that it is about."""
    there: dict[tuple[str, str, str], list[Place]] = {}
    for key, place in places(results):
        there.setdefault(key, []).append(place)
    return [_outcome(results, figure, place) for figure in published() for place in there.get(figure[:3], [None])]


def prediction_interval(cell: Cell) -> tuple[float, float] | None:
    """The interval in which the figure of one more run, with another seed on the same test images, lies in 95 % of such
    experiments.

    The mean ± t · s · √(1 + 1/n) of n seeds whose standard deviation is s (Hahn & Meeker, "Statistical Intervals",
    1991, Section 4.7); None with one seed, or none.
    """
    if cell.mean is None or cell.deviation is None:
        return None
    t = float(stdtrit(cell.finished - 1, 0.975))
    half = t * cell.deviation * (1 + 1 / cell.finished) ** 0.5
    return cell.mean - half, cell.mean + half


def _outcome(results: Results, figure: PublishedFigure, place: Place | None) -> Outcome:
    if place is None:
        return Outcome(figure, None, None, None, "not run", _absent(results, figure))
    ours = ours_beside(results, place, figure)
    if ours is None or ours.mean is None:
        why = "its test images were not evaluated" if ours is None else ours.word
        return Outcome(figure, place, ours, None, "not run", why)
    interval = prediction_interval(ours)
    if differs := _differs(results, place, figure):
        return Outcome(figure, place, ours, interval, "not comparable", differs)
    if interval is None:
        return Outcome(figure, place, ours, None, "cannot tell", "one seed")
    rounding = 0.5 * 10.0 ** -len(str(figure.value).partition(".")[2])
    if not interval[0] - rounding <= figure.value <= interval[1] + rounding:
        return Outcome(figure, place, ours, interval, "differs", "")
    if ours.finished == 2:
        return Outcome(figure, place, ours, interval, "cannot tell", "two seeds")
    return Outcome(figure, place, ours, interval, "reproduced", "")


def _differs(results: Results, place: Place, figure: PublishedFigure) -> str:
    """Everything in which our set-up differs from the published one; empty where nothing does."""
    nets = NETS if place.architecture == MEAN else (place.architecture,)
    each = [differences(results, place._replace(architecture=net), figure.method, figure.measure) for net in nets]
    return "; ".join(dict.fromkeys(part for said in each for part in said.split("; ") if part != "–"))


def _absent(results: Results, figure: PublishedFigure) -> str:
    """The reason why nothing here is beside a published figure."""
    if figure.loader not in {entry["loader"] for entry in results.datasets.values()}:
        return "another data set"
    if figure.architecture == MEAN:
        return "not all of its architectures, or another method"
    return "another architecture" if figure.architecture not in results.architectures else "another method"


def verdict_table(results: Results) -> Table:
    """How many figures of each published table have which status; the CSV has every figure."""
    found = outcomes(results)
    sources = dict.fromkeys((one.figure.source, one.figure.loader) for one in found)
    rows = []
    for source, loader in sources:
        counts = Counter(one.status for one in found if (one.figure.source, one.figure.loader) == (source, loader))
        title = next((results.dataset_title(n) for n, e in results.datasets.items() if e["loader"] == loader), loader)
        rows.append(Row((source, loader), "", f"{source}, {title}", [f"{counts[status]}" for status in STATUSES]))
    heads = [Column("", sentence(status), status.replace(" ", "_")) for status in STATUSES]
    notes = (
        "Reproduced: the published figure lies within the 95 % prediction interval of one more run of ours. "
        "tables/verdict.csv has every figure.",
    )
    cells = framed(["source", "dataset"], heads, rows)
    full = pd.DataFrame([_figure_row(one) for one in found])
    return Table("verdict", "What became of the published figures", cells, notes=notes, full=full)


def _figure_row(one: Outcome) -> dict[str, str | float | None]:
    figure, ours = one.figure, one.ours or Cell(None, None, 0, 0)
    return {
        "source": figure.source,
        "published_dataset": figure.loader,
        "dataset": one.place and one.place.dataset,
        "architecture": figure.architecture,
        "published_method": figure.method,
        "method": one.place and one.place.method,
        "measure": figure.measure,
        "published": figure.value,
        "ours": ours.mean,
        "ours_sd": ours.deviation,
        "seeds": ours.finished,
        "difference": None if ours.mean is None else ours.mean - figure.value,
        "low": one.interval and one.interval[0],
        "high": one.interval and one.interval[1],
        "status": one.status,
        "why": one.why,
    }


@remembered
def orderings(results: Results, dataset: str) -> list[Ordered]:
    """The paper's orderings of our methods by mCE, beside those on a data set of ours, as one family after Holm."""
    known: dict[str, str] = {}
    for method in results.methods:
        if theirs := their_name(results, method):
            known.setdefault(theirs, method.name)
    pairs = [
        (results.overall_place(dataset, known[better]), results.overall_place(dataset, known[worse]))
        for better, worse in _published_orderings(results, dataset)
        if better in known and worse in known
    ]
    found = contrasts(results, pairs, MCE)
    return [Ordered(*pair, compared) for pair, compared in found.items()]


def _published_orderings(results: Results, dataset: str) -> Iterator[Ordering]:
    """The orderings that the paper's figures for a data set, and our architecture, agree upon.

    Those for all of its architectures count where it does not have ours, and both CIFARs' where not the data set.
    """
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for figure in published():
        if figure.measure.startswith("mCE") and figure.source.startswith(PAPER) and figure.architecture != MEAN:
            rows.setdefault(figure[:2], {})[figure.method] = figure.value
    loader, nets = results.datasets[dataset]["loader"], results.architectures
    mine = {key: row for key, row in rows.items() if key[0] == loader}
    of_nets = {key: row for key, row in mine.items() if key[1] in nets}
    chosen = of_nets or mine or {key: row for key, row in rows.items() if key[0] != "imagenet"}
    for pair in combinations(dict.fromkeys(method for row in chosen.values() for method in row), 2):
        signs = {_sign(row, *pair) for row in chosen.values() if set(pair) <= set(row)}
        if signs in ({-1}, {1}):
            yield pair if signs == {-1} else (pair[1], pair[0])


def _sign(row: Mapping[str, float], one: str, other: str) -> int:
    return (row[one] > row[other]) - (row[one] < row[other])


def orderings_table(results: Results) -> Table:
    """Each ordering of the paper beside our difference; written, and its count is in the abstract."""
    rows = []
    for dataset in results.datasets:
        for one in orderings(results, dataset):
            pair, found = (results.titles[place.method] for place in (one.better, one.worse)), one.compared
            where = results.where(dataset, one.better.architecture)
            points = decimal(found.points, found.points, found.measure.decimals)
            key = (*one.better, one.worse.method)
            rows.append(Row(key, where, " before ".join(pair), [points, signed_interval(found), one.verdict]))
    heads = {"difference": "Points of mCE", "interval": "95\u00a0% interval", "verdict": "Here"}
    keys = ["dataset", "architecture", "better", "worse"]
    cells = framed(keys, columns_of(heads), rows)
    notes = (f"Those on a data set are a family; one holds or fails where its interval excludes zero. {STEPWISE}",)
    return Table("orderings", "The paper's orderings of methods by mCE, and ours", cells, notes=notes)


def counted(results: Results) -> list[str]:
    """The sentences that say what became of the published figures and of the paper's orderings."""
    counts = Counter(one.status for one in outcomes(results))
    total = sum(counts.values())
    if counts["not run"] == total:
        said = [f"None of the {total} published figures was run here."]
    else:
        kinds = [f"{counts[status]} {_are(status, counts[status])}" for status in STATUSES if counts[status]]
        said = [f"Of {total} published figures, {enumerated(kinds)} here; tables/verdict.csv lists them all."]
    for dataset in results.datasets:
        verdicts = Counter(one.verdict for one in orderings(results, dataset))
        on = results.dataset_title(dataset)
        if verdicts.total() == 1:
            [verdict] = verdicts
            said.append(f"The paper's ordering of two of these methods by mCE {VERDICTS[verdict]} on {on}.")
        elif verdicts:
            orders = plural(verdicts.total(), "ordering")
            said.append(f"Of the paper's {orders} of these methods by mCE, {ended(verdicts)} on {on}.")
    return said


def _are(status: str, count: int) -> str:
    """A status as the end of a sentence's part: `are reproduced`, `differ`."""
    verbs = {"differs": ("differs", "differ"), "cannot tell": ("cannot be told", "cannot be told")}
    one, several = verbs.get(status, (f"is {status}", f"are {status}"))
    return one if count == 1 else several


def ended(verdicts: Counter[str]) -> str:
    """How many of several orderings came to each verdict: `two hold and one cannot be told`, `both hold`."""
    total = verdicts.total()
    counts = {said: verdicts[verdict] for verdict, said in VERDICTS.items() if verdicts[verdict]}
    if verdicts["cannot tell"] == total:
        return "neither can be told" if total == 2 else "none can be told"
    if len(counts) == 1:
        [said] = counts
        return f"{'both' if total == 2 else 'all'} {said.removesuffix('s')}"
    each = counts.items()
    return enumerated([f"{count_word(n)} {said if n == 1 else said.removesuffix('s')}" for said, n in each])
