"""Choose the value of each sweep without the test set.

A value is chosen by the error on a validation split of the training set under the corruptions of
`augmix.corruptions.validation`; those that enter the mCE are touched once, by the chosen methods alone.
"""

from pathlib import Path
from typing import Any

import numpy as np

from augmix import metrics
from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate import predictions, summaries
from augmix.suite.io.files import read_csv, write_csv
from augmix.suite.testsets.base import TestSet

COLUMNS = ("dataset", "arch", "sweep", "method", "value", "validation_error", "chosen")


def choose(experiment: Experiment) -> list[dict[str, Any]]:
    """Write `chosen.csv`: each sweep's values with their validation error, the lowest one chosen.

    The error is the mean over seeds of the mean over the validation corruptions and severities; a value without
    any finished run cannot be chosen. Ties go to the value listed first.
    """
    errors = _errors(experiment)
    rows: list[dict[str, Any]] = []
    for dataset in experiment.datasets:
        for architecture in experiment.config["architectures"]:
            for sweep in experiment.sweeps:
                group = [
                    {
                        "dataset": dataset,
                        "arch": architecture["name"],
                        "sweep": sweep,
                        "method": method["name"],
                        "value": method["sweeps"][sweep],
                        "validation_error": float(np.mean(found)) if found else None,
                    }
                    for method in experiment.config["methods"]
                    if sweep in method.get("sweeps", {})
                    for found in [errors.get((dataset, architecture["name"], method["name"]), [])]
                ]
                finished = [row for row in group if row["validation_error"] is not None]
                best = min(finished, key=lambda row: row["validation_error"], default=None)
                rows += [{**row, "chosen": row is best} for row in group]
    cells = [["" if row[column] is None else row[column] for column in COLUMNS] for row in rows]
    write_csv(experiment.folder / "chosen.csv", COLUMNS, cells)
    summaries.note(experiment, "choose")
    return rows


def _errors(experiment: Experiment) -> dict[tuple[str, str, str], list[float]]:
    """The validation errors under the validation corruptions, of each seed, by data set, architecture and method."""
    errors: dict[tuple[str, str, str], list[float]] = {}
    for run in experiment.runs:
        testset = experiment.validation_testsets(run.dataset)[-1]
        path = predictions.path_of(experiment.folder / run.path, "validation", testset.name)
        if path.exists():
            _, found = validation_errors(path, testset)
            errors.setdefault((run.dataset, run.architecture, run.method), []).append(found["mean"])
    return errors


def validation_errors(path: Path, testset: TestSet) -> tuple[str, dict[str, float]]:
    """The images' source in words, and the error under each shift of an archive, with the mean of several."""
    archive = predictions.read(path, testset.shifts)
    labels = archive.labels.reshape(testset.levels, -1)
    errors = {
        name: metrics.error(archive.shifts[name]["prediction"].reshape(labels.shape), labels) for name in testset.shifts
    }
    if len(errors) > 1:
        errors["mean"] = float(np.mean(list(errors.values())))
    return archive.source, errors


def to_test(experiment: Experiment) -> list[str]:
    """The paths of the runs that are evaluated on the test sets: all of them, or after a choice the chosen ones.

    Runs of methods outside any sweep are always among them.
    """
    if experiment.validation is None:
        return [run.path for run in experiment.runs]
    try:
        rows = read_csv(experiment.folder / "chosen.csv", COLUMNS)
    except UserError as error:
        raise UserError(f"{error}; run `augmix choose` again") from error
    chosen = {(row["dataset"], row["arch"], row["method"]) for row in rows if row["chosen"] == "True"}
    swept = {method["name"] for method in experiment.config["methods"] if method.get("sweeps")}
    return [
        run.path
        for run in experiment.runs
        if run.method not in swept or (run.dataset, run.architecture, run.method) in chosen
    ]
