"""The data set's own test images, as they are."""

from collections.abc import Sequence
from pathlib import Path

from augmix.suite.data import datasets
from augmix.suite.data.datasets import Split
from augmix.suite.testsets.base import Images, OneShift, Shift, TestSet


class Clean(TestSet):
    """The clean test set."""

    kind = "clean"
    adjective = "clean"

    @property
    def shifts(self) -> tuple[str, ...]:
        return ("clean",)

    def title_on(self, dataset: str) -> str:
        return dataset

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        shift = Shift(test.images, test.labels, test.labels.shape)
        return OneShift(str(datasets.record(Path(self.data))["loader"]), shift)


KIND = Clean
