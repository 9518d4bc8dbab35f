"""Outputs of a whole experiment, `chosen.csv`, `metrics.csv` and the report: whether they are of what is there now."""

import ast
import json
import os
from pathlib import Path
from typing import Any

from augmix.errors import UserError
from augmix.registry import architecture_module, method_file, method_parts, module_file
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate.stages import KEPT
from augmix.suite.io import digests
from augmix.suite.io.digests import code
from augmix.suite.io.files import write_json

ROOTS = {
    "choose": ("augmix.suite.evaluate.choosing",),
    "collect": ("augmix.suite.evaluate.results",),
    "report": ("reports.make",),
}
"""The modules whose code decides what these stages write."""


OUTPUTS = {"choose": ("chosen.csv",), "collect": ("metrics.csv", "runs.csv"), "report": ("report.pdf", "report.html")}
"""The files of each stage that were changed by hand where they are not as it wrote them."""


def note(experiment: Experiment, stage: str) -> None:
    """Note what `collect` or `report` has been made of, and what came out."""
    write_json(experiment.folder / f".{stage}.json", _inputs(experiment, stage))


def is_current(experiment: Experiment, stage: str) -> bool:
    """Whether what `collect` or `report` wrote was made of what is there now."""
    path = experiment.folder / f".{stage}.json"
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == _inputs(experiment, stage))
    except (OSError, ValueError):
        return False


def _inputs(experiment: Experiment, stage: str) -> dict[str, Any]:
    folder = experiment.folder
    files: dict[str, Any]
    if stage != "report":
        names = ("validation.json",) if stage == "choose" else ("predictions.json", "validation.json", "diverged.json")
        read = [folder / run.path / name for run in experiment.runs for name in names]
        made: dict[str, Any] = {"settings": digests.json_digest(experiment.record())}
        read += [folder / "chosen.csv"] if stage == "collect" else []
        files = {str(path.relative_to(folder)): _glance(path) for path in read}
    else:
        # The report names methods and our architectures as their docstrings do, which are no code.
        named = {
            name for run in experiment.runs for parts in method_parts(run.training.method).values() for name, _ in parts
        }
        packages = experiment.config["method_packages"]
        read = [method_file(name, packages) for name in sorted(named)]
        architectures = [entry["name"] for entry in experiment.config["architectures"] if "build" not in entry]
        read += [module_file(architecture_module(name)) for name in architectures]
        made = {"titles": digests.json_digest([_docstring(path) for path in read])}
        files = {
            name: digests.file_digest(folder / name) if (folder / name).exists() else None
            for name in ("metrics.csv", "runs.csv", "experiment.yaml", "chosen.csv", KEPT)
        }
    written = [folder / name for name in OUTPUTS[stage]]
    made["written"] = digests.json_digest([digests.file_digest(path) for path in written if path.exists()])
    kinds = {f"augmix.suite.testsets.kinds.{testset.kind}" for testset in experiment.all_testsets()}
    return {**made, "code": code((*ROOTS[stage], *sorted(kinds))).digest, "files": digests.json_digest(files)}


def _docstring(file: Path) -> str | None:
    try:
        return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{file}: not valid Python: {error}") from error


def _glance(path: Path) -> list[int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]
