"""Read results/<experiment>/: the configuration, the runs, the metrics, and figures averaged over the seeds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from augmix.errors import UserError
from augmix.metrics import BIN_SIZE
from augmix.suite.data.datasets import read_images
from augmix.suite.evaluate.results import COLUMNS, RUN_COLUMNS
from augmix.suite.io.files import read_json
from reports.names import CORRUPTION_TITLES, EXTRA_TITLES, PERTURBATION_TITLES, Method, methods_of

PLACE = ["dataset", "arch", "method"]
QUANTITY = ["benchmark", "shift", "metric", "severity"]
RUN_NUMBERS = ("epochs", "parameters", "train_seconds", "evaluate_seconds", "threads")
HISTORY_COLUMNS = ("epoch", "train_loss", "train_error", "test_error", "timestamp")
BINS = 10
STATUSES = ("done", "diverged", "failed", "missing")
MEAN = "mean"


class Quantity(NamedTuple):
    """One row of metrics.csv, leaving open the run it belongs to; severity 0 is all of them, or none."""

    benchmark: str
    shift: str
    metric: str
    severity: int = 0


CLEAN_ERROR = Quantity("clean", "clean", "error")
MCE = Quantity("C", "mCE", "error")
MFP = Quantity("P", "mFP", "flip_probability")
VALIDATION = Quantity("validation", "mean", "error")
"""Under the held-out corruptions, on the images kept for validation: what sweeps are decided by."""


class Place(NamedTuple):
    """The runs that differ in their seed only; the architecture `mean` is the mean over all of them."""

    dataset: str
    architecture: str
    method: str


@dataclass(frozen=True)
class Cell:
    """One figure, in percent: the mean and sample standard deviation over the seeds that finished."""

    mean: float | None
    deviation: float | None
    finished: int
    asked: int
    word: str = ""
    """Why there is no mean: diverged, failed, missing, incomplete or not chosen."""

    @property
    def partial(self) -> bool:
        """Whether this is a mean over fewer seeds than asked for."""
        return self.mean is not None and self.finished < self.asked


def summarise(seeds: pd.Series, asked: int, word: str = "missing") -> Cell:
    """Average figures over seeds into a cell; `word` stands where there are none."""
    if seeds.empty:
        return Cell(None, None, 0, asked, word)
    return Cell(float(seeds.mean()), float(seeds.std()) if len(seeds) > 1 else None, len(seeds), asked)


@dataclass(frozen=True)
class Results:
    """Everything that the report needs of one experiment; read it with `load`."""

    folder: Path
    config: Mapping[str, Any]
    runs: pd.DataFrame
    """A row per requested run, as in runs.csv."""
    metrics: pd.DataFrame
    """The rows of metrics.csv of the runs that are done, in percent."""
    chosen: Mapping[tuple[str, str, str], str] | None
    """Per data set, architecture and sweep, the method chosen to be tested; None where all methods are."""
    test_images: Mapping[str, int | None]
    """Per data set, how many there are; None where its arrays are not at hand."""

    @cached_property
    def used(self) -> pd.DataFrame:
        """`metrics` with one source for each figure: the published files, where there are figures on them."""
        by_source = self.metrics.sort_values("source", key=lambda source: ~is_published(source), kind="stable")
        return by_source.drop_duplicates([*PLACE, "seed", *QUANTITY]).sort_index()

    @cached_property
    def values(self) -> pd.DataFrame:
        """A row per place and quantity, a column per seed."""
        return self.used.pivot(index=[*PLACE, *QUANTITY], columns="seed", values="value")

    @cached_property
    def sources(self) -> dict[tuple[str, str], list[str]]:
        """Per data set and benchmark, where its images come from."""
        groups: Any = self.used.groupby(["dataset", "benchmark"])["source"]
        return {key: list(part.unique()) for key, part in groups}

    @cached_property
    def all_methods(self) -> list[Method]:
        return methods_of(self.config)

    @cached_property
    def methods(self) -> list[Method]:
        """The methods that are compared on test images: without those that a sweep tried and did not choose."""
        tried = self.swept - set(self.chosen.values()) if self.chosen is not None else set()
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
        """The configured method that is the preset `name`, the one of that name first."""
        presets = [method for method in self.methods if method.preset == name]
        return next((method for method in presets if method.name == name), presets[0] if presets else None)

    @cached_property
    def _runs_at(self) -> dict[Place, pd.DataFrame]:
        groups: Any = self.runs.groupby(PLACE)
        return {Place(*key): runs for key, runs in groups}

    def runs_at(self, place: Place) -> pd.DataFrame:
        """The requested runs of a place, one per seed."""
        return self._runs_at.get(place, self.runs[:0])

    def seeds(self, place: Place, quantity: Quantity) -> pd.Series:
        """The quantity in percent, by seed that finished; a mean over architectures needs all of them."""
        if place.architecture == MEAN:
            each = [self.seeds(place._replace(architecture=name), quantity) for name in self.architectures]
            return pd.concat(each, axis=1, join="inner").mean(axis=1)
        key: Any = (*place, *quantity)
        return self.values.loc[key].dropna() if key in self.values.index else pd.Series(dtype=float)

    def cell(self, place: Place, quantity: Quantity) -> Cell:
        """The quantity over the seeds; a place without any says in a word why."""
        seeds, asked = self.seeds(place, quantity), len(self.config["seeds"])
        if place.architecture == MEAN:
            return summarise(seeds, asked, "incomplete")
        statuses = set(self.runs_at(place)["status"])
        word = next((status for status in STATUSES[1:] if status in statuses), "missing")
        if self.chosen is not None and quantity != VALIDATION and place.method in self.swept:
            chosen = {method for key, method in self.chosen.items() if key[:2] == place[:2]}
            word = word if place.method in chosen else "not chosen"
        return summarise(seeds, asked, word)

    def across(self, dataset: str, architecture: str, quantity: Quantity) -> list[Cell]:
        """The quantity's cell of each method."""
        return [self.cell(Place(dataset, architecture, method.name), quantity) for method in self.methods]

    def difference(self, place: Place, reference: Place, quantity: Quantity) -> pd.Series:
        """Place minus reference in points, for each seed that finished with both."""
        return (self.seeds(place, quantity) - self.seeds(reference, quantity)).dropna()

    def tidy(self, dataset: str, architecture: str, quantities: Mapping[Any, Quantity]) -> pd.DataFrame:
        """For plots: a row per method (its title), label (a key of `quantities`) and seed, with the value."""
        rows = [
            (method.title, label, seed, value)
            for method in self.methods
            for label, quantity in quantities.items()
            for seed, value in self.seeds(Place(dataset, architecture, method.name), quantity).items()
        ]
        return pd.DataFrame(rows, columns=["method", "label", "seed", "value"])

    @cached_property
    def _known(self) -> set[tuple[str, Quantity]]:
        rows = self.used[["dataset", *QUANTITY]].drop_duplicates().itertuples(index=False)
        return {(dataset, Quantity(*quantity)) for dataset, *quantity in rows}

    def has(self, quantity: Quantity, dataset: str | None = None) -> bool:
        """Whether any run (on `dataset`) has the quantity."""
        return any((name, quantity) in self._known for name in ([dataset] if dataset else self.datasets))

    def shifts(self, benchmark: str, dataset: str) -> list[str]:
        """The corruptions or perturbations evaluated on `dataset`, in the benchmark's order, unknown ones last."""
        metric = {"C": "error", "P": "flip_probability"}[benchmark]
        found = {q.shift for name, q in self._known if (name, q[::2], q.severity) == (dataset, (benchmark, metric), 0)}
        known = [*CORRUPTION_TITLES, *EXTRA_TITLES] if benchmark == "C" else [*PERTURBATION_TITLES]
        shifts = found - {"mCE", "mFP", "mean", "pooled"}
        return sorted(shifts, key=lambda s: (known.index(s) if s in known else len(known), s))

    def run_folder(self, run: Mapping[str, Any]) -> Path:
        return self.folder / run["dataset"] / run["arch"] / run["method"] / f"seed{run['seed']}"

    def history(self, run: Mapping[str, Any]) -> pd.DataFrame:
        """A run's epochs, or none where it left no history."""
        path = self.run_folder(run) / "history.csv"
        if not path.is_file():
            return pd.DataFrame(columns=list(HISTORY_COLUMNS), dtype=float)
        return read_table(path, HISTORY_COLUMNS, "augmix train", HISTORY_COLUMNS)[list(HISTORY_COLUMNS)]

    def provenance(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """A run's provenance, or nothing where it left none."""
        path = self.run_folder(run) / "provenance.json"
        if not path.is_file():
            return {}
        found = read_json(path)
        if not isinstance(found, dict):
            raise UserError(f"{path} holds no mapping; delete it and run `augmix train` again")
        return found


def is_published(source: pd.Series) -> pd.Series:
    """Which figures are on published files, taken as they are or resized."""
    return source.str.startswith("published")


def records(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table of runs, one mapping each."""
    return [{str(key): value for key, value in row.items()} for row in runs.to_dict("records")]


def load(folder: Path, data: Path) -> Results:
    """Read and check results/<experiment>/; `data` is where the data sets' arrays are.

    An RMS calibration error that rests on fewer than ten bins is left out: it says little.
    Raises `UserError` naming the file that is missing or malformed, and the command that makes it.
    """
    config = _config(folder / "experiment.yaml")
    runs = read_table(folder / "runs.csv", RUN_COLUMNS, "augmix collect", RUN_NUMBERS, ["seed"])
    unknown = runs[~runs["status"].isin(STATUSES)]["status"]
    if len(unknown):
        raise UserError(
            f"{folder / 'runs.csv'} has a run with the status '{unknown.iloc[0]}'; "
            f"valid: {', '.join(STATUSES)}; run `augmix collect`"
        )
    metrics = _metrics(folder / "metrics.csv", config).merge(runs[runs["status"] == "done"][[*PLACE, "seed"]])
    images = {dataset: _test_images(data / dataset) for dataset in config["datasets"]}
    metrics = metrics[~_few_bins(metrics, config, images)]
    return Results(folder, config, runs, metrics, _chosen(folder / "chosen.csv", config), images)


def _metrics(path: Path, config: Mapping[str, Any]) -> pd.DataFrame:
    """metrics.csv in percent, without what could not be measured."""
    frame = read_table(path, COLUMNS, "augmix collect", ["severity", "value"], ["seed"])
    frame = frame.fillna({"severity": 0}).astype({"severity": int})
    for column, key in zip(PLACE, ("datasets", "architectures", "methods"), strict=True):
        names = [entry if isinstance(entry, str) else entry["name"] for entry in config[key]]
        unknown = frame[~frame[column].isin(names)][column]
        if len(unknown):
            raise UserError(
                f"{path}: '{unknown.iloc[0]}' is not among the {key} of experiment.yaml; run `augmix collect`"
            )
    twice = frame[frame.duplicated([*PLACE, "seed", *QUANTITY, "source"])]
    for row in twice[:1].itertuples():
        raise UserError(
            f"{path} has two values of {row.metric} on {row.shift} for {row.dataset}/{row.arch}/{row.method}, "
            f"seed {row.seed}; run `augmix collect`"
        )
    return frame.dropna(subset="value").assign(value=lambda found: 100 * found["value"])


def _chosen(path: Path, config: Mapping[str, Any]) -> dict[tuple[str, str, str], str] | None:
    """What `augmix choose` chose; None where the experiment does not choose."""
    if config.get("validation") is None or not any(entry.get("sweeps") for entry in config["methods"]):
        return None
    frame = read_table(path, ("dataset", "arch", "sweep", "method", "chosen"), "augmix choose")
    chosen = frame[frame["chosen"] == "True"]
    return dict(
        zip(zip(chosen["dataset"], chosen["arch"], chosen["sweep"], strict=True), chosen["method"], strict=True)
    )


def _test_images(folder: Path) -> int | None:
    path = folder / "test_images.npy"
    return len(read_images(folder, "test")) if path.is_file() else None


def _few_bins(metrics: pd.DataFrame, config: Mapping[str, Any], test: Mapping[str, int | None]) -> pd.Series:
    """Which rows are an RMS calibration error of fewer than `BINS` bins, as far as is known."""
    corrupted = {name: entry.get("corruption_images") or test[name] for name, entry in config["datasets"].items()}
    pooled = sum(name in CORRUPTION_TITLES for name in config["benchmarks"]["corruptions"])
    on_c = metrics["benchmark"] == "C"
    images = metrics["dataset"].map(test).where(~on_c, metrics["dataset"].map(corrupted)).astype(float)
    images = images.where(metrics["shift"] != "pooled", images * 5 * pooled)
    return (metrics["metric"] == "rms_calibration") & (images < BINS * BIN_SIZE)


def _config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path} is missing; run `augmix collect` for this experiment first")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not readable YAML ({' '.join(str(error).split())}); run `augmix collect`") from None
    needed = ("experiment", "datasets", "architectures", "methods", "seeds", "training", "benchmarks")
    lacking = [key for key in needed if not isinstance(config, dict) or not config.get(key)]
    if lacking:
        raise UserError(f"{path} lacks '{lacking[0]}'; run `augmix collect` to write it again")
    return dict(config)


def read_table(
    path: Path, columns: Sequence[str], maker: str, numbers: Sequence[str] = (), whole: Sequence[str] = ()
) -> pd.DataFrame:
    """A CSV file's text, with some columns as floats (NaN where empty) or `whole` numbers; `maker` writes it."""
    if not path.is_file():
        raise UserError(f"{path} is missing; run `{maker}` first")
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False).fillna("")
        lacking = [column for column in columns if column not in frame]
        if lacking:
            raise UserError(f"{path} lacks the column '{lacking[0]}'; delete it and run `{maker}`")
        for column in numbers:
            frame[column] = frame[column].replace("", "nan").astype(float)
        frame = frame.astype(dict.fromkeys(whole, int))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({' '.join(str(error).split())}); delete it and run `{maker}`"
        ) from None
    return frame


def majority(items: Iterable[Any]) -> list[str]:
    """The distinct items that are not empty, the most frequent first."""
    return [str(item) for item, _ in Counter(item for item in items if item).most_common()]
