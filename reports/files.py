"""The files of an experiment's results as they are read and checked: what is wrong is named with file and row."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import yaml

from augmix.errors import UserError
from augmix.suite.evaluate.measures import MEASURES
from augmix.suite.evaluate.results import COLUMNS, RUN_COLUMNS
from reports.quantities import VALIDATION

PLACE = ["dataset", "arch", "method"]
RUN = [*PLACE, "seed"]
QUANTITY = ["testset", "shift", "metric", "severity"]
RUN_NUMBERS = ("epochs", "parameters", "train_seconds", "train_cpu_seconds", "evaluate_seconds", "threads")
STATUSES = ("done", "diverged", "failed", "missing")


def read_runs(path: Path) -> pd.DataFrame:
    """The rows of runs.csv. Raises `UserError` for a row of no known status, or a run that is there twice."""
    runs = read_table(path, RUN_COLUMNS, "augmix collect", RUN_NUMBERS, ["seed"])
    for row in runs[~runs["status"].isin(STATUSES)][:1].itertuples():
        _refuse(path, row, f"the status '{row.status}'; valid: {', '.join(STATUSES)}")
    for column in RUN_NUMBERS:
        for row in runs[(runs[column] < 0) | (runs[column] == float("inf"))][:1].itertuples():
            _refuse(path, row, f"the {column} is {getattr(row, column):g}; a number from 0 is possible")
    for row in runs[runs.duplicated(RUN)][:1].itertuples():
        _refuse(path, row, f"the run {_run(row)} again")
    return runs


def read_metrics(path: Path, config: Mapping[str, Any], runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of metrics.csv of the runs that are done, in their measures' units; `runs` are those of runs.csv.

    Raises `UserError` for a row of something unknown, a second value, one that cannot be, a run that was not asked
    for, and for a run without the rows that others have.
    """
    frame = read_table(path, COLUMNS, "augmix collect", ["value"], ["seed", "severity"])
    known: dict[str, tuple[str, Iterable[str]]] = {
        column: (
            f"{key} of experiment.yaml",
            [entry if isinstance(entry, str) else entry["name"] for entry in config[key]],
        )
        for column, key in zip(PLACE, ("datasets", "architectures", "methods"), strict=True)
    }
    chooses = {VALIDATION.testset} if config.get("validation") else set()
    named = {dataset: {*entry["testsets"], *chooses} for dataset, entry in config["datasets"].items()}
    known["testset"] = ("test sets of experiment.yaml", set().union(*named.values()))
    known["metric"] = ("measures", MEASURES)
    for column, (what, names) in known.items():
        for row in frame[~frame[column].isin(names)][:1].itertuples():
            _refuse(path, row, f"'{getattr(row, column)}' is not among the {what}")
    others = [
        testset not in named[dataset] for dataset, testset in zip(frame["dataset"], frame["testset"], strict=True)
    ]
    for row in frame[others][:1].itertuples():
        _refuse(path, row, f"'{row.testset}' is not among the test sets of {row.dataset} in experiment.yaml")
    for row in frame[frame.duplicated([*RUN, *QUANTITY])][:1].itertuples():
        _refuse(path, row, f"a second value of {row.metric} on {row.shift} for {_run(row)}")
    largest, scale = (
        frame["metric"].map({name: getattr(measure, field) for name, measure in MEASURES.items()}).astype(float)
        for field in ("largest", "scale")
    )
    for row in frame[~((frame["value"] >= 0) & (frame["value"] <= largest))][:1].itertuples():  # of NaN, too
        possible = f"0 to {MEASURES[str(row.metric)].largest:g} is possible"
        _refuse(path, row, f"the {row.metric} of {_run(row)} on {row.shift} is {row.value:g}; {possible}")
    requested = set(runs[RUN].itertuples(index=False, name=None))
    strange = [key not in requested for key in frame[RUN].itertuples(index=False, name=None)]
    for row in frame[strange][:1].itertuples():
        _refuse(path, row, f"runs.csv has no run {_run(row)}")
    done = runs[runs["status"] == "done"]
    _check_alike(path, frame.merge(done[RUN].assign(done=True), how="left").set_axis(frame.index))
    found = frame.assign(value=frame["value"] * scale).merge(done[RUN])
    _check_whole(path, found, done)
    return found


def _check_alike(path: Path, frame: pd.DataFrame) -> None:
    """Raise `UserError` for a value that most runs which were evaluated on its test set have not."""
    frame = frame[frame["done"].eq(True)]
    quantity = ["dataset", *QUANTITY]
    having = frame.groupby(quantity, dropna=False)["value"].transform("size")
    asked = frame.drop_duplicates([*RUN, "testset"]).groupby(["dataset", "testset"]).size()
    runs = asked.reindex(pd.MultiIndex.from_frame(frame[["dataset", "testset"]])).to_numpy()
    for row in frame[2 * having < runs][:1].itertuples():
        at = f" at severity {row.severity:g}" if row.severity > 0 else ""
        _refuse(path, row, f"{row.metric} on {row.shift}{at}, which other runs have not")


def _check_whole(path: Path, frame: pd.DataFrame, done: pd.DataFrame) -> None:
    """Raise `UserError` for a run that is done and has no rows, or fewer on a test set than another run.

    `augmix collect` takes a run in where it was evaluated on all of its data set's test sets. Only a run that a choice
    leaves out, or whose evaluation failed after it, has none on any of them, but those by which it was chosen.
    """
    there = set(frame[RUN].itertuples(index=False, name=None))
    absent = [key not in there for key in done[RUN].itertuples(index=False, name=None)]
    for row in done[absent][:1].itertuples():
        raise UserError(
            f"{path} has no row of {_run(row)}, which is done by row {_line(row)} of runs.csv; run `augmix collect`"
        )
    rows = frame.groupby([*RUN, "testset"]).size().unstack(fill_value=0)
    most = rows.groupby("dataset").transform("max")
    lacking = rows < most
    tests = rows.columns != VALIDATION.testset
    lacking.loc[~rows.loc[:, tests].any(axis=1), tests] = False
    for *run, testset in lacking.stack()[lambda lacks: lacks].index[:1]:
        count, others = (table.loc[tuple(run), testset] for table in (rows, most))
        raise UserError(
            f"{path} has {count or 'no'} rows of {'/'.join(run[:3])}, seed {run[3]} on {testset}, where other runs "
            f"have {others}; run `augmix collect`"
        )


def read_config(path: Path) -> dict[str, Any]:
    """The resolved configuration, experiment.yaml."""
    if not path.is_file():
        raise UserError(f"{path} is missing; run `augmix collect` for this experiment first")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not readable YAML ({' '.join(str(error).split())}); run `augmix collect`") from None
    needed = ("experiment", "datasets", "architectures", "methods", "seeds", "training", "folders")
    lacking = [key for key in needed if not isinstance(config, dict) or not config.get(key)]
    if not lacking:
        lacking = [
            f"datasets.{name}.testsets" for name, entry in config["datasets"].items() if not entry.get("testsets")
        ]
    if lacking:
        raise UserError(f"{path} lacks '{lacking[0]}'; run `augmix collect` to write it again")
    return dict(config)


def read_chosen(path: Path, config: Mapping[str, Any]) -> dict[tuple[str, str, str], str] | None:
    """The methods that `augmix choose` chose; None where the experiment does not choose."""
    if config.get("validation") is None or not any(entry.get("sweeps") for entry in config["methods"]):
        return None
    frame = read_table(path, ("dataset", "arch", "sweep", "method", "chosen"), "augmix choose")
    chosen = frame[frame["chosen"] == "True"]
    return dict(
        zip(zip(chosen["dataset"], chosen["arch"], chosen["sweep"], strict=True), chosen["method"], strict=True)
    )


def read_table(
    path: Path, columns: Sequence[str], maker: str, numbers: Sequence[str] = (), whole: Sequence[str] = ()
) -> pd.DataFrame:
    """A CSV file's text, with some columns as floats (NaN where empty) or `whole` numbers; `maker` writes it."""
    if not path.is_file():
        raise UserError(f"{path} is missing; run `{maker}` first")
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False).fillna("")
        lacking = [column for column in columns if column not in frame]
        if lacking:
            raise UserError(f"{path} lacks the column '{lacking[0]}'; delete it and run `{maker}`")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({' '.join(str(error).split())}); delete it and run `{maker}`"
        ) from None
    for column in (*numbers, *whole):
        texts = frame[column].replace("", "0") if column == "severity" else frame[column]
        found = pd.to_numeric(texts, errors="coerce")
        wrong = found.isna()
        if wrong.any():
            wrong &= ~texts.str.lower().isin(["", "nan"])
        if column in whole:
            wrong = found.isna() | (found % 1 != 0)
        for row in frame[wrong][:1].itertuples() if wrong.any() else ():
            what = "whole number" if column in whole else "number"
            raise UserError(
                f"{path}, row {_line(row)}: the {column} is '{getattr(row, column)}', which is no {what}; delete the "
                f"file and run `{maker}`"
            )
        frame[column] = found.astype(int if column in whole else float)
    return frame


def _refuse(path: Path, row: Any, fault: str) -> NoReturn:
    raise UserError(f"{path}, row {_line(row)}: {fault}; run `augmix collect`")


def _line(row: Any) -> int:
    """The line of a CSV file that a row of its frame stands on."""
    return int(row.Index) + 2


def _run(row: Any) -> str:
    return f"{row.dataset}/{row.arch}/{row.method}, seed {row.seed}"
