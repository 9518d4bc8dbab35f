"""The numbers of a results folder: as a tidy DataFrame, and as tables for the terminal."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.measures import MEASURES
from augmix.suite.evaluate.predictions import OutdatedError
from augmix.suite.evaluate.results import COLUMNS, RUN_COLUMNS
from augmix.suite.io.files import expanded, read_csv, read_mapping
from augmix.suite.testsets import kinds

if TYPE_CHECKING:
    import pandas as pd

USUAL = {"corruption": "C", "perturbation": "P", "severity": "C", "class": "clean"}
"""The test set that each sort of rows is about, unless another is named; `method` and `seed` are about all."""
RUN = ["dataset", "arch", "method", "seed"]


class Shown(NamedTuple):
    """A table for the terminal."""

    title: str
    header: list[str]
    rows: list[list[str]]


def load(folder: str | Path) -> "pd.DataFrame":
    """Every number of a results folder, such as `results/fashion`, tidy: the rows and columns of its metrics.csv.

    `seed` is int64 (Int64 and missing where `augmix evaluate --checkpoint` wrote them: nobody knows theirs), `severity`
    Int64 (missing over all severities, or where there are none), `value` float64: a fraction, but for the negative
    log-likelihood in nats. Runs that did not finish have no rows.
    Raises `UserError` where the file is missing or damaged.
    """
    import pandas as pd

    path = Path(folder) / "metrics.csv"
    if not path.is_file():
        raise UserError(f"{path} is missing: name a results folder, such as results/fashion, or run `augmix collect`")
    rows = read_csv(path, COLUMNS)
    frame = pd.DataFrame([[row[column] for column in COLUMNS] for row in rows], columns=list(COLUMNS))
    known = (frame["seed"] != "").any()
    try:
        severity, seed = (pd.to_numeric(frame[column].replace("", None)) for column in ("severity", "seed"))
        numbers = {"severity": severity.astype("Int64"), "seed": seed.astype("int64" if known else "Int64")}
        return frame.assign(**numbers).astype({"value": "float64"})
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} has something that is no number ({error}); run `augmix collect`") from None


def runs_of(folder: Path) -> Shown:
    """A row a run: what became of it; a `UserError` where the folder is none of an experiment's results."""
    if not (folder / "runs.csv").is_file():
        raise UserError(f"{folder / 'runs.csv'} is missing: name an experiment's results, such as results/fashion")
    rows = [
        [
            "/".join([*(row[key] for key in RUN[:3]), f"seed{row['seed']}"]),
            *(row[column] for column in ("status", "epochs", "parameters")),
            *(row[column].partition(".")[0] for column in ("train_seconds", "evaluate_seconds")),
            row["message"],
        ]
        for row in read_csv(folder / "runs.csv", RUN_COLUMNS)
    ]
    header = ["run", "status", "epochs", "parameters", "training, s", "evaluation, s", "message"]
    return Shown(str(folder), header, rows)


def tables(folder: Path, by: str, testset: str | None, measure: str | None) -> list[Shown]:
    """The tables of a results folder, one for each data set and architecture; means over seeds, ± their deviation.

    `by` is `method`, `seed` or a key of `USUAL`; without a measure, each test set has the one that it is judged by.
    Raises `UserError` where there is nothing to show, with what there is.
    """
    frame = load(folder)
    if frame.empty:
        raise UserError(f"no run of {folder} has finished; see `augmix show {folder} --runs`")
    testset = testset or USUAL.get(by)
    if testset is not None:
        frame = _only(frame, "testset", testset, folder)
    if measure is not None:
        frame = _only(frame, "metric", measure, folder)
    found = [
        Shown(f"{dataset}, {arch}", *_table(folder, part, by, measure))
        for (dataset, arch), part in frame.groupby(["dataset", "arch"], sort=False)
    ]
    if not any(shown.rows for shown in found):
        raise UserError(f"{folder} has nothing by {by} of {testset}; see `augmix show --help`")
    return found


def _only(frame: "pd.DataFrame", column: str, value: str, folder: Path) -> "pd.DataFrame":
    known = [str(name) for name in frame[column].unique()]
    if value not in known:
        what = "test set" if column == "testset" else "measure"
        raise UserError(f"{folder} has no {what} '{value}'; {nearest(value, known)}")
    return frame[frame[column] == value]


def _table(folder: Path, part: "pd.DataFrame", by: str, measure: str | None) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of one data set and architecture."""
    if by in ("method", "seed"):
        part = _headlines(part, measure)
        seeds = (", seed " + part["seed"].astype(str)).where(part["seed"].notna(), "")
        rows = part["method"] + (seeds if by == "seed" else "")
        return _pivoted(part.assign(row=rows, column=_figure(part)), "method", by == "method")
    if by == "class":
        part = _by_class(folder, part)
        return _pivoted(part.assign(row=part["shift"], column=part["method"]), "class, error in %", False)
    metric = measure or str(part["metric"].iloc[0])
    part = part[part["metric"] == metric]
    leveled = part["severity"].notna()
    part = part[leveled & part["shift"].isin(kinds.means()) if by == "severity" else ~leveled]
    rows = part["severity"].astype(str) if by == "severity" else part["shift"]
    first = f"{by}, {metric.replace('_', ' ')} in {MEASURES[metric].unit}"
    return _pivoted(part.assign(row=rows, column=part["method"]), first, False)


def _figure(part: "pd.DataFrame") -> "pd.Series":
    """The column of a headline: `C mCE %`, `clean error %`."""
    units = part["metric"].map({name: measure.unit for name, measure in MEASURES.items()})
    named = part["shift"].where(part["shift"].isin(kinds.means() - {"mean"}), part["metric"])
    return part["testset"] + " " + named + " " + units


def _headlines(part: "pd.DataFrame", measure: str | None) -> "pd.DataFrame":
    """The mean over each test set's shifts, or its only one, in the measure or in the first that it has."""
    kept: list[int] = []
    for _, rows in part[part["severity"].isna()].groupby("testset", sort=False):
        rows = rows[rows["metric"] == (measure or rows["metric"].iloc[0])]
        shifts = set(rows["shift"])
        chosen = shifts & kinds.means() or (shifts if len(shifts) == 1 else set())
        kept += rows.index[rows["shift"].isin(chosen)].tolist()
    return part.loc[kept]


def _by_class(folder: Path, part: "pd.DataFrame") -> "pd.DataFrame":
    """Each run's error on the images of each class, from its predictions on the one test set of `part`, all shifts."""
    import pandas as pd

    rows = []
    for (dataset, arch, method, seed, testset), _ in part.groupby([*RUN, "testset"], sort=False, dropna=False):
        # The predictions of weights from elsewhere lie in the folder itself.
        run = folder if pd.isna(seed) else folder / str(dataset) / str(arch) / str(method) / f"seed{seed}"
        try:
            errors = _class_errors(predictions.path_of(run, "predictions", str(testset)))
        except OutdatedError as error:
            raise UserError(f"errors by class are of the predictions: {error}") from None
        name = _class_names(run)
        rows += [(method, seed, name(label), "error", value) for label, value in errors]
    return pd.DataFrame(rows, columns=["method", "seed", "shift", "metric", "value"])


def _class_errors(path: Path) -> Iterator[tuple[int, float]]:
    """Each class and the share of its images, over all shifts that enter the mean, which are predicted wrongly."""
    settings = predictions.read_stamp(path).get("settings", {})
    if kinds.kind(settings.get("kind", "clean")).sequence:
        raise UserError(f"{path} is of sequences, which have no error; name another test set")
    archive = predictions.read(path, tuple(settings.get("shifts", ())))
    wrong = [numbers["prediction"].ravel() != archive.labels for numbers in archive.shifts.values()]
    for label in sorted(set(archive.labels.tolist())):
        yield label, float(sum(one[archive.labels == label].mean() for one in wrong) / len(wrong))


def _class_names(run: Path) -> Callable[[int], str]:
    """The name of a class by its number, where the run's data are at hand."""
    noted = read_mapping(run / "config.yaml", {"data": str}) if (run / "config.yaml").is_file() else {"data": ""}
    home = run.joinpath(*[".."] * 6)  # above <results>/<experiment>/<dataset>/<architecture>/<method>/seed<k>
    records = [root / expanded(noted["data"]) / "dataset.json" for root in (Path(), home)]
    record = next((file for file in records if file.is_file()), None)
    names = read_mapping(record, {"classes": list})["classes"] if record else []
    return lambda label: str(names[label]) if label < len(names) else str(label)


def _pivoted(part: "pd.DataFrame", first: str, deviations: bool) -> tuple[list[str], list[list[str]]]:
    """Rows by columns, each cell a mean over seeds in its measure's unit, with its deviation where asked for."""
    cells: dict[tuple[str, str], str] = {}
    for (row, column, metric), group in part.groupby(["row", "column", "metric"], sort=False):
        measure, values = MEASURES[str(metric)], group["value"]
        text = f"{measure.scale * values.mean():.{measure.decimals}f}"
        if deviations and len(values) > 1:
            text += f" ± {measure.scale * values.std():.{measure.decimals}f}"
        cells[str(row), str(column)] = text
    columns = list(dict.fromkeys(column for _, column in cells))
    rows = list(dict.fromkeys(row for row, _ in cells))
    return [first, *columns], [[row, *(cells.get((row, column), "–") for column in columns)] for row in rows]
