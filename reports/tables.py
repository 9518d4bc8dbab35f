"""The report's tables, built from the metrics: the paper's Table 1 and what belongs beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

from augmix.metrics import BIN_SIZE
from reports.layout import Column, Row, Table, flattened, framed, signed
from reports.names import (
    CORRUPTION_TITLES,
    EXTRA_TITLES,
    HELD_OUT,
    PERTURBATION_TITLES,
    architecture_title,
    group_of,
    spaced,
)
from reports.published import comparisons, normalised
from reports.questions import question_tables
from reports.results import (
    BINS,
    CLEAN_ERROR,
    MCE,
    MEAN,
    MFP,
    Cell,
    Place,
    Quantity,
    Results,
    is_published,
    records,
    summarise,
)
from reports.sweeps import sweep_table

CALIBRATION = {
    "RMS calibration error, clean": Quantity("clean", "clean", "rms_calibration"),
    "RMS calibration error, -C": Quantity("C", "mean", "rms_calibration"),
    "RMS calibration error, -C pooled": Quantity("C", "pooled", "rms_calibration"),
    "Brier score, clean": Quantity("clean", "clean", "brier"),
    "Brier score, -C": Quantity("C", "mean", "brier"),
}
LONGEST_RUN_LIST = 60
SUMMARY = {
    "clean_error": CLEAN_ERROR,
    "mce": MCE,
    "mfp": MFP,
    "rms_calibration_clean": CALIBRATION["RMS calibration error, clean"],
    "rms_calibration_c": CALIBRATION["RMS calibration error, -C"],
    "rms_calibration_c_pooled": CALIBRATION["RMS calibration error, -C pooled"],
    "brier_clean": CALIBRATION["Brier score, clean"],
    "brier_c": CALIBRATION["Brier score, -C"],
}
UNCHECKED = "The mFR's AlexNet denominators are unchecked: they come from one source and no second one confirms them."
REFUSED = (
    "Relative mCE and mT5D are refused: AlexNet's clean error and its T5D, which they divide by, are not in "
    "paper_results.yaml."
)


def all_tables(results: Results) -> list[Table]:
    """The tables that the results have figures for, in the report's order."""
    tables = [
        _paper_shape(results, "mce", "Mean corruption error (mCE, %) on the -C benchmark", MCE, "-C"),
        _paper_shape(results, "clean_error", "Error (%) on clean test images", CLEAN_ERROR, ""),
        _paper_shape(results, "mfp", "Mean flip probability (mFP, %) on the -P benchmark", MFP, "-P"),
        _calibration(results),
        _alexnet(results),
        _published(results),
        *question_tables(results),
        _by_shift(results, "C"),
        _by_shift(results, "P"),
        _by_source(results),
        sweep_table(results),
        _summary(results),
        _runs(results),
    ]
    return [table for table in tables if len(table.cells)]


def method_columns(results: Results) -> list[Column]:
    return [Column("", method.title, method.name) for method in results.methods]


def _places(results: Results) -> Iterator[tuple[str, str, str]]:
    """Every data set and architecture, with the title that heads their block of a table."""
    for dataset, architecture in product(results.datasets, results.architectures):
        yield dataset, architecture, f"{results.dataset_title(dataset)}, {architecture_title(architecture)}"


def _paper_shape(results: Results, name: str, caption: str, quantity: Quantity, suffix: str) -> Table:
    """As the paper's Table 1: methods across, architectures down, a block per data set."""
    several = len(results.architectures) > 1
    rows = [
        Row(
            (dataset, architecture),
            results.dataset_title(dataset) + suffix,
            architecture_title(architecture),
            results.across(dataset, architecture, quantity),
        )
        for dataset in results.datasets
        if results.has(quantity, dataset)
        for architecture in [*results.architectures, *([MEAN] if several else [])]
    ]
    notes = ["Mean: over the architectures, from the seeds that finished on all of them."] if several and rows else []
    if quantity == MCE and any(entry["loader"] == "imagenet" for entry in results.datasets.values()):
        notes.append("Not divided by AlexNet's error.")
    cells = framed(["dataset", "architecture"], method_columns(results), rows)
    return Table(name, caption, cells, "row", notes=tuple(notes))


def main_table(tables: Sequence[Table]) -> Table:
    """The tables in the paper's shape put under one another, as the report prints them."""
    parts = {table.name: table for table in tables}
    titles = {"mce": "mCE", "clean_error": "Clean error", "mfp": "mFP"}
    found = [parts[name] for name in titles if name in parts]
    rows = [
        Row((table.name, *keys), f"{titles[table.name]}, {block}", label, list(cells))
        for table in found
        for (block, label, *keys), cells in zip(table.cells.index, table.cells.to_numpy(), strict=True)
    ]
    notes = tuple(dict.fromkeys(note for table in found for note in table.notes))
    columns = [Column(*heads) for heads in found[0].cells.columns] if found else []
    caption = "Mean corruption error (mCE), error on clean images and mean flip probability (mFP), all in percent"
    keys = ["measure", "dataset", "architecture"]
    return Table("main", caption, framed(keys, columns, flattened(rows)), "row", notes=notes)


def _calibration(results: Results) -> Table:
    rows = [
        Row((dataset, architecture, label), block, label, results.across(dataset, architecture, quantity))
        for dataset, architecture, block in _places(results)
        for label, quantity in CALIBRATION.items()
        if results.has(quantity, dataset)
    ]
    absent = [
        results.dataset_title(dataset)
        for dataset in results.datasets
        if results.has(CLEAN_ERROR, dataset)
        and not all(results.has(q, dataset) for q in list(CALIBRATION.values())[:2])
    ]
    notes = ["-C: the mean over corruptions and severities; pooled: over all corrupted images at once."]
    if absent:
        notes.append(
            f"On {', '.join(absent)} the RMS calibration error is left out where "
            f"it would rest on fewer than {BINS} bins of {BIN_SIZE} images."
        )
    cells = framed(["dataset", "architecture", "measure"], method_columns(results), rows)
    caption = "Calibration: RMS calibration error and Brier score (both × 100)"
    return Table("calibration", caption, cells, "row", notes=tuple(notes))


def _by_method(
    results: Results, name: str, caption: str, columns: Mapping[Column, Quantity], datasets: Sequence[str]
) -> Table:
    """Methods down, quantities across, a block per data set and architecture."""
    rows = [
        Row(
            (dataset, architecture, method.name),
            block,
            method.title,
            [results.cell(Place(dataset, architecture, method.name), q) for q in columns.values()],
        )
        for dataset, architecture, block in _places(results)
        if dataset in datasets
        for method in results.methods
    ]
    cells = framed(["dataset", "architecture", "method"], columns, rows)
    return Table(name, caption, cells, "column", deviations=False)


def _shift_columns(results: Results, benchmark: str) -> dict[Column, Quantity]:
    """The corruptions or perturbations of any data set."""
    shifts = dict.fromkeys(shift for dataset in results.datasets for shift in results.shifts(benchmark, dataset))
    if benchmark == "P":
        return {
            Column("", PERTURBATION_TITLES.get(s, spaced(s)), s): Quantity("P", s, "flip_probability") for s in shifts
        }
    titles = {**CORRUPTION_TITLES, **EXTRA_TITLES}
    return {Column(group_of(s), titles.get(s, spaced(s)), s): Quantity("C", s, "error") for s in shifts}


def _by_shift(results: Results, benchmark: str) -> Table:
    name, caption, overall = {
        "C": ("corruptions", "Error (%) per corruption, averaged over the severities", MCE),
        "P": ("perturbations", "Flip probability (%) per perturbation", MFP),
    }[benchmark]
    datasets = [dataset for dataset in results.datasets if results.shifts(benchmark, dataset)]
    mean = {Column("", overall.shift, overall.shift): overall} if results.has(overall) else {}
    columns = {**mean, **_shift_columns(results, benchmark)}
    table = _by_method(results, name, caption, columns, datasets)
    held_out = any(column.group == HELD_OUT for column in columns)
    return replace(table, notes=("Held-out corruptions do not enter the mCE.",) if held_out else ())


def _by_source(results: Results) -> Table:
    """Where the same models met published files and generated ones: their error on these minus that on those."""
    published, generated = (
        replace(results, metrics=results.metrics[is_published(results.metrics["source"]) == wanted])
        for wanted in (True, False)
    )
    both = {d: set(published.shifts("C", d)) & set(generated.shifts("C", d)) for d in results.datasets}
    wanted = {"mCE"}.union(*both.values())
    columns = {Column("", "mCE", "mCE"): MCE, **_shift_columns(results, "C")}
    columns = {column: quantity for column, quantity in columns.items() if quantity.shift in wanted}

    def cell(place: Place, quantity: Quantity) -> Cell:
        differences = (generated.seeds(place, quantity) - published.seeds(place, quantity)).dropna()
        return summarise(differences, len(results.runs_at(place)), "one source")

    rows = [
        Row(place, block, method.title, [cell(place, quantity) for quantity in columns.values()])
        for dataset, architecture, block in _places(results)
        if both[dataset]
        for method in results.methods
        for place in [Place(dataset, architecture, method.name)]
    ]
    caption = "Error on generated -C minus error of the same runs on the published files, in points"
    return Table("sources", caption, framed(["dataset", "architecture", "method"], columns, rows), deviations=False)


def _summary(results: Results) -> Table:
    """Everything on one line per method, for whoever loads it elsewhere; written, not printed."""
    columns = {Column("", name, name): q for name, q in SUMMARY.items() if results.has(q)}
    return _by_method(results, "summary", "All measures (%)", columns, list(results.datasets))


def _alexnet(results: Results) -> Table:
    """ImageNet's measures that are divided by AlexNet's figures."""
    measures = {"mCE": "mCE, AlexNet = 100", "mFR": "mFR, AlexNet = 100 (unchecked)"}
    refused = {"relative_mce": "Relative mCE", "mt5d": "mT5D"}
    rows = []
    for dataset, architecture, block in _places(results):
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
    titles = {method.name: method.title for method in results.methods}
    rows = [
        Row(
            (*place, figure.measure),
            f"{results.dataset_title(place.dataset)}, {architecture_title(place.architecture)}",
            f"{titles[place.method]}, {figure.measure}",
            [
                ours,
                f"{figure.value:.1f}",
                "–" if ours.mean is None else signed(ours.mean - figure.value),
                figure.source,
                differs,
            ],
        )
        for place, figure, ours, differs in comparisons(results)
    ]
    heads = {"reproduced": "Ours", "published": "Published", "difference": "Difference", "source": "Published in"}
    columns = [Column("", title, name) for name, title in {**heads, "differs": "Ours differs in"}.items()]
    cells = framed(["dataset", "architecture", "method", "measure"], columns, rows)
    notes = (UNCHECKED,) if any("mFR" in row.label for row in rows) else ()
    return Table("published", "Reproduced against published (%)", cells, notes=notes)


def _runs(results: Results) -> Table:
    titles = {method.name: method.title for method in results.all_methods}
    rows = [
        Row(
            (run["dataset"], run["arch"], run["method"], str(run["seed"])),
            f"{results.dataset_title(run['dataset'])}, {architecture_title(run['arch'])}",
            f"{titles.get(run['method'], run['method'])}, seed {run['seed']}",
            [
                run["status"],
                counted(run["epochs"]),
                counted(run["parameters"]),
                duration(run["train_seconds"]),
                duration(run["evaluate_seconds"]),
                run["message"] or "–",
            ],
        )
        for run in records(results.runs)
    ]
    names = ("status", "epochs", "parameters", "training", "evaluation", "message")
    cells = framed(["dataset", "architecture", "method", "seed"], [Column("", n.title(), n) for n in names], rows)
    return Table("runs", "Every run that was asked for", cells)


def printed_runs(runs: Table) -> Table:
    """The table of runs as the report prints it: when it is long, only the runs that did not finish."""
    if len(runs.cells) <= LONGEST_RUN_LIST:
        return runs
    caption = f"The runs that did not finish; all {len(runs.cells)} are in tables/runs.csv"
    return replace(runs, caption=caption, cells=runs.cells[runs.cells.iloc[:, 0] != "done"])


def counted(count: float) -> str:
    """A count as `136,282`; a dash where there is none."""
    return "–" if count != count else f"{count:,.0f}"


def duration(seconds: float) -> str:
    """A duration in the unit that suits it, `48 s`, `12.5 min`, `3.2 h`; a dash where there is none."""
    if seconds != seconds:
        return "–"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
