"""AugMax: weights that climb the loss and stop where the net is misled; the net as it was."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmix import models, operations
from augmix.methods import uniform
from augmix.mixing import Sampler, apply
from baselines import augmax


def views(images: Tensor, labels: Tensor, net: nn.Module, seed: int = 0, **parameters: Any) -> list[Tensor]:
    return augmax.method(**parameters).views(images, labels, net, np.random.default_rng(seed))


def plainly(images: Tensor, labels: Tensor, net: nn.Module, steps: int) -> tuple[Tensor, Tensor]:
    """AugMax's views of the same draws, image by image, and how many moves each image made."""
    rng = np.random.default_rng(0)
    mixed = apply(images, Sampler().sample(len(images), (32, 32), rng))
    plan = Sampler().sample(len(images), (32, 32), rng)
    start = uniform((len(images), 4), rng, images.device)
    net = copy.deepcopy(net).eval()
    found, moves = [], []
    for i, image in enumerate(images):
        chains = [
            operations.chain(image[None], plan.operations[i, k][None], plan.parameters[i, k][None])[0].float()
            for k in range(3)
        ]
        m, q, moved = start[i, 0], start[i, 1:], 0

        def rendered(m: Tensor, q: Tensor, image: Tensor = image, chains: list[Tensor] = chains) -> Tensor:
            return (1 - m) * image + m * sum(w * chain for w, chain in zip(q.softmax(0), chains, strict=True))

        for _ in range(steps):
            m, q = m.detach().requires_grad_(), q.detach().requires_grad_()
            logits = net(rendered(m, q)[None])
            if logits.argmax() != labels[i]:
                break
            F.cross_entropy(logits, labels[i : i + 1]).backward()
            assert m.grad is not None
            assert q.grad is not None
            m, q, moved = (m + 0.1 * m.grad.sign()).clamp(0, 1), q + 0.1 * q.grad.sign(), moved + 1
        found.append(rendered(m, q).detach())
        moves.append(moved)
    return torch.stack([mixed, torch.stack(found)]), torch.tensor(moves)


def test_views_are_those_of_a_plain_reading(images: Tensor, net: nn.Module) -> None:
    images = images[:24]
    with torch.no_grad():
        labels = copy.deepcopy(net).eval()(images).argmax(1)  # right on all images, so that they have to be misled
    labels[::4] = (labels[::4] + 1) % 10
    clean, *others = views(images, labels, net, steps=4)
    expected, moves = plainly(images, labels, net, 4)
    assert torch.equal(clean, images)
    assert torch.equal(others[0], expected[0])
    torch.testing.assert_close(others[1], expected[1], atol=1e-3, rtol=0)
    assert (moves == 0).any()
    assert (moves == 4).any()


def test_each_image_stops_by_itself_once_it_misleads_the_net(images: Tensor) -> None:
    images = images[:24]
    torch.manual_seed(0)
    net = nn.Sequential(models.Normalised(nn.Flatten()), nn.Linear(3072, 10))
    with torch.no_grad():
        labels = net(images).argmax(1)
    expected, moves = plainly(images, labels, net, 4)
    torch.testing.assert_close(views(images, labels, net, steps=4)[2], expected[1], atol=1e-3, rtol=0)
    assert set(moves.tolist()) == {0, 1, 2, 3, 4}


def test_misleading_raises_the_loss(images: Tensor, labels: Tensor, net: nn.Module) -> None:
    with torch.no_grad():
        labels = copy.deepcopy(net).eval()(images).argmax(1)

    def loss(steps: int, step: float) -> float:
        view = views(images, labels, net, steps=steps, step=step)[2]
        assert view.min() >= 0
        assert view.max() <= 255 + 1e-3
        with torch.no_grad():
            return F.cross_entropy(copy.deepcopy(net).eval()(view), labels).item()

    assert loss(1, 1e-6) < loss(1, 0.1) < loss(10, 0.1)


@pytest.mark.parametrize("training", [True, False])
def test_the_net_stays_as_it_was(images: Tensor, labels: Tensor, net: nn.Module, training: bool) -> None:
    net.train(training)
    before = copy.deepcopy(net.state_dict())
    _, mixed, adversarial = views(images, labels, net)
    assert not adversarial.requires_grad
    assert not torch.equal(mixed, adversarial)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())
    assert all(module.training is training for module in net.modules())


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"step": 0}, r"step must be in \(0, 1\]"),
        ({"width": 0}, "width must be at least 1"),
        ({"weight": -1}, "weight must be in"),
    ],
)
def test_refuses_parameters_out_of_range(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        augmax.method(**parameters)
