"""CutMix (Yun et al., 2019): a box of each image replaced by that of a random partner, targets by its area.

One box per batch. Its sides are √(1 − λ) of the image's, its centre is uniform over the image and what leaves the image
is cut off; the targets follow the area that is really pasted.

Departures:
    - In the authors' code a side of an odd number of pixels is a pixel shorter; here it has the paper's length.
"""

from functools import partial

import numpy as np
from torch import Tensor

from augmix.checks import check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, clean, partners, soft_targets


def method(*, alpha: float = 1.0, probability: float = 0.5) -> Method:
    """The images as they come, some batches mixed.

    Args:
        alpha: The parameter of λ ~ Beta(α, α), the share that an image keeps. Source: the authors'.
        probability: The share of batches that are mixed. Source: the authors' on CIFAR.
    """
    check_number("alpha", alpha, 0, 1e6, above=True)
    check_number("probability", probability, 0, 1)
    return Method(clean, partial(cut_mix, alpha=alpha, probability=probability), cross_entropy)


def cut_mix(
    views: list[Tensor], targets: Tensor, rng: np.random.Generator, *, alpha: float, probability: float
) -> tuple[list[Tensor], Tensor]:
    """Every view with its partners' box pasted, and the targets mixed by the pasted area."""
    if rng.random() >= probability:
        return views, targets
    height, width = views[0].shape[-2:]
    side = np.sqrt(1 - rng.beta(alpha, alpha))
    rows, columns = _interval(height, side, rng), _interval(width, side, rng)
    partner = partners(len(targets), rng, targets.device)
    mixed = []
    for view in views:
        pasted = view.clone()
        pasted[..., rows, columns] = view[partner][..., rows, columns]
        mixed.append(pasted)
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, soft_targets(targets, partner, 1 - area / (height * width))


def _interval(length: int, share: float, rng: np.random.Generator) -> slice:
    """So many of `length` pixels around a random centre, as far as they are within."""
    extent = int(share * length)
    first = int(rng.integers(length)) - extent // 2
    return slice(max(first, 0), min(first + extent, length))
