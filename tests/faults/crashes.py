"""End a run's processes at chosen or random moments and go on; the parent imports torch once and forks.

`python -m tests.faults.crashes kills …` and `… cuts …` print what happened as JSON.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from augmix.suite.config.experiment import load
from augmix.suite.evaluate.evaluation import evaluate
from augmix.suite.evaluate.results import collect
from augmix.suite.train.checkpoints import Checkpoints
from augmix.suite.train.training import train


def forked(work: Callable[[], None]) -> int:
    """Do some work in a child process; its number."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def kills(config: Path, count: int, seed: int) -> dict[str, Any]:
    """Run an experiment of one run whole, then again with `count` SIGKILLs at random moments; the files' hashes."""
    moments = random.Random(seed)
    whole = time.monotonic()
    times: list[float] = []
    hashes: dict[str, list[str]] = {}
    for results in ("whole", "killed"):
        experiment = load(config, overrides={"folders": {"results": str(config.parent / results)}})

        def work(experiment: Any = experiment) -> None:
            [run] = experiment.runs
            folder = experiment.folder / run.path
            train(run.training, folder)
            evaluate(run.evaluation, folder)
            collect(experiment)

        if results == "whole":
            _, status = os.waitpid(forked(work), 0)
            assert status == 0
            whole = time.monotonic() - whole
        while results == "killed":
            child = forked(work)
            if len(times) < count:
                # The rest of the run shrinks with every kill: shorter waits hit it all the same.
                times.append(moments.uniform(0, whole / (1 + 0.1 * len(times))))
                time.sleep(times[-1])
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if os.WIFSIGNALED(status):
                continue
            assert os.WEXITSTATUS(status) == 0
            if len(times) >= count:
                break
            times.pop()  # it had ended before: from the start
            for path in sorted(experiment.folder.glob("**/*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        [run] = experiment.runs
        for name in (f"{run.path}/model.pt", "metrics.csv"):
            hashes.setdefault(name, []).append(hashlib.sha256((experiment.folder / name).read_bytes()).hexdigest())
    return {"seconds": whole, "killed_after": times, "hashes": hashes}


class PowerCut:
    """Ends this process at the nth system call that touches files; what was not flushed by then is cut in half."""

    def __init__(self, folder: Path, at: int) -> None:
        self.folder, self.left = folder, at
        self.safe = set(folder.iterdir())
        self.fsync = os.fsync
        setattr(os, "fsync", self._fsync)  # noqa: B010 - in this process alone, which ends soon
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.remove") or not str(arguments[0]).startswith(str(self.folder)):
            return
        self._count()
        path = Path(str(arguments[0]))
        if event == "open" and (arguments[1] or "r") not in ("r", "rb") and not path.is_dir():
            self.safe.discard(path)
        elif event == "os.rename" and path in self.safe:
            self.safe = self.safe - {path} | {Path(str(arguments[1]))}

    def _fsync(self, descriptor: int) -> None:
        self._count()
        self.fsync(descriptor)
        self.safe.add(Path(os.readlink(f"/proc/self/fd/{descriptor}")))

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            for path in set(self.folder.iterdir()) - self.safe:
                os.truncate(path, path.stat().st_size // 2)
            os._exit(3)


def cuts(folder: Path) -> dict[str, Any]:
    """Cut the power at each system call of a checkpoint's write; which of the three states is loaded after."""
    loaded: list[int] = []
    while True:
        run = folder / f"cut{len(loaded) + 1}"
        run.mkdir()
        checkpoints = Checkpoints(run, "f")
        for state in (1, 2):
            checkpoints.save({"state": state, "net": torch.full((1000,), float(state))})

        def work(run: Path = run, checkpoints: Checkpoints = checkpoints, at: int = len(loaded) + 1) -> None:
            PowerCut(run, at)
            checkpoints.save({"state": 3, "net": torch.full((1000,), 3.0)})

        _, status = os.waitpid(forked(work), 0)
        found = checkpoints.load()
        assert found is not None
        assert torch.equal(found["net"], torch.full((1000,), float(found["state"])))
        if os.WEXITSTATUS(status) == 0:
            return {"loaded": loaded}
        loaded.append(found["state"])


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    outcome = kills(Path(where), *map(int, rest)) if what == "kills" else cuts(Path(where))
    print(json.dumps(outcome))
