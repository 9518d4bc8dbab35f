"""How far an experiment is, by its files alone: which results are there, and which were made with something else.

Every result carries a stamp of the settings, the code and the data that it was made with; here it is compared with what
the experiment asks for now. `reproduce`, `status` and `plan` all judge by this, whatever Snakemake's own records say.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.config.runs import EvaluateSettings, Run, code_of_evaluation
from augmix.suite.data import datasets
from augmix.suite.evaluate import predictions
from augmix.suite.io import digests
from augmix.suite.io.changes import Difference, difference, differing
from augmix.suite.io.digests import code
from augmix.suite.io.files import is_damaged_array, read_mapping, write_json
from augmix.suite.io.locks import is_locked
from augmix.suite.testsets import base
from augmix.suite.testsets.base import MISSING, Making, TestSet
from augmix.suite.train.settings import decisive

FINISHED_ONLY = "AUGMIX_FINISHED_ONLY"
"""The environment variable that has the workflow report on the finished runs alone."""
AGAIN = "AUGMIX_AGAIN"
"""The environment variable with the path of a file that lists the results which are made again in this start."""
NO_GPU = ("cpu", "mps")
"""The devices on which training is in single precision unless bfloat16 is asked for."""
SMALL_MODEL = 32 * 2**20
"""Bytes; the weights of larger nets are not read at every start."""
SMALL_ARCHIVE = 4 * 2**20
"""Bytes; the numbers of larger archives are not read at every start, but by `collect`."""
KEPT = "kept.json"
"""The file, in an experiment's folder, that names the results which were accepted as they are."""


class State(NamedTuple):
    """How far a run has come."""

    status: str
    """done, running, failed, diverged, trained (waits for its evaluation), interrupted, outdated or pending."""
    message: str = ""


class Change(NamedTuple):
    """A result that was made with something else than what is asked for now."""

    stage: str
    """prepare, generate, train or evaluate."""
    name: str
    """The result, for people: `digits`, `digits-C fog`, a run's path."""
    target: Path
    """The file by which the workflow knows it."""
    run: str
    """The run's path, of the stages train and evaluate; else empty."""
    why: str
    details: tuple[str, ...]
    now: str = ""
    """With the two above, the fields of a `Difference`."""

    @property
    def key(self) -> str:
        """A name by which it is remembered as accepted."""
        return f"{self.stage} {self.name}"


def run_state(experiment: Experiment, run: Run) -> State:
    """The state of one of an experiment's runs."""
    folder = experiment.folder / run.path
    if is_locked(folder / ".lock"):
        return State("running")
    settings = run.evaluation if run.validation is None else run.validation
    trained = (folder / "model.pt").exists()
    if trained and evaluated(folder, settings.opened(), settings.output):
        if found := next(iter(unkept(experiment, changes_of_run(experiment, run))), None):
            return State("outdated", f"{found.why}: {', '.join(found.details)}")
        return State("done")
    if (folder / "diverged.json").exists():
        noted = read_mapping(folder / "diverged.json", {"loss": str, "epoch": int, "step": int})
        return State("diverged", f"loss {noted['loss']} in epoch {noted['epoch']}, step {noted['step']}")
    for stage in ("evaluate", "validate", "train"):
        if complaint := last_error(folder / f"{stage}.log"):
            return State("failed", complaint)
    if trained:
        return State("trained")
    if (folder / "checkpoint.pt").exists():
        return State("interrupted")
    return State("pending")


def evaluated(folder: Path, testsets: list[TestSet], output: str) -> bool:
    """Whether the run in `folder` has predictions on all of these test sets."""
    return all(predictions.path_of(folder, output, testset.name).exists() for testset in testsets)


def last_error(log: Path) -> str:
    """The error that a job's log ends with, or an empty string."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].partition("error: ")[2] if lines else ""


def changes(experiment: Experiment) -> list[Change]:
    """Every result that is there and was made with something else, accepted ones among them; see `unkept`."""
    found = [change for folder in experiment.folders for change in _changes_of_data(experiment, folder)]
    found += changes_of_testsets(experiment)
    for run in experiment.runs:
        found += changes_of_run(experiment, run)
    return found


def changes_of_testsets(experiment: Experiment) -> list[Change]:
    """The shifts whose files were made with something else."""
    return [change for making in experiment.makings() for change in _changes_of_making(making)]


def refuse_other_files(experiment: Experiment, run: Run, with_testsets: bool) -> None:
    """Refuse a run's data set, and its test sets, where they were made with other settings than it asks for.

    The workflow makes them again before it trains or evaluates; a command that somebody calls would trust them.
    """
    data = run.evaluation.data if with_testsets else run.training.data
    found = [*_changes_of_data(experiment, Path(data).name)]
    for testset in run.testsets if with_testsets else ():
        found += [change for making in testset.jobs() for change in _changes_of_making(making)]
    for change in found:
        if change.why in ("settings", "data"):
            raise UserError(
                f"{change.target.parent}: {change.name} is not what the experiment asks for "
                f"({', '.join(change.details)}); make it again with `augmix {change.stage}`"
            )


def _changes_of_data(experiment: Experiment, folder: str) -> Iterator[Change]:
    target, wanted = experiment.data / folder / "dataset.json", experiment.preparation(folder)
    if not target.exists():
        return
    if missing := [file.name for file in datasets.files_of(target.parent) if not file.exists()]:
        yield Change("prepare", folder, target, "", "data", (f"{missing[0]} is missing",))
        return
    for file in datasets.files_of(target.parent)[:-1]:
        if is_damaged_array(file):
            yield Change("prepare", folder, target, "", "data", (f"{file.name} is damaged",))
            return
    noted, made = datasets.record(target.parent), wanted.made_of()
    settings = _prepared_otherwise(noted, made)
    if found := difference(settings, noted.get("code"), code(wanted.roots())):
        yield Change("prepare", folder, target, "", *found)


def _prepared_otherwise(noted: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """How the settings of a preparation differ from those it is made with now; of the source, digests say nothing."""
    if noted.get("source") == made["source"]:
        return differing({key: noted.get(key) for key in made}, made)
    rest = {key: value for key, value in made.items() if key != "source"}
    found = differing({key: noted.get(key) for key in rest}, rest)
    return [*found, "other images in the source: some were added, removed or replaced"]


def _changes_of_making(making: Making) -> Iterator[Change]:
    for shift in making.shifts:
        found = base.difference(making.testset, shift)
        # Missing files are no result that changed unless something says that they were there.
        if found and (found.why != MISSING or making.marker.exists() or making.testset.stamp(shift).exists()):
            yield Change("generate", f"{making.folder.name} {shift}", making.marker, "", *found)


def to_make(experiment: Experiment, making: Making) -> list[str]:
    """The shifts that a job has to have made as they are asked for: but for those that were accepted as they are."""
    if not kept(experiment):
        return list(making.shifts)
    found = list(_changes_of_making(making))
    still = unkept(experiment, found)
    accepted = {change.name for change in found if change not in still}
    return [shift for shift in making.shifts if f"{making.folder.name} {shift}" not in accepted]


def changes_of_run(experiment: Experiment, run: Run) -> list[Change]:
    """The differences between what a run's weights and predictions were made with and what is asked for now."""
    folder = experiment.folder / run.path
    target = folder / "model.pt"
    if not target.exists():
        return []
    if not (folder / "provenance.json").exists() or not (folder / "config.yaml").exists():
        return [Change("train", run.path, target, run.path, "unknown", ("it does not say what it was made with",))]
    noted = read_mapping(folder / "provenance.json", {})
    settings = differing(*_recipes(read_mapping(folder / "config.yaml", {}), noted, run))
    settings = settings or _other_data(experiment, run, noted)
    if not settings and "model_sha256" in noted and target.stat().st_size <= SMALL_MODEL:
        changed = "other weights than its training wrote: model.pt was replaced or damaged"
        settings = [changed] if digests.file_digest(target) != noted["model_sha256"] else []
    found = []
    if trained := difference(settings, noted.get("code"), code(run.training.roots())):
        found.append(Change("train", run.path, target, run.path, *trained))
    for evaluation in (run.evaluation, run.validation):
        if evaluation is not None and "model_sha256" in noted:
            found += _changes_of_evaluation(folder, run, evaluation, str(noted["model_sha256"]))
    return found


def _other_data(experiment: Experiment, run: Run, noted: Mapping[str, Any]) -> list[str]:
    """How the data that a run noted differ from those that it asks for."""
    data = Path(run.training.data)
    if (data / "dataset.json").exists():
        record = datasets.record(data)
        if noted.get("data_sha256") != record["sha256"]:
            return ["other training or test images"]
        if noted.get("normalisation") != record["normalisation"]:
            return ["other normalisation of the images"]
    if not isinstance(noted.get("preparation"), dict):
        return []
    # The data may be gone: what they were prepared with still shows.
    wanted = experiment.preparation(data.name).made_of()
    if wanted["source"] is None:
        wanted["source"] = noted["preparation"].get("source")
    return _prepared_otherwise(noted["preparation"], wanted)


def _changes_of_evaluation(folder: Path, run: Run, settings: EvaluateSettings, weights: str) -> Iterator[Change]:
    target = folder / f"{settings.output}.json"
    for testset in settings.opened():
        path = predictions.path_of(folder, settings.output, testset.name)
        if found := _of_predictions(path, target, run.training.architecture, testset, weights):
            yield Change("evaluate", f"{run.path} on {testset.name}", target, run.path, *found)


def _of_predictions(path: Path, target: Path, architecture: str, testset: TestSet, weights: str) -> Difference | None:
    if not path.exists():
        return Difference("settings", (f"no {path.name}",)) if target.exists() else None
    try:
        if path.stat().st_size <= SMALL_ARCHIVE:
            predictions.read(path, testset.shifts, testset.top5, testset.cues)
        stamp = predictions.read_stamp(path, testset.shifts)
    except predictions.OutdatedError as error:  # nobody can read it: it cannot be kept as it is
        return Difference("data", (error.fault,))
    now = code_of_evaluation(architecture, testset)
    other = differing(stamp.get("settings", {}), testset.evaluated_with())
    if not other and stamp.get("weights") != weights:
        other = ["other weights"]
    if not other:
        # The images may be gone; the numbers are not, and all else can still be compared.
        with suppress(UserError):
            other = ["other images"] if stamp.get("images") != testset.identity() else []
    return difference(other, stamp.get("code"), now)


def _recipes(config: Mapping[str, Any], noted: Mapping[str, Any], run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that a run was trained with and those asked for now; precisions are the ones that `auto` stands for.

    `noted` is the run's provenance: where it was trained, decides.
    """
    before, now = decisive(config), json.loads(json.dumps(decisive(run.training.as_json())))
    trained, asked = (settings.get("training") or {} for settings in (before, now))
    said = trained.get("precision")
    used = noted.get("precision", said)
    if asked.get("precision") == "auto":
        asked["precision"] = used if said == "auto" else "float32" if noted.get("device") in NO_GPU else "bfloat16"
    if used is not None:
        trained["precision"] = used
    return before, now


def compare_settings(path: Path, run: Run) -> None:
    """Refuse a run whose recorded settings differ from the requested ones (its folder was copied, say)."""
    described = path.with_name("provenance.json")
    noted = read_mapping(described, {}) if described.exists() else {}
    if settings := differing(*_recipes(read_mapping(path, {}), noted, run)):
        raise UserError(
            f"{path} was trained with other settings ({'; '.join(settings)}); start the experiment again to have it "
            "trained anew"
        )


def unkept(experiment: Experiment, found: list[Change]) -> list[Change]:
    """The changes that were not accepted by name."""
    kept = _kept(experiment.folder / KEPT)
    return [change for change in found if kept.get(change.key) != _accepted(change)]


def keep(experiment: Experiment, found: list[Change]) -> None:
    """Accept these results as they are, until something else changes; the report names them."""
    path = experiment.folder / KEPT
    noted = {**_kept(path), **{change.key: _accepted(change) for change in found}}
    write_json(path, noted)
    _kept.cache_clear()


def kept(experiment: Experiment) -> dict[str, Any]:
    """The accepted results: by `Change.key`, why and what differs."""
    return dict(_kept(experiment.folder / KEPT))


def prune(experiment: Experiment, found: list[Change]) -> None:
    """Forget the accepted results that are no more among the changes: they were made anew, say."""
    path = experiment.folder / KEPT
    current = {change.key for change in found}
    noted = _kept(path)
    if set(noted) - current:
        write_json(path, {key: value for key, value in noted.items() if key in current})
        _kept.cache_clear()


def _accepted(change: Change) -> dict[str, Any]:
    return {"why": change.why, "details": list(change.details), "code": change.now}


def read_kept(path: Path) -> dict[str, Any]:
    """The content of `kept.json`, by `Change.key`; empty without one. Raises `UserError` where it is damaged."""
    if not path.exists():
        return {}
    with suppress(UserError):
        found = read_mapping(path, {})
        if all(
            isinstance(said, dict) and isinstance(said.get("details"), list) and "why" in said
            for said in found.values()
        ):
            return found
    raise UserError(
        f"{path} is damaged: it names the results that `--keep` accepted; delete it, and they are made again unless "
        "`--keep` accepts them once more"
    )


_kept = cache(read_kept)
