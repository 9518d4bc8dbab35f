"""Images perturbed against a net: projected gradient descent (Madry et al., ICLR 2018)."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from augmix.graphs import replayed
from augmix.methods import uniform


def pgd(
    images: Tensor,
    labels: Tensor,
    net: nn.Module,
    rng: np.random.Generator,
    *,
    epsilon: float,
    step: float,
    steps: int,
    mode: str = "eval",
) -> Tensor:
    """Ascend the loss by `steps` signed gradients from a random start, within ε (ℓ∞) of the images: float32.

    `images` are (B, C, H, W) in [0, 255] and stay in it, `labels` int64 (B,). `epsilon` and `step` are in units of the
    range of pixel values. In mode "train" the net normalises by its own batch's statistics, and dropout is on; in mode
    "eval" it is attacked as it is evaluated. The net's parameters get no gradients, its running statistics stay.
    """

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
    with attacked(net, mode):
        [perturbed] = replayed((net, epsilon, step, steps, mode), ascend, images, labels, start)
    return perturbed


@contextmanager
def attacked(net: nn.Module, mode: str) -> Iterator[None]:
    """The net in `mode` ("train" or "eval") within the block, its running statistics left alone."""
    modes = {part: part.training for part in net.modules()}
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    net.train(mode == "train")
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for part, training in modes.items():  # a part may be frozen within a net that trains
            part.training = training
