"""Mirror an experiment's results into MLflow. The files are the truth: the mirror can be made anew from them.

Each run folder becomes one MLflow run. A run whose record can be continued (more epochs, metrics that came
later) is continued; one whose configuration or past values changed gets a new MLflow run, and the old one is
marked as superseded and deleted, as MLflow calls it: its page's filter "Deleted" shows it, and it can be restored.
"""

import json
import math
import os
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from augmix.errors import UserError
from augmix.suite.io.digests import json_digest
from augmix.suite.io.files import read_mapping, write_json
from augmix.suite.io.locks import locked
from augmix.suite.io.progress import bar, tell
from augmix.suite.track import page
from augmix.suite.track.net import FOLDER as NET
from augmix.suite.track.records import (
    CURVES,
    REPORT,
    SYSTEM,
    Record,
    Scores,
    headlines,
    read_metrics,
    read_record,
    read_report,
    short_names,
)
from augmix.suite.track.store import ARTIFACTS, DATABASE, address, database_path, open_store, shown

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

SENT = ".track.json"
"""The file of an experiment that says which store its results were sent to."""
# What is kept of a record in its MLflow run; the UI shows no tags that begin with `mlflow.`.
_TAG = "mlflow.augmix."
_PATH, _SYNCED, _SUPERSEDED = f"{_TAG}path", f"{_TAG}synced", f"{_TAG}superseded"
_OLD_PATH, _OLD_SUPERSEDED = "augmix.path", "augmix.superseded"
"""The tags of version 0.1, whose runs are superseded."""
# These are MLflow's limits on one call.
_METRICS_PER_CALL, _PARAMETERS_PER_CALL = 900, 100


class Summary(NamedTuple):
    """The outcome of a synchronisation: numbers of runs, and one line for each run folder it left out."""

    created: int
    updated: int
    unchanged: int
    skipped: list[str]


def sync(experiment_folder: Path) -> Summary:
    """Bring MLflow, the store of `address`, up to date with the runs of `experiment_folder` (`results/<experiment>`).

    Repeating it changes nothing. Folders that are incomplete or damaged are left out, and named on stderr and in the
    summary. Raises `UserError` for a folder without runs, a damaged metrics.csv, and a store that cannot be used.
    """
    folder = Path(os.path.abspath(experiment_folder))
    runs = sorted(path for path in folder.glob("*/*/*/seed*") if path.is_dir())
    if not runs:
        raise UserError(f"{experiment_folder} holds no runs: give a folder results/<experiment>")
    uri = address(folder.parent)
    outcomes: Counter[str] = Counter()
    skipped = []
    with locked(folder / ".track.lock", f"the mirror of {folder}", wait=True):
        scores, scored = read_metrics(folder / "metrics.csv")
        with open_store(uri) as client:
            there = _experiment(client, folder.name, uri)
            experiment = str(there.experiment_id)
            known = _known_runs(client, experiment)
            names = short_names(run.relative_to(folder).as_posix() for run in runs)
            for run, (path, name) in zip(bar(runs, desc="MLflow", unit="run"), names.items(), strict=True):
                try:
                    record = read_record(run, path, name, scores.get(path, Scores({}, {})), scored)
                except UserError as error:
                    skipped.append(str(error))
                    tell(f"left out: {error}")
                else:
                    outcome, _ = _mirror(client, experiment, record, known.get(path))
                    outcomes[outcome] += 1
            reported = None
            if (report := read_report(folder)).artifacts:
                _, reported = _mirror(client, experiment, report, known.get(REPORT))
            note = there.tags.get(page.NOTE)
            for key, value in page.tags(experiment, note, names, headlines(scores.values()), reported).items():
                if there.tags.get(key) != value:
                    client.set_experiment_tag(experiment, key, value)
        write_json(folder / SENT, {"uri": _place(uri, folder)})
    return Summary(outcomes["created"], outcomes["updated"], outcomes["unchanged"], skipped)


def is_elsewhere(folder: Path) -> bool:
    """Whether the results in `folder` were last sent to another store than the one that is asked for now."""
    try:
        return bool(read_mapping(folder / SENT, {"uri": str})["uri"] != _place(address(folder.parent), folder))
    except UserError:
        return False


def _place(uri: str, folder: Path) -> str:
    """A store's address, without secrets; empty for the database beside the results, which moves with them."""
    beside = Path(os.path.abspath(folder)).with_name(DATABASE)
    return "" if database_path(uri) == beside else shown(uri)


def _experiment(client: "MlflowClient", name: str, uri: str) -> "Experiment":
    """Return the MLflow experiment `name`, made where it is missing."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        database = database_path(uri)
        location = database.with_name(ARTIFACTS).joinpath(name).as_uri() if database else None
        return client.get_experiment(client.create_experiment(name, artifact_location=location))
    if experiment.lifecycle_stage != "active":
        raise UserError(
            f"the experiment {name} was deleted in MLflow: restore it with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    return experiment


def _known_runs(client: "MlflowClient", experiment: str) -> dict[str, "Run"]:
    """Return the MLflow run of each path, without the superseded ones."""
    known: dict[str, Run] = {}
    token = None
    while True:
        found = client.search_runs([experiment], max_results=500, page_token=token)
        for run in found:
            tags = run.data.tags
            path = tags.get(_PATH) or tags.get(_OLD_PATH)
            if path and _SUPERSEDED not in tags and _OLD_SUPERSEDED not in tags:
                known.setdefault(path, run)
        token = found.token
        if not token:
            return known


def _mirror(client: "MlflowClient", experiment: str, record: Record, run: "Run | None") -> tuple[str, str]:
    """Bring one MLflow run up to date; return `created`, `updated` or `unchanged`, and its identifier.

    The tag `_SYNCED` is written last, so that an interrupted record is completed the next time; what
    is written twice is stored once, because its time comes from the files.
    """
    if run is not None and run.data.tags.get(_SYNCED) == record.digest and not _has_lost_its_files(run):
        return "unchanged", str(run.info.run_id)
    if run is not None and not _continues(client, run, record):
        _supersede(client, run, record.path)
        run = None
    tags = record.tags | {
        _PATH: record.path,
        f"{_TAG}configuration": record.configuration,
        f"{_TAG}epochs": str(len(record.epochs)),
        f"{_TAG}curves": json_digest(record.epochs, 64),
    }
    if run is None:
        created = client.create_run(experiment, start_time=_start(record), run_name=record.name, tags=tags)
        run_id = str(created.info.run_id)
    else:
        run_id = str(run.info.run_id)
        _replace_tags(client, run, tags)
        if run.info.run_name != record.name:
            client.update_run(run_id, name=record.name)
    _log(client, run_id, record)
    if record.status != "RUNNING":
        end = record.epochs[-1][-1].timestamp if record.epochs else None
        client.set_terminated(run_id, record.status, end_time=end)
    elif run is not None and run.info.status != "RUNNING":
        client.update_run(run_id, status="RUNNING")
    client.set_tag(run_id, _SYNCED, record.digest)
    return ("created" if run is None else "updated"), run_id


def _has_lost_its_files(run: "Run") -> bool:
    """Whether the folder of a run's artifacts, one beside the results, was deleted since."""
    address = urlsplit(run.info.artifact_uri)
    return address.scheme == "file" and not Path(unquote(address.path)).exists()


def _continues(client: "MlflowClient", run: "Run", record: Record) -> bool:
    """Tell whether nothing that `run` holds already is contradicted by `record`."""
    tags = run.data.tags
    if tags.get(f"{_TAG}configuration") != record.configuration:
        return False
    if tags.get(f"{_TAG}curves") != json_digest(record.epochs[: int(tags.get(f"{_TAG}epochs", 0))], 64):
        return False
    finals = {k: v for k, v in run.data.metrics.items() if k not in CURVES and not k.startswith(SYSTEM)}
    for key, value in finals.items() if record.scores else ():
        new = record.scores.get(key)
        if new is None or not (new == value or (math.isnan(new) and math.isnan(value))):
            return False
    kept = {name for name in _artifact_names(client, run.info.run_id) if not name.startswith(f"{NET}/")}
    return kept <= record.artifacts.keys()  # the net is not in a record where the data have been deleted since


def _artifact_names(client: "MlflowClient", run_id: str, folder: str | None = None) -> set[str]:
    names: set[str] = set()
    for entry in client.list_artifacts(run_id, folder):
        names |= _artifact_names(client, run_id, entry.path) if entry.is_dir else {entry.path}
    return names


def _supersede(client: "MlflowClient", run: "Run", path: str) -> None:
    """Mark a run that its folder no longer describes, and delete it: what is interrupted before the tag is repeated."""
    if run.info.status == "RUNNING":
        client.set_terminated(run.info.run_id, "KILLED")
    client.update_run(run.info.run_id, name=f"{path} (superseded)")
    client.set_tag(run.info.run_id, _SUPERSEDED, "true")
    client.delete_run(run.info.run_id)


def _start(record: Record) -> int | None:
    """Return when the first epoch began, in milliseconds; None (now) where no epoch is known."""
    if not record.epochs:
        return None
    seconds = {point.key: point.value for point in record.epochs[0]}.get("seconds", 0.0)
    return record.epochs[0][0].timestamp - (round(1000 * seconds) if math.isfinite(seconds) else 0)


def _replace_tags(client: "MlflowClient", run: "Run", tags: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    for start in range(0, len(tags), _PARAMETERS_PER_CALL):
        batch = list(tags.items())[start : start + _PARAMETERS_PER_CALL]
        client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in batch])
    for key in run.data.tags:
        if key.startswith(("provenance.", "diverged.", "source.")) and key not in tags:
            client.delete_tag(run.info.run_id, key)


def _log(client: "MlflowClient", run_id: str, record: Record) -> None:
    """Write parameters, curves and final metrics in as few calls as MLflow's limits allow; the data; the artifacts."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    metrics = [Metric(*point) for point in record.points()]
    parameters = [Param(key, value) for key, value in record.parameters.items()]
    logged = [{"run_id": run_id, "artifact_path": NET, "flavors": {"python_function": {}}}]
    tags = [RunTag("mlflow.log-model.history", json.dumps(logged))] if f"{NET}/MLmodel" in record.artifacts else []
    while metrics or parameters or tags:
        client.log_batch(run_id, metrics[:_METRICS_PER_CALL], parameters[:_PARAMETERS_PER_CALL], tags)
        metrics, parameters, tags = metrics[_METRICS_PER_CALL:], parameters[_PARAMETERS_PER_CALL:], []
    if record.inputs:
        trained = [InputTag("mlflow.data.context", "training")]
        inputs = [
            DatasetInput(Dataset(one.name, one.digest, "local", one.source, profile=one.profile), trained)
            for one in record.inputs
        ]
        client.log_inputs(run_id, datasets=inputs)
    with TemporaryDirectory() as scratch:
        for name, data in record.artifacts.items():
            file = Path(scratch, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        client.log_artifacts(run_id, scratch)
