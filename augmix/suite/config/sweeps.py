"""Sweeps over one parameter of a method, and the choice of its value without the test set.

The definitions are `ablations/sweeps.yaml`. A value is chosen by the error on a validation split of the training set
under the four held-out corruptions; the fifteen that enter the mCE are touched once, by the chosen methods alone.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augmix.configuration import nearest, read
from augmix.errors import UserError
from augmix.files import write_text
from augmix.registry import method_parameters

if TYPE_CHECKING:
    from augmix.experiment import Experiment

DEFINITIONS = Path(__file__).resolve().parent.parent / "ablations" / "sweeps.yaml"
COLUMNS = ("dataset", "arch", "sweep", "method", "value", "validation_error", "chosen")


def expand(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with the methods that its `sweeps` ask for, each noting its value of each sweep it is part of.

    A method's default value is that method under its own name, so that all its sweeps share one run.
    """
    config = dict(config)
    names = config.pop("sweeps", None)
    if not isinstance(names, list):
        return config if names is None else {**config, "sweeps": names}
    definitions, _ = read(DEFINITIONS)
    methods = {method["name"]: dict(method) for method in config.get("methods", [])}
    for name in names:
        if name not in definitions:
            raise UserError(f"unknown sweep '{name}'; {nearest(name, definitions)}")
        sweep = definitions[name]
        method, parameter = sweep["method"], sweep["parameter"]
        defaults = method_parameters(method, config.get("method_packages", ["baselines", "ablations"]))
        for value in sweep["values"]:
            default = value == defaults[parameter]
            key = method if default else f"{method}_{parameter}_{value}".replace("-1", "random").lower()
            entry = {"name": key, "preset": method, "parameters": {} if default else {parameter: value}}
            methods.setdefault(key, entry).setdefault("sweeps", {})[name] = value
    return {**config, "methods": list(methods.values())}


def choose(experiment: "Experiment") -> list[dict[str, Any]]:
    """Write `chosen.csv`: each sweep's values with their validation error, the lowest one chosen.

    The error is the mean over seeds of the mean over the held-out corruptions and severities; a value without
    any finished run cannot be chosen. Ties go to the value listed first.
    """
    from augmix.results import read_predictions

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


def to_test(experiment: "Experiment") -> list[str]:
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
