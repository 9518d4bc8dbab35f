"""Run a whole experiment through Snakemake: pre-flight, lock, progress, readable failures, a report in any case.

Exit statuses: 0 the report is there and complete; 1 something failed (what finished is reported all the same);
2 bad input, refused before any job or, a damaged image say, found by one; 130 and 143 after SIGINT and SIGTERM.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from augmix.errors import RunError, UserError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.evaluate.stages import AGAIN, FINISHED_ONLY, last_error, run_state
from augmix.suite.io import machine
from augmix.suite.io.files import read_csv, write_text
from augmix.suite.io.locks import holder, is_locked, locked
from augmix.suite.io.progress import duration, tell
from augmix.suite.io.text import table
from augmix.suite.run import claims, outdated, preflight, slurm, surroundings
from augmix.suite.run.watch import Display
from augmix.suite.run.workflow_log import Job, WorkflowLog
from augmix.suite.track import mirror, store

REPORT_RULES = ("collect", "report", "track")
LOG, LOG_OF_FINISHED = "snakemake.log", "snakemake-finished.log"
LOG_TAIL = 12


def reproduce(
    config: Path,
    cores: str = "all",
    profile: str | None = None,
    dry_run: bool = False,
    keep: bool = False,
    retrain: Sequence[str] = (),
) -> int:
    """Run the experiment of `config` in the current folder, a checkout; the exit status.

    `cores` is "all" or a number, `profile` one of `workflow/profiles`. `keep` accepts results that other code made,
    `retrain` names runs that are trained again. Raises `UserError` for what can be refused
    before any job, and `RunError` when another process runs this experiment.
    """
    if not Path("workflow/Snakefile").is_file():
        raise UserError(f"{Path.cwd()} has no workflow/Snakefile: experiments run in a checkout of the repository")
    preflight.check_cores(cores)
    experiment = load(config)
    preflight.check_folders(experiment)
    for line in surroundings.check(experiment, profile):
        tell(line)
    preflight.check(experiment, profile)
    options = _options(config, cores, profile)
    if dry_run:
        with TemporaryDirectory() as folder:
            again = _again(experiment, Path(folder) / "again", keep, retrain, dry_run=True)
            return _dry_run(options, experiment, again)
    with _lock(experiment) as lock, claims.claimed(experiment):
        queue = slurm.Queue(experiment.folder / "logs" / LOG) if preflight.executor(profile) == "slurm" else None
        if queue is not None:
            _wait_for_queue(queue)
        _wait_for_runs(experiment)
        again = _again(experiment, experiment.folder / "logs" / "again.txt", keep, retrain)
        return Front(experiment, options, lock, queue, again).run()


def _options(config: Path, cores: str, profile: str | None) -> list[str]:
    """Snakemake's options."""
    options = ["--snakefile", "workflow/Snakefile", "--configfile", str(config)]
    # The lock is ours, and a killed start must not stand in the way of the next one.
    options += ["--nolock", "--rerun-incomplete", "--keep-going"]
    # The stamps in the files decide what is made again, whatever Snakemake's own records say.
    options += ["--rerun-triggers", "mtime"]
    # The other scheduler solves a linear program at each job's end, in a process of its own with temporary files.
    options += ["--scheduler", "greedy"]
    options += ["--workflow-profile", str(preflight.profiles().get(profile or "default", "none"))]
    if profile is None or cores != "all":
        # Elsewhere --cores would cut the jobs' threads down to what this machine has.
        options += ["--cores", str(machine.cpus()) if cores == "all" else cores]
    if profile is None:
        # No more jobs side by side than fit. A training takes one GPU or more, so that no two share one.
        there = machine.gpus()
        options += ["--resources", f"mem_mb={machine.memory_mb()}", *([f"gpu={there}"] if there else [])]
    if preflight.executor(profile) == "slurm":
        options += slurm.options()
    return options


def _command(events: Path, options: list[str]) -> list[str]:
    """The command that is Snakemake and writes a file of events."""
    events.unlink(missing_ok=True)
    records = surroundings.records(events.parent)
    return [sys.executable, "-m", "augmix.suite.run.events", str(events), str(records), *options]


def _again(experiment: Experiment, path: Path, keep: bool, retrain: Sequence[str], dry_run: bool = False) -> Path:
    """Write to `path` the files that are there and have to be made again; says which and why."""
    found, lines = outdated.targets(experiment, keep, retrain, dry_run)
    if (sent := experiment.folder / "mlflow.synced").exists() and mirror.is_elsewhere(experiment.folder):
        found.append(sent)
        lines.append(f"the results are sent to {store.shown(store.address(experiment.results))} as well")
    for line in lines:
        tell(line)
    write_text(path, "".join(f"{target}\n" for target in found))
    return path


def _forced(again: Path) -> list[str]:
    """Options for Snakemake that make these files again."""
    listed = again.read_text(encoding="utf-8").splitlines()
    return ["--forcerun", *listed] if listed else []


def _dry_run(options: list[str], experiment: Experiment, again: Path) -> int:
    log = WorkflowLog()
    ours = {**surroundings.environment(), AGAIN: str(again)}
    with TemporaryDirectory() as folder:
        command = _command(events := Path(folder) / "events.jsonl", [*options, *_forced(again), "--dry-run"])
        done = subprocess.run(command, env=ours, capture_output=True, text=True, check=False)
        log.read(events)
    if done.returncode:
        print("\n".join((done.stdout + done.stderr).splitlines()[-LOG_TAIL:]), file=sys.stderr)
        return 1
    if log.nothing_to_do:
        print(_up_to_date(experiment))
    else:
        jobs = {rule: count for rule, count in log.counts.items() if rule != "all"}
        print(f"Would run {sum(jobs.values())} jobs: {', '.join(f'{count} {rule}' for rule, count in jobs.items())}")
    return 0


def _up_to_date(experiment: Experiment) -> str:
    return f"Nothing to do: {experiment.folder / 'report.pdf'} is up to date"


@contextlib.contextmanager
def _lock(experiment: Experiment) -> Iterator[int]:
    """Hold the experiment's lock; Snakemake inherits it, so that jobs which outlive a killed start are waited for."""
    path = experiment.folder / ".lock"
    with contextlib.ExitStack() as stack:
        waits = False
        while True:
            try:
                descriptor = stack.enter_context(locked(path, str(experiment.folder)))
                break
            except RunError:
                if _alive(holder(path)):
                    raise
            if not waits:
                waits = True
                tell(f"{path.parent}: waiting for the jobs of a killed start to end")
            time.sleep(0.2)
        yield descriptor


def _alive(who: str) -> bool:
    """Whether the process that a lock file names lives; one on another machine is taken to."""
    named = re.fullmatch(r"process (\d+) on (.+)", who)
    if named is None or named[2] != socket.gethostname():
        return True
    try:
        os.kill(int(named[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _wait_for_runs(experiment: Experiment) -> None:
    """Wait for trainings that go on without Snakemake: orphans of a killed start, or started by hand.

    Their work is not lost, and beside them this start's own would be refused.
    """
    for run in experiment.runs:
        path = experiment.folder / run.path / ".lock"
        if not is_locked(path):
            continue
        tell(f"waiting for {run.path}, in use by {holder(path)} (Ctrl-C leaves it running; see `augmix status`)")
        while is_locked(path):
            time.sleep(0.5)


def _wait_for_queue(queue: slurm.Queue) -> None:
    """Wait for the SLURM jobs that a killed start has left, after cancelling those that do not run yet."""
    said = 0
    for count in queue.drain():
        if count != said:
            tell(f"waiting for {count} SLURM jobs of a killed start to end (Ctrl-C leaves them running)")
        said = count


class Front:
    """One start of the workflow: its processes, its logs and the signals that end it."""

    def __init__(
        self, experiment: Experiment, options: list[str], lock: int, queue: slurm.Queue | None, again: Path
    ) -> None:
        self._experiment, self._options, self._lock, self._queue = experiment, options, lock, queue
        self._again = again.absolute()
        self._logs = experiment.folder / "logs"
        self._signal: int | None = None
        self._signal_time = 0.0
        self._insisted = False

    def run(self) -> int:
        """Run the workflow; after failures, report what finished. Returns the exit status."""
        began = time.monotonic()
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            status, log = self._snakemake(LOG, {AGAIN: str(self._again)}, _forced(self._again))
            failed, reported = list(log.failed.values()), log.made("report")
            states = [run_state(self._experiment, run).status for run in self._experiment.runs]
            finished = f"{states.count('done')} of {len(states)} runs finished"
            if self._signal is None and "done" in states and any(job.rule not in REPORT_RULES for job in failed):
                tell(f"{finished}; reporting on those")
                collected = ["--forcerun", str(self._experiment.folder / "metrics.csv")]
                _, second = self._snakemake(LOG_OF_FINISHED, {FINISHED_ONLY: "1", AGAIN: os.devnull}, collected)
                reported = second.made("report")
                known = {job.log for job in failed}
                failed += [job for job in second.failed.values() if job.log not in known]
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        behind = [job for job in failed if job.rule == "track"]
        failed = [job for job in failed if job.rule != "track"]
        if behind and self._signal is None:  # MLflow mirrors the results, and is no part of them
            tell("\n".join(explain(job, self._logs / LOG) for job in behind))
            tell("MLflow is behind: the next start or `augmix track sync` sends the results again")
        if self._signal is not None:
            name = signal.Signals(self._signal).name
            tell(f"stopped by {name}; trainings left a checkpoint, the same command goes on from there")
            return 128 + self._signal
        if failed:
            about = f"{self._experiment.folder / 'report.pdf'} is about those" if reported else "there is no new report"
            said = [f"\n{explain(job, self._logs / LOG)}" for job in failed]
            tell("\n".join([*said, f"\n{finished}, and {about}"]))
            return 2 if all(job.exit_status == 2 for job in failed) else 1
        if status < 0 and not behind:
            raise RunError(f"Snakemake was ended by {signal.Signals(-status).name}; the same command goes on from here")
        if status and not behind:
            raise RunError(f"Snakemake failed; {self._logs / LOG} ends with\n{tail(self._logs / LOG)}")
        if "trained" in states:  # the numbers of a large archive are read by `collect`, which has set it aside
            raise RunError(f"{finished}: predictions of the others are damaged; start again, and they are made anew")
        if log.nothing_to_do:
            print(_up_to_date(self._experiment))
        else:
            print(f"\ndone in {duration(time.monotonic() - began)}\n{results(self._experiment)}")
        return 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal. One that comes well after the first (`timeout` and `make` send two) insists."""
        if self._signal is None:
            self._signal, self._signal_time = number, time.monotonic()
        self._insisted = time.monotonic() - self._signal_time > 2

    def _snakemake(self, log_name: str, switches: Mapping[str, str], options: Sequence[str]) -> tuple[int, WorkflowLog]:
        """Run Snakemake with its jobs in a process group of their own; its exit status and what it said."""
        self._logs.mkdir(parents=True, exist_ok=True)
        path, log = self._logs / log_name, WorkflowLog()
        command = _command(events := path.with_suffix(".jsonl"), [*self._options, *options])
        with path.open("wb") as file, contextlib.closing(Display(self._experiment, log)) as display:
            process = subprocess.Popen(
                command,
                env={**surroundings.environment(), **switches},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,
                pass_fds=(self._lock,),
            )
            with _guard(process.pid):
                sent: set[int] = set()
                while process.poll() is None:
                    time.sleep(0.2)
                    log.read(events)
                    if not sent:
                        display.update()
                        for complaint in self._queue.complaints() if self._queue else ():
                            tell(complaint)
                    # Snakemake waits for its jobs on SIGTERM; on SIGINT they end as well, each with a checkpoint.
                    wanted = signal.SIGKILL if self._insisted else signal.SIGINT
                    if self._signal is not None and wanted not in sent:
                        sent.add(wanted)
                        tell(f"stopping the jobs ({signal.Signals(self._signal).name})")
                        _signal_group(process.pid, wanted)
                if process.returncode < 0 and not sent:
                    _signal_group(process.pid, signal.SIGINT)
                _wait_for_group(process.pid)
            log.read(events)
            if not sent:
                display.update()
        return process.returncode, log


@contextlib.contextmanager
def _guard(group: int) -> Iterator[None]:
    """Interrupt the process group when this process dies, or errs: the pipe to a shell breaks then without a word."""
    script = 'read -r line || kill -s INT -- "-$1"'
    guard = subprocess.Popen(["sh", "-c", script, "guard", str(group)], stdin=subprocess.PIPE, process_group=0)
    try:
        yield
        guard.communicate(b"done\n")
    except BaseException:
        guard.communicate()
        _wait_for_group(group)
        raise


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; False when none of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _wait_for_group(group: int) -> None:
    """Wait for the jobs that outlive Snakemake, for a minute at most."""
    deadline = time.monotonic() + 60
    while _signal_group(group, 0) and time.monotonic() < deadline:
        time.sleep(0.1)


def explain(job: Job, workflow_log: Path) -> str:
    """A failed job's name, the error it ended with, the place of its log and its last lines.

    What a job said that ended before it had a log, for a broken installation say, is in `workflow_log`.
    """
    what = " ".join([job.rule, "/".join(f"seed{v}" if k == "seed" else v for k, v in job.wildcards.items())])
    log = Path(job.log) if Path(job.log).is_file() or job.cluster_log else workflow_log
    error = last_error(Path(job.log))
    if not error:
        killed = job.exit_status == 128 + signal.SIGKILL or job.cluster_status == "OUT_OF_MEMORY"
        error = "killed, most likely for want of memory" if killed else "ended without a result"
        if (number := (job.exit_status or 0) - 128) in set(signal.Signals) - {signal.SIGKILL}:
            error = f"ended by {signal.Signals(number).name}"
        error += f" (SLURM: {job.cluster_status})" if job.cluster_status else ""
        if log.parent.is_dir() and shutil.disk_usage(log.parent).free < 2**20:
            error += f"; the disk of {log.parent} is full"  # and the log could not take what the job said
    lines = [f"failed: {what}", f"  error: {error}", f"  log:   {log}"]
    lines += [f"  SLURM: {job.cluster_log}"] if job.cluster_log else []
    before = [line for line in tail(log).splitlines() if not line.endswith(error)]
    return "\n".join([*lines, *(f"  | {line}" for line in before)])


def tail(log: Path) -> str:
    """The last lines of a log; nothing where there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LOG_TAIL:])


def results(experiment: Experiment) -> str:
    """The places of the results, and each method's mCE in percent, the mean over seeds."""
    folder = experiment.folder
    lines = [f"report   {folder / 'report.pdf'}", f"numbers  {folder / 'metrics.csv'}", "MLflow   make ui"]
    values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    means_of = None
    for row in read_csv(folder / "metrics.csv", ("dataset", "arch", "method", "testset", "shift", "value")):
        if row["shift"] == "mCE" and row["testset"] == (means_of := means_of or row["testset"]):  # not of adapted nets
            values[row["method"], f"{row['dataset']}/{row['arch']}"].append(100 * float(row["value"]))
    if not values:
        return "\n".join(lines)
    nets = list(dict.fromkeys(net for _, net in values))
    rows = []
    for method in dict.fromkeys(method for method, _ in values):
        means = [values[method, net] for net in nets]
        rows.append([method, *(f"{sum(mean) / len(mean):.1f}" if mean else "" for mean in means)])
    return "\n".join([*lines, table(["mCE (%)", *nets], rows, numbers=True)])
