"""An experiment's results as the report reads them, and figures averaged over the seeds."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from augmix.errors import UserError
from augmix.suite.config.parse import USUAL, build_testset, origin_of
from augmix.suite.data.datasets import read_images
from augmix.suite.evaluate.measures import MEASURES, measures_of
from augmix.suite.evaluate.stages import KEPT, evaluated, read_kept
from augmix.suite.io.files import read_json
from augmix.suite.testsets.base import TestSet
from reports.files import (
    PLACE,
    QUANTITY,
    RUN,
    STATUSES,
    read_chosen,
    read_config,
    read_metrics,
    read_runs,
    read_table,
)
from reports.names import PrintedMethod, architecture_title, methods_of
from reports.quantities import MCE, MEAN, POOLED, VALIDATION, Cell, Place, Quantity, headline_of, measure_of, summarise

HISTORY_COLUMNS = ("epoch", "train_loss", "train_error", "test_error", "timestamp")
BINS = 10
"""A calibration error says little where it rests on fewer bins."""

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")


def remembered(
    function: Callable[Concatenate["Results", Arguments], Found],
) -> Callable[Concatenate["Results", Arguments], Found]:
    """The function, which is computed once for the same results and the same hashable arguments."""

    @wraps(function)
    def call(results: "Results", *given: Arguments.args, **named: Arguments.kwargs) -> Found:
        key = (function.__name__, *given, *named.items())
        if key not in results.memory:
            results.memory[key] = function(results, *given, **named)
        found: Found = results.memory[key]
        return found

    return call


@dataclass(frozen=True)
class Family:
    """The test sets of one name and kind, which share a table: one of each data set that has it."""

    members: Mapping[str, TestSet]
    """The test sets by data set."""

    @cached_property
    def first(self) -> TestSet:
        return next(iter(self.members.values()))

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def headline(self) -> Quantity | None:
        """The figure that it is judged by; None where it has no single one."""
        return headline_of(self.first)

    @property
    def usual(self) -> bool:
        """Whether every data set has it unless the configuration says otherwise."""
        return USUAL.get(self.name) == self.first.kind

    def stem(self, word: str) -> str:
        """The name of a file about it: `word` alone for the usual test set of its kind."""
        return word if self.usual else f"{word}_{self.name}"


@dataclass(frozen=True)
class Results:
    """Everything that the report needs of one experiment; read it with `load`."""

    folder: Path
    data: Path
    """The folder of all data, of which images are shown where they are at hand."""
    config: Mapping[str, Any]
    runs: pd.DataFrame
    """A row per requested run, as in runs.csv."""
    metrics: pd.DataFrame
    """The rows of metrics.csv of the runs that are done, in their measures' units."""
    chosen: Mapping[tuple[str, str, str], str] | None
    """Per data set, architecture and sweep, the method chosen to be tested; None where all methods are."""
    test_images: Mapping[str, int | None]
    """Per data set, how many there are; None where its arrays are not at hand."""
    testsets: Mapping[str, list[TestSet]]
    """Per data set, its test sets in the configured order; those without any shift and those left out are missing."""
    kept: Mapping[str, Mapping[str, Any]]
    """The results that were accepted though something else had changed: by stage and name, why and what differs."""

    memory: dict[Any, Any] = field(default_factory=dict)
    """The results that `remembered` keeps, by the name of the computation and its arguments."""

    @cached_property
    def _values(self) -> tuple[dict[tuple[Any, ...], int], np.ndarray, pd.Index]:
        """The row of each place and quantity, the values by row and seed, and the seeds."""
        values = self.metrics.pivot(index=[*PLACE, *QUANTITY], columns="seed", values="value")
        return {key: row for row, key in enumerate(values.index)}, values.to_numpy(float), values.columns

    @cached_property
    def sources(self) -> dict[tuple[str, str], list[str]]:
        """The sources of the images of each data set's test sets, by data set and test set."""
        groups: Any = self.metrics.groupby(["dataset", "testset"])["source"]
        return {key: list(part.unique()) for key, part in groups}

    @cached_property
    def families(self) -> list[Family]:
        """The test sets of all data sets, those of one name and kind together, in the configured order."""
        found: dict[tuple[str, str], dict[str, TestSet]] = {}
        for dataset, testsets in self.testsets.items():
            for testset in testsets:
                found.setdefault((testset.name, testset.kind), {})[dataset] = testset
        return [Family(members) for members in found.values()]

    @cached_property
    def judged(self) -> list[tuple[Family, Quantity]]:
        """The test sets for which there is a headline, the one with the paper's mCE first."""
        found = [(family, family.headline) for family in self.families]
        there = [(family, quantity) for family, quantity in found if quantity is not None and self.has(quantity)]
        return sorted(there, key=lambda pair: pair[1] != MCE)

    def named(self, dataset: str, name: str) -> TestSet | None:
        """The test set of this name, whatever its kind."""
        return next((testset for testset in self.testsets[dataset] if testset.name == name), None)

    def testset(self, dataset: str, name: str) -> TestSet | None:
        """The test set of this name, where it is of the kind that the name usually stands for: `C`, `P`."""
        found = self.named(dataset, name)
        return found if found is not None and found.kind == USUAL.get(name) else None

    def title_of(self, dataset: str, testset: TestSet) -> str:
        """The title of a test set on its data set: `Digits-C`."""
        return testset.title_on(self.dataset_title(dataset))

    def size(self, dataset: str, testset: TestSet) -> int | None:
        """The number of images that a shift of the test set has at each severity; None where it is not known."""
        return testset.size(self.test_images[dataset])

    @cached_property
    def all_methods(self) -> list[PrintedMethod]:
        return methods_of(self.config)

    @cached_property
    def methods(self) -> list[PrintedMethod]:
        """The methods that are compared on test images: without those that a sweep tried and did not choose."""
        tried = self.swept - set(self.chosen.values()) if self.chosen is not None else set()
        return [method for method in self.all_methods if method.name not in tried]

    @cached_property
    def titles(self) -> dict[str, str]:
        """The titles of all methods, by their names."""
        return {method.name: method.title for method in self.all_methods}

    @cached_property
    def swept(self) -> set[str]:
        """The names of the methods that are a value of some sweep."""
        return {entry["name"] for entry in self.config["methods"] if entry.get("sweeps")}

    @property
    def architectures(self) -> list[str]:
        return [entry["name"] for entry in self.config["architectures"]]

    @property
    def overall_architecture(self) -> str:
        """The only architecture, or the mean over them all."""
        return self.architectures[0] if len(self.architectures) == 1 else MEAN

    def overall_place(self, dataset: str, method: str) -> Place:
        """The place of a method on the overall architecture."""
        return Place(dataset, self.overall_architecture, method)

    @property
    def datasets(self) -> dict[str, Mapping[str, Any]]:
        return dict(self.config["datasets"])

    def dataset_title(self, dataset: str) -> str:
        return str(self.datasets[dataset].get("title") or dataset)

    def where(self, dataset: str, architecture: str) -> str:
        """A data set and an architecture in print: `CIFAR-10, ResNet-50`."""
        return f"{self.dataset_title(dataset)}, {architecture_title(architecture)}"

    def method(self, name: str) -> PrintedMethod | None:
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

    @remembered
    def seeds(self, place: Place, quantity: Quantity) -> pd.Series:
        """The quantity in its unit, by seed that finished; a mean over architectures needs all of them."""
        if place.architecture == MEAN:
            each = [self.seeds(place._replace(architecture=name), quantity) for name in self.architectures]
            return pd.concat(each, axis=1, join="inner").mean(axis=1)
        rows, values, seeds = self._values
        row = rows.get((*place, *quantity))
        return pd.Series(dtype=float) if row is None else pd.Series(values[row], seeds).dropna()

    def cell(self, place: Place, quantity: Quantity) -> Cell:
        """The quantity over the seeds; a place without any says in a word why."""
        seeds, asked, measure = self.seeds(place, quantity), len(self.config["seeds"]), quantity.measure
        if place.architecture == MEAN:
            return summarise(seeds, asked, measure, "incomplete")
        statuses = set(self.runs_at(place)["status"])
        word = next((status for status in STATUSES[1:] if status in statuses), "missing")
        if quantity != VALIDATION and self._is_left_out(place):
            word = "not chosen"
        return summarise(seeds, asked, measure, word)

    def _is_left_out(self, place: Place) -> bool:
        """Whether a choice by validation left the runs of a place out: they are not evaluated on test images."""
        chosen = self.chosen or {}
        tested = {method for key, method in chosen.items() if key[:2] == place[:2]}
        return self.chosen is not None and place.method in self.swept - tested

    @cached_property
    def untested(self) -> list[dict[str, Any]]:
        """The runs that are done by the validation, were not left out, and yet have no figure on test images."""
        tested = self.metrics.loc[self.metrics["testset"] != VALIDATION.testset, RUN].drop_duplicates()
        keys = set(tested.itertuples(index=False, name=None))
        return [
            run
            for run in records(self.runs[self.runs["status"] == "done"])
            if (key := tuple(run[column] for column in RUN)) not in keys and not self._is_left_out(Place(*key[:3]))
        ]

    def across(self, dataset: str, architecture: str, quantity: Quantity) -> list[Cell]:
        """The quantity's cell of each method."""
        return [self.cell(Place(dataset, architecture, method.name), quantity) for method in self.methods]

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
        rows = self.metrics[["dataset", *QUANTITY]].drop_duplicates().itertuples(index=False)
        return {(dataset, Quantity(*quantity)) for dataset, *quantity in rows}

    def has(self, quantity: Quantity, dataset: str | None = None) -> bool:
        """Whether any run (on `dataset`) has the quantity."""
        return any((name, quantity) in self._known for name in ([dataset] if dataset else self.datasets))

    def shifts(self, dataset: str, testset: TestSet) -> list[str]:
        """The shifts of a test set that were evaluated: those that enter its mean, then the others."""
        found = [s for s in testset.shifts if self.has(Quantity(testset.name, s, measure_of(testset).name), dataset)]
        return sorted(found, key=lambda shift: shift not in testset.entering)

    def run_folder(self, run: Mapping[str, Any]) -> Path:
        return self.folder / run["dataset"] / run["arch"] / run["method"] / f"seed{run['seed']}"

    def history(self, run: Mapping[str, Any]) -> pd.DataFrame:
        """A run's epochs, or none where it left no history."""
        return self._history(self.run_folder(run) / "history.csv")

    @remembered
    def _history(self, path: Path) -> pd.DataFrame:
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


def records(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table of runs, one mapping each."""
    return [{str(key): value for key, value in row.items()} for row in runs.to_dict("records")]


def load(folder: Path, data: Path) -> Results:
    """Read and check results/<experiment>/; `data` is the folder of all data.

    A calibration error that rests on fewer than ten bins is left out: it says little.
    Raises `UserError` naming the file that is missing or malformed, and the command that makes it.
    """
    config = read_config(folder / "experiment.yaml")
    runs = read_runs(folder / "runs.csv")
    metrics = read_metrics(folder / "metrics.csv", config, runs)
    images = {dataset: _test_images(data / dataset) for dataset in config["datasets"]}
    testsets = {dataset: _testsets(config, dataset, data) for dataset in config["datasets"]}
    metrics = metrics[~_few_bins(metrics, testsets, images)]
    chosen = read_chosen(folder / "chosen.csv", config)
    results = Results(folder, data, config, runs, metrics, chosen, images, testsets, read_kept(folder / KEPT))
    for run in results.untested:
        if evaluated(results.run_folder(run), results.testsets[run["dataset"]], "predictions"):
            raise UserError(
                f"{folder / 'metrics.csv'} has no rows on test images of {results.run_folder(run)}, which has "
                "predictions on all of them; run `augmix collect`"
            )
    return results


def _testsets(config: Mapping[str, Any], dataset: str, data: Path) -> list[TestSet]:
    """The test sets of the recorded configuration, of the data that lie in `data`."""
    origin = origin_of({**config, "folders": {**config["folders"], "data": str(data)}}, dataset)
    entries = config["datasets"][dataset]["testsets"].items()
    found = [build_testset(name, entry, origin) for name, entry in entries if entry is not None]
    return [testset for testset in found if testset.shifts]


def _test_images(folder: Path) -> int | None:
    path = folder / "test_images.npy"
    return len(read_images(folder, "test")) if path.is_file() else None


def _few_bins(
    metrics: pd.DataFrame, testsets: Mapping[str, Sequence[TestSet]], test: Mapping[str, int | None]
) -> pd.Series:
    """Whether each row is a calibration error of fewer than `BINS` bins, as far as is known."""
    few = pd.Series(False, metrics.index)
    for dataset, testset in ((dataset, testset) for dataset, found in testsets.items() for testset in found):
        size = testset.size(test[dataset])
        for measure in (MEASURES[name] for name in measures_of(testset) if MEASURES[name].bins):
            if size is None:
                continue
            rows = (metrics["dataset"] == dataset) & (metrics["testset"] == testset.name)
            rows &= metrics["metric"] == measure.name
            together = size * testset.levels * len(set(testset.shifts) & set(testset.entering))
            needed = BINS * (measure.bins or 0)
            few |= rows & (together < needed) & (metrics["shift"] == POOLED)
            few |= rows & (size < needed) & (metrics["shift"] != POOLED)
    return few


def majority(items: Iterable[Any]) -> list[str]:
    """The distinct items that are not empty, the most frequent first."""
    return [str(item) for item, _ in Counter(item for item in items if item).most_common()]
