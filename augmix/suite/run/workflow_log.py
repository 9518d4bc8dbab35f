"""Follow Snakemake through its log: which jobs run, which finished, which failed and how."""

import re
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# A group's jobs are indented once.
_START = re.compile(r"(?:    )?(?:local)?(?:rule|checkpoint) (\w+):$")
_ERROR = re.compile(r"(?:    )?Error in rule (\w+):$")
_FINISHED = re.compile(r"Finished jobid: (\d+)\b")
_STEPS = re.compile(r"(\d+) of (\d+) steps .*done$")
_COUNT = re.compile(r"(\w+) +(\d+)$")
_AGAIN = re.compile(r"Trying to restart job (\d+)")
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
    """How long it took, once it has finished."""
    exit_status: int | None = None
    """That of its command where it failed and Snakemake says so."""
    cluster_status: str = ""
    """What SLURM calls its end where it failed: TIMEOUT, say."""
    cluster_log: str = ""


class WorkflowLog:
    """What Snakemake has said so far; feed it with `read` or `take`."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.counts: Counter[str] = Counter()
        """Jobs of each rule, all together."""
        self.running: dict[str, Job] = {}
        self.most_running = 0
        """How many jobs ran side by side at most."""
        self.failed: dict[str, Job] = {}
        self.finished: list[Job] = []
        self.nothing_to_do = False
        self._read = 0
        self._block: Job | None = None
        self._in_error = self._in_table = False

    def read(self, path: Path) -> None:
        """Take in what was written to the log file since the last call; a half-written line waits for its end."""
        with path.open("rb") as file:
            file.seek(self._read)
            text, newline, _ = file.read().rpartition(b"\n")
        self._read += len(text) + len(newline)
        for line in text.decode(errors="replace").splitlines():
            self.take(line)

    def take(self, line: str) -> None:
        """Take in one line."""
        if self._in_table:
            self._in_table = self._take_count(line)
        elif match := _START.match(line):
            self._block, self._in_error = Job(match[1], time.monotonic()), False
        elif match := _ERROR.match(line):
            self._block, self._in_error = Job(match[1], time.monotonic()), True
        elif line.startswith("    "):
            if self._block is not None:
                self._take_detail(*line.strip().partition(": ")[::2])
        else:
            self._block = None
            self._take_event(line)

    def made(self, rule: str) -> bool:
        """Whether nothing of a rule is left to do."""
        finished = sum(job.rule == rule for job in self.finished)
        return self.nothing_to_do or (self.total > 0 and finished == self.counts[rule])

    def _take_count(self, line: str) -> bool:
        """One line of the table of jobs; False at its end, which is an empty line."""
        if (match := _COUNT.match(line)) and match[1] not in ("job", "total"):
            self.counts[match[1]] = int(match[2])
            self.total = self.counts.total()
        return bool(line.strip())

    def _take_detail(self, key: str, value: str) -> None:
        """One line of the block that opens a job, or says how it failed."""
        assert self._block is not None
        if key == "message" and (match := _CLUSTER.search(value)):
            self._block.cluster_status = match[1]
        elif key == "jobid" and self._in_error:
            job = self.running.pop(value, self._block)
            job.cluster_status, self._block = self._block.cluster_status, job
            self.failed[value] = job
        elif key == "jobid":
            # A job that is tried again has not failed.
            self.failed.pop(value, None)
            self.running[value] = self._block
            self.most_running = max(self.most_running, len(self.running))
        elif key == "wildcards":
            self._block.wildcards = dict(pair.split("=", 1) for pair in value.split(", "))
        elif key == "log":
            logs = value.removesuffix(" (check log file(s) for error details)").split(", ")
            self._block.log, self._block.cluster_log = logs[0], logs[1] if len(logs) > 1 else ""

    def _take_event(self, line: str) -> None:
        if match := _FINISHED.match(line):
            if job := self.running.pop(match[1], None):
                job.seconds = time.monotonic() - job.started
                self.finished.append(job)
        elif match := _AGAIN.match(line):
            self.failed.pop(match[1], None)
        elif match := _STEPS.match(line):
            self.done, self.total = int(match[1]), int(match[2])
        elif line == "Job stats:":
            self._in_table = True
        elif line.startswith("Nothing to be done"):
            self.nothing_to_do = True
        elif match := _STATUS.search(line):
            # The whole command stands in this line, and with it the log's name; the job's block comes after.
            for job in self.running.values():
                if job.log and job.log in line:
                    job.exit_status = int(match[1]) if match[1] else 128 + signal.Signals[match[2]]
