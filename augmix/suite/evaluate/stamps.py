"""The stamps of results: settings, code, weights and images that they were made with."""

from typing import Any

from augmix.suite.config.runs import code_of_evaluation
from augmix.suite.testsets.base import TestSet


def of_evaluation(architecture: str, fingerprint: str, testset: TestSet) -> dict[str, Any]:
    """The stamp of a run's predictions on a test set, from the run's fingerprint and the test set as it is now.

    Raises `UserError` where files of the test set are missing.
    """
    return {
        "settings": testset.evaluated_with(),
        "run": fingerprint,
        "images": testset.identity(),
        "code": code_of_evaluation(architecture, testset).as_json(),
    }
