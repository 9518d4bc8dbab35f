"""Training from recordings, as on a GPU: the plain loop's weights to the bit, killed anywhere, figures read rarely."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from augmix.errors import RunError
from augmix.graphs import CaptureError, Graphs, recording
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate import evaluation
from augmix.suite.testsets.base import Shift
from augmix.suite.train import devices, training
from augmix.suite.train.checkpoints import Interrupted
from tests.augmix.tape import on_tape

MakeExperiment = Callable[..., Experiment]
CPU = torch.device("cpu")


def fails(*_: object) -> Any:
    raise CaptureError("a stand-in refuses")


def called(function: Any, inputs: Any) -> Any:
    """Call the function anew in each replay."""
    return lambda: function(*inputs)


@contextmanager
def by(capture: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Train by this stand-in for CUDA graphs; what is said."""
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(devices, "graphs", lambda device: Graphs(capture, said.append))
        yield said


def run(make: MakeExperiment, folder: Path, method: str = "augmix", **training_: Any) -> Path:
    settings = make(methods=[method], training={"epochs": 2, "batch_size": 40, **training_}).runs[0].training
    folder = folder / "results" / "digits" / "smallnet" / method / "seed0"
    training.train(settings, folder)
    return folder


def same(one: Path, other: Path) -> bool:
    a, b = (torch.load(folder / "model.pt", weights_only=True) for folder in (one, other))
    return all(torch.equal(a[name], b[name]) for name in a) and history(one) == history(other)


def history(folder: Path) -> list[list[str]]:
    rows = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if name not in ("seconds", "timestamp")]
    return [[row[i] for i in kept] for row in rows]


@pytest.mark.parametrize("method", ["augmix", "mixup"])
def test_a_replayed_training_is_the_plain_one(
    method: str, small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of the three batches has 16 images."""
    plain = run(small_experiment, tmp_path / "plain", method)
    with by(on_tape, monkeypatch) as said:
        assert same(run(small_experiment, tmp_path / "replayed", method), plain)
    with by(called, monkeypatch):
        assert same(run(small_experiment, tmp_path / "called", method), plain)
    assert not said
    with by(fails, monkeypatch) as said:
        assert same(run(small_experiment, tmp_path / "refused", method), plain)
    assert said == ["warning: kernels are launched one by one, which takes longer: a stand-in refuses"]


def killed(
    make: MakeExperiment, folder: Path, monkeypatch: pytest.MonkeyPatch, stop: int, recipe: dict[str, Any]
) -> Path:
    """The same run, which had a signal in one of its six steps and was started again."""
    step, calls = training.training_step, 0

    def interrupting(*given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal calls
        calls += 1
        if calls == stop:
            signal.raise_signal(signal.SIGTERM)
        return step(*given)

    monkeypatch.setattr(training, "training_step", interrupting)
    with pytest.raises(Interrupted):
        run(make, folder, **recipe)
    found = run(make, folder, **recipe)
    assert calls == 6
    return found


@pytest.mark.parametrize(("optimizer", "stop"), [("sgd", 1), ("adamw", 5)])
def test_killed_and_resumed_it_ends_in_the_same_bits(
    optimizer: str, stop: int, small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe: dict[str, Any] = {"optimizer": optimizer, "learning_rate": 0.01}
    with by(on_tape, monkeypatch):
        whole = run(small_experiment, tmp_path / "whole", **recipe)
        assert same(killed(small_experiment, tmp_path / "broken", monkeypatch, stop, recipe), whole)


@pytest.mark.cuda
def test_on_a_gpu_a_training_repeats_to_the_bit_and_resumes(
    small_experiment: MakeExperiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe: dict[str, Any] = {"device": "cuda", "learning_rate": 0.01}
    whole = run(small_experiment, tmp_path / "whole", **recipe)
    assert same(run(small_experiment, tmp_path / "again", **recipe), whole)
    assert same(killed(small_experiment, tmp_path / "broken", monkeypatch, 5, recipe), whole)
    assert "kernels are launched one by one" not in capsys.readouterr().err
    noted = json.loads((whole / "provenance.json").read_text())
    assert noted["precision"] == devices.precision("auto", torch.device("cuda"))
    assert noted["cuda"] == torch.version.cuda


def test_figures_are_read_once_an_epoch_and_divergence_has_its_step(
    small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[tuple[int, int]] = []
    read = training.Trainer._read_figures

    def watched(trainer: training.Trainer) -> None:
        if trainer.unread != trainer.step:
            reads.append((trainer.unread, trainer.step))
        read(trainer)

    monkeypatch.setattr(training.Trainer, "_read_figures", watched)
    step, calls = training.training_step, 0

    def diverging(*given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal calls
        calls += 1
        loss, wrong = step(*given)
        return (loss * float("nan") if calls == 5 else loss), wrong

    monkeypatch.setattr(training, "training_step", diverging)
    with by(on_tape, monkeypatch), pytest.raises(RunError, match="diverged: loss nan in epoch 2, step 2; try a lower"):
        run(small_experiment, tmp_path)
    assert reads == [(0, 3), (0, 3)]
    assert calls == 6
    noted = json.loads(next(tmp_path.rglob("diverged.json")).read_text())
    assert (noted["epoch"], noted["step"]) == (2, 2)


def test_a_replayed_evaluation_gives_the_same_numbers(
    small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(small_experiment, tmp_path)
    images = torch.randint(0, 256, (300, 32, 32, 3), dtype=torch.uint8).numpy()
    labels = torch.arange(300).remainder(10).numpy()
    noted = {"classes": range(10), "normalisation": [[0.5] * 3] * 2}
    net = evaluation.load_net(folder / "model.pt", "smallnet", noted, CPU)
    for classes in (None, torch.tensor([1, 3, 4]).numpy()):
        shift = Shift(images, labels if classes is None else labels.clip(0, 2), labels.shape, classes)
        expected = evaluation.numbers(net, shift, CPU)
        with recording(Graphs(on_tape, pytest.fail)):
            for _ in range(2):
                assert (evaluation.numbers(net, shift, CPU) == expected).all()
