"""Trainings with split batch norms: to the bit the same again, resumed and replayed; evaluated as any other net."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from augmix.errors import UserError
from augmix.graphs import Graphs
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.evaluate import evaluation, weights
from augmix.suite.run import preflight
from augmix.suite.train import devices, training
from augmix.suite.train.checkpoints import Interrupted
from tests.augmix.tape import on_tape

MakeExperiment = Callable[..., Experiment]
SPLIT = {"epochs": 2, "batch_size": 40, "batch_norm": "split"}


def run(make: MakeExperiment, root: Path, **recipe: Any) -> Path:
    folder = root / "results" / "digits" / "smallnet" / "augmix" / "seed0"
    training.train(make(methods=["augmix"], training={**SPLIT, **recipe}).runs[0].training, folder)
    return folder


def model(folder: Path) -> bytes:
    return (folder / "model.pt").read_bytes()


def test_it_trains_another_net_of_the_same_weights(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    folder = run(small_experiment, tmp_path / "split")
    shared = run(small_experiment, tmp_path / "shared", batch_norm="shared")
    kept = torch.load(folder / "model.pt", weights_only=True)
    assert kept.keys() == torch.load(shared / "model.pt", weights_only=True).keys()
    assert model(folder) != model(shared)
    assert model(folder) == model(run(small_experiment, tmp_path / "again"))
    counts = {json.loads((where / "provenance.json").read_text())["parameters"] for where in (folder, shared)}
    assert counts == {95394}
    noted = {"classes": range(10), "normalisation": [[0.5] * 3] * 2}
    net = evaluation.load_net(folder / "model.pt", "smallnet", noted, torch.device("cpu")).net
    elsewhere = weights.fit(weights.read(folder / "model.pt"), "smallnet", 10, folder / "model.pt")
    for loaded in (net, elsewhere):
        assert all(torch.equal(value, kept[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize("replayed", [False, True])
def test_killed_and_resumed_it_ends_in_the_same_bits(
    replayed: bool, small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(small_experiment, tmp_path / "whole")
    if replayed:
        monkeypatch.setattr(devices, "graphs", lambda device: Graphs(on_tape, pytest.fail))
    step, calls = training.training_step, 0

    def interrupting(*given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal calls
        calls += 1
        if calls == 4:  # of three an epoch
            signal.raise_signal(signal.SIGTERM)
        return step(*given)

    monkeypatch.setattr(training, "training_step", interrupting)
    with pytest.raises(Interrupted):
        run(small_experiment, tmp_path / "broken")
    assert model(run(small_experiment, tmp_path / "broken")) == model(whole)
    assert calls == 6


def test_it_compiles(small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_net = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda net, **given: compile_net(net, backend="aot_eager", **given))
    kept = [
        torch.load(run(small_experiment, tmp_path / f"{compiled}", compile=compiled) / "model.pt", weights_only=True)
        for compiled in (True, False)
    ]
    for name, value in kept[0].items():
        torch.testing.assert_close(value, kept[1][name], atol=1e-3, rtol=1e-2)


def test_faults_are_told_before_any_job(write_config: Callable[..., Path]) -> None:
    def check(method: Any, architecture: str = "smallnet") -> None:
        preflight.check(
            load(write_config(methods=[method], architectures=[architecture], training={"batch_norm": "split"}))
        )

    check("augmix")
    check({"name": "plain", "preset": "standard", "training": {"batch_norm": "shared"}})
    with pytest.raises(UserError, match=r"method 'cutout' cannot take a step: .* there is one view alone"):
        check("cutout")
    with pytest.raises(UserError, match="data set 'digits': vit has no batch norm that could be split"):
        check("augmix", "vit")
    with pytest.raises(UserError, match=r"training\.batch_norm is 'spilt'; valid: shared, split"):
        check({"name": "augmix", "training": {"batch_norm": "spilt"}})


def test_a_single_view_is_refused_in_training_too(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "digits" / "smallnet" / "standard" / "seed0"
    with pytest.raises(UserError, match="there is one view alone"):
        training.train(small_experiment(methods=["standard"], training=SPLIT).runs[0].training, folder)
    assert not (folder / "model.pt").exists()
