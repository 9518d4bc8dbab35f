"""Choose the value of each sweep without the test set.

A value is chosen by the error on a validation split of the training set under the four held-out corruptions; the
fifteen that enter the mCE are touched once, by the chosen methods alone.
"""

import csv
import io
from typing import Any

import numpy as np

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate.predictions import read_predictions
from augmix.suite.io.files import write_text

COLUMNS = ("dataset", "arch", "sweep", "method", "value", "validation_error", "chosen")


def choose(experiment: Experiment) -> list[dict[str, Any]]:
    """Write `chosen.csv`: each sweep's values with their validation error, the lowest one chosen.

    The error is the mean over seeds of the mean over the held-out corruptions and severities; a value without
    any finished run cannot be chosen. Ties go to the value listed first.
    """
    rows: list[dict[str, Any]] = []
    errors: dict[tuple[str, str, str], list[float]] = {}
    for run in experiment.runs:
        folder = experiment.folder / run.path
        if (folder / "validation" / "C.npz").exists():
            archive = read_predictions(folder, "C", experiment.held_out, "validation")
            labels = archive["labels"].reshape(5, -1)
            wrong = [np.mean(archive[name]["prediction"] != labels) for name in experiment.held_out]
            errors.setdefault((run.dataset, run.architecture, run.method), []).append(float(np.mean(wrong)))
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
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(experiment.folder / "chosen.csv", text.getvalue())
    return rows


def to_test(experiment: Experiment) -> list[str]:
    """The paths of the runs that are evaluated on the test set: all of them, or after a choice the chosen ones.

    Runs of methods outside any sweep are always on it.
    """
    if experiment.validation is None:
        return [run.path for run in experiment.runs]
    path = experiment.folder / "chosen.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            chosen = {(r["dataset"], r["arch"], r["method"]) for r in csv.DictReader(file) if r["chosen"] == "True"}
    except (OSError, KeyError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({error}); run `augmix choose` again") from error
    swept = {method["name"] for method in experiment.config["methods"] if method.get("sweeps")}
    return [
        run.path
        for run in experiment.runs
        if run.method not in swept or (run.dataset, run.architecture, run.method) in chosen
    ]
