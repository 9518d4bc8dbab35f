"""Follow Snakemake through its events: which jobs run, which finished, which failed and how."""

import json
import re
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Snakemake has these in words alone.
_AGAIN = re.compile(r"Trying to restart job (\d+)\.")
_CLUSTER = re.compile(r"SLURM status is: '(\w+)'")
_STATUS = re.compile(r"returned non-zero exit status (\d+)|died with <Signals\.(\w+)")


@dataclass
class Job:
    """One job of the workflow; times are seconds since this process's arbitrary zero (`time.monotonic`)."""

    rule: str
    started: float
    wildcards: dict[str, str] = field(default_factory=dict)
    log: str = ""
    seconds: float = 0.0
    """The time it took, once it has finished."""
    exit_status: int | None = None
    """The exit status of its command where it failed and Snakemake says so."""
    cluster_status: str = ""
    """SLURM's word for its end where it failed: TIMEOUT, say."""
    cluster_log: str = ""


class WorkflowLog:
    """The state of a workflow by the events so far; feed it with `read` or `take`."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.counts: Counter[str] = Counter()
        """Jobs of each rule, all together."""
        self.running: dict[int, Job] = {}
        self.most_running = 0
        """The most jobs that ran side by side."""
        self.failed: dict[int, Job] = {}
        self.finished: list[Job] = []
        self.nothing_to_do = False
        self._read = 0

    def read(self, path: Path) -> None:
        """Take in what was written to the file since the last call; a half-written line waits for its end."""
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read)
            text, newline, _ = file.read().rpartition(b"\n")
        self._read += len(text) + len(newline)
        for line in text.splitlines():
            with suppress(ValueError):  # a full disk may have cost a part of it
                self.take(json.loads(line))

    def take(self, event: dict[str, Any]) -> None:
        """Take in one event, as `events.LogHandler` writes it."""
        match event.get("event"):
            case "run_info":
                self.counts = Counter({rule: n for rule, n in event["stats"].items() if rule != "total"})
                self.total = self.counts.total()
            case "job_info":
                # A job that is tried again has not failed.
                self.failed.pop(event["jobid"], None)
                job = Job(event["rule_name"], time.monotonic(), event["wildcards"], "".join(event["log"][:1]))
                self.running[event["jobid"]] = job
                self.most_running = max(self.most_running, len(self.running))
            case "job_finished" if event["job_id"] in self.running:
                job = self.running.pop(event["job_id"])
                job.seconds = time.monotonic() - job.started
                self.finished.append(job)
            case "job_error":
                job = self.running.pop(event["jobid"], Job(event["rule_name"], time.monotonic()))
                job.log, job.cluster_log = [*event["log"], "", ""][:2]
                if match := _CLUSTER.search(event["rule_msg"] or ""):
                    job.cluster_status = match[1]
                self.failed[event["jobid"]] = job
            case "progress":
                self.done, self.total = event["done"], event["total"]
            case _:
                self._take_words(event["message"])

    def _take_words(self, message: str) -> None:
        if message.startswith("Nothing to be done"):
            self.nothing_to_do = True
        elif match := _AGAIN.match(message):
            self.failed.pop(int(match[1]), None)
        elif match := _STATUS.search(message):
            # The whole command stands in the message, and with it the log's name; the job's own event comes after.
            for job in self.running.values():
                if job.log and job.log in message:
                    job.exit_status = int(match[1]) if match[1] else 128 + signal.Signals[match[2]]

    def made(self, rule: str) -> bool:
        """Whether nothing of a rule is left to do."""
        finished = sum(job.rule == rule for job in self.finished)
        return self.nothing_to_do or (self.total > 0 and finished == self.counts[rule])
