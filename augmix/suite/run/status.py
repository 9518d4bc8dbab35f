"""Show how far an experiment is, from its files alone: while it runs as well, and on another machine."""

import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.config.runs import Run
from augmix.suite.evaluate.stages import State, run_state
from augmix.suite.io.progress import duration
from augmix.suite.io.text import table
from augmix.suite.run import outdated
from augmix.suite.run.watch import read_position, training_seconds_left


def print_status(experiment: Experiment) -> None:
    """Print a table of all runs, how many are in which state, what is outdated, and where the report is."""
    rows = []
    counts: Counter[str] = Counter()
    for run in experiment.runs:
        folder = experiment.folder / run.path
        status, message = _state(experiment, run)
        counts[status] += 1
        epoch, note = "", message
        if status in ("running", "interrupted"):
            epoch, note = _position(folder, status)
        elif status in ("done", "trained"):
            epochs = run.training.training["epochs"]
            epoch, note = f"{epochs}/{epochs}", "waits for its evaluation" if status == "trained" else ""
        rows.append((run.path, status, epoch, note))
    print(table(("run", "state", "epoch", ""), rows))
    print(f"\n{experiment.name}: {counts['done']} of {len(experiment.runs)} runs done", end="")
    print("".join(f", {count} {status}" for status, count in counts.items() if status != "done"))
    if not counts["unreadable"]:
        for line in outdated.targets(experiment, dry_run=True)[1]:
            print(line)
    print(_report(experiment, complete=counts["done"] == len(experiment.runs)))


def _state(experiment: Experiment, run: Run) -> State:
    """A run's state; also of one whose files cannot be read, which must not hide the others."""
    folder = experiment.folder / run.path
    try:
        with suppress(FileNotFoundError):
            os.stat(folder / ".")  # `Path.exists` says False of what is in a closed folder, in Python 3.14
        return run_state(experiment, run)
    except OSError as error:
        return State("unreadable", f"{error.filename or folder}: {error.strerror}")
    except UserError as error:
        return State("unreadable", str(error))


def _position(folder: Path, status: str) -> tuple[str, str]:
    """The epoch of a training that runs or was interrupted, and the time that its rest takes."""
    if not (noted := read_position(folder / "progress.json")):
        return "", "starting" if status == "running" else ""
    epoch = f"{noted['epoch']}/{noted['epochs']}"
    if status == "interrupted":
        return epoch, "continues from its checkpoint"
    silent = time.time() - noted["updated"]
    if silent > max(60, 3 * noted["seconds_per_epoch"]):
        return epoch, f"silent for {duration(silent)}"
    return epoch, f"about {duration(training_seconds_left(noted))} left"


def _report(experiment: Experiment, complete: bool) -> str:
    report = experiment.folder / "report.pdf"
    if not report.exists():
        return "report: not made yet" if complete else "report: made when the runs are done, by `augmix reproduce`"
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(report.stat().st_mtime))
    return f"report: {report} ({made})"
