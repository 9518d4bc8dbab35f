"""The stamps of results: settings, code, weights and images that they were made with."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augmix.errors import UserError
from augmix.suite.config.runs import EvaluateSettings, code_of_evaluation
from augmix.suite.evaluate import predictions
from augmix.suite.io import provenance
from augmix.suite.io.files import read_mapping, write_json
from augmix.suite.testsets.base import TestSet, is_made

Pending = dict[str, tuple[TestSet, dict[str, Any]]]
"""Test sets with the stamps that their predictions will have, by name."""


def pending(settings: EvaluateSettings, folder: Path) -> Pending:
    """The test sets on which the run in `folder` has no predictions as they should be.

    Raises `UserError` where the run is not trained, or files of a test set are missing.
    """
    run = read_mapping(folder / "config.yaml", {"architecture": str})
    trained = read_mapping(folder / "provenance.json", {"model_sha256": str})
    found: Pending = {}
    for testset in settings.opened():
        stamp = {
            "settings": testset.evaluated_with(),
            "weights": trained["model_sha256"],
            "images": testset.identity(),
            "code": code_of_evaluation(run["architecture"], testset).as_json(),
        }
        path = predictions.path_of(folder, settings.output, testset.name)
        if not predictions.is_whole(path, testset.shifts, stamp):
            found[testset.name] = (testset, stamp)
    return found


def finish(settings: EvaluateSettings, folder: Path, described: Mapping[str, Any], seconds: float | None) -> None:
    """Write `<output>.json`, by which the workflow knows that the run is evaluated.

    `seconds` is what the evaluation took; None where nothing was to be done, and what is noted already stays.
    """
    # Snakemake deletes its outputs before a job: the notes lie beside the predictions, which are none.
    notes = folder / settings.output / "evaluation.json"
    if seconds is not None or not notes.exists():
        noted = {**provenance.describe(), **described, "ended": time.time(), "seconds": seconds or 0.0}
        write_json(notes, noted)
    write_json(folder / f"{settings.output}.json", read_mapping(notes, {}))


def are_made(settings: EvaluateSettings) -> bool:
    """Whether every test set is there, as it should be."""
    try:
        return all(is_made(making.testset, s) for t in settings.opened() for making in t.jobs() for s in making.shifts)
    except UserError:
        return False
