"""Read results/<experiment>/: the configuration, the runs, the metrics, and figures averaged over the seeds."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import numpy as np
import yaml

from augmix.errors import UserError
from augmix.files import read_array, read_json
from augmix.metrics import BIN_SIZE
from reports.names import CORRUPTION_TITLES, EXTRA_TITLES, PERTURBATION_TITLES, Method, methods_of

METRIC_COLUMNS = (
    "dataset", "arch", "method", "seed", "benchmark", "source", "shift", "severity", "metric", "value",
)  # fmt: skip
RUN_COLUMNS = (
    "dataset", "arch", "method", "seed", "status", "message", "epochs", "parameters", "train_seconds",
    "evaluate_seconds", "source_hash", "commit", "dirty", "device", "threads", "torch", "python", "platform",
)  # fmt: skip
HISTORY_COLUMNS = ("epoch", "train_loss", "train_error", "test_error", "timestamp")
BINS = 10
STATUSES = ("done", "diverged", "failed", "missing")


class Quantity(NamedTuple):
    """One row of metrics.csv, leaving open the run it belongs to."""

    benchmark: str
    shift: str
    metric: str
    severity: int | None = None


CLEAN_ERROR = Quantity("clean", "clean", "error")
MCE = Quantity("C", "mCE", "error")
MFP = Quantity("P", "mFP", "flip_probability")
VALIDATION = Quantity("validation", "mean", "error")
"""Under the held-out corruptions, on the images kept for validation: what sweeps are decided by."""


class Place(NamedTuple):
    """The runs that differ in their seed only."""

    dataset: str
    architecture: str
    method: str


class Cell(NamedTuple):
    """One figure, in percent: the mean and sample standard deviation over the seeds that finished."""

    mean: float | None
    deviation: float | None
    finished: int
    asked: int
    word: str = ""
    """Why there is no mean: diverged, failed, missing or incomplete."""

    @property
    def partial(self) -> bool:
        """Whether this is a mean over fewer seeds than asked for."""
        return self.mean is not None and self.finished < self.asked


def summarise(values: Iterable[float], asked: int, word: str = "missing") -> Cell:
    """Average fractions over seeds into a cell in percent; `word` stands where there are none."""
    percent = [100 * value for value in values]
    if not percent:
        return Cell(None, None, 0, asked, word)
    return Cell(mean(percent), stdev(percent) if len(percent) > 1 else None, len(percent), asked)


@dataclass(frozen=True)
class Results:
    """Everything that the report needs of one experiment; read it with `load`."""

    folder: Path
    config: Mapping[str, Any]
    runs: list[dict[str, str]]
    values: Mapping[tuple[Place, Quantity], Mapping[int, float]]
    """Per place and quantity, a fraction for every seed that finished."""
    sources: Mapping[tuple[str, str], list[str]]
    """Per data set and benchmark, where its images come from."""
    chosen: Mapping[tuple[str, str, str], str] | None
    """Per data set, architecture and sweep, the method chosen to be tested; None where all methods are."""
    test_images: Mapping[str, int | None]
    """Per data set, how many there are; None where its arrays are not at hand."""

    @cached_property
    def all_methods(self) -> list[Method]:
        return methods_of(self.config)

    @cached_property
    def methods(self) -> list[Method]:
        """The methods that are compared on test images: without those that a sweep tried and did not choose."""
        if self.chosen is None:
            return self.all_methods
        tried = self.swept - set(self.chosen.values())
        return [method for method in self.all_methods if method.name not in tried]

    @cached_property
    def swept(self) -> set[str]:
        """The names of the methods that are a value of some sweep."""
        return {entry["name"] for entry in self.config["methods"] if entry.get("sweeps")}

    @property
    def architectures(self) -> list[str]:
        return [entry["name"] for entry in self.config["architectures"]]

    @property
    def datasets(self) -> dict[str, Mapping[str, Any]]:
        return dict(self.config["datasets"])

    def dataset_title(self, dataset: str) -> str:
        return str(self.datasets[dataset].get("title") or dataset)

    def method(self, name: str) -> Method | None:
        """The configured method that is an unchanged preset of `name`."""
        return next((method for method in self.methods if method.preset == name), None)

    @cached_property
    def _runs_at(self) -> dict[Place, list[dict[str, str]]]:
        found: dict[Place, list[dict[str, str]]] = {}
        for run in self.runs:
            found.setdefault(place_of(run), []).append(run)
        return found

    def runs_at(self, place: Place) -> list[dict[str, str]]:
        """The requested runs of a place, one per seed."""
        return self._runs_at.get(place, [])

    def seeds(self, place: Place, quantity: Quantity) -> Mapping[int, float]:
        """The quantity as a fraction, per seed that finished."""
        return self.values.get((place, quantity), {})

    def cell(self, place: Place, quantity: Quantity) -> Cell:
        """The quantity over the seeds; a place without any says in a word why."""
        runs = self.runs_at(place)
        asked = len(runs) or len(self.config["seeds"])
        statuses = {run["status"] for run in runs}
        word = next((status for status in STATUSES[1:] if status in statuses), "missing")
        if self.chosen is not None and quantity != VALIDATION and place.method in self.swept:
            chosen = {method for key, method in self.chosen.items() if key[:2] == place[:2]}
            word = word if place.method in chosen else "not chosen"
        return summarise(self.seeds(place, quantity).values(), asked, word)

    def architecture_seeds(self, dataset: str, method: str, quantity: Quantity) -> dict[int, float]:
        """The mean over the architectures, for the seeds that finished on all of them."""
        per = [self.seeds(Place(dataset, a, method), quantity) for a in self.architectures]
        common = set(per[0]).intersection(*per[1:])
        return {seed: mean(values[seed] for values in per) for seed in sorted(common)}

    def architecture_mean(self, dataset: str, method: str, quantity: Quantity) -> Cell:
        """`cell` of the mean over the architectures; `incomplete` unless each of them has a figure."""
        seeds = self.architecture_seeds(dataset, method, quantity)
        asked = max(self.cell(Place(dataset, a, method), quantity).asked for a in self.architectures)
        return summarise(seeds.values(), asked, "incomplete")

    def has(self, quantity: Quantity, dataset: str | None = None) -> bool:
        """Whether any run (on `dataset`) has the quantity."""
        return any(q == quantity and dataset in (None, place.dataset) for place, q in self.values)

    def shifts(self, benchmark: str, dataset: str) -> list[str]:
        """The corruptions or perturbations evaluated on `dataset`, in the benchmark's order, unknown ones last."""
        metric = {"C": "error", "P": "flip_probability"}[benchmark]
        found = {
            q.shift
            for place, q in self.values
            if (place.dataset, q.benchmark, q.metric, q.severity) == (dataset, benchmark, metric, None)
        } - {"mCE", "mFP", "mean", "pooled"}
        known = [*CORRUPTION_TITLES, *EXTRA_TITLES] if benchmark == "C" else [*PERTURBATION_TITLES]
        return sorted(found, key=lambda s: (known.index(s) if s in known else len(known), s))

    def run_folder(self, run: Mapping[str, str]) -> Path:
        return self.folder / run["dataset"] / run["arch"] / run["method"] / f"seed{run['seed']}"

    def history(self, run: Mapping[str, str]) -> list[dict[str, float]]:
        """A run's epochs, or none where it left no history."""
        path = self.run_folder(run) / "history.csv"
        if not path.is_file():
            return []
        rows = _read_csv(path, HISTORY_COLUMNS, "augmix train")
        return [{key: _number(row, key, path) for key in HISTORY_COLUMNS} for row in rows]

    def provenance(self, run: Mapping[str, str]) -> dict[str, Any]:
        """A run's provenance, or nothing where it left none."""
        path = self.run_folder(run) / "provenance.json"
        if not path.is_file():
            return {}
        found = read_json(path)
        if not isinstance(found, dict):
            raise UserError(f"{path} holds no mapping; delete it and run `augmix train` again")
        return found


def place_of(row: Mapping[str, str]) -> Place:
    return Place(row["dataset"], row["arch"], row["method"])


def load(folder: Path, data: Path) -> Results:
    """Read and check results/<experiment>/; `data` is where the data sets' arrays are.

    An RMS calibration error that rests on fewer than ten bins is left out: it says little.
    Raises `UserError` naming the file that is missing or malformed, and the command that makes it.
    """
    config = _config(folder / "experiment.yaml")
    runs = _read_csv(folder / "runs.csv", RUN_COLUMNS, "augmix collect")
    for run in runs:
        if run["status"] not in STATUSES or not run["seed"].isdigit():
            raise UserError(
                f"{folder / 'runs.csv'} has a run of seed '{run['seed']}' with the status '{run['status']}'; "
                f"valid: a whole number, and one of {', '.join(STATUSES)}; run `augmix collect`"
            )
    done = {(place_of(run), run["seed"]) for run in runs if run["status"] == "done"}
    values, sources = _metrics(folder / "metrics.csv", config, done)
    images = {dataset: _test_images(data / dataset) for dataset in config["datasets"]}
    for place, quantity in list(values):
        if not _enough(quantity, config["datasets"][place.dataset], images[place.dataset]):
            del values[place, quantity]
    return Results(folder, config, runs, values, sources, _chosen(folder / "chosen.csv", config), images)


def _chosen(path: Path, config: Mapping[str, Any]) -> dict[tuple[str, str, str], str] | None:
    """What `augmix choose` chose; None where the experiment does not choose."""
    if config.get("validation") is None or not any(entry.get("sweeps") for entry in config["methods"]):
        return None
    rows = _read_csv(path, ("dataset", "arch", "sweep", "method", "chosen"), "augmix choose")
    return {(row["dataset"], row["arch"], row["sweep"]): row["method"] for row in rows if row["chosen"] == "True"}


def _test_images(folder: Path) -> int | None:
    path = folder / "test_images.npy"
    return len(read_array(path, np.uint8, (None, None, None, 3))) if path.is_file() else None


def _enough(quantity: Quantity, dataset: Mapping[str, Any], test_images: int | None) -> bool:
    """Whether the quantity is no RMS calibration error, or one of at least `BINS` bins, as far as is known."""
    images = (dataset.get("corruption_images") or test_images) if quantity.benchmark == "C" else test_images
    if quantity.metric != "rms_calibration" or images is None:
        return True
    cells = 5 * len(CORRUPTION_TITLES) if quantity.shift == "pooled" else 1
    return images * cells >= BINS * BIN_SIZE


def _metrics(
    path: Path, config: Mapping[str, Any], done: set[tuple[Place, str]]
) -> tuple[dict[tuple[Place, Quantity], dict[int, float]], dict[tuple[str, str], list[str]]]:
    """The metrics of the runs that are done, and the source of every benchmark."""
    values: dict[tuple[Place, Quantity], dict[int, float]] = {}
    sources: dict[tuple[str, str], list[str]] = {}
    known = {
        "datasets": set(config["datasets"]),
        "architectures": {entry["name"] for entry in config["architectures"]},
        "methods": {entry["name"] for entry in config["methods"]},
    }
    for row in _read_csv(path, METRIC_COLUMNS, "augmix collect"):
        place = place_of(row)
        for (axis, names), name in zip(known.items(), place, strict=True):
            if name not in names:
                raise UserError(f"{path}: '{name}' is not among the {axis} of experiment.yaml; run `augmix collect`")
        value = _number(row, "value", path)
        if (place, row["seed"]) not in done or math.isnan(value):
            continue
        severity = int(_number(row, "severity", path)) if row["severity"] else None
        quantity = Quantity(row["benchmark"], row["shift"], row["metric"], severity)
        seeds = values.setdefault((place, quantity), {})
        if int(row["seed"]) in seeds:
            raise UserError(
                f"{path} has two values of {quantity.metric} on {quantity.shift} for {'/'.join(place)}, "
                f"seed {row['seed']}; run `augmix collect`"
            )
        seeds[int(row["seed"])] = value
        listed = sources.setdefault((place.dataset, row["benchmark"]), [])
        if row["source"] not in listed:
            listed.append(row["source"])
    return values, sources


def _config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path} is missing; run `augmix collect` for this experiment first")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not readable YAML ({' '.join(str(error).split())}); run `augmix collect`") from None
    needed = ("experiment", "datasets", "architectures", "methods", "seeds", "training")
    lacking = [key for key in needed if not isinstance(config, dict) or not config.get(key)]
    if lacking:
        raise UserError(f"{path} lacks '{lacking[0]}'; run `augmix collect` to write it again")
    return dict(config)


def _read_csv(path: Path, columns: Iterable[str], maker: str) -> list[dict[str, str]]:
    if not path.is_file():
        raise UserError(f"{path} is missing; run `{maker}` first")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            lacking = [column for column in columns if column not in (reader.fieldnames or ())]
            if lacking:
                raise UserError(f"{path} lacks the column '{lacking[0]}'; delete it and run `{maker}`")
            return list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it and run `{maker}`") from None


def _number(row: Mapping[str, str], key: str, path: Path) -> float:
    try:
        return float(row[key]) if row[key] else math.nan
    except ValueError:
        raise UserError(f"{path}: {key} is '{row[key]}', not a number; delete it and run its maker again") from None


def whole(text: str) -> str:
    """An integer column that passed through floats, `15.0`, as `15`; other text as it is."""
    try:
        return str(int(float(text)))
    except ValueError:
        return text


def majority(items: Iterable[str]) -> list[str]:
    """The distinct non-empty items, the most frequent first."""
    return [item for item, _ in Counter(item for item in items if item).most_common()]
