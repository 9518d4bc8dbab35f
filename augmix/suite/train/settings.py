"""The settings of a training. This module is free of torch: the workflow reads it for every run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from augmix.registry import architecture_module, method_module, method_parts
from augmix.suite.io import digests
from augmix.suite.io.files import expanded

RETRAIN = "retrain"
"""The file in a run's folder by which it is to be trained itself, not taken over from another experiment."""
SETTINGS_FILES = (".yaml", ".yml", ".json")
"""The endings of files that a method reads settings from, such as a policy; others may be files that it writes."""


@dataclass(frozen=True)
class TrainSettings:
    """Everything that `augmix train` needs to know: the content of a run's `config.yaml`."""

    dataset: str
    data: str
    """The folder of the prepared data set."""
    flip: bool
    """Whether images are mirrored at random."""
    architecture: str
    """One of ours by its name, or `package.module:function`."""
    method: Mapping[str, Any]
    """The method's name with a preset and parameters, or its parts."""
    method_packages: Sequence[str]
    seed: int
    training: Mapping[str, Any]
    """The recipe: the schema's `training`."""
    files: Mapping[str, str] | None = None
    """The digests of files that the method's parameters name, such as a policy; None where there are none."""

    def as_json(self) -> dict[str, Any]:
        """The settings as plain values."""
        return {key: value for key, value in asdict(self).items() if key != "files" or value is not None}

    def roots(self) -> tuple[str, ...]:
        """The modules whose code decides the weights."""
        methods = {name for sources in method_parts(self.method).values() for name, _ in sources}
        return (
            "augmix.suite.train.training",
            architecture_module(self.architecture),
            *(method_module(name, self.method_packages) for name in sorted(methods)),
        )


def decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a `config.yaml` that decide the weights: not where data lie, nor in how many processes."""
    kept = {key: value for key, value in config.items() if key not in ("data", "method_packages")}
    if isinstance(training := kept.get("training"), Mapping):
        kept["training"] = {key: value for key, value in training.items() if key != "processes"}
    return kept


def files_named(method: Mapping[str, Any]) -> dict[str, str] | None:
    """The digests of the files of settings that a method's parameters name; None where they name none."""
    sources = [parameters for parts in method_parts(method).values() for _, parameters in parts]
    values = [value for parameters in sources for value in parameters.values() if isinstance(value, str)]
    names = {value for value in values if value.endswith(SETTINGS_FILES)}
    found = {name: digests.file_digest(path) for name in sorted(names) if (path := expanded(name)).is_file()}
    return found or None
