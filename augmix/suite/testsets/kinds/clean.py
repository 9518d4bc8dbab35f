"""The data set's own test images, as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from augmix.suite.data import datasets
from augmix.suite.data.datasets import Split
from augmix.suite.testsets.base import Images, Origin, Shift, TestSet


class Own(Images):
    """The test images of a prepared data set."""

    def __init__(self, source: str, test: Split) -> None:
        self.source, self._test = source, test

    @property
    def labels(self) -> np.ndarray:
        return self._test.labels

    def read(self, shift: str) -> Shift:
        return Shift(self._test.images, self._test.labels, (len(self._test.labels),))


@dataclass(frozen=True)
class Clean(TestSet):
    """The clean test set."""

    kind: ClassVar[str] = "clean"
    adjective: ClassVar[str] = "clean"

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        """Build it from its entry in an experiment's YAML, which says nothing."""
        return cls(name=name, data=str(origin.folder))

    @property
    def shifts(self) -> tuple[str, ...]:
        return ("clean",)

    def title_on(self, dataset: str) -> str:
        return dataset

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        return Own(str(datasets.record(Path(self.data))["loader"]), test)


KIND = Clean
