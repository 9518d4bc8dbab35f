"""Show a running workflow by one live line on a terminal, and elsewhere by a line now and then."""

import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from tqdm import tqdm

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.io.files import read_mapping
from augmix.suite.io.progress import duration, tell
from augmix.suite.run.workflow_log import Job, WorkflowLog

LINE_EVERY = 10.0
SHOWN_JOBS = 3
POSITION = dict.fromkeys(("epoch", "epochs", "step", "steps", "seconds_per_epoch", "updated"), (int, float))
"""The keys of `progress.json`."""


class Display:
    """Shows how far a workflow is, on standard error."""

    def __init__(self, experiment: Experiment, log: WorkflowLog) -> None:
        self._log = log
        self._constant = {
            key
            for key, values in (("dataset", experiment.datasets), ("architecture", experiment.config["architectures"]))
            if len(values) == 1
        }
        self._told: set[int] = set()
        self._line, self._line_time = (0, 0), time.monotonic()
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty():
            layout = "{percentage:3.0f}% |{bar:20}| {n_fmt}/{total_fmt} jobs, {elapsed}{postfix}"
            self._bar = tqdm(total=1, bar_format=layout, dynamic_ncols=True, leave=False)

    def update(self) -> None:
        """Show what the log says now."""
        log = self._log
        for number in sorted(set(log.failed) - self._told):
            self._told.add(number)
            tell(f"failed: {self.name(log.failed[number])}{'; the other jobs go on' if log.running else ''}")
        if not log.total:
            return
        if self._bar is not None:
            self._bar.total, self._bar.n = log.total, log.done
            self._bar.set_postfix_str(self._state())
            return
        # Short jobs finish by the dozen: no line sooner than a second after the last.
        now, line = time.monotonic(), (log.done, len(log.failed))
        if now - self._line_time > (1 if line != self._line else LINE_EVERY):
            self._line, self._line_time = line, now
            tell(f"{time.strftime('%H:%M:%S')}  {log.done} of {log.total} jobs, {self._state()}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def name(self, job: Job) -> str:
        """A job's name as people say it, without what all jobs share: `train augmix seed0`, `corrupt fog`."""
        values = [
            f"seed{value}" if key == "seed" else value
            for key, value in job.wildcards.items()
            if key not in self._constant
        ]
        return " ".join([job.rule, *values])

    def _state(self) -> str:
        if self._log.done == self._log.total:
            return "all done"
        positions = {number: position(job) for number, job in self._log.running.items()}
        names = [self.name(job) + _epoch(positions[number]) for number, job in self._log.running.items()]
        more = f" and {len(names) - SHOWN_JOBS} more" if len(names) > SHOWN_JOBS else ""
        idle = f"{len(self._log.failed)} failed" if self._log.failed else "between jobs"
        text = f"running: {', '.join(names[:SHOWN_JOBS])}{more}" if names else idle
        left = seconds_left(self._log, positions)
        # The forecast comes first: a narrow terminal cuts the line's end.
        return f"about {duration(left)} left; {text}" if left is not None else text


def position(job: Job) -> dict[str, Any]:
    """A running training's `progress.json`; empty for other jobs and before the first step."""
    if job.rule != "train":
        return {}  # not every rule has a log
    path = Path(job.log).with_name("progress.json")
    if not path.exists():
        return {}
    # A file from before this job started is an earlier, interrupted attempt's.
    if time.time() - path.stat().st_mtime > time.monotonic() - job.started:
        return {}
    return read_position(path)


def read_position(path: Path) -> dict[str, Any]:
    """The content of a `progress.json`; empty where there is none that can be read."""
    try:
        return read_mapping(path, POSITION)
    except UserError:
        return {}


def _epoch(noted: dict[str, Any]) -> str:
    return f" epoch {noted['epoch']}/{noted['epochs']}" if noted else ""


def training_seconds_left(noted: dict[str, Any]) -> float:
    """The rest of a training, at its pace so far."""
    epochs_done: float = noted["epoch"] - 1 + noted["step"] / noted["steps"]
    return max(noted["epochs"] - epochs_done, 0) * float(noted["seconds_per_epoch"])


def seconds_left(log: WorkflowLog, positions: dict[int, dict[str, Any]]) -> float | None:
    """Forecast the seconds left, roughly: a rule's jobs take what those before took, as many side by side as so far.

    A rule's only job is taken to have no other beside it. None until the trainings, the longest jobs, can be judged,
    and at the end, where such a job alone is left and takes longer than was thought.
    """
    known: defaultdict[str, list[float]] = defaultdict(list)
    for job in log.finished:
        known[job.rule].append(job.seconds)
    for noted in positions.values():
        if noted:
            known["train"].append(noted["epochs"] * noted["seconds_per_epoch"])
    if not known or ("train" in log.counts and "train" not in known):
        return None
    mean = {rule: sum(values) / len(values) for rule, values in known.items()}
    # Jobs not seen yet may be as short as the shortest or as long as the longest: in between, by orders of magnitude.
    usual = geometric_mean(max(seconds, 1) for seconds in mean.values())
    running = []
    for number, job in log.running.items():
        if positions[number]:
            running.append(training_seconds_left(positions[number]))
            continue
        elapsed, expected = time.monotonic() - job.started, mean.get(job.rule, usual)
        if log.counts[job.rule] > 1:
            # A job that takes longer than those before shows that its rule's jobs may.
            expected = mean[job.rule] = max(expected, 1.25 * elapsed)
        running.append(max(expected - elapsed, 0))
    waiting = Counter(log.counts)
    waiting.subtract(job.rule for jobs in (log.finished, log.running.values(), log.failed.values()) for job in jobs)
    waiting["all"] = 0
    alone = sum(mean.get(rule, usual) * count for rule, count in waiting.items() if log.counts[rule] == 1)
    queue = sum(mean.get(rule, usual) * count for rule, count in waiting.items()) - alone
    workers = max(min(log.most_running, len(running) + waiting.total()), 1)
    return max((sum(running) + queue) / workers, *running, 0) + alone or None
