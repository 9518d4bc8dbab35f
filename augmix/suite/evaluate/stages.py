"""How far an experiment is, by its files alone: which results are there, and which were made with something else.

Every result carries a stamp of the settings, the code and the data that it was made with; here it is compared with what
the experiment asks for now. `reproduce`, `status` and `plan` all judge by this, whatever Snakemake's own records say.
"""

import ast
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from augmix.errors import UserError
from augmix.registry import method_file, method_parts
from augmix.suite.config.experiment import Experiment
from augmix.suite.config.runs import EvaluateSettings, Run, code_of_evaluation
from augmix.suite.data import datasets
from augmix.suite.evaluate import predictions, stamps
from augmix.suite.io import digests
from augmix.suite.io.digests import Code
from augmix.suite.io.files import read_mapping, write_json
from augmix.suite.io.locks import is_locked
from augmix.suite.testsets.base import Making, TestSet

FINISHED_ONLY = "AUGMIX_FINISHED_ONLY"
"""The environment variable that has the workflow report on the finished runs alone."""
AGAIN = "AUGMIX_AGAIN"
"""The environment variable with the path of a file that lists the results which are made again in this start."""
ROOTS = {
    "choose": ("augmix.suite.evaluate.choosing",),
    "collect": ("augmix.suite.evaluate.results",),
    "report": ("reports.make",),
}
"""The modules whose code decides what these stages write."""
NO_GPU = ("cpu", "mps")
"""The devices on which training is in single precision unless bfloat16 is asked for."""
SMALL_MODEL = 32 * 2**20
"""Bytes; the weights of larger nets are not read at every start."""
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
    why: str
    """code, settings, data, or unknown where the result does not say what it was made with."""
    details: tuple[str, ...]
    """The sources, packages or settings that differ."""
    run: str = ""
    """The run's path, of the stages train and evaluate."""
    now: str = ""
    """The digest of the code that would make it now."""

    @property
    def key(self) -> str:
        """A name by which it is remembered as accepted."""
        return f"{self.stage} {self.name}"


@cache
def code(roots: tuple[str, ...]) -> Code:
    """The code of a stage, read once in a process: an experiment has many runs of the same."""
    return digests.code_of(roots)


def roots_of(experiment: Experiment, stage: str) -> tuple[str, ...]:
    """The modules whose code decides what `choose`, `collect` or `report` writes of an experiment."""
    kinds = {f"augmix.suite.testsets.kinds.{testset.kind}" for testset in experiment.all_testsets()}
    return (*ROOTS[stage], *sorted(kinds))


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
    found += [change for making in experiment.makings() for change in _changes_of_making(making)]
    for run in experiment.runs:
        found += changes_of_run(experiment, run)
    return found


def _changes_of_data(experiment: Experiment, folder: str) -> Iterator[Change]:
    path = experiment.data / folder
    if not (path / "dataset.json").exists():
        return
    target, wanted = path / "dataset.json", experiment.preparation(folder)
    if missing := [file.name for file in datasets.files_of(path) if not file.exists()]:
        yield Change("prepare", folder, target, "data", (f"{missing[0]} is missing",))
        return
    noted = datasets.record(path)
    made = wanted.made_of()
    differing = _settings({key: noted.get(key) for key in made}, made)
    yield from _change("prepare", folder, target, differing, noted.get("code"), code(wanted.roots()))


def _changes_of_making(making: Making) -> Iterator[Change]:
    testset = making.testset
    own = Path(testset.data)
    for shift in making.shifts:
        path = testset.stamp(shift)
        files = testset.files(shift)
        if not path.exists():
            if files and all(file.exists() for file in files):
                # Files of before stamps are only made again where somebody says so or they are not ours to judge.
                details = ("it does not say what it was made with",)
                yield Change("generate", f"{making.folder.name} {shift}", making.marker, "unknown", details)
            continue
        if missing := [file.name for file in files if not file.exists()]:
            yield Change("generate", making.folder.name, making.marker, "data", (f"{missing[0]} is missing",))
            continue
        noted = read_mapping(path, {"settings": dict, "data": str})
        differing = _settings(noted["settings"], testset.made_of(shift))
        if not differing and (own / "dataset.json").exists() and noted["data"] != testset.data_digest():
            differing = ["other images of the data set"]
        name = f"{making.folder.name} {shift}"
        yield from _change("generate", name, making.marker, differing, noted.get("code"), code(testset.roots()))


def changes_of_run(experiment: Experiment, run: Run) -> list[Change]:
    """What a run's weights and predictions were made with that is not what is asked for now."""
    folder = experiment.folder / run.path
    if not (folder / "model.pt").exists():
        return []
    target = folder / "model.pt"
    if not (folder / "provenance.json").exists() or not (folder / "config.yaml").exists():
        return [Change("train", run.path, target, "unknown", ("it does not say what it was made with",), run.path)]
    noted = read_mapping(folder / "provenance.json", {})
    config = read_mapping(folder / "config.yaml", {})
    differing = _settings(*_recipes(config, noted, run))
    data = Path(run.training.data)
    if (
        not differing
        and (data / "dataset.json").exists()
        and noted.get("data_sha256") != datasets.record(data)["sha256"]
    ):
        differing = ["other training or test images"]
    if not differing and isinstance(noted.get("preparation"), dict):
        # The data may be gone: what they were prepared with still shows.
        wanted = json.loads(json.dumps(experiment.preparation(data.name).made_of()))
        kept_out = ("source",) if wanted["source"] is None else ()
        before, after = (
            {k: v for k, v in made.items() if k not in kept_out} for made in (noted["preparation"], wanted)
        )
        differing = _settings(before, after)
    if not differing and "model_sha256" in noted and target.stat().st_size <= SMALL_MODEL:
        differing = ["other weights than it noted"] if digests.file_digest(target) != noted["model_sha256"] else []
    now = code(run.training.roots())
    found = list(_change("train", run.path, target, differing, noted.get("code"), now, run.path))
    for settings in (run.evaluation, run.validation):
        if settings is not None and "fingerprint" in noted:
            found += _changes_of_evaluation(folder, run, settings, str(noted["fingerprint"]))
    return found


def _changes_of_evaluation(folder: Path, run: Run, settings: EvaluateSettings, fingerprint: str) -> Iterator[Change]:
    target = folder / f"{settings.output}.json"
    for testset in settings.opened():
        path = predictions.path_of(folder, settings.output, testset.name)
        if not path.exists():
            if target.exists():
                yield Change(
                    "evaluate", f"{run.path} on {testset.name}", target, "settings", (f"no {path.name}",), run.path
                )
            continue
        name = f"{run.path} on {testset.name}"
        try:
            stamp = predictions.read_stamp(path, testset.shifts)
        except predictions.OutdatedError as error:  # nobody can read it: it cannot be kept as it is
            yield Change("evaluate", name, target, "data", (error.fault,), run.path)
            continue
        try:
            wanted = stamps.of_evaluation(run.architecture, fingerprint, testset)
        except UserError:
            # The images are gone; the numbers are not, and settings and code can still be compared.
            wanted = {**stamp, "settings": testset.evaluated_with(), "run": fingerprint}
            wanted["code"] = code_of_evaluation(run.architecture, testset).as_json()
        differing = _settings(stamp.get("settings", {}), json.loads(json.dumps(wanted["settings"])))
        if not differing and stamp.get("run") != wanted["run"]:
            differing = ["other weights"]
        if not differing and stamp.get("images") != wanted["images"]:
            differing = ["other images"]
        now = Code.from_json(wanted["code"])
        assert now is not None
        yield from _change("evaluate", name, target, differing, stamp.get("code"), now, run.path)


def _change(
    stage: str, name: str, target: Path, differing: list[str], before: object, now: Code, run: str = ""
) -> Iterator[Change]:
    """The change of one result: its settings or data first, then its code."""
    noted = Code.from_json(before)
    if differing:
        yield Change(
            stage, name, target, "data" if differing[0].startswith("other ") else "settings", tuple(differing), run
        )
    elif noted is None:
        yield Change(stage, name, target, "unknown", ("it does not say which code made it",), run, now.digest)
    elif noted.digest != now.digest:
        yield Change(stage, name, target, "code", tuple(digests.differences(noted, now)), run, now.digest)


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if key not in ("data", "method_packages")}
    training = kept.get("training")
    if isinstance(training, dict):
        kept["training"] = {key: value for key, value in training.items() if key != "processes"}
    return kept


def _recipes(config: Mapping[str, Any], noted: Mapping[str, Any], run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that a run was trained with and those asked for now; precisions are the ones that `auto` stands for.

    `noted` is the run's provenance: where it was trained, decides.
    """
    before, now = _decisive(config), json.loads(json.dumps(run.training.decisive()))
    trained, asked = (settings.get("training") or {} for settings in (before, now))
    said = trained.get("precision")
    used = noted.get("precision", said)
    if asked.get("precision") == "auto":
        asked["precision"] = used if said == "auto" else "float32" if noted.get("device") in NO_GPU else "bfloat16"
    if used is not None:
        trained["precision"] = used
    return before, now


def _settings(before: Any, now: Any, prefix: str = "") -> list[str]:
    """The settings that differ, for people: `training.epochs 12 → 13`."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys((*now, *before))
        return [
            line for key in keys for line in _settings(before.get(key), now.get(key), f"{prefix}.{key}".lstrip("."))
        ]
    before, now = (list(value) if isinstance(value, tuple) else value for value in (before, now))
    return [] if before == now else [f"{prefix} {before} → {now}"]


def compare_settings(path: Path, run: Run) -> None:
    """Refuse a run whose recorded settings differ from the requested ones (its folder was copied, say)."""
    described = path.with_name("provenance.json")
    noted = read_mapping(described, {}) if described.exists() else {}
    if differing := _settings(*_recipes(read_mapping(path, {}), noted, run)):
        raise UserError(
            f"{path} was trained with other settings ({'; '.join(differing)}); start the experiment again to have it "
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


@cache
def _kept(path: Path) -> Mapping[str, Any]:
    return read_mapping(path, {}) if path.exists() else {}


def note(experiment: Experiment, stage: str) -> None:
    """Note what `collect` or `report` has been made of."""
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
        # The report names methods as their docstrings do, which are no code.
        named = {
            name for run in experiment.runs for parts in method_parts(run.training.method).values() for name, _ in parts
        }
        packages = experiment.config["method_packages"]
        made = {"methods": digests.json_digest([_docstring(method_file(name, packages)) for name in sorted(named)])}
        files = {
            name: digests.file_digest(folder / name) if (folder / name).exists() else None
            for name in ("metrics.csv", "runs.csv", "experiment.yaml", "chosen.csv", KEPT)
        }
    return {**made, "code": code(roots_of(experiment, stage)).digest, "files": digests.json_digest(files)}


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
