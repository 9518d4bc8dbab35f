"""Settings that a recipe offers for speed take effect, repeat to the bit, and train as the default does."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from augmix import models
from augmix.suite.config.experiment import Experiment
from augmix.suite.train import optimizers, training


@pytest.fixture
def trained(
    small_experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[dict[str, torch.Tensor], float, nn.Module]]:
    """Train smallnet with a recipe's options: its weights, the last epoch's loss, and the net that was trained."""
    nets: list[nn.Module] = []
    step = training.training_step

    def watched(net: nn.Module, *arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
        nets.append(net)
        return step(net, *arguments)

    monkeypatch.setattr(training, "training_step", watched)

    def run(name: str, **options: Any) -> tuple[dict[str, torch.Tensor], float, nn.Module]:
        experiment = small_experiment(methods=["augmix"], training={"epochs": 2, "batch_size": 32, **options})
        folder = tmp_path / name / "results" / "digits" / "smallnet" / "augmix" / "seed0"
        training.train(experiment.runs[0].training, folder)
        with (folder / "history.csv").open() as file:
            loss = float(list(csv.DictReader(file))[-1]["train_loss"])
        return dict(torch.load(folder / "model.pt", weights_only=True)), loss, nets[-1]

    return run


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "option", [{"precision": "bfloat16"}, {"channels_last": False}, {"compile": True}], ids=lambda o: next(iter(o))
)
def test_an_option_trains_as_the_default_does_and_repeats_to_the_bit(
    option: dict[str, Any], trained: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_net = nn.Module.compile
    # The real backend is a C++ compiler, for minutes.
    monkeypatch.setattr(nn.Module, "compile", lambda net, **given: compile_net(net, backend="aot_eager", **given))
    _, expected, _ = trained("default")
    weights, loss, _ = trained("once", **option)
    again, _, _ = trained("again", **option)
    assert same(weights, again)
    assert loss == pytest.approx(expected, rel=0.02)
    assert all(value.dtype in (torch.float32, torch.int64) for value in weights.values())


def test_channels_last_is_the_weights_layout(trained: Callable[..., Any]) -> None:
    for wanted in (True, False):
        *_, net = trained(f"{wanted}", channels_last=wanted)
        weight = net.net.features[0].weight
        assert weight.is_contiguous(memory_format=torch.channels_last) is wanted


def test_compile_compiles_the_net(trained: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[tuple[nn.Module, dict[str, Any]]] = []
    monkeypatch.setattr(nn.Module, "compile", lambda net, **given: compiled.append((net, given)))
    *_, net = trained("default")
    assert compiled == []
    *_, net = trained("compiled", compile=True)
    assert compiled == [(net.net, {"dynamic": False})]


def test_bfloat16_is_for_training_alone() -> None:
    seen: list[torch.dtype] = []

    class Watched(nn.Linear):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            output = super().forward(images.mean((2, 3)))
            seen.append(output.dtype)
            return output

    for precision in (torch.float32, torch.bfloat16):
        net = models.Normalised(Watched(3, 2), precision=precision)
        images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        assert [net.train(mode)(images).dtype for mode in (True, False)] == [torch.float32] * 2
    assert seen == [torch.float32, torch.float32, torch.bfloat16, torch.float32]


def test_adamw_is_an_option(trained: Callable[..., Any]) -> None:
    """Its first step moves every weight by about the learning rate, whatever the gradient's size."""
    recipe = {"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 0.05}
    net = nn.Linear(4, 3)
    before = net.weight.detach().clone()
    optimizer = optimizers.make_optimizer(net, recipe)
    (net(torch.ones(1, 4)) * torch.tensor([1e-3, 1.0, 1e3])).sum().backward()
    optimizer.step()
    torch.testing.assert_close(net.weight.detach(), before * (1 - 1e-3 * 0.05) - 1e-3, atol=1e-5, rtol=0)
    weights, _, _ = trained("once", **recipe)
    again, _, _ = trained("again", **recipe)
    sgd, _, _ = trained("sgd", **{**recipe, "optimizer": "sgd"})
    assert same(weights, again)
    assert not same(weights, sgd)
