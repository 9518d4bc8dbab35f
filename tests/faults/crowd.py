"""Many processes mirror their results into one MLflow at once; the parent imports MLflow once and forks.

`python -m tests.faults.crowd RESULTS URI PROCESSES EPOCHS ROUNDS` writes as many experiments below RESULTS where they
are missing; in each round it synchronises all at once. It prints, as JSON, how each ended and what MLflow holds then.
"""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - imported once, before the forks
import yaml
from mlflow import MlflowClient

from augmix.errors import UserError
from augmix.suite.track.mirror import sync
from augmix.suite.track.records import CURVES
from augmix.suite.track.store import open_store

STARTED = 1_700_000_000.25


def write_experiment(folder: Path, epochs: int) -> None:
    """One finished run with a history of so many epochs."""
    run = folder / "digits" / "smallnet" / "augmix" / "seed0"
    run.mkdir(parents=True)
    settings = {"dataset": "digits", "seed": 0, "training": {"epochs": epochs}}
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    (run / "provenance.json").write_text(json.dumps({"commit": "abc"}))
    header = "epoch,step,learning_rate,train_loss,train_error,test_error,seconds,timestamp\n"
    rows = [f"{e},{10 * e},0.1,{1 / e},0.5,0.6,1.5,{STARTED + e}\n" for e in range(1, epochs + 1)]
    (run / "history.csv").write_text(header + "".join(rows))
    (run / "model.pt").write_bytes(b"weights")


def mirror(folder: Path, uri: str) -> int:
    """The outcome of a synchronisation, as an exit status: 10 created, 11 updated, 12 unchanged, 2 refused."""
    try:
        with mock.patch.dict(os.environ, MLFLOW_TRACKING_URI=uri):
            summary = sync(folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    assert not summary.skipped
    return 10 if summary.created else 11 if summary.updated else 12


def held(uri: str) -> dict[str, int]:
    """The content of MLflow: runs, runs ended, points of curves, and those doubled. Nothing when it does not answer."""
    found: Counter[str] = Counter()
    try:
        with open_store(uri) as client:
            _count(client, found)
    except UserError:
        return {}
    return dict(found)


def _count(client: MlflowClient, found: Counter[str]) -> None:
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            found["runs"] += 1
            found["finished"] += run.info.status == "FINISHED"
            for curve in CURVES:
                steps = [point.step for point in client.get_metric_history(run.info.run_id, curve)]
                found["points"] += len(set(steps))
                found["doubled"] += len(steps) - len(set(steps))


def main(results: Path, uri: str, processes: int, epochs: int, rounds: int) -> None:
    folders = [results / f"experiment{i:02}" for i in range(processes)]
    for folder in folders:
        if not folder.exists():
            write_experiment(folder, epochs)
    outcomes = []
    for _ in range(rounds):
        children = [fork(folder, uri) for folder in folders]
        ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        outcomes.append({"ended": ended, "held": held(uri)})
    print(json.dumps(outcomes))


def fork(folder: Path, uri: str) -> int:
    """Mirror in a child process; its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = mirror(folder, uri)
        finally:
            os._exit(status)
    return child


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
