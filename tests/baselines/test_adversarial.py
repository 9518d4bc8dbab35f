"""PGD: within ε and the range of pixels, towards higher loss, and the net as it was."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines import adversarial


@pytest.fixture
def images() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (16, 3, 16, 16), np.uint8))


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(16) % 10


def attacked(images: Tensor, labels: Tensor, net: nn.Module, seed: int = 0, **parameters: float | str) -> Tensor:
    method = adversarial.method(**parameters)  # type: ignore[arg-type]
    [view] = method.views(images, labels, net, np.random.default_rng(seed))
    return view


def loss(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return F.cross_entropy(copy.deepcopy(net)(images), labels).item()


def test_stays_within_epsilon_and_the_range(images: Tensor, labels: Tensor, net: nn.Module) -> None:
    images = images.clone()
    images[:, :, :4], images[:, :, 4:8] = 0, 255
    view = attacked(images, labels, net)
    assert not view.requires_grad
    assert view.dtype == torch.float32
    assert view.min() >= 0
    assert view.max() <= 255
    distance = (view - images).abs()
    assert distance.max() <= 8 + 1e-4
    assert (distance[:, :, 8:] > 7.9).float().mean() > 0.3


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_raises_the_loss(images: Tensor, labels: Tensor, net: nn.Module, mode: str) -> None:
    net.train(mode == "train")
    clean = loss(net, images, labels)
    start = loss(net, attacked(images, labels, net, step=1e-6, steps=1, mode=mode), labels)
    short = loss(net, attacked(images, labels, net, steps=1, mode=mode), labels)
    assert clean - 0.05 < start < short < loss(net, attacked(images, labels, net, mode=mode), labels)
    wider = loss(net, attacked(images, labels, net, epsilon=16 / 255, step=4 / 255, mode=mode), labels)
    assert wider > loss(net, attacked(images, labels, net, mode=mode), labels)


def test_starts_anywhere_within_epsilon(labels: Tensor, net: nn.Module) -> None:
    grey = torch.full((16, 3, 32, 32), 128, dtype=torch.uint8)
    start = attacked(grey, labels, net, step=1e-9, steps=1) - 128
    assert start.min() < -7.9
    assert start.max() > 7.9
    assert start.std().item() == pytest.approx(16 / 12**0.5, rel=0.02)
    other = attacked(grey, labels, net, seed=1, step=1e-9, steps=1) - 128
    assert not torch.equal(start, other)
    assert torch.equal(attacked(grey, labels, net), attacked(grey, labels, net))


def test_a_step_follows_the_sign_of_the_gradient() -> None:
    """On a linear net of two classes the gradient has one sign everywhere."""

    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            total = x.flatten(1).mean(1)
            return torch.stack([total, -total], 1) / 100

    grey = torch.full((4, 3, 8, 8), 128, dtype=torch.uint8)
    labels = torch.tensor([0, 0, 1, 1])
    start = attacked(grey, labels, Sum(), step=1e-9, steps=1)
    stepped = attacked(grey, labels, Sum(), step=1 / 255, steps=1)
    direction = torch.tensor([-1.0, -1.0, 1.0, 1.0]).view(-1, 1, 1, 1)
    torch.testing.assert_close(stepped, (start + direction).clamp(120, 136), atol=1e-4, rtol=0)
    assert torch.equal(attacked(grey, labels, Sum()), 128 + 8 * direction.expand(4, 3, 8, 8))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_net_stays_as_it_was(images: Tensor, labels: Tensor, net: nn.Module, mode: str, training: bool) -> None:
    net.train(training)
    next(net.children()).train(not training)  # a part may be in another mode than the net
    modes = [module.training for module in net.modules()]
    before = copy.deepcopy(net.state_dict())
    attacked(images, labels, net, mode=mode)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())
    assert [module.training for module in net.modules()] == modes
    net.train()(images)
    assert any(not torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_modes_attack_different_nets(images: Tensor, labels: Tensor, net: nn.Module) -> None:
    assert not torch.equal(attacked(images, labels, net), attacked(images, labels, net, mode="eval"))


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"epsilon": 8}, r"epsilon must be in \(0, 1\], not 8"),
        ({"epsilon": 0}, r"epsilon must be in \(0, 1\], not 0"),
        ({"step": -0.1}, r"step must be in \(0, 1\]"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"mode": "evaluation"}, "unknown mode 'evaluation'"),
    ],
)
def test_refuses_parameters_out_of_range(parameters: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        adversarial.method(**parameters)  # type: ignore[arg-type]
