"""Mixup (Zhang et al., 2018): each image and its target mixed with those of a random partner.

The partners are a permutation of the batch, and all images of a batch have the same share.

Departures:
    - None in the mix. The paper trains it with a weight decay of 1e-4: give the method
      `training: {weight_decay: 1.0e-4}`.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from augmix.checks import check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, clean, partners, soft_targets


def method(*, alpha: float = 1.0) -> Method:
    """The images as they come, mixed.

    Args:
        alpha: The parameter of λ ~ Beta(α, α), an image's share in the mix. Source: the authors' on CIFAR.
    """
    check_number("alpha", alpha, 0, 1e6, above=True)
    return Method(clean, partial(mix_up, alpha=alpha), cross_entropy)


def mix_up(
    views: list[Tensor], targets: Tensor, rng: np.random.Generator, *, alpha: float
) -> tuple[list[Tensor], Tensor]:
    """λ·x + (1 − λ)·partner of every view, float32, and of the targets."""
    share = rng.beta(alpha, alpha)
    partner = partners(len(targets), rng, targets.device)
    pixels = [view.to(torch.float32) for view in views]
    return [torch.lerp(view[partner], view, share) for view in pixels], soft_targets(targets, partner, share)
