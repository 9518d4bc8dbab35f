"""One run of an experiment, and the settings of the stages that it goes through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augmix.registry import architecture_module
from augmix.suite.io import digests
from augmix.suite.testsets import kinds
from augmix.suite.testsets.base import TestSet
from augmix.suite.train.settings import TrainSettings

READING = ("augmix.corruptions", "augmix.perturbations", "augmix.suite.testsets.generation")
"""Modules that test sets are made with, and that an evaluation of their files does not depend on."""


@dataclass(frozen=True)
class EvaluateSettings:
    """Everything that `augmix evaluate` needs to know beside a run's folder."""

    data: str
    """The folder of the prepared data set whose test images are the clean ones."""
    testsets: Sequence[Mapping[str, Any]]
    """The settings of each test set."""
    output: str
    """The run's subfolder for predictions."""

    def opened(self) -> list[TestSet]:
        """The test sets."""
        return [kinds.of_settings(settings) for settings in self.testsets]


def code_of_evaluation(architecture: str, testset: TestSet) -> digests.Code:
    """The code that decides a net's predictions on a test set, given its files."""
    roots = ("augmix.suite.evaluate.evaluation", architecture_module(architecture), *testset.readers())
    return digests.code(roots, (*digests.NEUTRAL, *READING))


@dataclass(frozen=True)
class Run:
    """One training: what it is named and every setting that decides its result."""

    dataset: str
    architecture: str
    method: str
    seed: int
    training: TrainSettings
    evaluation: EvaluateSettings
    """The evaluation on the test sets."""
    validation: EvaluateSettings | None = None
    """The evaluation on the validation split, where the experiment chooses by it."""

    @property
    def path(self) -> str:
        """The run's folder below the experiment's."""
        return f"{self.dataset}/{self.architecture}/{self.method}/seed{self.seed}"

    @property
    def testsets(self) -> list[TestSet]:
        """The test sets that it is evaluated on."""
        return self.evaluation.opened()
