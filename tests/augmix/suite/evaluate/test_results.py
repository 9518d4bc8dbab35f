"""From a trained run to metrics.csv: generation, evaluation and collection on a few real digits."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augmix import models
from augmix.corruptions import CORRUPTIONS, corrupt
from augmix.errors import UserError
from augmix.perturbations import perturb, perturbations_of
from augmix.suite.config.experiment import Experiment
from augmix.suite.data import datasets
from augmix.suite.data.datasets import read
from augmix.suite.evaluate import evaluation, results
from augmix.suite.testsets import generation
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
            "datasets": {"digits": {"loader": "digits", "flip": False, "perturbation_images": 10}},
            "architectures": ["smallnet"],
            "methods": ["standard", "augmix"],
            "training": {"epochs": 2, "batch_size": 16},
            "benchmarks": {
                "corruptions": ["fog", "pixelate", "saturate"],
                "perturbations": ["gaussian_noise", "tilt"],
            },
            "folders": {"data": str(data), "results": str(root / "results")},
        }
    )
    for name in experiment.corruptions:
        generation.write_corruption(data / "digits", data / "digits-C", name)
    for name in experiment.perturbations("digits"):
        generation.write_perturbation(data / "digits", data / "digits-P", name, images=10)
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


def test_benchmarks_have_the_published_layout(finished: Experiment) -> None:
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
    generation.write_corruption(finished.data / "digits", tmp_path, "fog")
    generation.write_perturbation(finished.data / "digits", tmp_path, "gaussian_noise", images=10)
    for folder, name in (("digits-C", "fog"), ("digits-P", "gaussian_noise")):
        assert (tmp_path / f"{name}.npy").read_bytes() == (finished.data / folder / f"{name}.npy").read_bytes()


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
        return {
            (r["benchmark"], r["shift"], r["severity"], r["metric"]): float(r["value"]) for r in csv.DictReader(file)
        }


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


def test_all_fifteen_and_all_ten_make_mce_and_mfp() -> None:
    rng = np.random.default_rng(0)
    numbers = {name: np.zeros((5, 4), evaluation.NUMBERS) for name in CORRUPTIONS}
    for array in numbers.values():
        array["prediction"] = rng.integers(0, 2, (5, 4))
    archive = {**numbers, "labels": np.zeros(20, np.int64), "source": np.array("x")}
    rows = list(results._corruption_rows(archive, list(numbers)))
    [mce] = [row[5] for row in rows if row[2] == "mCE"]
    assert mce == pytest.approx(np.mean([array["prediction"].mean() for array in numbers.values()]))
    ten = perturbations_of("cifar")
    frames = {name: np.zeros((3, 6), evaluation.NUMBERS) for name in ten}
    for array in frames.values():
        array["prediction"] = rng.integers(0, 2, (3, 6))
    flips = list(results._perturbation_rows({**frames, "source": np.array("x")}, list(ten), ten))
    assert flips[-1][2] == "mFP"
    assert flips[-1][5] == pytest.approx(np.mean([row[5] for row in flips[:-1]]))


def test_results_of_other_settings_are_refused_by_name(finished: Experiment, tmp_path: Path) -> None:
    experiment = copy_of(finished, tmp_path)
    changed = Experiment({**experiment.config, "training": {**experiment.config["training"], "epochs": 3}})
    with pytest.raises(UserError, match=r"seed0/config\.yaml was trained with training .*'epochs': 2"):
        results.collect(changed)


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
    with pytest.raises(UserError, match=rf"{name}\.npz is damaged .*; delete it"):
        results.collect(experiment)


def evaluate_with(finished: Experiment, folder: Path, **changes: Any) -> None:
    run = finished.runs[0]
    shutil.copytree(finished.data, folder / "data")
    shutil.copytree(finished.folder / run.path, folder / "run", dirs_exist_ok=True)
    evaluation.evaluate({**run.evaluation, **moved(folder / "data"), **changes}, folder / "run")


def moved(data: Path) -> dict[str, Any]:
    """The settings of an evaluation that reads its data elsewhere."""
    return {"data": str(data / "digits"), "folders": {kind: str(data / f"digits-{kind}") for kind in ("C", "P")}}


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda root: (root / "data/digits-C/fog.npy").unlink(), r"fog\.npy is missing"),
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
    run = finished.runs[0]
    shutil.copytree(finished.folder / run.path, tmp_path / "run")
    evaluation.evaluate({**run.evaluation, **moved(tmp_path / "data")}, tmp_path / "run")
    with (
        np.load(tmp_path / "run" / "predictions" / "C.npz") as again,
        np.load(finished.folder / run.path / "predictions" / "C.npz") as before,
    ):
        assert str(again["source"]) == "published"
        assert np.array_equal(again["fog"], before["fog"])


def test_states(finished: Experiment, tmp_path: Path) -> None:
    experiment = copy_of(finished, tmp_path)
    done, other = (experiment.folder / run.path for run in experiment.runs)
    assert results.state(done).status == "done"
    assert results.state(other).status == "pending"
    other.mkdir(parents=True)
    (other / "train.log").write_text("warm\naugmix train: error: it broke\n")
    assert results.state(other) == ("failed", "it broke")
    (other / "checkpoint.pt").write_text("")
    (other / "train.log").write_text("warm\n")
    assert results.state(other).status == "interrupted"
