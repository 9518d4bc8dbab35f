"""The report's tables, built from the metrics: the paper's Table 1 and what belongs beside it."""

from collections.abc import Sequence
from dataclasses import replace

from augmix.metrics import BIN_SIZE
from reports.layout import Column, Row, Table, flattened
from reports.names import (
    CORRUPTION_TITLES,
    EXTRA_TITLES,
    HELD_OUT,
    PERTURBATION_TITLES,
    architecture_title,
    group_of,
    spaced,
)
from reports.published import comparisons
from reports.results import BINS, CLEAN_ERROR, MCE, MFP, Place, Quantity, Results, place_of, whole
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


def all_tables(results: Results) -> list[Table]:
    """The tables that the results have figures for, in the report's order."""
    tables = [
        _paper_shape(results, "mce", "Mean corruption error (mCE, %) on the -C benchmark", MCE, "-C"),
        _paper_shape(results, "clean_error", "Error (%) on clean test images", CLEAN_ERROR, ""),
        _paper_shape(results, "mfp", "Mean flip probability (mFP, %) on the -P benchmark", MFP, "-P"),
        _calibration(results),
        _published(results),
        _by_corruption(results),
        _by_perturbation(results),
        sweep_table(results),
        _summary(results),
        _runs(results),
    ]
    return [table for table in tables if table.rows]


def _method_columns(results: Results) -> list[Column]:
    return [Column(method.name, method.title) for method in results.methods]


def _paper_shape(results: Results, name: str, caption: str, quantity: Quantity, suffix: str) -> Table:
    """As the paper's Table 1: methods across, architectures down, a block per data set."""
    rows = []
    for dataset in results.datasets:
        if not results.has(quantity, dataset):
            continue
        block = results.dataset_title(dataset) + suffix
        for architecture in results.architectures:
            cells = [results.cell(Place(dataset, architecture, m.name), quantity) for m in results.methods]
            rows.append(Row((dataset, architecture), block, architecture_title(architecture), cells))
        if len(results.architectures) > 1:
            cells = [results.architecture_mean(dataset, m.name, quantity) for m in results.methods]
            rows.append(Row((dataset, "mean"), block, "Mean", cells))
    notes = []
    if len(results.architectures) > 1 and rows:
        notes.append("Mean: over the architectures, from the seeds that finished on all of them.")
    if quantity == MCE and any(entry["loader"] == "imagenet" for entry in results.datasets.values()):
        notes.append("Not divided by AlexNet's error.")
    return Table(
        name,
        caption,
        "",
        ("dataset", "architecture"),
        _method_columns(results),
        rows,
        "row",
        notes=tuple(notes),
    )


def main_table(tables: Sequence[Table]) -> Table:
    """The tables in the paper's shape put under one another, as the report prints them."""
    parts = {table.name: table for table in tables}
    titles = {"mce": "mCE", "clean_error": "Clean error", "mfp": "mFP"}
    found = [parts[name] for name in titles if name in parts]
    rows = [row._replace(block=f"{titles[table.name]}, {row.block}") for table in found for row in table.rows]
    notes = tuple(dict.fromkeys(note for table in found for note in table.notes))
    return Table(
        "main",
        "Mean corruption error (mCE), error on clean images and mean flip probability (mFP), all in percent",
        "",
        ("dataset", "architecture"),
        found[0].columns if found else [],
        flattened(rows),
        "row",
        notes=notes,
    )


def _calibration(results: Results) -> Table:
    rows = []
    absent: list[str] = []
    for dataset in results.datasets:
        for architecture in results.architectures:
            block = _block(results, dataset, architecture)
            for label, quantity in CALIBRATION.items():
                if results.has(quantity, dataset):
                    places = [Place(dataset, architecture, method.name) for method in results.methods]
                    cells = [results.cell(place, quantity) for place in places]
                    rows.append(Row((dataset, architecture, label), block, label, cells))
                elif results.has(CLEAN_ERROR, dataset) and "RMS" in label and "pooled" not in label:
                    absent.append(results.dataset_title(dataset))
    notes = ["-C: the mean over corruptions and severities; pooled: over all corrupted images at once."]
    if absent:
        notes.append(
            f"On {', '.join(dict.fromkeys(absent))} the RMS calibration error is left out where "
            f"it would rest on fewer than {BINS} bins of {BIN_SIZE} images."
        )
    return Table(
        "calibration",
        "Calibration: RMS calibration error and Brier score (both × 100)",
        "",
        ("dataset", "architecture", "measure"),
        _method_columns(results),
        rows,
        "row",
        notes=tuple(notes),
    )


def _block(results: Results, dataset: str, architecture: str) -> str:
    return f"{results.dataset_title(dataset)}, {architecture_title(architecture)}"


def _by_method(
    results: Results, name: str, caption: str, columns: dict[Column, Quantity], datasets: Sequence[str]
) -> Table:
    """Methods down, quantities across, a block per data set and architecture."""
    rows = [
        Row(
            (dataset, architecture, method.name),
            _block(results, dataset, architecture),
            method.title,
            [results.cell(Place(dataset, architecture, method.name), q) for q in columns.values()],
        )
        for dataset in datasets
        for architecture in results.architectures
        for method in results.methods
    ]
    keys = ("dataset", "architecture", "method")
    return Table(name, caption, "", keys, list(columns), rows, "column", deviations=False)


def _by_corruption(results: Results) -> Table:
    datasets = [dataset for dataset in results.datasets if results.shifts("C", dataset)]
    shifts = dict.fromkeys(shift for dataset in datasets for shift in results.shifts("C", dataset))
    titles = {**CORRUPTION_TITLES, **EXTRA_TITLES}
    columns = {Column("mCE", "mCE"): MCE} if any(results.has(MCE, dataset) for dataset in datasets) else {}
    for shift in shifts:
        column = Column(shift, titles.get(shift, spaced(shift)), group_of(shift))
        columns[column] = Quantity("C", shift, "error")
    caption = "Error (%) per corruption, averaged over the severities"
    table = _by_method(results, "corruptions", caption, columns, datasets)
    return _noted(table, "Held-out corruptions do not enter the mCE.", HELD_OUT in {c.group for c in columns})


def _by_perturbation(results: Results) -> Table:
    datasets = [dataset for dataset in results.datasets if results.shifts("P", dataset)]
    shifts = dict.fromkeys(shift for dataset in datasets for shift in results.shifts("P", dataset))
    columns = {Column("mFP", "mFP"): MFP} if any(results.has(MFP, dataset) for dataset in datasets) else {}
    for shift in shifts:
        columns[Column(shift, PERTURBATION_TITLES.get(shift, spaced(shift)))] = Quantity("P", shift, "flip_probability")
    return _by_method(results, "perturbations", "Flip probability (%) per perturbation", columns, datasets)


def _summary(results: Results) -> Table:
    """Everything on one line per method, for whoever loads it elsewhere; written, not printed."""
    columns = {Column(name, name): q for name, q in SUMMARY.items() if results.has(q)}
    return _by_method(results, "summary", "All measures (%)", columns, list(results.datasets))


def _noted(table: Table, note: str, applies: bool) -> Table:
    return replace(table, notes=(*table.notes, note)) if applies else table


def _published(results: Results) -> Table:
    rows = []
    unchecked = False
    titles = {method.name: method.title for method in results.methods}
    for place, figure, ours, differs in comparisons(results):
        unchecked |= figure.measure.startswith("mFR")
        difference = "–" if ours.mean is None else f"{ours.mean - figure.value:+.1f}".replace("-", "−")
        rows.append(
            Row(
                (*place, figure.measure),
                _block(results, place.dataset, place.architecture),
                f"{titles[place.method]}, {figure.measure}",
                [ours, f"{figure.value:.1f}", difference, figure.source, differs],
            )
        )
    columns = [
        Column("reproduced", "Ours"),
        Column("published", "Published"),
        Column("difference", "Difference"),
        Column("source", "Published in"),
        Column("differs", "Ours differs in"),
    ]
    table = Table(
        "published",
        "Reproduced against published (%)",
        "",
        ("dataset", "architecture", "method", "measure"),
        columns,
        rows,
    )
    note = "The mFR's AlexNet denominators come from one source only and are not confirmed by a second."
    return _noted(table, note, unchecked)


def _runs(results: Results) -> Table:
    titles = {method.name: method.title for method in results.all_methods}
    rows = []
    for run in results.runs:
        place = place_of(run)
        rows.append(
            Row(
                (*place, run["seed"]),
                _block(results, place.dataset, place.architecture),
                f"{titles.get(place.method, place.method)}, seed {run['seed']}",
                [
                    run["status"],
                    whole(run["epochs"]) or "–",
                    _parameters(run["parameters"]),
                    _duration(run["train_seconds"]),
                    _duration(run["evaluate_seconds"]),
                    run["message"] or "–",
                ],
            )
        )
    columns = [
        Column("status", "Status"),
        Column("epochs", "Epochs"),
        Column("parameters", "Parameters"),
        Column("training", "Training"),
        Column("evaluation", "Evaluation"),
        Column("message", "Message"),
    ]
    keys = ("dataset", "architecture", "method", "seed")
    return Table("runs", "Every run that was asked for", "", keys, columns, rows)


def printed_runs(runs: Table) -> Table:
    """The table of runs as the report prints it: when it is long, only the runs that did not finish."""
    if len(runs.rows) <= LONGEST_RUN_LIST:
        return runs
    rows = [row for row in runs.rows if row.cells[0] != "done"]
    caption = f"The runs that did not finish; all {len(runs.rows)} are in tables/runs.csv"
    return replace(runs, caption=caption, rows=rows)


def _parameters(text: str) -> str:
    number = whole(text)
    return f"{int(number):,}" if number.isdigit() else "–"


def _duration(text: str) -> str:
    return duration(float(text)) if text else "–"


def duration(seconds: float) -> str:
    """A duration in the unit that suits it: `48 s`, `12.5 min`, `3.2 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
