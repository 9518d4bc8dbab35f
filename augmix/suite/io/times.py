"""The time that a job spent: each command that writes a log leaves a file of seconds beside it.

What a job does is timed by `spent`; the rest of its time is its start: the process itself, and what it imports. Every
command imports this module, so that it imports nothing itself that `augmix --help` can do without.
"""

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from augmix.errors import UserError

_spent: defaultdict[str, float] = defaultdict(float)
_cpu: defaultdict[str, float] = defaultdict(float)


class Times(NamedTuple):
    """The time of one job."""

    began: float
    """The start of its process, in unix seconds."""
    ended: float
    spent: dict[str, float]
    """Seconds by what they were spent on: `training`."""
    cpu: dict[str, float]
    """The same in seconds of processors, with those of children that ended; empty where they were not noted."""

    @property
    def start_up(self) -> float:
        """The seconds that were spent on nothing that is named."""
        return max(self.ended - self.began - sum(self.spent.values()), 0.0)


def cpu_time() -> float:
    """The seconds of processors that this process and its ended children have spent."""
    return sum(os.times()[:4])


@contextlib.contextmanager
def spent(on: str) -> Iterator[None]:
    """Count the time of the block, also of one that fails."""
    began, before = time.monotonic(), cpu_time()
    try:
        yield
    finally:
        _spent[on] += time.monotonic() - began
        _cpu[on] += cpu_time() - before


def path_of(log: Path) -> Path:
    """The file of the times of the job with this log."""
    return log.with_suffix(".time.json")


def write(log: Path) -> None:
    """Note the times of this process beside its log; that none can be written stops nothing."""
    with contextlib.suppress(ImportError, OSError, UserError):
        import psutil

        from augmix.suite.io.files import write_json

        noted = Times(psutil.Process().create_time(), time.time(), dict(_spent), dict(_cpu))
        write_json(path_of(log), noted._asdict())


def read(log: Path) -> Times | None:
    """The times of the job with this log; None where it left none that can be read."""
    from augmix.suite.io.files import read_mapping

    try:
        found = read_mapping(path_of(log), {"began": (int, float), "ended": (int, float), "spent": dict})
    except UserError:
        return None
    seconds = [{str(key): float(value) for key, value in found.get(name, {}).items()} for name in ("spent", "cpu")]
    return Times(found["began"], found["ended"], *seconds)
