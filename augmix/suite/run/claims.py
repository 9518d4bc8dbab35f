"""Experiments that run at once on one data folder: they share what is in it, unless each would make it otherwise."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO

from augmix.errors import RunError, UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.io.digests import code, json_digest
from augmix.suite.io.locks import locked


@contextmanager
def claimed(experiment: Experiment) -> Iterator[None]:
    """Claim the data that an experiment reads, as it wants them made, for as long as the block lasts.

    Raises `RunError` where another running experiment wants some of them made with other settings or code: each of the
    two would make again what the other reads. Data that cannot be written are nobody's to make.
    """
    path = experiment.data / ".in-use"
    with ExitStack() as stack:
        with suppress(UserError, OSError), locked(path.with_name(".in-use.lock"), str(experiment.data), wait=True):
            _claim(stack.enter_context(path.open("a+", encoding="utf-8")), experiment)
        yield


def _claim(file: IO[str], experiment: Experiment) -> None:
    """Add what the experiment wants to an open file, and share the lock on it; the last one's end frees it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)  # whoever wrote there has ended
    except BlockingIOError:
        fcntl.flock(file, fcntl.LOCK_SH)
    wanted = _wanted(experiment)
    file.seek(0)
    for line in file.read().splitlines():
        with suppress(ValueError):  # a full disk may have cut it short
            other = json.loads(line)
            if odd := next((name for name, made in wanted.items() if other["wanted"].get(name, made) != made), None):
                raise RunError(
                    f"{experiment.data}: {odd} is in use by the experiment '{other['name']}', which runs now and has "
                    "it made with other settings or code; wait for it to end, or set another folders.data"
                )
    file.write(f"{json.dumps({'name': experiment.name, 'wanted': wanted})}\n")
    file.flush()
    fcntl.flock(file, fcntl.LOCK_SH)


def _wanted(experiment: Experiment) -> dict[str, str]:
    """A digest of how each data set and each shift of a test set is to be made."""
    wanted = {}
    for folder in experiment.folders:
        preparation = experiment.preparation(folder)
        wanted[folder] = json_digest([preparation.made_of(), code(preparation.roots()).digest])
    for making in experiment.makings():
        for shift in making.shifts:
            made = making.testset.made_of(shift), code(making.testset.roots()).digest
            wanted[f"{making.folder.name} {shift}"] = json_digest(made)
            # One file has the labels of all shifts, so that all need as many images.
            wanted[f"{making.folder.name} labels"] = json_digest(made[0].get("images"))
    return wanted
