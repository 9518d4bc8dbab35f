"""MLflow in a crowd: nothing is lost, nothing doubled."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from augmix.suite.track.records import CURVES
from tests.checkout import ROOT
from tests.faults.tally import NIGHTLY, tried

PROCESSES = 16


def crowd(results: Path, uri: str, epochs: int, rounds: int) -> list[dict[str, Any]]:
    """Synchronise so many experiments at once, in rounds; how each process ended, and what MLflow holds then."""
    numbers = map(str, (PROCESSES, epochs, rounds))
    command = [sys.executable, "-m", "tests.faults.crowd", str(results), uri, *numbers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcomes: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return outcomes


def missing(outcome: dict[str, Any], epochs: int) -> int:
    """How many runs and points MLflow lacks or has twice."""
    held = outcome["held"]
    wanted = {"runs": PROCESSES, "finished": PROCESSES, "points": PROCESSES * len(CURVES) * epochs, "doubled": 0}
    return sum(abs(held[key] - number) for key, number in wanted.items())


def test_sixteen_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    epochs = 200 if NIGHTLY else 20
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    first, again = crowd(tmp_path, uri, epochs, rounds=2)
    assert first["ended"] == [10] * PROCESSES
    assert again["ended"] == [12] * PROCESSES
    lost = missing(first, epochs) + missing(again, epochs)
    tried("16 processes at once mirror into one SQLite, and again", 2 * PROCESSES, lost)
    assert lost == 0
