"""The report's tables, built from the metrics: the paper's Table 1 and what belongs beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from augmix.suite.evaluate.measures import Measure
from augmix.suite.testsets.base import TestSet
from reports.calibration import calibration_table, secondary
from reports.compute import compute_seconds, kind_of_compute, time_in_print
from reports.differences import differences_table
from reports.evidence import compared_cells
from reports.layout import Column, Row, Table, blocks, columns_of, flattened, framed, method_columns, signed
from reports.literature import comparisons, normalised
from reports.loaded import Family, Results, records
from reports.names import architecture_title, headline_title, sentence, shift_title
from reports.quantities import MCE, MEAN, POOLED, Cell, Place, Quantity, measure_of, summarise
from reports.questions import question_tables
from reports.recipes import recipe_of
from reports.reproduction import orderings_table, verdict_table
from reports.tuning import sweep_table
from reports.words import enumerated

LONGEST_RUN_LIST = 30
HELD_OUT = "Held out"
"""The heading of the shifts that enter no mean."""
UNCHECKED = "The mFR's AlexNet denominators are unchecked: they come from one source and no second one confirms them."
REFUSED = (
    "Relative mCE and mT5D are refused: AlexNet's clean error and its T5D, which they divide by, are not in "
    "paper_results.yaml."
)


def all_tables(results: Results) -> list[Table]:
    """The tables that the results have figures for, in the report's order."""
    tables = [
        *(table for _, table in headline_tables(results)),
        differences_table(results),
        calibration_table(results),
        _alexnet(results),
        _published(results),
        verdict_table(results),
        orderings_table(results),
        *question_tables(results),
        *(_by_shift(results, family) for family in results.families),
        *source_tables(results),
        sweep_table(results),
        _summary(results),
        _runs(results),
    ]
    return [table for table in tables if len(table.cells)]


def headline_tables(results: Results) -> list[tuple[Family, Table]]:
    """A table per test set, in the shape of the paper's Table 1, of the figure that it is judged by."""
    return [(family, _headline_table(results, family, quantity)) for family, quantity in results.judged]


def headline_name(family: Family, quantity: Quantity) -> str:
    """The name of that table's files, and of its column in the summary: `mce`, `clean_error`."""
    if family.first.entering:
        return family.stem(quantity.shift.lower())
    return f"{family.name}_{quantity.metric}"


def _headline_table(results: Results, family: Family, quantity: Quantity) -> Table:
    """Methods across, architectures down, a block per data set."""
    several = len(results.architectures) > 1
    rows = [
        Row(
            (dataset, architecture),
            results.title_of(dataset, testset),
            architecture_title(architecture),
            compared_cells(results, dataset, architecture, quantity),
        )
        for dataset, testset in family.members.items()
        if results.has(quantity, dataset)
        for architecture in [*results.architectures, *([MEAN] if several else [])]
    ]
    notes = ["Mean: over the architectures, from the seeds that finished on all of them."] if several and rows else []
    if quantity == MCE and any(entry["loader"] == "imagenet" for entry in results.datasets.values()):
        notes.append("Not divided by AlexNet's error.")
    cells = framed(["dataset", "architecture"], method_columns(results), rows)
    caption = f"{sentence(_spelt_out(family.first))}, in {quantity.measure.unit}"
    return Table(headline_name(family, quantity), caption, cells, "row", notes=tuple(notes))


def _spelt_out(testset: TestSet) -> str:
    """The figure that a test set is judged by, in full: `mean corruption error (mCE) on -C`, `error on writers`."""
    if testset.entering:
        return f"{testset.mean_title} ({testset.mean}) on {testset.title}"
    images = f"{testset.adjective} images" if testset.adjective else testset.title
    return f"{measure_of(testset).phrase} on {images}"


def main_table(results: Results) -> Table:
    """The tables of the test sets' headlines put under one another, as the report prints them."""
    found = headline_tables(results)
    rows = [
        Row((table.name, *keys), f"{headline_title(family.first)} on {block}", label, list(cells))
        for family, table in found
        for (block, label, *keys), cells in zip(table.cells.index, table.cells.to_numpy(), strict=True)
    ]
    notes = tuple(dict.fromkeys(note for _, table in found for note in table.notes))
    said = enumerated([_spelt_out(family.first) for family, _ in found]) if found else "figures"
    caption = f"{sentence(said)}; {_units([measure_of(family.first) for family, _ in found])}"
    keys = ["measure", "dataset", "architecture"]
    return Table("main", caption, framed(keys, method_columns(results), flattened(rows)), "row", notes=notes)


def _units(measures: Sequence[Measure]) -> str:
    """The units of several measures: `all in %`, or each measure with its own."""
    units = {measure.unit for measure in measures}
    if len(units) == 1:
        return f"{'all ' if len(measures) > 1 else ''}in {units.pop()}"
    return ", ".join(f"{measure.phrase} in {measure.unit}" for measure in dict.fromkeys(measures))


def _by_method(
    results: Results, name: str, caption: str, columns: Mapping[Column, Quantity], datasets: Sequence[str]
) -> Table:
    """Put methods down and quantities across, a block per data set and architecture."""
    rows = []
    for dataset, architecture, block in blocks(results, overall=True):
        if dataset in datasets:
            found = [compared_cells(results, dataset, architecture, quantity) for quantity in columns.values()]
            rows += [
                Row((dataset, architecture, method.name), block, method.title, cells)
                for method, *cells in zip(results.methods, *found, strict=True)
            ]
    cells = framed(["dataset", "architecture", "method"], columns, rows)
    return Table(name, caption, cells, "column", deviations=False)


def _shift_columns(results: Results, family: Family) -> dict[Column, Quantity]:
    """The shifts of any data set, under the headings of their kind."""
    first = family.first
    headings = {shift: heading for heading, shifts in first.groups.items() for shift in shifts}
    shifts: dict[str, str] = {}
    for dataset, testset in family.members.items():
        for shift in results.shifts(dataset, testset):
            outside = bool(testset.entering) and shift not in testset.entering
            shifts.setdefault(shift, HELD_OUT if outside else headings.get(shift, ""))
    ordered = sorted(shifts.items(), key=lambda pair: pair[1] == HELD_OUT)
    return {
        Column(group, shift_title(shift), shift): Quantity(family.name, shift, measure_of(first).name)
        for shift, group in ordered
    }


def _mean_column(results: Results, family: Family) -> dict[Column, Quantity]:
    """The mean over the shifts, where it was measured."""
    mean = family.headline
    if mean is None or not family.first.entering or not results.has(mean):
        return {}
    return {Column("", mean.shift, mean.shift): mean}


def _by_shift(results: Results, family: Family) -> Table:
    """The headline's measure on each shift; a test set with one shift and no mean over several needs no such table."""
    first, measure = family.first, measure_of(family.first)
    several = bool(first.entering) or any(len(testset.shifts) > 1 for testset in family.members.values())
    broken_down = several and not first.cells
    datasets = [d for d, testset in family.members.items() if results.shifts(d, testset)] if broken_down else []
    columns = {**_mean_column(results, family), **_shift_columns(results, family)}
    over = ", averaged over the severities" if first.levels > 1 else ""
    of = "" if family.usual else f" of {first.title}"
    caption = f"{measure.label} per {first.noun}{of}{over}"
    table = _by_method(results, family.stem(f"{first.noun}s"), caption, columns, datasets)
    held_out = any(column.group == HELD_OUT for column in columns)
    return replace(table, notes=(f"Held-out {first.noun}s do not enter the {first.mean}.",) if held_out else ())


def source_tables(results: Results) -> list[Table]:
    """Compare published files with generated ones: for each pair of test sets of a kind, the same runs' difference."""
    pairs = [
        (made, given)
        for made, given in product(results.families, repeat=2)
        if made.first.kind == given.first.kind and made.first.entering and made is not given
    ]
    found = [_by_source(results, made, given) for made, given in pairs]
    return [table for table in found if len(table.cells)]


def _by_source(results: Results, made: Family, given: Family) -> Table:
    """One measure on generated images minus the same on the published ones, for the shifts that both have."""
    both = [
        dataset
        for dataset in made.members
        if results.sources.get((dataset, made.name)) and results.sources.get((dataset, given.name))
        if not _is_published(results, dataset, made) and _is_published(results, dataset, given)
    ]
    ours, theirs = ({**_mean_column(results, family), **_shift_columns(results, family)} for family in (made, given))
    columns = [column for column in ours if column in theirs]

    def cell(place: Place, column: Column) -> Cell:
        pair = [results.seeds(place, quantities[column]) for quantities in (ours, theirs)]
        asked = len(results.runs_at(place))
        word = results.cell(place, ours[column]).word
        return summarise((pair[0] - pair[1]).dropna(), asked, ours[column].measure, word)

    rows = [
        Row(place, block, method.title, [cell(place, column) for column in columns])
        for dataset, architecture, block in blocks(results)
        if dataset in both
        for method in results.methods
        for place in [Place(dataset, architecture, method.name)]
    ]
    caption = (
        f"{measure_of(made.first).title} on {made.first.title} minus that of the same runs on "
        f"{given.first.title}, in points: generated images against published ones"
    )
    cells = framed(["dataset", "architecture", "method"], columns, rows)
    return Table(f"sources_{made.name}_{given.name}", caption, cells, deviations=False)


def _is_published(results: Results, dataset: str, family: Family) -> bool:
    """Whether a test set's images are published files, taken as they are or resized."""
    sources = results.sources[dataset, family.name]
    return all(source.startswith("published") for source in sources)


def _summary(results: Results) -> Table:
    """Everything on one line per method, for whoever loads it elsewhere; written, not printed."""
    columns = {
        Column("", f"{headline_title(family.first)}{'' if family.usual else f', {family.first.title}'}", name): quantity
        for family, quantity in results.judged
        for name in [headline_name(family, quantity)]
    }
    for measure, family, quantity in secondary(results):
        pooled = quantity.shift == POOLED
        title = f"{measure.title}, {family.first.title}{' pooled' if pooled else ''}"
        columns[Column("", title, f"{measure.name}_{family.name.lower()}{'_pooled' if pooled else ''}")] = quantity
    return _by_method(results, "summary", "All measures, each in its own unit", columns, list(results.datasets))


def _alexnet(results: Results) -> Table:
    """ImageNet's measures that are divided by AlexNet's figures."""
    measures = {"mCE": "mCE, AlexNet = 100", "mFR": "mFR, AlexNet = 100 (unchecked)"}
    refused = {"relative_mce": "Relative mCE", "mt5d": "mT5D"}
    rows = []
    for dataset, architecture, block in blocks(results):
        if results.datasets[dataset]["loader"] != "imagenet":
            continue
        found = {
            measure: [normalised(results, Place(dataset, architecture, m.name), measure) for m in results.methods]
            for measure in measures
        }
        rows += [
            Row((dataset, architecture, measure), block, measures[measure], [cell for cell in cells if cell])
            for measure, cells in found.items()
            if all(cells)
        ]
        rows += [
            Row((dataset, architecture, key), block, label, [Cell(None, None, 0, 0, "refused")] * len(results.methods))
            for key, label in refused.items()
            if any(map(all, found.values()))
        ]
    cells = framed(["dataset", "architecture", "measure"], method_columns(results), rows)
    return Table("alexnet", "Figures divided by AlexNet's (%)", cells, "row", notes=(UNCHECKED, REFUSED))


def _published(results: Results) -> Table:
    found = list(comparisons(results))
    rows = [
        Row(
            (*place, figure.measure),
            results.where(place.dataset, place.architecture),
            f"{results.titles[place.method]}, {figure.measure}",
            [
                ours,
                f"{figure.value:.1f}",
                "–" if ours.mean is None else signed(ours.mean - figure.value),
                figure.source,
                differs,
            ],
        )
        for place, figure, ours, differs in found
    ]
    heads = {"reproduced": "Ours", "published": "Published", "difference": "Difference", "source": "Published in"}
    columns = columns_of({**heads, "differs": "Ours differs in"})
    cells = framed(["dataset", "architecture", "method", "measure"], columns, rows)
    notes = [UNCHECKED] if any("mFR" in row.label for row in rows) else []
    if unprinted := list(dict.fromkeys(text for c in found for text in recipe_of(*c.published[:3]).unprinted)):
        notes.append(f"The sources do not print, and so it is not compared: {'; '.join(unprinted)}.")
    return Table("published", "Reproduced against published (%)", cells, notes=tuple(notes))


def _runs(results: Results) -> Table:
    rows = [
        Row(
            (run["dataset"], run["arch"], run["method"], str(run["seed"])),
            results.where(run["dataset"], run["arch"]),
            f"{results.titles.get(run['method'], run['method'])}, seed {run['seed']}",
            [
                run["status"],
                counted(run["epochs"]),
                counted(run["parameters"]),
                time_in_print(seconds),
                run["message"] or "–",
            ],
        )
        for run, seconds in zip(records(results.runs), compute_seconds(results.runs), strict=True)
    ]
    names = ("status", "epochs", "parameters", "training", "message")
    cells = framed(
        ["dataset", "architecture", "method", "seed"], columns_of({name: name.title() for name in names}), rows
    )
    caption = f"Every run that was asked for, with the {kind_of_compute(results)} of its training"
    return Table("runs", caption, cells)


def printed_runs(runs: Table) -> Table:
    """The table of runs as the report prints it: when it is long, only the runs that did not finish."""
    if len(runs.cells) <= LONGEST_RUN_LIST:
        return runs
    caption = f"The runs that did not finish; all {len(runs.cells)} are in tables/runs.csv"
    return replace(runs, caption=caption, cells=runs.cells[runs.cells.iloc[:, 0] != "done"])


def counted(count: float) -> str:
    """A count as `136,282`; a dash where there is none."""
    return "–" if count != count else f"{count:,.0f}"
