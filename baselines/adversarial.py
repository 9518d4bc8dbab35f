"""Adversarial training (Madry et al., 2018): the batch perturbed by PGD against the net as it is.

ℓ∞ within ε, from a random start; the perturbed images alone are trained on. The AugMix paper does not print its
settings: these are the common ones. Parameters get no gradients from the attack, and batch norm's running statistics
come from the trained batch alone: those of the attack's ten forward passes never enter them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from augmix.checks import check_choice, check_integer, check_number
from augmix.graphs import replayed
from augmix.losses import cross_entropy
from augmix.methods import Method, uniform, unmixed


def method(*, epsilon: float = 8 / 255, step: float = 2 / 255, steps: int = 10, mode: str = "train") -> Method:
    """`epsilon` and `step` are in units of the range of pixel values.

    In mode "train" the attack normalises by its own batch's statistics, as the update will, and dropout is on; in
    mode "eval" it sees the net as it would be evaluated.
    """
    check_number("epsilon", epsilon, 0, 1, above=True)
    check_number("step", step, 0, 1, above=True)
    check_integer("steps", steps, 1)
    check_choice("mode", mode, ("train", "eval"))
    return Method(partial(attack, epsilon=epsilon, step=step, steps=steps, mode=mode), unmixed, cross_entropy)


def attack(
    images: Tensor,
    labels: Tensor,
    net: nn.Module,
    rng: np.random.Generator,
    *,
    epsilon: float,
    step: float,
    steps: int,
    mode: str,
) -> list[Tensor]:
    """Ascend the loss by `steps` signed gradients, within `epsilon` of the images and [0, 255]: float32."""

    def ascend(images: Tensor, labels: Tensor, start: Tensor) -> tuple[Tensor]:
        pixels = images.to(torch.float32)
        lowest, highest = (pixels - 255 * epsilon).clamp_(min=0), (pixels + 255 * epsilon).clamp_(max=255)
        perturbed = torch.clamp(pixels + 255 * epsilon * (2 * start - 1), lowest, highest)
        for _ in range(steps):
            perturbed.requires_grad_()
            loss = F.cross_entropy(net(perturbed), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, perturbed)
            perturbed = torch.clamp(perturbed.detach() + 255 * step * gradient.sign_(), lowest, highest)
        return (perturbed,)

    start = uniform(images.shape, rng, images.device)
    with _attacked(net, mode):
        return list(replayed((net, epsilon, step, steps, mode), ascend, images, labels, start))


@contextmanager
def _attacked(net: nn.Module, mode: str) -> Iterator[None]:
    """The net in `mode` ("train" or "eval"), its running statistics left alone."""
    training = net.training
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    net.train(mode == "train")
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        net.train(training)
