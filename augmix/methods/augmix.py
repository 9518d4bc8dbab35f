"""AugMix: chains of random operations, mixed with the image, and a Jensen–Shannon consistency loss.

Hendrycks et al., ICLR 2020, Section 3 and Algorithm 1.
"""

from functools import partial

import numpy as np
from torch import Tensor, nn

from augmix import losses
from augmix.methods import Method, unmixed
from augmix.mixing import AugMix, apply


def method(
    *,
    width: int = 3,
    depth: int = -1,
    alpha: float = 1.0,
    severity: float = 3,
    all_ops: bool = False,
    views: int = 2,
    weight: float = 12.0,
) -> Method:
    """The clean image and `views` augmixed ones; cross-entropy on the clean one plus `weight` (λ) times JSD."""
    if views < 1:
        raise ValueError(f"views is {views}; it must be at least 1")
    augmix = AugMix(width=width, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops)
    if weight < 0:
        raise ValueError(f"weight is {weight}; it must be at least 0")
    return Method(partial(augmixed, augmix=augmix, count=views), unmixed, partial(losses.augmix, weight=weight))


def augmixed(
    images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator, *, augmix: AugMix, count: int
) -> list[Tensor]:
    """The clean images and `count` independently augmixed versions of each."""
    batch, _, height, width = images.shape
    plans = (augmix.sample(batch, (height, width), rng) for _ in range(count))
    return [images, *(apply(images, plan) for plan in plans)]
