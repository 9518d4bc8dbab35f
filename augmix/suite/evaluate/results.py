"""From predictions to numbers: every measure of every run on every test set in one tidy CSV, and one row a run."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from augmix import metrics
from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate import predictions, stages, summaries
from augmix.suite.evaluate.choosing import to_test, validation_errors
from augmix.suite.evaluate.measures import MEASURES, Measure, measures_of, truth
from augmix.suite.evaluate.predictions import OutdatedError, Predictions
from augmix.suite.evaluate.stages import FINISHED_ONLY, State, run_state
from augmix.suite.io import times
from augmix.suite.io.files import read_csv, read_mapping, write_csv, write_text
from augmix.suite.testsets.base import TestSet

Row = tuple[str, str, str, int | str, str, float]
"""testset, source, shift, severity, metric, value"""
COLUMNS = ("dataset", "arch", "method", "seed", "testset", "source", "shift", "severity", "metric", "value")
RUN_COLUMNS = (
    "dataset", "arch", "method", "seed", "status", "message", "epochs", "parameters", "train_seconds",
    "train_cpu_seconds", "evaluate_seconds", "code", "commit", "dirty", "device", "threads", "torch", "python",
    "platform",
)  # fmt: skip


def collect(experiment: Experiment) -> list[str]:
    """Write `experiment.yaml`, `metrics.csv` and `runs.csv`; returns the paths of the runs without a result.

    Raises `UserError` naming a run whose recorded settings are not those the experiment asks for, unless the finished
    runs alone are asked for.
    """
    rows: list[tuple[Any, ...]] = []
    records: list[dict[str, Any]] = []
    on_test = set(to_test(experiment))
    for run in experiment.runs:
        folder = experiment.folder / run.path
        key = (run.dataset, run.architecture, run.method, run.seed)
        found = run_state(experiment, run)
        new: list[tuple[Any, ...]] = []
        if found.status == "outdated" and (folder / "config.yaml").exists() and FINISHED_ONLY not in os.environ:
            stages.compare_settings(folder / "config.yaml", run)
        if found.status == "done":
            try:
                if experiment.validation is not None:
                    held = experiment.validation_testsets(run.dataset)
                    new += [(*key, *row) for row in _validation_rows(folder, held)]
                if run.path in on_test and stages.evaluated(folder, run.testsets, "predictions"):
                    new += [(*key, *row) for row in run_metrics(folder / "predictions", run.testsets)]
            except OutdatedError as error:
                # It is evaluated again by the next start; until then the others' numbers are not lost.
                with suppress(OSError):
                    os.replace(error.path, error.path.with_suffix(".damaged"))
                found, new = State("failed", str(error)), []
        rows += new
        records.append(dict(zip(RUN_COLUMNS, key, strict=False)) | _record(folder, experiment.output, found))
    if stages.kept(experiment):  # some of them may have been made again since, beside others that had to be
        stages.prune(experiment, stages.changes(experiment))
    folder = experiment.folder
    write_text(folder / "experiment.yaml", yaml.safe_dump(experiment.record(), sort_keys=False, allow_unicode=True))
    write_csv(folder / "metrics.csv", COLUMNS, rows)
    write_csv(folder / "runs.csv", RUN_COLUMNS, [[r.get(c, "") for c in RUN_COLUMNS] for r in records])
    summaries.note(experiment, "collect")
    return [run.path for run, record in zip(experiment.runs, records, strict=True) if record["status"] != "done"]


def run_metrics(output: Path, testsets: list[TestSet]) -> Iterator[Row]:
    """The rows of one evaluated run, whose archives of predictions are in the folder `output`."""
    for testset in testsets:
        archive = predictions.read(output / f"{testset.name}.npz", testset.shifts, testset.top5, testset.cues)
        clean = predictions.read_clean(output) if testset.outside else None
        for shift, severity, metric, value in scores(testset, archive, clean):
            yield testset.name, archive.source, shift, severity, metric, value


def scores(
    testset: TestSet, archive: Predictions, clean: np.ndarray | None = None
) -> Iterator[tuple[str, int | str, str, float]]:
    """Every measure of a test set as (shift, severity, metric, value).

    Outside images are told from the `clean` ones, an array of their `NUMBERS`.

    Each shift at each severity, and over the severities; the means over the shifts that enter the mean, of which the
    headline's has a name of its own (mCE, mFP) and needs all of them; over all images at once, measures that are no
    means over images.
    """
    names = testset.shifts
    labels = archive.labels.reshape(testset.levels, -1)
    measures = [MEASURES[name] for name in measures_of(testset)]
    cells = {
        name: [
            {m.name: _value(testset, m, name, archive, level, clean) for m in measures}
            for level in range(testset.levels)
        ]
        for name in names
    }
    for name, levels in cells.items():
        if testset.levels > 1:
            for severity, found in enumerate(levels, 1):
                for metric, value in found.items():
                    yield name, severity, metric, value
        for metric in levels[0]:
            yield name, "", metric, float(np.mean([found[metric] for found in levels]))
    entering = [name for name in names if name in testset.entering]
    if not entering:
        return
    complete = set(testset.entering) <= set(names)
    headline = measures_of(testset)[0]
    for metric in measures_of(testset):
        values = {name: [found[metric] for found in cells[name]] for name in entering}
        if testset.levels > 1:
            for severity, level in enumerate(zip(*values.values(), strict=True), 1):
                yield "mean", severity, metric, float(np.mean(level))
        if metric != headline:
            yield "mean", "", metric, metrics.mean_corruption_error(values)
        elif complete and testset.sequence:
            yield testset.mean, "", metric, metrics.mean_flip_probability({name: of[0] for name, of in values.items()})
        elif complete:
            yield testset.mean, "", metric, metrics.mean_corruption_error(values)
    yield from _pooled(measures, archive, labels, entering)


def _value(
    testset: TestSet, measure: Measure, shift: str, archive: Predictions, level: int, clean: np.ndarray | None
) -> float:
    numbers = archive.shifts[shift]
    if testset.sequence:
        return measure.compute(numbers, np.asarray(shift in testset.independent))
    numbers = numbers.reshape(testset.levels, -1)[level]
    if clean is not None:
        return measure.compute(np.concatenate([clean, numbers]), np.arange(len(clean) + len(numbers)) >= len(clean))
    return measure.compute(numbers, truth(measure, archive.labels.reshape(testset.levels, -1)[level], archive.cues))


def _pooled(
    measures: list[Measure], archive: Predictions, labels: np.ndarray, entering: list[str]
) -> Iterator[tuple[str, int | str, str, float]]:
    """The measures that are no means over images, over all entering shifts' images at once."""
    wanted = [measure for measure in measures if measure.pooled]
    if wanted:
        numbers = np.concatenate([archive.shifts[name].reshape(labels.shape) for name in entering], axis=1)
        for measure in wanted:
            yield "pooled", "", measure.name, measure.compute(numbers.ravel(), np.tile(labels, len(entering)).ravel())


def _validation_rows(folder: Path, testsets: list[TestSet]) -> Iterator[Row]:
    """The rows a choice is made by: the error on clean images and under the validation corruptions, with their mean."""
    for testset in testsets:
        source, errors = validation_errors(predictions.path_of(folder, "validation", testset.name), testset)
        for name, value in errors.items():
            yield "validation", f"validation split, {source}", name, "", "error", value


def _record(folder: Path, output: str, found: State) -> dict[str, Any]:
    """A run's row of `runs.csv`."""
    if found.status != "done":
        return {
            "status": found.status if found.status in ("diverged", "failed") else "missing",
            "message": found.message,
        }
    noted: Mapping[str, Any] = read_mapping(folder / "provenance.json", {"packages": dict})
    evaluated = read_mapping(folder / f"{output}.json", {"seconds": (int, float)})
    return {
        **{key: noted.get(key, "") for key in RUN_COLUMNS[4:]},
        "status": "done",
        "message": found.message,
        "epochs": _epochs(folder),
        "train_cpu_seconds": _training_cpu(folder, noted),
        "evaluate_seconds": evaluated["seconds"],
        "code": (noted.get("code") or {}).get("digest", ""),
        "torch": noted["packages"].get("torch", ""),
    }


def _training_cpu(folder: Path, noted: Mapping[str, Any]) -> float | str:
    """The seconds of processors that a training took; empty unless one job did it from the first step to the last."""
    found = times.read(folder / "train.log")
    if found is None or not found.began <= noted.get("started", 0) <= found.ended:
        return ""  # taken over from another experiment, or trained again by hand
    if found.spent.get("training", 0.0) < noted.get("train_seconds", 0.0):
        return ""  # an earlier job did a part of it
    return found.cpu.get("training", "")


def _epochs(folder: Path) -> int:
    """How many epochs a run's history has; one that is lost or damaged is written again from the checkpoint."""
    path = folder / "history.csv"
    try:
        return len(read_csv(path, ("epoch",)))
    except UserError as error:
        if not _restore_history(folder):
            raise UserError(
                f"{error}, and no checkpoint here holds this run's history; delete {folder} to have it made again"
            ) from error
        return len(read_csv(path, ("epoch",)))


def _restore_history(folder: Path) -> bool:
    """Write a finished run's history again from its checkpoint; False where none holds the whole of it."""
    # This imports torch, which takes seconds.
    from augmix.suite.train.checkpoints import DAMAGED, Checkpoints, load, tell, write_history

    fingerprint = read_mapping(folder / "provenance.json", {"fingerprint": str})["fingerprint"]
    epochs = read_mapping(folder / "config.yaml", {"training": dict})["training"].get("epochs")
    known = Checkpoints(folder, fingerprint)
    for path in (known.newest, known.previous):
        with suppress(*DAMAGED):
            state = load(path)
            if state["fingerprint"] == fingerprint and len(state["history"]) == epochs:
                write_history(folder / "history.csv", state["history"])
                tell(f"{folder / 'history.csv'} was lost or damaged: it is written again from {path.name}")
                return True
    return False
