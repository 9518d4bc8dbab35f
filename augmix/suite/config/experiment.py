"""An experiment: its resolved configuration, where it lies, and the runs it asks for. It loads without torch."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.config.parse import VALIDATION, build_testset, origin_of, resolve, to_choose_by
from augmix.suite.config.runs import EvaluateSettings, Run
from augmix.suite.data.datasets import Preparation, source_digest
from augmix.suite.io.configuration import Lines, Position, merge, on_top, place, read
from augmix.suite.io.files import expanded
from augmix.suite.testsets.base import Making, TestSet
from augmix.suite.train.settings import TrainSettings, files_named


class Experiment:
    """A resolved configuration: every default filled in, every name checked.

    `config` is the mapping that `experiment.yaml` records.
    """

    def __init__(self, config: Mapping[str, Any], lines: Lines | None = None) -> None:
        """Resolve `config`; raises `UserError`, with the place from `lines`, for the first fault."""
        self._lines = lines or {}
        self.config = resolve(config, self._lines)
        for run in self.runs:
            self._check_recipe(run)

    def place_of(self, method: str) -> str:
        """The `file:line` that a method was written at."""
        names = [entry["name"] for entry in self.config["methods"]]
        return self.place(("methods", names.index(method)))

    def place(self, *positions: Position) -> str:
        """The `file:line` of the first position that was written in a file, or of what encloses the last."""
        return place(next((one for one in positions if one in self._lines), positions[-1]), self._lines)

    def place_of_setting(self, run: Run, key: str) -> str:
        """The `file:line` of a key of a run's recipe: the method's own, the architecture's, or that of all runs."""
        entries = (("methods", run.method), ("architectures", run.architecture))
        layers = [(kind, [entry["name"] for entry in self.config[kind]].index(name)) for kind, name in entries]
        return self.place(*((*layer, "training", key) for layer in layers), ("training", key))

    def _check_recipe(self, run: Run) -> None:
        recipe = run.training.training
        if recipe["schedule"] == "steps" and not recipe["milestones"]:
            where = self.place_of_setting(run, "schedule")
            raise UserError(f"{where}: {run.path}: training.schedule is steps; name its epochs as training.milestones")
        for key in ("warmup_epochs", "milestones"):
            latest = max([recipe[key]] if isinstance(recipe[key], int) else recipe[key], default=0)
            if latest >= recipe["epochs"]:
                fault = f"training.{key} has {latest}, but training ends after {recipe['epochs']} epochs"
                raise UserError(f"{self.place_of_setting(run, key)}: {run.path}: {fault}")

    @property
    def name(self) -> str:
        return str(self.config["experiment"])

    @property
    def folder(self) -> Path:
        """The folder of this experiment's results."""
        return self.results / self.name

    @property
    def results(self) -> Path:
        return expanded(self.config["folders"]["results"])

    @property
    def data(self) -> Path:
        return expanded(self.config["folders"]["data"])

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        return dict(self.config["datasets"])

    @property
    def validation(self) -> float | None:
        """The share of the training images to choose by; the rest is trained on."""
        share: float | None = self.config.get("validation")
        return share

    @property
    def output(self) -> str:
        """The subfolder with the predictions that every run has to have."""
        return "predictions" if self.validation is None else "validation"

    @property
    def sweeps(self) -> list[str]:
        """The sweeps that the methods are part of, in order."""
        return list(dict.fromkeys(name for method in self.config["methods"] for name in method.get("sweeps", {})))

    def prepared(self, dataset: str) -> str:
        """The folder below `data` that a data set's runs train on."""
        return dataset if self.validation is None else dataset + VALIDATION

    @property
    def folders(self) -> list[str]:
        """The folders of prepared data sets below `data`."""
        return list(dict.fromkeys(folder for name in self.datasets for folder in (name, self.prepared(name))))

    def preparation(self, folder: str) -> Preparation:
        """The settings of `augmix prepare`, which decide the content of `<data>/<folder>`."""
        name = folder.removesuffix(VALIDATION)
        entry = self.datasets[name]
        return Preparation(
            entry["loader"],
            entry["options"],
            entry["subset"],
            None if name == folder else self.validation,
            source_digest(entry["loader"], entry["options"], self.data / folder),
        )

    @cached_property
    def _testsets(self) -> dict[str, list[TestSet]]:
        return {
            dataset: [
                build_testset(name, settings, origin_of(self.config, dataset))
                for name, settings in entry["testsets"].items()
                if settings is not None
            ]
            for dataset, entry in self.datasets.items()
        }

    def testsets(self, dataset: str) -> list[TestSet]:
        """The test sets of a data set: clean, -C, -P and what else is configured."""
        return [testset for testset in self._testsets[dataset] if testset.shifts]

    def validation_testsets(self, dataset: str) -> list[TestSet]:
        """The test sets of the validation split: the clean images, and the corruptions to choose by."""
        folder = self.prepared(dataset)
        clean = build_testset("clean", {"kind": "clean"}, origin_of(self.config, dataset, folder))
        return [clean, to_choose_by(self.config, dataset, folder)]

    def all_testsets(self, *datasets: str) -> list[TestSet]:
        """Every test set of the experiment, or of some of its data sets, those of validation splits among them."""
        found = []
        for dataset in datasets or self.datasets:
            found += self.testsets(dataset)
            if self.validation is not None:
                found += self.validation_testsets(dataset)
        return found

    def makings(self) -> list[Making]:
        """The jobs that make test sets."""
        return [making for testset in self.all_testsets() for making in testset.jobs()]

    @cached_property
    def runs(self) -> list[Run]:
        """Every training the experiment asks for, in the configured order."""
        return [
            self._run(dataset, architecture, method, seed)
            for dataset in self.datasets
            for architecture in self.config["architectures"]
            for method in self.config["methods"]
            for seed in self.config["seeds"]
        ]

    def _run(self, dataset: str, architecture: Mapping[str, Any], method: Mapping[str, Any], seed: int) -> Run:
        recipe = merge(self.config["training"], architecture.get("training", {}))
        named = {key: value for key, value in method.items() if key not in ("training", "sweeps")}
        training = TrainSettings(
            dataset=dataset,
            data=str(self.data / self.prepared(dataset)),
            flip=self.datasets[dataset]["flip"],
            architecture=architecture.get("build", architecture["name"]),
            method=named,
            method_packages=self.config["method_packages"],
            seed=seed,
            training=merge(recipe, method.get("training", {})),
            files=files_named(named),
        )
        evaluation = _evaluation(self.data / dataset, self.testsets(dataset), "predictions")
        validation = None
        if self.validation is not None:
            split = self.data / self.prepared(dataset)
            validation = _evaluation(split, self.validation_testsets(dataset), "validation")
        return Run(dataset, architecture["name"], method["name"], seed, training, evaluation, validation)

    def record(self) -> dict[str, Any]:
        """The configuration with every test set's shifts named: what `experiment.yaml` says and the report reads."""
        recorded: dict[str, Any] = merge(self.config, {})
        for dataset in self.datasets:
            named = {t.name: {"shifts": list(t.shifts)} for t in self._testsets[dataset] if "shifts" in t.schema}
            recorded = merge(recorded, {"datasets": {dataset: {"testsets": named}}})
        return recorded

    def run(self, path: str) -> Run:
        """The run with this path, such as `digits/smallnet/augmix/seed0`."""
        for run in self.runs:
            if run.path == path.strip("/"):
                return run
        raise UserError(f"experiment '{self.name}' has no run '{path}'; {nearest(path, (r.path for r in self.runs))}")


def _evaluation(data: Path, testsets: list[TestSet], output: str) -> EvaluateSettings:
    return EvaluateSettings(str(data), [testset.settings() for testset in testsets], output)


def load(*paths: Path | str, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Read and check an experiment: its YAML files merged in order, `overrides` on top (Snakemake's `--config`).

    Raises `UserError` with the file and line of the first fault.
    """
    config: dict[str, Any] = {}
    lines: Lines = {}
    for path in paths:
        settings, places = read(path)
        config, lines = on_top(config, settings), {**lines, **places}
    return Experiment(on_top(config, overrides or {}), lines)
