"""AugMix without its consistency loss: cross-entropy on one augmixed view.

The row "AugMix w/o JSD" of the paper's Table 4; one forward pass an image, so a third of AugMix's step.
"""

from functools import partial

import numpy as np
from torch import Tensor, nn

from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from augmix.mixing import AugMix, apply


def method(
    *, width: int = 3, depth: int = -1, alpha: float = 1.0, severity: float = 3, all_ops: bool = False
) -> Method:
    """One augmixed view in place of the image."""
    augmix = AugMix(width=width, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops)
    return Method(partial(one_view, augmix=augmix), unmixed, cross_entropy)


def one_view(
    images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator, *, augmix: AugMix
) -> list[Tensor]:
    """A single augmixed version of each image; the clean one is not seen."""
    batch, _, height, width = images.shape
    return [apply(images, augmix.sample(batch, (height, width), rng))]
