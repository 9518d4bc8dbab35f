"""Ask SLURM what a start depends on: that it answers, how jobs can be followed, and why they wait."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from augmix.errors import RunError, UserError

# Reasons to wait that end by themselves, as the queue moves on.
_USUAL = re.compile(r"None|Priority|Resources|Dependency|BeginTime|Prolog|JobArrayTaskLimit|(Assoc|QOS)(Grp|Max).*")
_LONGEST_PAUSE = 180  # seconds between two of the plugin's questions
_RUN = re.compile(r"SLURM run ID: (\S+)")


def check() -> None:
    """Refuse a machine that cannot submit jobs."""
    for command in ("sbatch", "squeue", "scancel", "scontrol"):
        if shutil.which(command) is None:
            raise UserError(f"the profile submits to SLURM, but {command} is not on PATH: use a machine that has it")
    _configuration()


def options() -> list[str]:
    """Options with which Snakemake can ask for jobs' states: where SLURM keeps no accounts, sacct hangs.

    Raises `UserError` where SLURM forgets finished jobs sooner than the plugin asks, which is every three minutes when
    nothing has come to an end for a while: it would wait for such a job for ever.
    """
    configuration = _configuration()
    if configuration.get("AccountingStorageType", "").startswith("accounting_storage/slurmdbd"):
        return []
    age = int(re.sub(r"\D", "", configuration.get("MinJobAge", "")) or 0)
    if age < _LONGEST_PAUSE + 60:
        raise UserError(
            f"SLURM keeps no accounts and forgets a finished job after {age} s: its result could not be learnt. "
            "Ask for MinJobAge ≥ 300 (SLURM's default) in slurm.conf, or for accounting"
        )
    return ["--slurm-status-command", "squeue"]


def _configuration() -> dict[str, str]:
    try:
        lines = _run("scontrol", "show", "config").splitlines()
    except RunError as error:  # before any job, there is nothing that has failed
        raise UserError(str(error)) from None
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise RunError(f"SLURM does not answer: `{command[0]}` took more than a minute") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["it gave no reason"])[0]
        raise RunError(f"SLURM does not answer: {reason}") from None
    return done.stdout


class Queue:
    """The jobs that the Snakemake which writes `log` has submitted."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._told: set[str] = set()
        self._asked = time.monotonic()

    def _names(self) -> str:
        """The names of these jobs in SLURM, comma-separated; empty before the first."""
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return ",".join(_RUN.findall(text))

    def _count(self) -> int:
        """The number of jobs that wait, run or end."""
        names = self._names()
        return len(_run("squeue", "--noheader", "--array", f"--name={names}").splitlines()) if names else 0

    def drain(self) -> Iterator[int]:
        """Cancel the jobs that wait, and yield the number of the running ones until there are none."""
        if self._count():
            _run("scancel", "--state=PENDING", f"--name={self._names()}")
        while count := self._count():
            yield count
            time.sleep(2)

    def complaints(self, every: float = 15) -> list[str]:
        """A line for each new reason, since the last call, for which jobs may wait for ever."""
        names = self._names()
        if not names or time.monotonic() - self._asked < every:
            return []
        self._asked = time.monotonic()
        try:
            waiting = _run("squeue", "--noheader", "--states=PENDING", f"--name={names}", "--format=%r").splitlines()
        except RunError as error:
            return [str(error)]
        new = {reason for reason in waiting if reason not in self._told and not _USUAL.fullmatch(reason)}
        self._told |= new
        return [
            f"SLURM lets jobs wait, perhaps for ever, for '{reason}': {waiting.count(reason)} of them "
            f"(see `squeue --name {names}`, and what the profile asks for)"
            for reason in sorted(new)
        ]
