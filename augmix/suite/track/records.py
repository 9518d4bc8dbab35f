"""Read what an experiment's files say about each run, in the form that the MLflow mirror takes."""

import hashlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from augmix.errors import UserError
from augmix.registry import method_parameters, method_parts
from augmix.suite.evaluate.results import COLUMNS
from augmix.suite.io.digests import json_digest
from augmix.suite.io.files import read_csv, read_mapping
from augmix.suite.testsets import kinds
from augmix.suite.track import net, system

CURVES = ("train_loss", "train_error", "test_error", "learning_rate", "seconds")
SYSTEM = "system/"
"""MLflow's page of a run's system metrics shows those whose names begin so."""
REPORT = "report"  # stands for a path in the record of what belongs to the whole experiment
_REPORT_FILES = ("experiment.yaml", "metrics.csv", "runs.csv", "report.html", "report.pdf", "tables/*", "figures/*")

_NOTED = ("augmix", "dirty", "python", "platform", "cpu", "packages", "device", "precision", "processes", "threads")
"""The parts of a run's provenance that people look for; the rest, digests for the most part, is in the artifact."""

# MLflow's limits on the length of a name, a parameter and a tag.
_NAME_LENGTH, _PARAMETER_LENGTH, _TAG_LENGTH = 250, 6000, 5000


class Point(NamedTuple):
    """One value of one curve, as MLflow takes it. `timestamp` is in milliseconds."""

    key: str
    value: float
    timestamp: int
    step: int


class Scores(NamedTuple):
    """The part of `metrics.csv` that is about one run: the final metrics, and where each test set comes from."""

    values: dict[str, float]
    sources: dict[str, list[str]]


class Input(NamedTuple):
    """The data set that a run was trained on, as MLflow takes it."""

    name: str
    digest: str
    source: str
    profile: str


@dataclass(frozen=True)
class Record:
    """One run as the files describe it; `epochs` holds the points of each epoch, in order."""

    path: str
    name: str
    """Its short name in MLflow's lists."""
    status: str
    parameters: dict[str, str]
    tags: dict[str, str]
    inputs: list[Input]
    epochs: list[list[Point]]
    system: list[Point]
    """The machine's load meanwhile."""
    scores: dict[str, float]
    artifacts: dict[str, bytes]

    @cached_property
    def configuration(self) -> str:
        """The hash of the parameters, which identifies an MLflow run together with the path."""
        return json_digest(self.parameters, 64)

    @cached_property
    def digest(self) -> str:
        """The hash of the whole record."""
        artifacts = {name: hashlib.sha256(data).hexdigest() for name, data in self.artifacts.items()}
        described = (self.name, self.status, self.parameters, self.tags, self.inputs)
        return json_digest([*described, self.epochs, self.system, self.scores, artifacts], 64)

    def points(self) -> list[Point]:
        """The curves; the final metrics at the time of the last epoch and at step 0, which MLflow draws as bars."""
        points = [point for epoch in self.epochs for point in epoch]
        ended = points[-1].timestamp if points else 0
        return points + self.system + [Point(key, value, ended, 0) for key, value in self.scores.items()]


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Each run's name without the parts that all runs have in common; method and seed stay: `augmix/seed0`."""
    parts = {path: path.split("/") for path in paths}
    kept = [i for i, values in enumerate(zip(*parts.values(), strict=True)) if i >= 2 or len(set(values)) > 1]
    return {path: "/".join(part[i] for i in kept) for path, part in parts.items()}


def read_record(folder: Path, path: str, name: str, scores: Scores, scored: float) -> Record:
    """Read a run's folder; `scored` is when `scores` were collected, in unix seconds.

    Raises `UserError` naming the file that is missing, damaged or of an earlier training, or where no epoch
    is finished yet.
    """
    status = "FINISHED" if (folder / "model.pt").exists() else "RUNNING"
    if (folder / "diverged.json").exists():
        status = "FAILED"
    files = [name for name in ("provenance.json", "history.csv") if _belongs(folder, name, status)]
    artifacts = {name: _read(folder / name) for name in ("config.yaml", *files)}
    config = read_mapping(folder / "config.yaml", {})
    dataset, architecture, method, seed = path.split("/")
    tags = {"dataset": dataset, "architecture": architecture, "method": method}
    tags["seed"] = seed.removeprefix("seed")
    provenance = read_mapping(folder / "provenance.json", {}) if "provenance.json" in artifacts else {}
    tags |= _flatten({key: provenance[key] for key in _NOTED if key in provenance}, "provenance", _TAG_LENGTH)
    tags |= _mlflows_own(folder, provenance)
    epochs = _read_history(folder / "history.csv") if "history.csv" in artifacts else []
    expected = config["training"].get("epochs") if isinstance(config.get("training"), dict) else None
    if status == "FAILED":
        diverged = read_mapping(folder / "diverged.json", {})
        tags |= _flatten(diverged, "diverged", _TAG_LENGTH)
        expected = diverged["epoch"] - 1 if isinstance(diverged.get("epoch"), int) else None
    if status == "RUNNING" and not epochs:
        raise UserError(f"{folder} has no finished epoch yet")
    if status != "RUNNING" and expected not in (None, len(epochs)):
        raise UserError(
            f"{folder / 'history.csv'} holds {len(epochs)} epochs, expected {expected}: it is of another training"
        )
    # Scores from before the last epoch belong to an earlier training of the same run.
    if status == "FINISHED" and epochs and scored * 1000 >= epochs[-1][-1].timestamp:
        tags |= {f"source.{testset}": "; ".join(sources) for testset, sources in scores.sources.items()}
    else:
        scores = Scores({}, {})
    if status == "FINISHED":
        artifacts |= _net(folder, config, provenance)
    parameters = _flatten(_resolved(config), "", _PARAMETER_LENGTH)
    if "parameters" in provenance:
        parameters["net.parameters"] = str(provenance["parameters"])
    inputs = _inputs(dataset, config, provenance)
    load = _read_system(folder / system.FILE) if _belongs(folder, "history.csv", status) else []
    return Record(path, name, status, parameters, tags, inputs, epochs, load, scores.values, artifacts)


def _mlflows_own(folder: Path, provenance: Mapping[str, Any]) -> dict[str, str]:
    """The tags that MLflow shows as columns of its own: the source, the user and the commit."""
    try:
        user = folder.owner()
    except KeyError:
        user = str(folder.stat().st_uid)  # one without a name, in a container say
    found = {
        "mlflow.source.name": "augmix train",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": user,
        "mlflow.source.git.commit": str(provenance.get("commit") or ""),
    }
    return {key: value for key, value in found.items() if value}


def _resolved(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings with its method's defaults filled in, as the code has them: another's results are made again."""

    def filled(sources: list[tuple[str, Mapping[str, Any]]]) -> Any:
        found = [{name: method_parameters(name, config["method_packages"]) | dict(given)} for name, given in sources]
        return found[0] if len(found) == 1 else found

    try:
        method = config["method"]
        parts = {part: filled(sources) for part, sources in method_parts(method).items()}
        if "preset" in method:
            parts = {"parameters": parts["views"][method["preset"]]}
    except (UserError, KeyError, TypeError, AttributeError):  # of a method that is gone
        return dict(config)
    return {**config, "method": {**method, **parts}}


def _inputs(dataset: str, config: Mapping[str, Any], provenance: Mapping[str, Any]) -> list[Input]:
    if not isinstance(sums := provenance.get("data_sha256"), dict):
        return []
    source, made = {"uri": config.get("data")}, provenance.get("preparation")
    return [Input(dataset, json_digest(sums), json.dumps(source), json.dumps(made, ensure_ascii=False))]


def _net(folder: Path, config: Mapping[str, Any], provenance: Mapping[str, Any]) -> dict[str, bytes]:
    try:
        known = (config["architecture"], config["data"], provenance["data_sha256"], provenance["python"])
    except KeyError:
        return {}
    return net.artifacts(_read(folder / "model.pt"), *known)


def _belongs(folder: Path, name: str, status: str) -> bool:
    """Tell whether a file is there and belongs to the training that `config.yaml` describes.

    A finished run must have it. A new training writes its config first: an older file belongs to an earlier one.
    """
    if status == "FINISHED":
        return True
    file, config = folder / name, folder / "config.yaml"
    if not file.exists():
        return False
    return status == "FAILED" or not config.exists() or file.stat().st_mtime >= config.stat().st_mtime


def read_report(folder: Path) -> Record:
    """Read the files of the whole experiment: the tables, the figures and the report."""
    files = sorted(file for pattern in _REPORT_FILES for file in folder.glob(pattern) if file.is_file())
    artifacts = {file.relative_to(folder).as_posix(): _read(file) for file in files}
    return Record(REPORT, REPORT, "FINISHED", {}, {}, [], [], [], {}, artifacts)


def _read_history(path: Path) -> list[list[Point]]:
    """Read the points of each epoch; an empty cell is no point, a value that is not finite becomes NaN."""
    rows = read_csv(path, ("epoch", "timestamp", *CURVES))
    epochs = []
    for number, row in enumerate(rows, start=1):
        try:
            timestamp = round(float(row["timestamp"]) * 1000)
            values = {key: float(row[key]) for key in CURVES if row[key]}
            if int(row["epoch"]) != number or timestamp < 0 or not values:
                raise ValueError
        except (ValueError, OverflowError) as error:
            raise UserError(f"{path} is damaged at epoch {number}: {','.join(row.values())}") from error
        points = [(key, value if math.isfinite(value) else math.nan) for key, value in values.items()]
        epochs.append([Point(key, value, timestamp, number) for key, value in points])
    if not epochs:
        raise UserError(f"{path} holds no epoch yet")
    return epochs


def _read_system(path: Path) -> list[Point]:
    """The machine's load, as MLflow names it; none where it was not asked for, or the file is damaged."""
    counts: Counter[str] = Counter()
    points = []
    try:
        for row in read_csv(path, system.COLUMNS):
            key = SYSTEM + row["metric"]
            points.append(Point(key, float(row["value"]), round(1000 * float(row["timestamp"])), counts[key]))
            counts[key] += 1
    except (UserError, ValueError):
        return []
    return points


def read_metrics(path: Path) -> tuple[dict[str, Scores], float]:
    """Read the rows of `metrics.csv` that hold for all severities, by run; and when they were collected."""
    if not path.exists():
        return {}, 0.0
    scores: dict[str, Scores] = defaultdict(lambda: Scores({}, {}))
    for line, row in enumerate(read_csv(path, COLUMNS), start=2):
        if row["severity"]:
            continue
        run = scores[f"{row['dataset']}/{row['arch']}/{row['method']}/seed{row['seed']}"]
        testset, source = _clean(row["testset"]), row["source"]
        name = _score_name(row["testset"], row["shift"], row["metric"])
        try:
            value = float(row["value"])
        except ValueError as error:
            raise UserError(f"{path} line {line}: value is {row['value']!r}, expected a number") from error
        if name in run.values:
            raise UserError(f"{path} line {line}: a second value of {name} for one run")
        if source not in (known := run.sources.setdefault(testset, [])):  # a validation split has several
            known.append(source)
        run.values[name] = value if math.isfinite(value) else math.nan
    return scores, path.stat().st_mtime


def _score_name(testset: str, shift: str, metric: str) -> str:
    """Name a final metric; MLflow's UI groups the charts by what stands before the last slash."""
    testset, shift, metric = _clean(testset), _clean(shift), _clean(metric)
    if shift == testset:
        return f"{testset}/{metric}"
    if shift in ("mean", "pooled"):
        return f"{testset}/{shift}_{metric}"
    if shift in kinds.means():  # it says which measure it is of
        return f"{testset}/{shift}"
    return f"{testset}/{metric}/{shift}"


def headlines(runs: Iterable[Scores]) -> list[str]:
    """The names of the final metrics that one looks at first: the clean error, and means such as mCE."""
    names = dict.fromkeys(name for run in runs for name in run.values)
    return [name for name in names if name == "clean/error" or name.partition("/")[2] in kinds.means()]


def _clean(name: str) -> str:
    """Spell each character that MLflow refuses in a name as its hexadecimal code: `50%` is `50_25_`."""
    pattern = r"[^\w .:-]" if name.strip(".") else r"."
    return re.sub(pattern, lambda match: f"_{ord(match[0]):x}_", name)


def _flatten(value: Any, prefix: str, limit: int) -> dict[str, str]:
    """Name the leaves of a tree of mappings by their dotted path; longer texts than `limit` are cut."""
    if isinstance(value, dict) and (value or not prefix):
        leaves: dict[str, str] = {}
        for key, child in value.items():
            leaves |= _flatten(child, f"{prefix}.{_clean(str(key))}" if prefix else _clean(str(key)), limit)
        return leaves
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return {prefix[:_NAME_LENGTH]: text if len(text) <= limit else f"{text[: limit - 1]}…"}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} is missing or unreadable ({error.strerror})") from error
