"""An experiment: its YAML, checked and resolved, and the runs it asks for. Free of torch: it loads fast."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any, get_args

import yaml

from augmix.checks import nearest_preset
from augmix.errors import UserError
from augmix.registry import find_package, method_names, method_parameters, method_parts, module_names, nearest
from augmix.suite.config.sweeps import expand
from augmix.suite.data.datasets import loader_module, source_digest
from augmix.suite.io.configuration import Lines, Position, merge, place, read, validate
from augmix.suite.testsets.arrays import check_published, folder_of

VALIDATION = "-validation"
KINDS = {str: "text", int: "a whole number", NoneType: "null"}
"""What a data set's options are."""


@dataclass(frozen=True)
class Run:
    """One training: what it is named and every setting that decides its result."""

    dataset: str
    architecture: str
    method: str
    seed: int
    training: Mapping[str, Any]
    """Settings of `augmix train`, JSON-able."""
    evaluation: Mapping[str, Any]
    """Settings of `augmix evaluate` on the test set, JSON-able."""
    validation: Mapping[str, Any] | None = None
    """Settings of `augmix evaluate` on the validation split, where the experiment chooses by it."""

    @property
    def path(self) -> str:
        """The run's folder below the experiment's."""
        return f"{self.dataset}/{self.architecture}/{self.method}/seed{self.seed}"


class Experiment:
    """A resolved configuration: every default filled in, every name checked.

    `config` is the mapping that `experiment.yaml` records.
    """

    def __init__(self, config: dict[str, Any], lines: Lines | None = None) -> None:
        lines = lines or {}
        config = expand(_spell_out(config))
        schema = _schema()
        validate(config, schema, lines)
        self.config: dict[str, Any] = _fill(config, schema, schema)
        self._check_names(lines)
        self._check_recipes()

    @property
    def name(self) -> str:
        return str(self.config["experiment"])

    @property
    def folder(self) -> Path:
        """Where this experiment's results go."""
        return self.results / self.name

    @property
    def results(self) -> Path:
        return Path(self.config["folders"]["results"]).expanduser()

    @property
    def data(self) -> Path:
        return Path(self.config["folders"]["data"]).expanduser()

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
    def held_out(self) -> list[str]:
        """The corruptions to choose by: those that do not enter the mCE."""
        from augmix.corruptions import EXTRA_CORRUPTIONS

        return list(EXTRA_CORRUPTIONS)

    @property
    def sweeps(self) -> list[str]:
        """The sweeps that the methods are part of, in order."""
        return list(dict.fromkeys(name for method in self.config["methods"] for name in method.get("sweeps", {})))

    def prepared(self, dataset: str) -> str:
        """The folder below `data` that a data set's runs train on."""
        return dataset if self.validation is None else dataset + VALIDATION

    def dataset_settings(self, folder: str) -> dict[str, Any]:
        """What decides the content of `<data>/<folder>`: the settings of `augmix prepare`."""
        name = folder.removesuffix(VALIDATION)
        settings = {key: self.datasets[name][key] for key in ("loader", "options", "subset")}
        if source := source_digest(settings, self.data / folder):
            settings["source"] = source
        return settings if name == folder else {**settings, "validation": self.validation}

    @property
    def downloads(self) -> Path:
        """Where data sets and published benchmarks are downloaded to, unless the configuration names a folder."""
        return self.data / "downloads"

    def published(self, dataset: str, benchmark: str) -> bool:
        """Whether a data set's -C or -P is the published one; that of a validation split is always generated."""
        return dataset in self.datasets and self.datasets[dataset]["published"][benchmark] is not None

    def generated(self, dataset: str, benchmark: str) -> bool:
        """Whether a data set's -C or -P is generated: in place of the published one, or to be compared with it."""
        compared = benchmark == "C" and dataset in self.datasets and self.datasets[dataset]["published"]["compare"]
        return compared or not self.published(dataset, benchmark)

    def generated_folder(self, dataset: str, benchmark: str) -> Path:
        """Where a data set's -C or -P is generated."""
        return self.data / f"{dataset}-{benchmark}"

    def benchmark_folder(self, dataset: str, benchmark: str) -> Path:
        """The folder of a data set's -C or -P, the published one where the configuration names it."""
        if self.published(dataset, benchmark):
            return folder_of(self.data, dataset, self.datasets[dataset], benchmark)
        return self.generated_folder(dataset, benchmark)

    def benchmark_files(self, dataset: str, benchmark: str, shifts: Sequence[str]) -> list[Path]:
        """What an evaluation waits for: the record that published files were checked, and the generated ones."""
        files = [self.data / dataset / f"published-{benchmark}.json"] if self.published(dataset, benchmark) else []
        if self.generated(dataset, benchmark):
            files += [self.generated_folder(dataset, benchmark) / f"{shift}.npy" for shift in shifts]
        return files

    def published_settings(self, dataset: str, benchmark: str) -> dict[str, Any]:
        """The settings of `augmix prepare --published`."""
        return {
            "kind": benchmark,
            "where": self.datasets[dataset]["published"][benchmark],
            "folder": str(self.benchmark_folder(dataset, benchmark)),
            "data": str(self.data / dataset),
            "shifts": self.corruptions if benchmark == "C" else self.perturbations(dataset),
            "resize": self.datasets[dataset]["published"]["resize"],
        }

    def benchmark_settings(self, dataset: str, benchmark: str) -> dict[str, Any]:
        """What decides the content of a generated -C or -P but for the shift's name."""
        entry = self.datasets[dataset.removesuffix(VALIDATION)]
        images = entry["corruption_images" if benchmark == "C" else "perturbation_images"]
        return {"images": images, "preset": entry["preset"], "seed": self.config["benchmarks"]["seed"]}

    @property
    def corruptions(self) -> list[str]:
        """The -C corruptions to generate and evaluate, in the paper's order."""
        from augmix.corruptions import CORRUPTIONS

        chosen = self.config["benchmarks"]["corruptions"]
        return list(CORRUPTIONS if chosen is None else chosen)

    def perturbations(self, dataset: str) -> list[str]:
        """The -P sequences of a data set; which ten enter the mFP depends on the parameter set."""
        from augmix.perturbations import perturbations_of

        chosen = self.config["benchmarks"]["perturbations"]
        return list(perturbations_of(self.preset(dataset)) if chosen is None else chosen)

    def preset(self, dataset: str) -> str:
        """The benchmarks' parameter set: the configured one, or that of the loader's image side."""
        entry = self.datasets[dataset]
        if entry["preset"] is not None:
            return str(entry["preset"])
        return nearest_preset(loader_module(entry["loader"]).side(**entry["options"]))

    @cached_property
    def runs(self) -> list[Run]:
        """Every training the experiment asks for, in the configured order."""
        return [
            Run(
                dataset,
                architecture["name"],
                method["name"],
                seed,
                {
                    "dataset": dataset,
                    "data": str(self.data / self.prepared(dataset)),
                    "flip": entry["flip"],
                    "architecture": architecture["name"],
                    "method": {key: method[key] for key in method if key not in ("training", "sweeps")},
                    "method_packages": self.config["method_packages"],
                    "seed": seed,
                    "training": merge(
                        merge(self.config["training"], architecture.get("training", {})),
                        method.get("training", {}),
                    ),
                },
                self._evaluation(dataset, self.corruptions, self.perturbations(dataset), "predictions"),
                None
                if self.validation is None
                else self._evaluation(self.prepared(dataset), self.held_out, [], "validation"),
            )
            for dataset, entry in self.datasets.items()
            for architecture in self.config["architectures"]
            for method in self.config["methods"]
            for seed in self.config["seeds"]
        ]

    def _evaluation(
        self, dataset: str, corruptions: list[str], perturbations: list[str], output: str
    ) -> dict[str, Any]:
        kinds = ("C", "P")
        both = self.published(dataset, "C") and self.generated(dataset, "C")
        return {
            "data": str(self.data / dataset),
            "corruptions": corruptions,
            "perturbations": perturbations,
            "folders": {kind: str(self.benchmark_folder(dataset, kind)) for kind in kinds},
            "images": {kind: self.benchmark_settings(dataset, kind)["images"] for kind in kinds},
            "resize": dataset in self.datasets and self.datasets[dataset]["published"]["resize"],
            "compared": str(self.generated_folder(dataset, "C")) if both else None,
            "output": output,
        }

    def record(self) -> dict[str, Any]:
        """The configuration with the shifts named: what `experiment.yaml` says and the report reads."""
        perturbations = {name: None for dataset in self.datasets for name in self.perturbations(dataset)}
        shifts = {"corruptions": self.corruptions, "perturbations": list(perturbations)}
        return merge(self.config, {"benchmarks": shifts})

    def run(self, path: str) -> Run:
        """The run with this path, such as `digits/smallnet/augmix/seed0`."""
        for run in self.runs:
            if run.path == path.strip("/"):
                return run
        raise UserError(f"experiment '{self.name}' has no run '{path}'; {nearest(path, (r.path for r in self.runs))}")

    def _check_names(self, lines: Lines) -> None:
        def refuse(at: Position, what: str, name: str, valid: Collection[str], of: str = "") -> None:
            if name not in valid:
                raise UserError(f"{place(at, lines)}: unknown {what} '{name}'{of}; {nearest(name, valid)}")

        packages = self.config["method_packages"]
        for i, package in enumerate(packages):
            if find_package(package) is None:
                where = place(("method_packages", i), lines)
                raise UserError(f"{where}: no Python package '{package}' (looked along PYTHONPATH)")
        methods = method_names(packages)
        for dataset, entry in self.datasets.items():
            position = ("datasets", dataset, "loader")
            refuse(position, "data set loader", entry["loader"], module_names("augmix.suite.data.loaders"))
            module = loader_module(entry["loader"])
            if getattr(module, "DOWNLOADS", False):
                entry["options"] = {"folder": str(self.downloads), **entry["options"]}
            _check_options(entry["options"], module, ("datasets", dataset, "options"), lines)
            check_published(entry["published"], entry["loader"], ("datasets", dataset, "published"), lines)
        for i, architecture in enumerate(self.config["architectures"]):
            refuse(("architectures", i), "architecture", architecture["name"], module_names("augmix.models"))
        for i, method in enumerate(self.config["methods"]):
            for part, name, parameters in _parts(method, place(("methods", i), lines)):
                refuse(("methods", i), "method", name, methods, "" if part == "preset" else f" in '{part}'")
                valid = method_parameters(name, packages)
                for parameter in parameters:
                    refuse(("methods", i, part, name), "parameter", parameter, valid, f" of method '{name}'")
                for parameter, default in valid.items():
                    if default is inspect.Parameter.empty and parameter not in parameters:
                        where = place(("methods", i, part, name), lines)
                        raise UserError(f"{where}: method '{name}' needs the parameter '{parameter}'")
        for key in ("architectures", "methods"):
            names = [entry["name"] for entry in self.config[key]]
            for i, name in enumerate(names):
                if name in names[:i]:
                    raise UserError(f"{place((key, i), lines)}: {key} lists the name '{name}' twice")
        self._check_benchmarks(refuse)

    def _check_recipes(self) -> None:
        for run in self.runs:
            recipe = run.training["training"]
            if recipe["schedule"] == "steps" and not recipe["milestones"]:
                raise UserError(f"{run.path}: training.schedule is steps; name its epochs as training.milestones")
            for key in ("warmup_epochs", "milestones"):
                latest = max([recipe[key]] if isinstance(recipe[key], int) else recipe[key], default=0)
                if latest >= recipe["epochs"]:
                    raise UserError(
                        f"{run.path}: training.{key} has {latest}, but training ends after {recipe['epochs']} epochs"
                    )

    def _check_benchmarks(self, refuse: Any) -> None:
        from augmix import corruptions, perturbations

        for key, valid in (
            ("corruptions", (*corruptions.CORRUPTIONS, *corruptions.EXTRA_CORRUPTIONS)),
            ("perturbations", (*perturbations.PERTURBATIONS, *perturbations.EXTRA_PERTURBATIONS)),
        ):
            for i, name in enumerate(self.config["benchmarks"][key] or ()):
                refuse(("benchmarks", key, i), key[:-1], name, valid)


def load(*paths: Path | str, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Read and check an experiment: its YAML files merged in order, `overrides` on top (Snakemake's `--config`).

    Raises `UserError` with the file and line of the first fault.
    """
    config: dict[str, Any] = {}
    lines: Lines = {}
    for path in paths:
        settings, places = read(path)
        config, lines = merge(config, settings), {**lines, **places}
    return Experiment(merge(config, overrides or {}), lines)


def _parts(method: Mapping[str, Any], where: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(part, method name, parameters) of each part, after checking that the entry is a preset or a triple."""
    composed = [part for part in ("views", "mix", "loss") if part in method]
    if "preset" in method and not composed:
        return [("preset", method["preset"], method.get("parameters", {}))]
    if "preset" in method or len(composed) < 3 or method.get("parameters"):
        raise UserError(f"{where}: method '{method['name']}' takes a 'preset', or all of 'views', 'mix' and 'loss'")
    return [(part, *source) for part, sources in method_parts(method).items() for source in sources]


def _check_options(options: Mapping[str, Any], module: ModuleType, position: Position, lines: Lines) -> None:
    parameters = inspect.signature(module.load).parameters
    for option, value in options.items():
        where = place((*position, option), lines)
        if option not in parameters:
            raise UserError(f"{where}: unknown option '{option}'; {nearest(option, parameters)}")
        annotation = parameters[option].annotation
        kinds = get_args(annotation) or (annotation,)
        if type(value) not in kinds and set(kinds) <= set(KINDS):
            wanted = " or ".join(KINDS[kind] for kind in kinds)
            raise UserError(f"{where}: option '{option}' is {value!r}; {wanted} is expected")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options:
            raise UserError(f"{place(position, lines)}: this loader needs the option '{name}'")


def _spell_out(config: Mapping[str, Any]) -> dict[str, Any]:
    """Bare names as mappings: `smallnet` is `{name: smallnet}`, `augmix` also gets `preset: augmix`."""
    config = dict(config)
    datasets = config.get("datasets")
    if isinstance(datasets, list) and all(isinstance(name, str) for name in datasets):
        config["datasets"] = {name: {"loader": name} for name in datasets}
    for key in ("architectures", "methods"):
        entries = config.get(key)
        if isinstance(entries, list):
            config[key] = [{"name": entry} if isinstance(entry, str) else entry for entry in entries]
            config[key] = [{"training": {}, **e} if isinstance(e, dict) else e for e in config[key]]
    for i, method in enumerate(config["methods"] if isinstance(config.get("methods"), list) else ()):
        if isinstance(method, dict) and not {"preset", "views", "mix", "loss"} & set(method):
            config["methods"][i] = {"parameters": {}, **method, "preset": method.get("name")}
    return config


def _fill(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """`value` with the schema's defaults filled in, but for the partial recipes inside lists."""
    schema = _resolve(schema, root)
    if not isinstance(value, Mapping):
        return value
    filled = dict(value)
    for key, reference in schema.get("properties", {}).items():
        child = _resolve(reference, root)
        if key in filled or "properties" in child:
            filled[key] = _fill(filled.get(key, {}), child, root)
        elif "default" in child:
            filled[key] = child["default"]
    if isinstance(every := schema.get("additionalProperties"), Mapping):
        filled = {key: _fill(child, every, root) for key, child in filled.items()}
    return filled


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return root["$defs"][reference.rsplit("/", 1)[1]] if reference else schema


@cache
def _schema() -> dict[str, Any]:
    text = resources.files("augmix.suite.config").joinpath("experiment.schema.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded
