"""From a trained run to metrics.csv: generation, evaluation and collection on a few real digits."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augmix import metrics, models
from augmix.corruptions import CORRUPTIONS, corrupt
from augmix.errors import UserError
from augmix.perturbations import perturb, perturbations_of
from augmix.suite.config.experiment import Experiment
from augmix.suite.config.runs import EvaluateSettings
from augmix.suite.data import datasets
from augmix.suite.data.datasets import read
from augmix.suite.evaluate import evaluation, results, stages
from augmix.suite.evaluate.predictions import NUMBERS, Predictions
from augmix.suite.evaluate.stages import run_state
from augmix.suite.io.times import Times
from augmix.suite.testsets import generation
from augmix.suite.testsets.base import make
from augmix.suite.testsets.folder import of_folder
from augmix.suite.testsets.kinds.corruptions import Corruptions
from augmix.suite.testsets.kinds.perturbations import Perturbations
from augmix.suite.train import training


@pytest.fixture(scope="module")
def finished(small_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """An experiment of two methods, one trained and evaluated; treat its files as read-only."""
    root = tmp_path_factory.mktemp("finished")
    data = root / "data"
    shutil.copytree(small_digits, data / "digits")
    experiment = Experiment(
        {
            "experiment": "small",
            "datasets": {"digits": {"loader": "digits", "flip": False, "subset": {"train": 96, "test": 40}}},
            "architectures": ["smallnet"],
            "methods": ["standard", "augmix"],
            "training": {"epochs": 2, "batch_size": 16},
            "testsets": {
                "C": {"shifts": ["fog", "pixelate", "saturate"]},
                "P": {"shifts": ["gaussian_noise", "tilt"], "images": 10},
            },
            "folders": {"data": str(data), "results": str(root / "results")},
        }
    )
    for making in experiment.makings():
        make(making.testset, making.shifts, making.number)
    run = experiment.runs[0]
    training.train(run.training, experiment.folder / run.path)
    evaluation.evaluate(run.evaluation, experiment.folder / run.path)
    return experiment


def copy_of(experiment: Experiment, folder: Path) -> Experiment:
    """The same experiment with its results in another folder, to be changed at will."""
    shutil.copytree(experiment.results, folder / "results")
    return Experiment(
        {**experiment.config, "folders": {"data": str(experiment.data), "results": str(folder / "results")}}
    )


def test_test_sets_have_the_published_layout(finished: Experiment) -> None:
    test = read(finished.data / "digits", "test")
    fog = np.load(finished.data / "digits-C" / "fog.npy")
    assert fog.shape == (5 * 40, 32, 32, 3)
    assert fog.dtype == np.uint8
    for severity in (1, 5):
        expected = corrupt(np.array(test.images), "fog", severity)
        assert np.array_equal(fog[(severity - 1) * 40 : severity * 40], expected)
    assert np.array_equal(np.load(finished.data / "digits-C" / "labels.npy"), np.tile(test.labels, 5))
    tilt = np.load(finished.data / "digits-P" / "tilt.npy")
    assert np.array_equal(tilt, perturb(np.array(test.images[::4]), "tilt"))


def test_chunks_do_not_change_a_pixel(finished: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "CHUNK_BYTES", 4 * 32 * 32 * 3 * 7)
    for kind, name, images in (("C", "fog", None), ("P", "gaussian_noise", 10)):
        of_folder(kind, finished.data / "digits", tmp_path, [name], images).make([name])
        made = (finished.data / f"digits-{kind}" / f"{name}.npy").read_bytes()
        assert (tmp_path / f"{name}.npy").read_bytes() == made


def test_the_four_numbers_are_those_of_the_softmax(finished: Experiment) -> None:
    folder = finished.folder / finished.runs[0].path
    net = models.Normalised(models.build("smallnet", 10))
    net.net.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    net.eval()
    test = read(finished.data / "digits", "test")
    with torch.inference_mode():
        p = net(torch.from_numpy(np.array(test.images)).permute(0, 3, 1, 2)).softmax(1).numpy()
    with np.load(folder / "predictions" / "clean.npz") as archive:
        clean = archive["clean"]
    assert np.array_equal(clean["prediction"], p.argmax(1))
    np.testing.assert_allclose(clean["confidence"], p.max(1), rtol=1e-5)
    np.testing.assert_allclose(clean["true_probability"], p[np.arange(40), test.labels], rtol=1e-4)
    np.testing.assert_allclose(clean["squared_sum"], (p**2).sum(1), rtol=1e-5)


def rows_of(experiment: Experiment) -> dict[tuple[str, ...], float]:
    with (experiment.folder / "metrics.csv").open() as file:
        return {(r["testset"], r["shift"], r["severity"], r["metric"]): float(r["value"]) for r in csv.DictReader(file)}


def test_metrics_follow_from_the_predictions(finished: Experiment, tmp_path: Path) -> None:
    experiment = copy_of(finished, tmp_path)
    assert results.collect(experiment) == ["digits/smallnet/augmix/seed0"]
    rows = rows_of(experiment)
    folder = experiment.folder / experiment.runs[0].path / "predictions"
    labels = read(experiment.data / "digits", "test").labels
    with np.load(folder / "C.npz") as archive:
        fog = archive["fog"]["prediction"] != labels
        pixelate = archive["pixelate"]["prediction"] != labels
    for severity in range(1, 6):
        assert rows["C", "fog", str(severity), "error"] == pytest.approx(fog[severity - 1].mean())
    assert rows["C", "fog", "", "error"] == pytest.approx(fog.mean())
    # The held-out saturate is there, but enters no mean.
    assert ("C", "saturate", "", "error") in rows
    assert rows["C", "mean", "3", "error"] == pytest.approx((fog[2].mean() + pixelate[2].mean()) / 2)
    # Two of the fifteen corruptions do not make an mCE, nor two of the ten perturbations an mFP.
    assert ("C", "mCE", "", "error") not in rows
    assert ("P", "mFP", "", "flip_probability") not in rows
    with np.load(folder / "P.npz") as archive:
        noise, tilt = archive["gaussian_noise"]["prediction"], archive["tilt"]["prediction"]
    assert rows["P", "gaussian_noise", "", "flip_probability"] == pytest.approx((noise[:, 1:] != noise[:, :1]).mean())
    assert rows["P", "tilt", "", "flip_probability"] == pytest.approx((tilt[:, 1:] != tilt[:, :-1]).mean())
    with (experiment.folder / "runs.csv").open() as file:
        records = list(csv.DictReader(file))
    assert [record["status"] for record in records] == ["done", "missing"]
    assert records[0]["epochs"] == "2"
    assert (experiment.folder / "experiment.yaml").exists()


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, "4.5"),
        ({"cpu": {}}, ""),  # it was not noted yet
        ({"spent": {"training": 1.0}}, ""),  # an earlier job trained a part of it
        ({"ended": 140.0}, ""),  # another job trained the run afterwards
        (None, ""),
    ],
)
def test_the_cpu_time_of_a_training_is_known_where_one_job_did_it(
    finished: Experiment, tmp_path: Path, changes: dict[str, Any] | None, seconds: str
) -> None:
    experiment = copy_of(finished, tmp_path)
    folder = experiment.folder / experiment.runs[0].path
    noted = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps({**noted, "started": 150.0, "train_seconds": 3.0}))
    if changes is not None:
        left = Times(100.0, 200.0, {"training": 5.0}, {"training": 4.5})._replace(**changes)
        (folder / "train.time.json").write_text(json.dumps(left._asdict()))
    results.collect(experiment)
    with (experiment.folder / "runs.csv").open() as file:
        assert next(csv.DictReader(file))["train_cpu_seconds"] == seconds


def test_all_fifteen_and_all_ten_make_mce_and_mfp() -> None:
    rng = np.random.default_rng(0)
    numbers = {name: np.zeros((5, 4), NUMBERS) for name in CORRUPTIONS}
    for array in numbers.values():
        array["prediction"] = rng.integers(0, 2, (5, 4))
    corruptions = Corruptions("C", "", CORRUPTIONS, "", None, False, None, "cifar", 0, False)
    rows = list(results.scores(corruptions, Predictions(numbers, np.zeros(20, np.int64), "x")))
    [mce] = [row[3] for row in rows if row[0] == "mCE"]
    assert mce == pytest.approx(np.mean([array["prediction"].mean() for array in numbers.values()]))
    # To the bit as it was computed before test sets had kinds: means of severities' means.
    assert mce == float(np.mean([np.mean([metrics.error(a["prediction"][s], np.zeros(4)) for a in numbers.values()])
                                 for s in range(5)]))  # fmt: skip
    ten = perturbations_of("cifar")
    frames = {name: np.zeros((3, 6), NUMBERS) for name in ten}
    for array in frames.values():
        array["prediction"] = rng.integers(0, 2, (3, 6))
    perturbations = Perturbations("P", "", ten, "", None, False, None, "cifar", 0, False)
    flips = list(results.scores(perturbations, Predictions(frames, np.zeros(3, np.int64), "x")))
    assert flips[-1][0] == "mFP"
    assert flips[-1][3] == pytest.approx(np.mean([row[3] for row in flips[:-1]]))
    assert flips[-1][3] == metrics.mean_flip_probability({row[0]: row[3] for row in flips[:-1]})
    # One of them missing, there is no mean of that name.
    for testset, whole in ((corruptions, numbers), (perturbations, frames)):
        fewer = replace(testset, names=testset.names[1:])
        labels = np.zeros(testset.levels * len(whole[testset.names[0]][0]) if testset.levels > 1 else 3, np.int64)
        names = {row[0] for row in results.scores(fewer, Predictions(whole, labels, "x"))}
        assert not names & {"mCE", "mFP"}


def test_results_of_other_settings_are_refused_by_name(
    finished: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = copy_of(finished, tmp_path)
    changed = Experiment({**experiment.config, "training": {**experiment.config["training"], "epochs": 3}})
    with pytest.raises(
        UserError, match=r"seed0/config\.yaml was trained with other settings \(training\.epochs 2 → 3\)"
    ):
        results.collect(changed)
    # After failures, what there is is reported on.
    monkeypatch.setenv(stages.FINISHED_ONLY, "1")
    assert results.collect(changed) == [run.path for run in changed.runs]
    with (experiment.folder / "runs.csv").open() as file:
        assert [r["message"] for r in csv.DictReader(file)] == ["settings: training.epochs 2 → 3", ""]


def test_collecting_twice_gives_the_same_bytes(finished: Experiment, tmp_path: Path) -> None:
    experiment = copy_of(finished, tmp_path)
    results.collect(experiment)
    first = (experiment.folder / "metrics.csv").read_bytes()
    results.collect(experiment)
    assert (experiment.folder / "metrics.csv").read_bytes() == first


@pytest.mark.parametrize("name", ["clean", "C", "P"])
def test_damaged_predictions_are_named(finished: Experiment, tmp_path: Path, name: str) -> None:
    experiment = copy_of(finished, tmp_path)
    path = experiment.folder / experiment.runs[0].path / "predictions" / f"{name}.npz"
    path.write_bytes(path.read_bytes()[:200])
    assert results.collect(experiment) == [run.path for run in experiment.runs]
    with (experiment.folder / "runs.csv").open() as file:
        assert f"{name}.npz is damaged" in next(csv.DictReader(file))["message"]
    evaluation.evaluate(experiment.runs[0].evaluation, experiment.folder / experiment.runs[0].path)
    assert results.collect(experiment) == [experiment.runs[1].path]


def test_a_number_changed_inside_of_an_archive_is_evaluated_again(finished: Experiment, tmp_path: Path) -> None:
    """Its stamp is right, and only reading it to the end tells."""
    experiment = copy_of(finished, tmp_path)
    run = experiment.runs[0]
    results.collect(experiment)
    before = (experiment.folder / "metrics.csv").read_bytes()
    path = experiment.folder / run.path / "predictions" / "C.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    assert results.collect(experiment) == [run.path for run in experiment.runs]
    with (experiment.folder / "runs.csv").open() as file:
        record = next(csv.DictReader(file))
    assert record["status"] == "missing"
    assert "C.npz is damaged" in record["message"]
    evaluation.evaluate(run.evaluation, experiment.folder / run.path)
    assert path.read_bytes() == whole
    results.collect(experiment)
    assert (experiment.folder / "metrics.csv").read_bytes() == before


def evaluate_with(finished: Experiment, folder: Path) -> None:
    run = finished.runs[0]
    shutil.copytree(finished.data, folder / "data")
    shutil.copytree(finished.folder / run.path, folder / "run", dirs_exist_ok=True)
    shutil.rmtree(folder / "run" / "predictions")
    evaluation.evaluate(moved(finished, folder / "data"), folder / "run")


def moved(finished: Experiment, data: Path) -> EvaluateSettings:
    """The settings of an evaluation that reads its data elsewhere."""
    settings = finished.runs[0].evaluation
    text = json.dumps(asdict(settings)).replace(str(finished.data), str(data))
    return EvaluateSettings(**json.loads(text))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda root: (root / "data/digits-C/fog.npy").unlink(missing_ok=True), r"fog\.npy is missing"),
        (lambda root: np.save(root / "data/digits-C/fog.npy", np.zeros((200, 32, 32, 3))), "holds float64, expected"),
        (lambda root: np.save(root / "data/digits-C/fog.npy", np.zeros((10, 32, 32, 3), np.uint8)), "has shape 10×32"),
        (lambda root: np.save(root / "data/digits-C/labels.npy", np.full(200, 10)), r"labels outside 0 … 9"),
        (lambda root: (root / "run/model.pt").write_bytes(b"junk"), r"model\.pt does not hold weights of smallnet"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    finished: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    complaint: str,
) -> None:
    original = datasets.record

    def record(folder: Path) -> dict[str, Any]:
        damage(tmp_path)
        return original(folder)

    monkeypatch.setattr(datasets, "record", record)
    with pytest.raises(UserError, match=complaint):
        evaluate_with(finished, tmp_path)


def test_published_labels_may_be_uint8(finished: Experiment, tmp_path: Path) -> None:
    shutil.copytree(finished.data, tmp_path / "data")
    labels = tmp_path / "data" / "digits-C" / "labels.npy"
    np.save(labels, np.load(labels).astype(np.uint8))
    (tmp_path / "data" / "digits-C" / "source.json").unlink()
    for stamp in (tmp_path / "data" / "digits-C").glob("*.json"):
        noted = json.loads(stamp.read_text())
        noted.pop("content", None)  # the labels are others
        stamp.write_text(json.dumps(noted))
    run = finished.runs[0]
    shutil.copytree(finished.folder / run.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "predictions")
    evaluation.evaluate(moved(finished, tmp_path / "data"), tmp_path / "run")
    with (
        np.load(tmp_path / "run" / "predictions" / "C.npz") as again,
        np.load(finished.folder / run.path / "predictions" / "C.npz") as before,
    ):
        assert str(again["source"]) == "published"
        assert np.array_equal(again["fog"], before["fog"])


def test_states(finished: Experiment, tmp_path: Path) -> None:
    experiment = copy_of(finished, tmp_path)
    first, second = experiment.runs
    other = experiment.folder / second.path
    assert run_state(experiment, first).status == "done"
    assert run_state(experiment, second).status == "pending"
    other.mkdir(parents=True)
    (other / "train.log").write_text("warm\naugmix train: error: it broke\n")
    assert run_state(experiment, second) == ("failed", "it broke")
    (other / "checkpoint.pt").write_text("")
    (other / "train.log").write_text("warm\n")
    assert run_state(experiment, second).status == "interrupted"
