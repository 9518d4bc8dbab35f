"""AugMax (Wang et al., 2021): AugMix's loss on the image, an AugMix view and one whose weights mislead the net.

The weights of the second view's chains, and their share in the mix, start at random. They follow the sign of the loss's
gradient for some steps, or until the net is misled, which is attacked as it is evaluated.

The authors' nets (DuBIN) have batch norms for the second view that are not those of the image and the AugMix view, and
instance norms of half the features in early blocks; each view takes a pass by itself, and the attack goes through the
second view's norms. Here the views go through one net in one pass. With `training: {batch_norm: split}` the image has
norms of its own and both views share others, the attack goes through the image's, and there are no instance norms.

The strength of a view before its first step was compared with the authors' (`baselines/README.md`), the steps with
another reading of the paper. Their accuracies on clean CIFAR-10 and -C (95.76 and 90.36 % with ResNet-18, 95.68 and
90.67 with WideResNet 40-2, 96.39 and 92.11 with ResNeXt-29), on CIFAR-100's and ImageNet's (mCE 82.56) were not
reproduced: these take 90 to 200 epochs, their nets, and hours of a GPU.
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
    """At most `steps` moves of all weights by `step`; the rest is AugMix's, with the weight λ of CIFAR.

    `steps`, `step` and the chains are those of the authors' code, on ImageNet too. Their commands take 10 `steps`;
    their `weight` is 1 for ResNet-18 on CIFAR-100, and 12 on ImageNet.
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
