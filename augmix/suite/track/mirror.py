"""Mirror an experiment's results into MLflow. The files are the truth: the mirror can be made anew from them.

Each run folder becomes one MLflow run. A run whose record can be continued (more epochs, metrics that came
later) is continued; one whose configuration or past values changed gets a new MLflow run, and the old one is
marked as superseded.
"""

import math
import os
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from tqdm import tqdm

from augmix.errors import UserError
from augmix.suite.io.files import read_mapping, write_json
from augmix.suite.io.locks import locked
from augmix.suite.io.progress import bar
from augmix.suite.track.records import CURVES, REPORT, Record, Scores, checksum, read_metrics, read_record, read_report
from augmix.suite.track.store import ARTIFACTS, address, database_path, open_store, shown
from augmix.suite.track.store import serve as serve

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SENT = ".track.json"
"""The file of an experiment that says which store its results were sent to."""
# These are MLflow's limits on one call.
_METRICS_PER_CALL, _PARAMETERS_PER_CALL = 900, 100


class Summary(NamedTuple):
    """The outcome of a synchronisation: numbers of runs, and one line for each run folder it left out."""

    uri: str
    created: int
    updated: int
    unchanged: int
    skipped: list[str]

    def __str__(self) -> str:
        counts = f"{self.created} runs created, {self.updated} updated, {self.unchanged} unchanged"
        return f"{self.uri}: {counts}, {len(self.skipped)} left out"


def sync(experiment_folder: Path, tracking_uri: str | None = None) -> Summary:
    """Bring MLflow up to date with the runs of `experiment_folder` (`results/<experiment>`).

    `tracking_uri` is `sqlite:///…`, `http://…` or `https://…`; where it is None, the environment's
    MLFLOW_TRACKING_URI counts, then `mlflow.db` beside the folder. Repeating it changes nothing. Folders that
    are incomplete or damaged are left out, and named on stderr and in the summary. Raises `UserError` for a
    folder without runs, a damaged metrics.csv, and a store that cannot be used.
    """
    folder = Path(os.path.abspath(experiment_folder))
    runs = sorted(path for path in folder.glob("*/*/*/seed*") if path.is_dir())
    if not runs:
        raise UserError(f"{experiment_folder} holds no runs: give a folder results/<experiment>")
    uri = tracking_uri or address(folder.parent)
    outcomes: Counter[str] = Counter()
    skipped = []
    with locked(folder / ".track.lock", f"the mirror of {folder}", wait=True):
        scores, scored = read_metrics(folder / "metrics.csv")
        with open_store(uri) as client:
            experiment = _experiment(client, folder.name, uri)
            known = _known_runs(client, experiment)
            for run in bar(runs, desc="MLflow", unit="run"):
                path = run.relative_to(folder).as_posix()
                try:
                    record = read_record(run, path, scores.get(path, Scores({}, {})), scored)
                except UserError as error:
                    skipped.append(str(error))
                    tqdm.write(f"left out: {error}", file=sys.stderr)
                else:
                    outcomes[_mirror(client, experiment, record, known.get(path))] += 1
            report = read_report(folder)
            if report.artifacts:
                _mirror(client, experiment, report, known.get(REPORT))
        write_json(folder / SENT, {"uri": shown(uri)})
    return Summary(shown(uri), outcomes["created"], outcomes["updated"], outcomes["unchanged"], skipped)


def is_elsewhere(folder: Path) -> bool:
    """Whether the results in `folder` were last sent to another store than the one that is asked for now."""
    try:
        return bool(read_mapping(folder / SENT, {"uri": str})["uri"] != shown(address(folder.parent)))
    except UserError:
        return False


def _experiment(client: "MlflowClient", name: str, uri: str) -> str:
    """Return the identifier of the MLflow experiment `name`, made where it is missing."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        database = database_path(uri)
        location = database.with_name(ARTIFACTS).joinpath(name).as_uri() if database else None
        return str(client.create_experiment(name, artifact_location=location))
    if experiment.lifecycle_stage != "active":
        raise UserError(
            f"the experiment {name} was deleted in MLflow: restore it with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    return str(experiment.experiment_id)


def _known_runs(client: "MlflowClient", experiment: str) -> dict[str, "Run"]:
    """Return the MLflow run of each path, without the superseded ones."""
    known: dict[str, Run] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=500, page_token=token)
        for run in page:
            if "augmix.path" in run.data.tags and "augmix.superseded" not in run.data.tags:
                known.setdefault(run.data.tags["augmix.path"], run)
        token = page.token
        if not token:
            return known


def _mirror(client: "MlflowClient", experiment: str, record: Record, run: "Run | None") -> str:
    """Bring one MLflow run up to date; return `created`, `updated` or `unchanged`.

    The tag `augmix.synced` is written last, so that an interrupted record is completed the next time; what
    is written twice is stored once, because its time comes from the files.
    """
    if run is not None and run.data.tags.get("augmix.synced") == record.digest:
        return "unchanged"
    if run is not None and not _continues(client, run, record):
        _supersede(client, run, record.path)
        run = None
    tags = record.tags | {
        "augmix.path": record.path,
        "augmix.configuration": record.configuration,
        "augmix.epochs": str(len(record.epochs)),
        "augmix.curves": checksum(record.epochs),
    }
    if run is None:
        created = client.create_run(experiment, start_time=_start(record), run_name=record.path, tags=tags)
        run_id = created.info.run_id
    else:
        run_id = run.info.run_id
        _replace_tags(client, run, tags)
    _log(client, run_id, record)
    if record.status != "RUNNING":
        end = record.epochs[-1][-1].timestamp if record.epochs else None
        client.set_terminated(run_id, record.status, end_time=end)
    elif run is not None and run.info.status != "RUNNING":
        client.update_run(run_id, status="RUNNING")
    client.set_tag(run_id, "augmix.synced", record.digest)
    return "created" if run is None else "updated"


def _continues(client: "MlflowClient", run: "Run", record: Record) -> bool:
    """Tell whether nothing that `run` holds already is contradicted by `record`."""
    tags = run.data.tags
    if tags.get("augmix.configuration") != record.configuration:
        return False
    if tags.get("augmix.curves") != checksum(record.epochs[: int(tags.get("augmix.epochs", 0))]):
        return False
    finals = {key: value for key, value in run.data.metrics.items() if key not in CURVES}
    for key, value in finals.items() if record.scores else ():
        new = record.scores.get(key)
        if new is None or not (new == value or (math.isnan(new) and math.isnan(value))):
            return False
    return _artifact_names(client, run.info.run_id) <= record.artifacts.keys()


def _artifact_names(client: "MlflowClient", run_id: str, folder: str | None = None) -> set[str]:
    names: set[str] = set()
    for entry in client.list_artifacts(run_id, folder):
        names |= _artifact_names(client, run_id, entry.path) if entry.is_dir else {entry.path}
    return names


def _supersede(client: "MlflowClient", run: "Run", path: str) -> None:
    """Mark a run that its folder no longer describes; the tag comes last, to be repeated if interrupted."""
    if run.info.status == "RUNNING":
        client.set_terminated(run.info.run_id, "KILLED")
    client.update_run(run.info.run_id, name=f"{path} (superseded)")
    client.set_tag(run.info.run_id, "augmix.superseded", "true")


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
    """Write parameters, curves and final metrics in as few calls as MLflow's limits allow; the artifacts."""
    from mlflow.entities import Metric, Param

    metrics = [Metric(*point) for point in record.points()]
    parameters = [Param(key, value) for key, value in record.parameters.items()]
    while metrics or parameters:
        client.log_batch(run_id, metrics=metrics[:_METRICS_PER_CALL], params=parameters[:_PARAMETERS_PER_CALL])
        metrics, parameters = metrics[_METRICS_PER_CALL:], parameters[_PARAMETERS_PER_CALL:]
    with TemporaryDirectory() as scratch:
        for name, data in record.artifacts.items():
            file = Path(scratch, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        client.log_artifacts(run_id, scratch)
