"""The settings of a training. This module is free of torch: the workflow reads it for every run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from augmix.registry import architecture_module, method_module, method_parts
from augmix.suite.io import digests
from augmix.suite.io.files import expanded
from augmix.suite.io.settings import of_json


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

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """The settings that `as_json` gave; raises `UserError` naming a key that is missing or unknown."""
        return of_json(cls, value)

    def as_json(self) -> dict[str, Any]:
        """The settings as plain values."""
        return {key: value for key, value in asdict(self).items() if key != "files" or value is not None}

    def decisive(self) -> dict[str, Any]:
        """The settings that decide the weights: not where data and packages lie, nor in how many processes."""
        kept = {key: value for key, value in self.as_json().items() if key not in ("data", "method_packages")}
        return {**kept, "training": {key: value for key, value in self.training.items() if key != "processes"}}

    def roots(self) -> tuple[str, ...]:
        """The modules whose code decides the weights."""
        methods = {name for sources in method_parts(self.method).values() for name, _ in sources}
        return (
            "augmix.suite.train.training",
            architecture_module(self.architecture),
            *(method_module(name, self.method_packages) for name in sorted(methods)),
        )


SETTINGS_FILES = (".yaml", ".yml", ".json")
"""The endings of files that a method reads settings from, such as a policy; others may be files that it writes."""


def files_named(method: Mapping[str, Any]) -> dict[str, str] | None:
    """The digests of the files of settings that a method's parameters name; None where they name none."""
    sources = [parameters for parts in method_parts(method).values() for _, parameters in parts]
    values = [value for parameters in sources for value in parameters.values() if isinstance(value, str)]
    names = {value for value in values if value.endswith(SETTINGS_FILES)}
    found = {name: digests.file_digest(path) for name in sorted(names) if (path := expanded(name)).is_file()}
    return found or None
