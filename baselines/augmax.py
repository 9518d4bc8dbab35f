"""AugMax (Wang et al., 2021): AugMix's loss on the image, an AugMix view and one whose weights mislead the net.

The weights of the second view's chains, and their share in the mix, start at random. They follow the sign of the loss's
gradient for some steps, or until the net is misled, which is attacked as it is evaluated.

Departures:
    - The authors' nets (DuBIN) have batch norms for the second view that are not those of the image and the AugMix
      view, and instance norms of half the features in early blocks; each view takes a pass by itself, and the attack
      goes through the second view's norms. Here all three views go through the same net at once; with `training:
      {batch_norm: split}` the image has norms of its own, through which the attack goes, and both views share others.
    - Their commands take 10 steps, their code 5 by default. They do not normalise the net's input.
    - Before the first step an image's mean change is 11.3 ± 0.2 grey levels here and 11.1 ± 0.1 by their code (100
      images of CIFAR-10, ± a standard error). Their errors were not reproduced: these need their nets and hours of a
      GPU.
"""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmix import operations
from augmix.attacks import attacked
from augmix.checks import check_integer, check_number
from augmix.graphs import replayed
from augmix.methods import Method, uniform
from augmix.methods.augmix import consistent
from augmix.mixing import Sampler, apply


def method(
    *,
    steps: int = 5,
    step: float = 0.1,
    width: int = 3,
    depth: int = -1,
    alpha: float = 1.0,
    severity: float = 3,
    all_ops: bool = False,
    weight: float = 10.0,
) -> Method:
    """The clean image, AugMix's view and the one that misleads the net; AugMix's loss.

    Args:
        steps: The most moves of all weights. Source: the default of the authors' code.
        step: The size of a move. Source: the authors'.
        width, depth, alpha, severity, all_ops: As in `augmix`.
        weight: The factor λ of the consistency loss. Source: the authors' on CIFAR; for ResNet-18 they have 1 on
            CIFAR-100, and 12 on ImageNet.
    """
    check_integer("steps", steps, 1)
    check_number("step", step, 0, 1, above=True)
    sampler = Sampler(width=width, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops)
    return consistent(partial(misled, sampler=sampler, steps=steps, step=step), weight)


def misled(
    images: Tensor,
    labels: Tensor,
    net: nn.Module,
    rng: np.random.Generator,
    *,
    sampler: Sampler,
    steps: int,
    step: float,
) -> list[Tensor]:
    """AugMix's view and the one that misleads the net: float32 (B, C, H, W) in [0, 255]."""
    batch, _, height, width = images.shape
    view = apply(images, sampler.sample(batch, (height, width), rng))
    plan = sampler.sample(batch, (height, width), rng)
    chains = operations.chain(
        images.repeat_interleave(sampler.width, 0),
        plan.operations.reshape(batch * sampler.width, -1),
        plan.parameters.reshape(batch * sampler.width, -1),
    ).view(batch, sampler.width, *images.shape[1:])

    def ascend(images: Tensor, chains: Tensor, labels: Tensor, start: Tensor) -> tuple[Tensor]:
        weights = start
        for _ in range(steps):
            weights = weights.detach().requires_grad_()
            logits = net(weighted(images, chains, weights))
            (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), weights)
            moving = (logits.argmax(1) == labels)[:, None]
            weights = weights.detach() + step * moving * gradient.sign_()
            weights[:, 0].clamp_(0, 1)
        return (weighted(images, chains, weights),)

    start = uniform((batch, 1 + sampler.width), rng, images.device)
    with attacked(net, "eval"):
        [adversarial] = replayed((net, "augmax", steps, step), ascend, images, chains, labels, start)
    return [view, adversarial]


def weighted(images: Tensor, chains: Tensor, weights: Tensor) -> Tensor:
    """(1 − m)·x + m·Σ softmax(q)ᵢ·chainᵢ of chains (B, K, C, H, W), float32; `weights` (B, 1 + K) are m and q."""
    share, within = weights[:, :1], weights[:, 1:].softmax(1)
    given = torch.cat([images[:, None], chains], 1).to(torch.float32)
    return torch.einsum("bk,bkchw->bchw", torch.cat([1 - share, share * within], 1), given)
