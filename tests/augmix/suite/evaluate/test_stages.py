"""Stages judged by their stamps: what changed is made again and named, and nothing else is."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from augmix.errors import UserError
from augmix.suite.cli import main
from augmix.suite.config.experiment import Experiment
from augmix.suite.data import datasets
from augmix.suite.data.datasets import Preparation
from augmix.suite.evaluate import evaluation, predictions, results, stages, stamps, summaries
from augmix.suite.evaluate.stages import changes, keep, kept, prune, run_state, unkept
from augmix.suite.evaluate.summaries import is_current
from augmix.suite.io import digests
from augmix.suite.io.files import read_array
from augmix.suite.plan import forecast
from augmix.suite.run import outdated
from augmix.suite.run.status import print_status
from augmix.suite.testsets import base
from augmix.suite.train import training
from tests.checkout import ROOT

STANDARD, AUGMIX = (f"digits/smallnet/{method}/seed0" for method in ("standard", "augmix"))
BOTH = {STANDARD, AUGMIX}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Two runs, trained, evaluated and collected, with a natural test set; its files are not to be changed."""
    root = tmp_path_factory.mktemp("original")
    experiment = Experiment(
        {
            "experiment": "small",
            "datasets": {
                "digits": {
                    "loader": "digits",
                    "options": {"split": "seen_writers"},
                    "flip": False,
                    "subset": {"train": 64, "test": 20},
                }
            },
            "architectures": ["smallnet"],
            "methods": ["standard", "augmix"],
            "training": {"epochs": 1, "batch_size": 32, "device": "cpu"},
            "testsets": {
                "C": {"shifts": ["fog", "pixelate"]},
                "P": {"shifts": ["tilt"], "images": 4},
                "writers": {
                    "kind": "natural",
                    "loader": "digits",
                    "options": {"split": "unseen_writers"},
                    "images": 30,
                },
            },
            "folders": {"data": str(root / "data"), "results": str(root / "results")},
        }
    )
    datasets.prepare(experiment.preparation("digits"), experiment.data / "digits")
    finish(experiment)
    return experiment


def finish(experiment: Experiment) -> None:
    """Do whatever is to be done, as the workflow would."""
    for making in experiment.makings():
        base.make(making.testset, making.shifts, making.number)
    for run in experiment.runs:
        folder = experiment.folder / run.path
        if not (folder / "model.pt").exists() or any(
            c.run == run.path for c in changes(experiment) if c.stage == "train"
        ):
            training.train(run.training, folder)
        evaluation.evaluate(run.evaluation, folder)
    assert results.collect(experiment) == []
    summaries.note(experiment, "report")


@pytest.fixture
def experiment(original: Experiment, tmp_path: Path) -> Experiment:
    """The same once more, to be changed: it was moved."""
    for name, folder in (("data", original.data), ("results", original.results)):
        shutil.copytree(folder, tmp_path / name)
    folders = {name: str(tmp_path / name) for name in ("data", "results")}
    found = Experiment({**original.config, "folders": folders})
    assert results.collect(found) == []  # it says where it lies
    summaries.note(found, "report")
    return found


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Append a line to a source of a copy of the project, from which all digests are taken."""
    tree = tmp_path / "tree"
    for name in digests.PROJECT:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    code_of = digests.code_of
    monkeypatch.setattr(digests, "code_of", lambda *args, **options: code_of(*args, **{"path": [str(tree)], **options}))
    forget()

    def edit(name: str, line: str = "CHANGED = 1") -> None:
        path = tree / name
        path.write_text(f"{path.read_text()}\n{line}\n")
        forget()

    yield edit
    forget()


def forget() -> None:
    """Digests are taken once in a process."""
    digests.code.cache_clear()


def named(experiment: Experiment) -> set[tuple[str, str]]:
    return {(change.stage, change.name) for change in changes(experiment)}


def trainings(*paths: str) -> set[tuple[str, str]]:
    return {("train", path) for path in paths}


def evaluations(*names: str) -> set[tuple[str, str]]:
    return {("evaluate", f"{path} on {name}") for path in BOTH for name in names}


C = {("generate", "digits-C fog"), ("generate", "digits-C pixelate")}
P = {("generate", "digits-P tilt")}
COLLECTS = (
    "augmix/metrics.py", "augmix/suite/evaluate/results.py", "augmix/corruptions/weather.py", "augmix/perturbations.py",
    "augmix/suite/testsets/arrays.py", "augmix/suite/testsets/kinds/clean.py", "augmix/suite/testsets/kinds/natural.py",
)  # fmt: skip
"""The sources that a kind's shifts and means, or the measures, may depend on: numbers are taken together again."""
EVERY = evaluations("clean", "C", "P", "writers")


def test_a_moved_experiment_has_nothing_to_do(experiment: Experiment) -> None:
    assert changes(experiment) == []
    assert [run_state(experiment, run).status for run in experiment.runs] == ["done", "done"]
    shutil.copytree(experiment.folder / STANDARD, experiment.folder / "copy")  # with other times
    assert is_current(experiment, "report")
    assert not any(stamps.pending(run.evaluation, experiment.folder / run.path) for run in experiment.runs)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("augmix/suite/data/loaders/digits.py", {("prepare", "digits"), ("generate", "digits-writers writers")}),
        ("augmix/corruptions/weather.py", C),
        ("augmix/perturbations.py", P),
        ("augmix/mixing.py", trainings(AUGMIX)),
        ("augmix/losses.py", trainings(*BOTH)),
        ("baselines/standard.py", trainings(STANDARD)),
        ("augmix/suite/train/training.py", trainings(*BOTH)),
        ("augmix/models/smallnet.py", trainings(*BOTH) | EVERY),
        ("augmix/models/vit.py", set()),
        ("augmix/suite/evaluate/evaluation.py", EVERY),
        ("augmix/suite/testsets/kinds/clean.py", evaluations("clean")),
        ("augmix/suite/testsets/kinds/natural.py", evaluations("writers") | {("generate", "digits-writers writers")}),
        ("augmix/suite/testsets/arrays.py", C | P | evaluations("C", "P")),
        ("augmix/metrics.py", set()),
        ("augmix/suite/evaluate/results.py", set()),
        ("reports/tables.py", set()),
        ("augmix/suite/run/front.py", set()),
        ("augmix/suite/io/progress.py", set()),
    ],
)
def test_changed_code_makes_again_what_it_decides(
    experiment: Experiment, code: Callable[..., None], source: str, expected: set[tuple[str, str]]
) -> None:
    code(source)
    found = changes(experiment)
    assert {(change.stage, change.name) for change in found} == expected
    for change in found:
        assert (change.why, change.details) == ("code", (source,))
    assert is_current(experiment, "collect") is (source not in COLLECTS)


def test_a_comment_makes_nothing_again(experiment: Experiment, code: Callable[..., None]) -> None:
    for source in ("augmix/mixing.py", "augmix/corruptions/weather.py", "augmix/suite/evaluate/evaluation.py"):
        code(source, "# a word")
    assert changes(experiment) == []


def test_code_of_the_report_makes_the_report_alone(experiment: Experiment, code: Callable[..., None]) -> None:
    for stage in ("collect", "report"):
        assert is_current(experiment, stage)
    code("reports/tables.py")
    assert is_current(experiment, "collect")
    assert not is_current(experiment, "report")
    summaries.note(experiment, "report")
    assert is_current(experiment, "report")


def test_a_retitled_architecture_makes_the_report_alone(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "smallnet.py"
    monkeypatch.setattr(summaries, "module_file", lambda module: file)
    source = (ROOT / "augmix" / "models" / "smallnet.py").read_text()
    file.write_text(f"{source}\nCHANGED = 1\n")
    assert is_current(experiment, "report")  # of an architecture, it prints the title alone
    file.write_text(source.replace('"""', '"""Tiny net: ', 1))
    assert not is_current(experiment, "report")
    assert is_current(experiment, "collect")
    assert changes(experiment) == []


def test_other_packages_are_named_with_both_versions(
    experiment: Experiment, code: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = digests.installed_version
    now = version("torch")
    monkeypatch.setattr(digests, "installed_version", lambda name: "9.9" if name == "torch" else version(name))
    code("augmix/errors.py")
    assert named(experiment) == trainings(*BOTH) | EVERY
    assert {change.details for change in changes(experiment)} == {(f"torch {now} → 9.9",)}


def changed(experiment: Experiment, **keys: Any) -> Experiment:
    """The same experiment with some of its configuration replaced: nested keys joined by `__`."""
    config = json.loads(json.dumps(experiment.config))
    for name, value in keys.items():
        *path, last = name.split("__")
        inner = config
        for key in path:
            inner = inner[key]
        inner[last] = value
    return Experiment(config)


@pytest.mark.parametrize(
    ("keys", "expected", "detail"),
    [
        ({"training__epochs": 2}, trainings(*BOTH), "training.epochs 1 → 2"),
        ({"training__processes": 2}, set(), ""),
        ({"title": "Other words"}, set(), ""),
        ({"datasets__digits__flip": True}, trainings(*BOTH), "flip False → True"),
        (
            {"datasets__digits__subset": {"train": 48, "test": 20}},
            {("prepare", "digits")} | trainings(*BOTH),
            "subset.train 64 → 48",
        ),
        ({"testsets__C__seed": 1, "datasets__digits__testsets__C__seed": 1}, C | evaluations("C"), "seed 0 → 1"),
        (
            {"testsets__C__images": 5, "datasets__digits__testsets__C__images": 5},
            C | evaluations("C"),
            "images None → 5",
        ),
        (
            {"datasets__digits__testsets__writers__images": 9, "testsets__writers__images": 9},
            {("generate", "digits-writers writers")},
            "images 30 → 9",
        ),
    ],
)
def test_changed_settings_are_named(
    experiment: Experiment, keys: dict[str, Any], expected: set[tuple[str, str]], detail: str
) -> None:
    after = changed(experiment, **keys)
    assert named(after) == expected
    assert {change.why for change in changes(after)} <= {"settings"}
    assert {change.details for change in changes(after)} == ({(detail,)} if expected else set())


@pytest.mark.parametrize(
    ("said", "device", "used", "asked", "detail"),
    [
        ("float32", "cpu", None, "auto", None),  # of before there was `auto`
        ("float32", "NVIDIA H100", None, "auto", "training.precision float32 → bfloat16"),
        ("bfloat16", "NVIDIA H100", None, "auto", None),
        ("auto", "cpu", "float32", "float32", None),
        ("auto", "cpu", "float32", "bfloat16", "training.precision float32 → bfloat16"),
        ("auto", "NVIDIA H100", "bfloat16", "auto", None),
        ("auto", "NVIDIA H100", "bfloat16", "float32", "training.precision bfloat16 → float32"),
        ("auto", "Tesla V100", "float32", "auto", None),
    ],
)
def test_precisions_count_as_what_they_stand_for(
    experiment: Experiment, said: str, device: str, used: str | None, asked: str, detail: str | None
) -> None:
    run = experiment.runs[0]
    config, provenance = (experiment.folder / run.path / name for name in ("config.yaml", "provenance.json"))
    settings = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**settings, "training": {**settings["training"], "precision": said}}))
    noted = {**json.loads(provenance.read_text()), "device": device, "precision": used}
    provenance.write_text(json.dumps({key: value for key, value in noted.items() if value is not None}))
    after = changed(experiment, training__precision=asked)
    [now] = [run for run in after.runs if run.path == experiment.runs[0].path]
    found = [c.details for c in stages.changes_of_run(after, now) if c.stage == "train"]
    assert found == ([(detail,)] if detail else [])
    if detail:
        with pytest.raises(UserError, match=detail):
            stages.compare_settings(config, now)
    else:
        stages.compare_settings(config, now)


def test_a_new_test_set_is_made_and_evaluated_and_nothing_else(experiment: Experiment) -> None:
    more = {"kind": "corruptions", "shifts": ["snow"]}
    after = changed(experiment, testsets__more=more, datasets__digits__testsets__more=more)
    assert {change.why for change in changes(after)} == {"settings"}
    assert named(after) == evaluations("more")
    assert [run_state(after, run).status for run in after.runs] == ["trained", "trained"]
    for making in after.makings():
        base.make(making.testset, making.shifts, making.number)
    for run in after.runs:
        assert list(stamps.pending(run.evaluation, after.folder / run.path)) == ["more"]
        archives = (after.folder / run.path / "predictions").glob("*.npz")
        before = {path.name: path.stat().st_mtime_ns for path in archives}
        evaluation.evaluate(run.evaluation, after.folder / run.path)
        for name, written in before.items():
            assert (after.folder / run.path / "predictions" / name).stat().st_mtime_ns == written
    assert changes(after) == []
    assert results.collect(after) == []


def test_data_of_other_settings_are_seen_by_all_that_was_made_of_them(experiment: Experiment) -> None:
    other = Preparation("digits", {"split": "unseen_writers"}, {"train": 64, "test": 20})
    datasets.prepare(other, experiment.data / "digits")
    found = {(change.stage, change.name): change for change in changes(experiment)}
    assert found["prepare", "digits"].details == ("options.split unseen_writers → seen_writers",)
    for path in BOTH:
        assert (found["train", path].why, found["train", path].details) == ("data", ("other training or test images",))
        assert found["evaluate", f"{path} on clean"].details == ("other images",)
    for name in ("digits-C fog", "digits-P tilt", "digits-writers writers"):
        assert found["generate", name].details == ("other images of the data set",)
    # Prepared again as it was, to the bit, everything is right as it is.
    datasets.prepare(experiment.preparation("digits"), experiment.data / "digits")
    assert changes(experiment) == []


def test_by_hand_data_and_test_sets_of_other_settings_are_refused(experiment: Experiment) -> None:
    run = experiment.runs[0]
    stages.refuse_other_files(experiment, run, with_testsets=True)
    after = changed(experiment, testsets__C__seed=1, datasets__digits__testsets__C__seed=1)
    stages.refuse_other_files(after, after.runs[0], with_testsets=False)
    line = r"digits-C fog is not what the experiment asks for \(seed 0 → 1\); make it again with `augmix generate`"
    with pytest.raises(UserError, match=line):
        stages.refuse_other_files(after, after.runs[0], with_testsets=True)
    other = Preparation("digits", {"split": "unseen_writers"}, {"train": 64, "test": 20})
    datasets.prepare(other, experiment.data / "digits")
    with pytest.raises(UserError, match=r"digits is not what .* \(options\.split unseen_writers → seen_writers\)"):
        stages.refuse_other_files(experiment, run, with_testsets=False)


@pytest.mark.parametrize(
    ("name", "file"),
    [("C", "digits-C/fog.npy"), ("C", "digits-C/labels.npy"), ("P", "digits-P/tilt.npy"),
     ("clean", "digits/test_images.npy"), ("writers", "digits-writers/test_labels.npy")],
)  # fmt: skip
def test_arrays_that_are_not_what_their_stamp_says_are_not_evaluated_on(
    experiment: Experiment, name: str, file: str
) -> None:
    run, path = experiment.runs[0], experiment.data / file
    np.save(path, np.load(path)[::-1])
    predictions.path_of(experiment.folder / run.path, "predictions", name).unlink()
    with pytest.raises(UserError, match=r"npy is not as it was (made|prepared); delete .*\.json to have it made again"):
        evaluation.evaluate(run.evaluation, experiment.folder / run.path)


def test_status_and_plan_judge_files_as_a_start_does(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = {"testsets__C__seed": 1, "datasets__digits__testsets__C__seed": 1}
    after = changed(experiment, datasets__digits__subset={"train": 48, "test": 20}, **seed)
    _, lines = outdated.targets(after, dry_run=True)
    assert [line.partition(" (")[0] for line in lines[:2]] == [
        "1 data set is prepared again: subset.train 64 → 48", "2 files of digits-C are made again: seed 0 → 1",
    ]  # fmt: skip
    assert "again" not in lines[0].partition("prepared again")[2]  # the trainings have a line of their own
    assert any("train again" in line for line in lines[2:])
    print_status(after)
    assert "\n".join(lines) in capsys.readouterr().out
    assert {shift.part.shift for shift in forecast.shifts(after) if shift.part.made} == {"fog", "pixelate"}
    keep(after, changes(after))
    assert not any(shift.part.made for shift in forecast.shifts(after))


def test_test_sets_made_anew_are_evaluated_anew(experiment: Experiment) -> None:
    after = changed(experiment, testsets__C__seed=1, datasets__digits__testsets__C__seed=1)
    for making in after.makings():
        base.make(making.testset, making.shifts, making.number)
    assert named(after) == evaluations("C")
    assert {change.details for change in changes(after)} == {("seed 0 → 1",)}
    finish(after)
    assert changes(after) == []


def weights(folder: Path, value: float, noted: bool) -> None:
    """Other weights for a run, which its provenance may note."""
    state = {name: torch.full_like(tensor, value) for name, tensor in torch.load(folder / "model.pt").items()}
    torch.save(state, folder / "model.pt")
    if noted:
        provenance = json.loads((folder / "provenance.json").read_text())
        provenance["model_sha256"] = digests.file_digest(folder / "model.pt")
        (folder / "provenance.json").write_text(json.dumps(provenance))


def test_other_weights_are_evaluated_anew(experiment: Experiment) -> None:
    """Also those of the same settings: another machine gives other bits, and so does a run that trains once more."""
    run = experiment.runs[0]
    weights(experiment.folder / run.path, 0.5, noted=True)
    assert {(c.name, c.details) for c in changes(experiment)} == {
        (f"{run.path} on {name}", ("other weights",)) for name in ("clean", "C", "P", "writers")
    }
    assert run_state(experiment, run) == ("outdated", "data: other weights")


def test_foreign_weights_are_neither_evaluated_nor_taken_over(experiment: Experiment) -> None:
    run = experiment.runs[0]
    folder = experiment.folder / run.path
    right = digests.file_digest(folder / "model.pt")
    weights(folder, 0.5, noted=False)
    [found] = [change for change in changes(experiment) if change.stage == "train"]
    assert found.details == ("other weights than its training wrote: model.pt was replaced or damaged",)
    shutil.rmtree(folder / "predictions")
    with pytest.raises(UserError, match=r"model\.pt is not the net that was trained there; delete it"):
        evaluation.evaluate(run.evaluation, folder)
    training.train(run.training, folder)
    assert digests.file_digest(folder / "model.pt") == right


def test_another_normalisation_trains_again(experiment: Experiment) -> None:
    path = experiment.data / "digits" / "dataset.json"
    record = json.loads(path.read_text())
    before = [json.loads((experiment.folder / run / "provenance.json").read_text()) for run in sorted(BOTH)]
    path.write_text(json.dumps({**record, "normalisation": [[0.1] * 3, [0.9] * 3]}))
    found = [change for change in changes(experiment) if change.stage == "train"]
    assert {(c.run, c.details) for c in found} == {(run, ("other normalisation of the images",)) for run in BOTH}
    finish(experiment)
    assert changes(experiment) == []
    after = [json.loads((experiment.folder / run / "provenance.json").read_text()) for run in sorted(BOTH)]
    assert all(a["model_sha256"] != b["model_sha256"] for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("small", [True, False])
def test_damaged_numbers_are_evaluated_again(
    experiment: Experiment, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers of a large archive are read by `collect` alone, which sets it aside."""
    monkeypatch.setattr(stages, "SMALL_ARCHIVE", stages.SMALL_ARCHIVE if small else 0)
    path = experiment.folder / STANDARD / "predictions" / "C.npz"
    content = bytearray(path.read_bytes())
    content[300] ^= 255
    path.write_bytes(content)
    if not small:
        assert changes(experiment) == []
        assert results.collect(experiment) == [STANDARD]
    [change] = changes(experiment)
    assert (change.stage, change.run) == ("evaluate", STANDARD)
    finish(experiment)
    assert changes(experiment) == []


def test_collecting_by_hand_says_what_is_outdated(
    experiment: Experiment, code: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump(experiment.record()))
    assert main(["collect", "--config", str(config)]) == 0
    assert capsys.readouterr().err == ""
    code("augmix/corruptions/weather.py")
    assert main(["collect", "--config", str(config)]) == 0
    said = capsys.readouterr().err
    assert "outdated: 2 files of digits-C are made again" in said
    assert "augmix/corruptions/weather.py" in said


def test_numbers_that_were_edited_are_collected_again(experiment: Experiment) -> None:
    with (experiment.folder / "metrics.csv").open("a") as file:
        file.write("\n")
    assert not is_current(experiment, "collect")
    assert outdated.targets(experiment, dry_run=True) == (
        [experiment.folder / "metrics.csv"], ["will be made again of the results that are there: metrics.csv"]
    )  # fmt: skip
    (experiment.folder / STANDARD / "predictions.json").unlink()
    assert outdated.targets(experiment, dry_run=True)[1] == []  # first that run is evaluated, if it can be


def test_shifts_of_another_number_of_images_are_made_again(experiment: Experiment) -> None:
    """Two experiments share a folder of data: one file there has the labels of every shift."""
    entry = {"shifts": ["fog"], "images": 7}
    other = changed(experiment, testsets__C=entry, datasets__digits__testsets__C={**entry, "kind": "corruptions"})
    for making in other.makings():
        base.make(making.testset, making.shifts, making.number)
    assert {change.stage for change in changes(experiment)} >= {"generate"}
    finish(experiment)
    assert changes(experiment) == []


def test_a_deleted_run_is_pending(experiment: Experiment) -> None:
    shutil.rmtree(experiment.folder / STANDARD)
    assert run_state(experiment, experiment.runs[0]) == ("pending", "")
    assert changes(experiment) == [], "nothing is outdated; it is missing"
    assert not is_current(experiment, "collect")
    assert results.collect(experiment) == [STANDARD]
    assert {row["method"] for row in rows_of(experiment)} == {"augmix"}


def rows_of(experiment: Experiment, name: str = "metrics.csv") -> list[dict[str, str]]:
    with (experiment.folder / name).open() as file:
        return list(csv.DictReader(file))


def restamped(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write an archive's stamp anew."""
    with np.load(path) as archive:
        arrays = dict(archive)
    stamp = json.loads(str(arrays["stamp"]))
    change(stamp)
    arrays["stamp"] = np.array(json.dumps(stamp))
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda stamp: stamp.update(version=1), "C.npz is of another version"),
        (lambda stamp: stamp.clear(), "C.npz is of another version"),
        (lambda stamp: stamp.pop("code"), "it does not say which code made it"),
        (lambda stamp: stamp.pop("weights"), "other weights"),
        (lambda stamp: stamp.pop("images"), "other images"),
        (lambda stamp: stamp.pop("settings"), "kind None → corruptions"),
    ],
)
def test_an_archive_of_before_is_evaluated_again_and_the_other_runs_are_collected(
    experiment: Experiment, change: Callable[[dict[str, Any]], None], fault: str
) -> None:
    before = rows_of(experiment)
    folder = experiment.folder / AUGMIX
    restamped(predictions.path_of(folder, "predictions", "C"), change)
    [found] = changes(experiment)
    assert (found.stage, found.run, found.target) == ("evaluate", AUGMIX, folder / "predictions.json")
    assert found.details[0] == fault
    assert results.collect(experiment) == [AUGMIX]
    assert rows_of(experiment) == [row for row in before if row["method"] == "standard"]
    assert [(r["status"], fault in r["message"]) for r in rows_of(experiment, "runs.csv")] == [
        ("done", False), ("missing", True),
    ]  # fmt: skip
    run = experiment.runs[1]
    assert list(stamps.pending(run.evaluation, folder)) == ["C"]
    evaluation.evaluate(run.evaluation, folder)
    assert results.collect(experiment) == []
    assert rows_of(experiment) == before


def test_an_archive_that_lacks_a_shift_or_is_missing_is_evaluated_again(experiment: Experiment) -> None:
    folder = experiment.folder / AUGMIX
    path = predictions.path_of(folder, "predictions", "C")
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays.pop("fog")
    np.savez(path, **arrays)
    [found] = changes(experiment)
    assert found.details == ("C.npz lacks 'fog'",)
    evaluation.evaluate(experiment.runs[1].evaluation, folder)
    assert changes(experiment) == []
    path.unlink()
    [found] = changes(experiment)
    assert (found.name, found.details) == (f"{AUGMIX} on C", ("no C.npz",))
    assert run_state(experiment, experiment.runs[1]).status == "trained"


def test_results_that_are_kept_stay_until_something_else_changes(
    experiment: Experiment, code: Callable[..., None]
) -> None:
    code("augmix/mixing.py")
    [found] = changes(experiment)
    assert run_state(experiment, experiment.runs[1]).status == "outdated"
    assert not kept(experiment)
    keep(experiment, [found])
    assert changes(experiment) == [found]
    assert unkept(experiment, [found]) == []
    assert run_state(experiment, experiment.runs[1]).status == "done"
    [(name, noted)] = kept(experiment).items()
    assert (name, noted["why"], noted["details"]) == (f"train {AUGMIX}", "code", ["augmix/mixing.py"])
    assert not is_current(experiment, "report"), "the report names them"
    assert results.collect(experiment) == []
    # The same source changed once more, or another one, is something else.
    code("augmix/mixing.py", "CHANGED = 2")
    assert unkept(experiment, changes(experiment)) == changes(experiment) != []
    code("augmix/crops.py")
    assert {change.name: change.details for change in changes(experiment) if change.stage == "train"} == {
        STANDARD: ("augmix/crops.py",), AUGMIX: ("augmix/crops.py", "augmix/mixing.py"),
    }  # fmt: skip
    keep(experiment, changes(experiment))
    assert set(kept(experiment)) >= {f"train {AUGMIX}", f"train {STANDARD}"}
    assert unkept(experiment, changes(experiment)) == []
    # A result that was made anew meanwhile needs no more to be accepted.
    prune(experiment, [change for change in changes(experiment) if change.run != AUGMIX])
    assert f"train {AUGMIX}" not in kept(experiment)
    # Other settings make it another run, whatever was accepted.
    after = changed(experiment, training__epochs=2)
    assert {change.name for change in unkept(after, changes(after)) if change.stage == "train"} == BOTH


def test_predictions_that_are_made_again_beside_others_are_kept_no_more(
    experiment: Experiment, code: Callable[..., None]
) -> None:
    code("augmix/suite/evaluate/evaluation.py")
    keep(experiment, changes(experiment))
    run = experiment.runs[1]
    predictions.path_of(experiment.folder / run.path, "predictions", "C").unlink()
    evaluation.evaluate(run.evaluation, experiment.folder / run.path)
    assert results.collect(experiment) == []
    assert set(kept(experiment)) == {f"evaluate {STANDARD} on {name}" for name in ("clean", "C", "P", "writers")}


def test_a_damaged_file_of_a_test_set_is_made_again(experiment: Experiment) -> None:
    folder = experiment.data / "digits-C"
    for name in ("fog.npy", "source.json", "labels.npy"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        found = changes(experiment)
        assert {change.stage for change in found} == {"generate"}
        assert {change.details for change in found} == {(f"{name} is missing",)}
        [_, testset, *_] = experiment.testsets("digits")
        assert not base.is_made(testset, "fog")
        base.make(testset, testset.shifts, 1)
        assert (folder / name).read_bytes() == content
        assert changes(experiment) == []


def test_data_that_are_gone_leave_finished_results(experiment: Experiment) -> None:
    shutil.rmtree(experiment.data)
    assert changes(experiment) == []
    assert [run_state(experiment, run).status for run in experiment.runs] == ["done", "done"]
    assert results.collect(experiment) == []


def test_a_missing_array_is_prepared_again(experiment: Experiment) -> None:
    (experiment.data / "digits" / "train_labels.npy").unlink()
    [found] = changes(experiment)
    assert (found.stage, found.why, found.details) == ("prepare", "data", ("train_labels.npy is missing",))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"none"])
def test_a_damaged_array_is_prepared_again(experiment: Experiment, content: bytes) -> None:
    path = experiment.data / "digits" / "test_images.npy"
    content = path.read_bytes()[:-1] if content == b"none" else content
    path.write_bytes(content)
    [found] = [change for change in changes(experiment) if change.stage == "prepare"]
    assert (found.why, found.details) == ("data", ("test_images.npy is damaged",))
    with pytest.raises(
        UserError, match=r"images\.npy is not a whole \.npy file: it is damaged; delete it to have it ma"
    ):
        read_array(path)


def test_images_that_change_are_told_without_digests(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augmix.suite.data.loaders.digits.digest", lambda **_: "0123456789abcdef", raising=False)
    for path in (*experiment.folder.rglob("provenance.json"), experiment.data / "digits" / "dataset.json"):
        noted = json.loads(path.read_text())
        noted.get("preparation", noted)["source"] = "fedcba9876543210"
        path.write_text(json.dumps(noted))
    found = [change for change in changes(experiment) if change.stage in ("prepare", "train")]
    assert [change.stage for change in found] == ["prepare", "train", "train"]
    other = "other images in the source: some were added, removed or replaced"
    assert {(change.why, change.details) for change in found} == {("data", (other,))}


def test_kept_files_without_a_stamp_are_gone_on_with(experiment: Experiment) -> None:
    [_, testset, *_] = experiment.testsets("digits")
    testset.stamp("fog").unlink()
    [found] = [change for change in changes(experiment) if change.stage == "generate"]
    assert (found.name, found.why) == ("digits-C fog", "unknown")
    assert found.details == ("it does not say what it was made with",)
    assert not base.is_made(testset, "fog")
    making = next(job for job in testset.jobs() if "fog" in job.shifts)
    assert stages.to_make(experiment, making) == ["fog"]
    keep(experiment, [found])
    assert stages.to_make(experiment, making) == []
    base.make(testset, stages.to_make(experiment, making), making.number)
    for run in experiment.runs:
        evaluation.evaluate(run.evaluation, experiment.folder / run.path)
    assert unkept(experiment, changes(experiment)) == []
    assert results.collect(experiment) == []
    assert not testset.stamp("fog").exists()
    # With other settings it is another one that was accepted.
    after = changed(experiment, testsets__C__seed=1, datasets__digits__testsets__C__seed=1)
    assert "digits-C fog" in {change.name for change in unkept(after, changes(after))}
    # Other files in their place are other images.
    path = testset.files("fog")[0]
    np.save(path, np.load(path)[::-1])
    assert {change.details for change in unkept(experiment, changes(experiment))} == {("other images",)}


def test_a_stamp_that_is_lost_with_its_files_or_cannot_be_done_without_is_made_again(experiment: Experiment) -> None:
    for path in (experiment.data / "digits-C" / "fog.json", experiment.data / "digits-C" / "fog.npy"):
        path.unlink()
    (experiment.data / "digits-writers" / "dataset.json").unlink()
    found = [change for change in changes(experiment) if change.stage == "generate"]
    assert [(change.name, change.details) for change in found] == [
        ("digits-C fog", ("fog.npy is missing",)), ("digits-writers writers", ("dataset.json is missing",)),
    ]  # fmt: skip
    keep(experiment, [])
    finish(experiment)
    assert changes(experiment) == []


@pytest.mark.parametrize("text", [None, "", "epoch,step", "epoch,step\n1\n", "\0"])
def test_a_history_that_is_lost_or_damaged_is_written_again_from_the_checkpoint(
    experiment: Experiment, text: str | None
) -> None:
    path = experiment.folder / AUGMIX / "history.csv"
    whole = path.read_text()
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert results.collect(experiment) == []
    assert path.read_text() == whole
    path.unlink()
    for checkpoint in path.parent.glob("checkpoint*.pt"):
        checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"history\.csv is missing, and no checkpoint here .*; delete .* to have"):
        results.collect(experiment)


@pytest.mark.parametrize("text", ["{", "[]", '{"train a": 1}', '{"train a": {"why": "code"}}'])
def test_a_damaged_list_of_kept_results_says_what_deleting_it_means(experiment: Experiment, text: str) -> None:
    (experiment.folder / stages.KEPT).write_text(text)
    with pytest.raises(UserError, match=r"kept\.json is damaged: .*; delete it, and they are made again unless"):
        stages.read_kept(experiment.folder / stages.KEPT)
