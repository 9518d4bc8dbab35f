"""The training loop: exact resume, divergence on record, whole files, and the crop, flip and schedule it uses."""

import csv
import hashlib
import json
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from augmix import crops
from augmix.errors import RunError, UserError
from augmix.operations.transfer import to_device
from augmix.suite.config.experiment import Experiment
from augmix.suite.data import datasets
from augmix.suite.evaluate.evaluation import load_net
from augmix.suite.io.locks import locked
from augmix.suite.train import batches, optimizers, training
from augmix.suite.train.checkpoints import Interrupted
from augmix.suite.train.distributed import Group
from augmix.suite.train.settings import TrainSettings

MakeExperiment = Callable[..., Experiment]
CPU = torch.device("cpu")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weights(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, weights_only=True))


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def without_times(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return [{k: v for k, v in row.items() if k not in ("seconds", "timestamp")} for row in csv.DictReader(file)]


def run_settings(make: MakeExperiment, **changes: Any) -> TrainSettings:
    changes = {"methods": ["augmix"], "training": {"epochs": 2, "batch_size": 32}, **changes}
    return make(**changes).runs[0].training


def folder(root: Path, name: str) -> Path:
    return root / name / "digits" / "smallnet" / "augmix" / "seed0"


def test_a_run_writes_everything_and_repeats_to_the_bit(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    settings = run_settings(small_experiment)
    one, other = folder(tmp_path / "a", "x"), folder(tmp_path / "b", "x")
    training.train(settings, one)
    training.train(settings, other)
    assert same(one / "model.pt", other / "model.pt")
    assert digest(one / "model.pt") == digest(other / "model.pt")
    assert without_times(one / "history.csv") == without_times(other / "history.csv")
    assert [row["epoch"] for row in without_times(one / "history.csv")] == ["1", "2"]
    assert yaml.safe_load((one / "config.yaml").read_text()) == settings.as_json()
    noted = json.loads((one / "provenance.json").read_text())
    assert noted["seed"] == 0
    assert noted["threads"] == 1
    assert noted["parameters"] == 95_394
    assert noted["precision"] == "float32"
    assert noted["cpu"]
    assert noted["data_sha256"]["train_images"]
    assert json.loads((one / "progress.json").read_text())["epoch"] == 2
    assert not [path for path in one.iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize("stop", [1, 3, 4])  # of three steps an epoch
def test_interrupted_anywhere_it_ends_in_the_same_bits(
    small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    settings = run_settings(small_experiment)
    whole, broken = folder(tmp_path, "whole"), folder(tmp_path / "other", "broken")
    training.train(settings, whole)
    calls = 0
    step = training.training_step

    def interrupting(*arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal calls
        calls += 1
        if calls == stop:
            signal.raise_signal(signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(training, "training_step", interrupting)
    with pytest.raises(Interrupted) as caught:
        training.train(settings, broken)
    assert caught.value.signal == signal.SIGTERM
    assert not (broken / "model.pt").exists()
    training.train(settings, broken)
    assert calls == 6, "steps already done are not done again"
    assert digest(whole / "model.pt") == digest(broken / "model.pt")
    assert without_times(whole / "history.csv") == without_times(broken / "history.csv")


def cut(data: bytes) -> bytes:
    return data[:1000]


def change_bits(data: bytes) -> bytes:
    """In the weights, where torch itself would not notice."""
    middle = len(data) // 2
    changed = bytes(byte ^ 1 for byte in data[middle : middle + 200])
    return data[:middle] + changed + data[middle + 200 :]


@pytest.mark.parametrize("damage", [cut, change_bits])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    small_experiment: MakeExperiment,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[bytes], bytes],
) -> None:
    settings = run_settings(small_experiment)
    run = folder(tmp_path, "x")
    training.train(settings, run)
    expected = digest(run / "model.pt")
    (run / "model.pt").unlink()
    newest = run / "checkpoint.pt"
    newest.write_bytes(damage(newest.read_bytes()))
    training.train(settings, run)
    said = capsys.readouterr().err
    assert "checkpoint.pt is damaged; going back to the one before it" in said
    assert "resuming at epoch 2, step 1" in said
    assert digest(run / "model.pt") == expected
    (run / "model.pt").write_bytes(damage((run / "model.pt").read_bytes()))
    with pytest.raises(UserError, match=r"model\.pt does not hold weights of smallnet"):
        load_net(run / "model.pt", "smallnet", datasets.record(Path(settings.data)), torch.device("cpu"))


def test_a_checkpoint_of_other_settings_is_set_aside(
    small_experiment: MakeExperiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = folder(tmp_path, "x")
    training.train(run_settings(small_experiment), run)
    training.train(run_settings(small_experiment, training={"epochs": 1, "batch_size": 32}), run)
    assert "set aside" in capsys.readouterr().err
    assert len(without_times(run / "history.csv")) == 1
    assert (run / "checkpoint.stale.pt").exists()


def test_an_identical_run_of_another_experiment_is_taken_over(
    small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = run_settings(small_experiment)
    training.train(settings, folder(tmp_path, "first"))
    monkeypatch.setattr(training, "training_step", lambda *_: pytest.fail("trained again"))
    training.train(settings, folder(tmp_path, "second"))
    assert digest(folder(tmp_path, "first") / "model.pt") == digest(folder(tmp_path, "second") / "model.pt")
    assert (folder(tmp_path, "second") / "config.yaml").exists()


def test_divergence_is_recorded_and_not_repeated(
    small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = folder(tmp_path, "x")
    huge = run_settings(small_experiment, training={"epochs": 2, "batch_size": 32, "learning_rate": 1e30})
    with pytest.raises(RunError, match=r"diverged: loss (nan|inf) in epoch 1, step"):
        training.train(huge, run)
    assert not (run / "model.pt").exists()
    assert json.loads((run / "diverged.json").read_text())["epoch"] == 1
    with monkeypatch.context() as patch:
        patch.setattr(training, "training_step", lambda *_: pytest.fail("trained again"))
        with pytest.raises(RunError, match="and would again"):
            training.train(huge, run)
    training.train(run_settings(small_experiment), run)
    assert not (run / "diverged.json").exists()


def test_on_a_cpu_auto_is_the_run_of_single_precision(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    fingerprints = [
        training.Trainer(
            run_settings(small_experiment, training={"epochs": 2, "precision": precision}), tmp_path, CPU, Group()
        ).fingerprint
        for precision in ("auto", "float32", "bfloat16")
    ]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_a_second_process_does_not_write_beside_the_first(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    run = folder(tmp_path, "x")
    with locked(run / ".lock", "held"), pytest.raises(RunError, match="is in use by process"):
        training.train(run_settings(small_experiment), run)


def test_missing_data_is_named(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    settings = replace(run_settings(small_experiment), data=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"nowhere/dataset\.json is missing: prepare the data set first, with `augmix"):
        training.train(settings, folder(tmp_path, "x"))


def test_training_learns(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    settings = run_settings(small_experiment, methods=["standard"], training={"epochs": 12, "batch_size": 16})
    training.train(settings, folder(tmp_path, "x"))
    history = without_times(folder(tmp_path, "x") / "history.csv")
    assert float(history[-1]["train_loss"]) < 0.5 * float(history[0]["train_loss"])
    assert float(history[-1]["test_error"]) < 0.6


def test_crop_and_flip_shift_whole_images_and_mirror_half() -> None:
    images = torch.arange(1, 65, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(4000, 3, 8, 8)
    cropped = crops.crop_and_flip(images, np.random.default_rng(0), flip=True).numpy()
    padded = np.pad(images[0, 0].numpy(), crops.PAD)
    windows = {
        window.tobytes(): flipped
        for top in range(9)
        for left in range(9)
        for window in [padded[top : top + 8, left : left + 8]]
        for flipped, window in enumerate((window, window[:, ::-1]))
    }
    flips = [windows[image.tobytes()] for image in cropped[:, 0]]
    assert 0.46 < np.mean(flips) < 0.54
    assert len({image.tobytes() for image in cropped[:, 0]}) > 150  # of 162
    assert np.array_equal(cropped[:, 0], cropped[:, 2])
    unflipped = crops.crop_and_flip(images[:500], np.random.default_rng(0), flip=False).numpy()
    assert not any(windows[image.tobytes()] for image in unflipped[:, 0])


def test_a_few_bytes_an_image_say_where_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def watched(device: torch.device, array: np.ndarray) -> torch.Tensor:
        sent.append(array.nbytes)
        return to_device(device, array)

    monkeypatch.setattr(crops, "to_device", watched)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (162, 3, 7, 9), np.uint8))
    every = np.array([(top, left, flip) for top in range(9) for left in range(9) for flip in (0, 1)])
    cut = crops.shift(images, every).numpy()
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (crops.PAD, crops.PAD), (crops.PAD, crops.PAD)))
    for image, shifted, (top, left, flip) in zip(padded, cut, every, strict=True):
        window = image[:, top : top + 7, left : left + 9]
        assert np.array_equal(shifted, window[:, :, ::-1] if flip else window)
    assert sent == [3 * 162]


def test_learning_rate_is_a_cosine() -> None:
    recipe = {
        "learning_rate": 0.1, "minimum_learning_rate": 1e-6, "schedule": "cosine", "epochs": 10, "warmup_epochs": 0,
    }  # fmt: skip
    rates = [optimizers.learning_rate(recipe, step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[50] == pytest.approx((0.1 + 1e-6) / 2)
    assert rates[100] == pytest.approx(1e-6)
    assert all(a > b for a, b in pairwise(rates))
    warm = [optimizers.learning_rate({**recipe, "warmup_epochs": 2}, step, 100) for step in range(101)]
    assert warm[0] == pytest.approx(0.005)
    assert warm[19] == warm[20] == pytest.approx(0.1)
    assert warm[60] == pytest.approx((0.1 + 1e-6) / 2)
    assert warm[100] == pytest.approx(1e-6)


def test_learning_rate_falls_in_steps_at_the_milestones() -> None:
    recipe = {
        "learning_rate": 0.4, "minimum_learning_rate": 1e-6, "schedule": "steps", "epochs": 9, "warmup_epochs": 1,
        "milestones": [3, 6, 8],
    }  # fmt: skip
    rates = [optimizers.learning_rate(recipe, step, 90) for step in range(90)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) * 0.04)
    assert rates[10:30] == pytest.approx([0.4] * 20)
    assert rates[30:60] == pytest.approx([0.04] * 30)
    assert rates[60:80] == pytest.approx([0.004] * 20)
    assert rates[80:] == pytest.approx([0.0004] * 10)


def test_photographs_are_trained_on_as_they_stream(imagenet_sample: Path, tmp_path: Path) -> None:
    data = tmp_path / "data" / "imagenet"
    options = {"folder": str(imagenet_sample), "side": 64}
    datasets.prepare(datasets.Preparation("imagenet", options, {"train": 24, "test": 8}), data)
    config = {
        "experiment": "x", "datasets": {"imagenet": {"loader": "imagenet", "options": options}},
        "architectures": ["smallnet"], "methods": [{"name": "augmix", "parameters": {"severity": 1}}],
        "training": {"epochs": 2, "batch_size": 10, "threads": 1, "nesterov": False, "warmup_epochs": 1},
        "folders": {"data": str(tmp_path / "data")},
    }  # fmt: skip
    settings = Experiment(config).runs[0].training
    one, other = (tmp_path / name / "x" / "imagenet" / "smallnet" / "augmix" / "seed0" for name in "ab")
    training.train(settings, one)
    training.train(settings, other)
    assert digest(one / "model.pt") == digest(other / "model.pt")
    split = datasets.read(data, "train")
    source, other_source = (batches.Batches(split, 0, 10, True, torch.device("cpu")) for _ in range(2))
    first, again = source(0, 1), other_source(0, 1)
    assert first.images.shape == (10, 3, 64, 64)
    assert torch.equal(first.images, again.images)
    assert source(0, 2).images.shape == (4, 3, 64, 64)
    assert not torch.equal(source(1, 1).images, first.images)
