"""AugMix: chains of random operations, mixed with the image, and a Jensen–Shannon consistency loss.

The net sees each image as it is and as two such views, and its three predictions are to agree (Hendrycks et al., ICLR
2020, Section 3 and Algorithm 1).

Departures:
    - None in what a batch becomes, nor in the loss: operations equal Pillow's to the bit, and nets, loss and rate were
      compared with the authors' script. What training, seeds and evaluation do otherwise is in `docs/quirks.md`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from augmix import losses
from augmix.checks import check_integer, check_number
from augmix.methods import Method, Views, unmixed
from augmix.mixing import Plan, Sampler, apply


def method(
    *,
    width: int = 3,
    depth: int = -1,
    alpha: float = 1.0,
    severity: float = 3,
    all_ops: bool = False,
    views: int = 2,
    weight: float = 12.0,
    label_smoothing: float = 0.0,
) -> Method:
    """The clean image and `views` augmixed ones; cross-entropy on the clean one plus `weight` (λ) times JSD.

    Args:
        width: The number of chains that are mixed. Source: the AugMix paper and its script.
        depth: The operations of a chain; -1 draws one, two or three for each. Source: the AugMix paper and its script.
        alpha: The parameter of the Dirichlet and the Beta distribution that weights are drawn from; at 1 all weights
            are equally likely. Source: the AugMix paper and its script.
        severity: The highest level of an operation, of 10; each draws its own from 0.1 on. Source: the AugMix script
            for CIFAR; that for ImageNet has 1.
        all_ops: Whether contrast, colour, brightness and sharpness are among the operations, which overlap with the
            corruptions of -C. Source: the AugMix paper and its script.
        views: The number of further views beside the clean image. Source: the AugMix paper and its script.
        weight: The factor λ of the consistency loss. Source: the AugMix paper and its script.
        label_smoothing: The share of each target in the cross-entropy that is spread over all classes. Source: none in
            AugMix; timm has 0.1 beside its JSD.
    """
    augmixed = augmented(views, width=width, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops)
    return consistent(augmixed, weight, label_smoothing=label_smoothing)


def augmented(count: int, render: Callable[[Tensor, Plan], Tensor] = apply, **parameters: Any) -> Views:
    """Views that are `count` independently augmented versions of each image, without the clean one.

    `parameters` are AugMix's; `render` makes images of a plan: its mixed chains, or its first chain alone.
    """
    check_integer("views", count, 1)
    return partial(_augmented, sampler=Sampler(**parameters), count=count, render=render)


def _augmented(
    images: Tensor,
    labels: Tensor,
    net: nn.Module,
    rng: np.random.Generator,
    *,
    sampler: Sampler,
    count: int,
    render: Callable[[Tensor, Plan], Tensor],
) -> list[Tensor]:
    batch, _, height, width = images.shape
    return [render(images, sampler.sample(batch, (height, width), rng)) for _ in range(count)]


def with_clean(others: Views) -> Views:
    """Views that are the clean images and the `others`."""
    return partial(_with_clean, others=others)


def _with_clean(
    images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator, *, others: Views
) -> list[Tensor]:
    return [images, *others(images, labels, net, rng)]


def consistent(
    others: Views,
    weight: float,
    divergence: Callable[[Sequence[Tensor], float], Tensor] = losses.jensen_shannon,
    label_smoothing: float = 0.0,
) -> Method:
    """Cross-entropy on the clean images plus `weight` times how much the predictions of all views diverge."""
    check_number("weight", weight, 0, 1e6)
    check_number("label_smoothing", label_smoothing, 0, 1)
    loss = partial(losses.augmix, weight=weight, divergence=divergence, label_smoothing=label_smoothing)
    return Method(with_clean(others), unmixed, loss)
