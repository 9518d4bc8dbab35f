"""What has come of an experiment: the state of each run, and the tidy `metrics.csv` and `runs.csv`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from augmix import metrics
from augmix.corruptions import CORRUPTIONS
from augmix.errors import UserError
from augmix.perturbations import NOISE_PERTURBATIONS, perturbations_of
from augmix.suite.config.experiment import Experiment, Run
from augmix.suite.evaluate.choosing import to_test
from augmix.suite.evaluate.predictions import read_predictions
from augmix.suite.io.files import is_locked, read_mapping, write_csv, write_text
from augmix.suite.testsets.arrays import COMPARED

Row = tuple[str, str, str, int | str, str, float]
"""(benchmark, source, shift, severity, metric, value) of one run; an empty severity means all of them, or none."""
COLUMNS = ("dataset", "arch", "method", "seed", "benchmark", "source", "shift", "severity", "metric", "value")
RUN_COLUMNS = (
    "dataset", "arch", "method", "seed", "status", "message", "epochs", "parameters", "train_seconds",
    "evaluate_seconds", "source_hash", "commit", "dirty", "device", "threads", "torch", "python", "platform",
)  # fmt: skip
PREDICTIONS = ("clean", "C", "P")
FINISHED_ONLY = "AUGMIX_FINISHED_ONLY"
"""The environment variable that has the workflow report on the finished runs alone."""


class State(NamedTuple):
    """How far a run has come."""

    status: str
    """done, running, failed, diverged, trained (not evaluated), interrupted (a checkpoint waits) or pending."""
    message: str = ""


def run_state(experiment: Experiment, run: Run) -> State:
    """The state of one of an experiment's runs."""
    return state(experiment.folder / run.path, experiment.output)


def state(folder: Path, output: str = "predictions") -> State:
    """The state of the run in `folder`, from its files and its lock; it is done with predictions in `output`."""
    trained = (folder / "model.pt").exists()
    if trained and all((folder / output / f"{name}.npz").exists() for name in PREDICTIONS):
        return State("done")
    if is_locked(folder / ".lock"):
        return State("running")
    if (folder / "diverged.json").exists():
        noted = read_mapping(folder / "diverged.json", {"loss": str, "epoch": int, "step": int})
        return State("diverged", f"loss {noted['loss']} in epoch {noted['epoch']}, step {noted['step']}")
    for stage in ("evaluate", "train"):
        if complaint := last_error(folder / f"{stage}.log"):
            return State("failed", complaint)
    if trained:
        return State("trained")
    if (folder / "checkpoint.pt").exists():
        return State("interrupted")
    return State("pending")


def last_error(log: Path) -> str:
    """The error that a job's log ends with, or an empty string."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].partition("error: ")[2] if lines else ""


def collect(experiment: Experiment) -> list[str]:
    """Write `experiment.yaml`, `metrics.csv` and `runs.csv`; returns the paths of the runs without a result.

    Raises `UserError` naming a run whose recorded settings are not those the experiment asks for.
    """
    rows: list[tuple[Any, ...]] = []
    records: list[dict[str, Any]] = []
    on_test = set(to_test(experiment))
    for run in experiment.runs:
        folder = experiment.folder / run.path
        record = _record(folder, experiment.output)
        key = (run.dataset, run.architecture, run.method, run.seed)
        if record["status"] == "done":
            _compare(folder / "config.yaml", run.training)
            if experiment.validation is not None:
                rows += [(*key, *row) for row in _validation_rows(folder, experiment.held_out)]
            if run.path in on_test and state(folder).status == "done":
                preset = experiment.preset(run.dataset)
                rows += [(*key, *row) for row in run_metrics(folder, run, perturbations_of(preset))]
        records.append(
            {"dataset": run.dataset, "arch": run.architecture, "method": run.method, "seed": run.seed, **record}
        )
    folder = experiment.folder
    write_text(folder / "experiment.yaml", yaml.safe_dump(experiment.record(), sort_keys=False, allow_unicode=True))
    write_csv(folder / "metrics.csv", COLUMNS, rows)
    write_csv(folder / "runs.csv", RUN_COLUMNS, [[r.get(c, "") for c in RUN_COLUMNS] for r in records])
    return [run.path for run, record in zip(experiment.runs, records, strict=True) if record["status"] != "done"]


def run_metrics(folder: Path, run: Run, ten: tuple[str, ...]) -> Iterator[Row]:
    """The rows of one evaluated run; `ten` are the perturbations that enter the mFP."""
    clean = read_predictions(folder, "clean", ["clean"])
    for metric, value in _scores(clean["clean"], clean["labels"]).items():
        yield "clean", str(clean["source"]), "clean", "", metric, value
    if names := run.evaluation["corruptions"]:
        yield from _corruption_rows(read_predictions(folder, "C", names), names)
        if run.evaluation["compared"]:
            yield from _corruption_rows(read_predictions(folder, "C", names, prefix=COMPARED), names)
    if names := run.evaluation["perturbations"]:
        yield from _perturbation_rows(read_predictions(folder, "P", names), names, ten)


def _validation_rows(folder: Path, held_out: list[str]) -> Iterator[Row]:
    """The rows a choice is made by: clean, and under the held-out corruptions with their mean."""
    clean = read_predictions(folder, "clean", ["clean"], "validation")
    archive = read_predictions(folder, "C", held_out, "validation")
    source, error = (
        f"validation split, {archive['source']}",
        metrics.error(clean["clean"]["prediction"], clean["labels"]),
    )
    yield "validation", source, "clean", "", "error", error
    labels = archive["labels"].reshape(5, -1)
    errors = {name: metrics.error(archive[name]["prediction"], labels) for name in held_out}
    for name, value in {**errors, "mean": float(np.mean(list(errors.values())))}.items():
        yield "validation", source, name, "", "error", value


def _corruption_rows(archive: Mapping[str, np.ndarray], names: list[str]) -> Iterator[Row]:
    source = str(archive["source"])
    labels = archive["labels"].reshape(5, -1)
    cells = {
        name: [_scores(archive[name][s], labels[s]) for s in range(5)]
        for name in names
    }  # fmt: skip
    for name, severities in cells.items():
        for severity, scores in enumerate(severities, 1):
            for metric, value in scores.items():
                yield "C", source, name, severity, metric, value
        for metric in severities[0]:
            yield "C", source, name, "", metric, float(np.mean([scores[metric] for scores in severities]))
    entering = [name for name in names if name in CORRUPTIONS]
    if not entering:
        return
    for metric in cells[entering[0]][0]:
        by_severity = [np.mean([cells[name][s][metric] for name in entering]) for s in range(5)]
        for severity, mean in enumerate(by_severity, 1):
            yield "C", source, "mean", severity, metric, float(mean)
        shift = "mCE" if metric == "error" else "mean"
        if shift == "mean" or len(entering) == len(CORRUPTIONS):
            yield "C", source, shift, "", metric, float(np.mean(by_severity))
    pooled = np.concatenate([archive[name] for name in entering], axis=1)
    correct = pooled["prediction"] == np.tile(labels, len(entering))
    value = metrics.rms_calibration_error(pooled["confidence"], correct)
    yield "C", source, "pooled", "", "rms_calibration", value


def _perturbation_rows(archive: Mapping[str, np.ndarray], names: list[str], ten: tuple[str, ...]) -> Iterator[Row]:
    source = str(archive["source"])
    flips = {
        name: metrics.flip_probability(archive[name]["prediction"], against_first=name in NOISE_PERTURBATIONS)
        for name in names
    }
    for name, value in flips.items():
        yield "P", source, name, "", "flip_probability", value
    if set(ten) <= set(flips):
        mean = metrics.mean_flip_probability({name: flips[name] for name in ten})
        yield "P", source, "mFP", "", "flip_probability", mean


def _scores(numbers: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    correct = numbers["prediction"] == labels
    return {
        "error": metrics.error(numbers["prediction"], labels),
        "brier": metrics.brier_score(numbers["true_probability"], numbers["squared_sum"]),
        "rms_calibration": metrics.rms_calibration_error(numbers["confidence"], correct),
    }


def _record(folder: Path, output: str) -> dict[str, Any]:
    """A run's row of `runs.csv`."""
    status, message = state(folder, output)
    if status != "done":
        return {"status": status if status in ("diverged", "failed") else "missing", "message": message}
    noted = read_mapping(folder / "provenance.json", {"packages": dict})
    evaluated = read_mapping(folder / "evaluation.json", {"seconds": (int, float)})
    return {
        **{key: noted.get(key, "") for key in RUN_COLUMNS[4:]},
        "status": status,
        "message": message,
        "epochs": _epochs(folder / "history.csv"),
        "evaluate_seconds": evaluated["seconds"],
        "torch": noted["packages"].get("torch", ""),
    }


def _epochs(path: Path) -> int:
    """How many epochs a history has."""
    try:
        return len(path.read_text(encoding="utf-8").strip().splitlines()) - 1
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} is missing or damaged ({error}); delete {path.parent} to have it made again"
        ) from error


def _compare(path: Path, requested: Mapping[str, Any]) -> None:
    """Refuse a run whose recorded settings differ from the requested ones (its folder was copied, say)."""
    recorded = read_mapping(path, {})
    for key in requested:
        if key != "data" and recorded.get(key) != requested[key]:
            found, wanted = recorded.get(key), requested[key]
            raise UserError(
                f"{path} was trained with {key} {found!r}, the experiment asks for {wanted!r}; "
                f"delete {path.parent} to have it trained again"
            )
