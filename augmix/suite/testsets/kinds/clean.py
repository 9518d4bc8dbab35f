"""The data set's own test images, as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from augmix.suite.data import datasets
from augmix.suite.data.datasets import Split
from augmix.suite.testsets.base import Images, Shift, TestSet


class Own(Images):
    """The test images of a prepared data set."""

    def __init__(self, source: str, test: Split) -> None:
        self.source, self.labels, self._images = source, test.labels, test.images

    def read(self, shift: str) -> Shift:
        return Shift(self._images, self.labels, self.labels.shape)


@dataclass(frozen=True)
class Clean(TestSet):
    """The clean test set."""

    kind: ClassVar[str] = "clean"
    adjective: ClassVar[str] = "clean"

    @property
    def shifts(self) -> tuple[str, ...]:
        return ("clean",)

    def title_on(self, dataset: str) -> str:
        return dataset

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        return Own(str(datasets.record(Path(self.data))["loader"]), test)


KIND = Clean
