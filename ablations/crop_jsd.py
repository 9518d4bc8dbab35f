"""Crop JSD: JSD over random crops of one image, without any of AugMix's operations.

At three times the step of standard training it shows what consistency is worth by itself.

Departures:
    - It is a control of ours; the paper has none.
"""

from functools import partial

import numpy as np
from torch import Tensor, nn

from augmix.checks import check_flag, check_integer
from augmix.crops import crop_and_flip
from augmix.methods import Method
from augmix.methods.augmix import consistent


def method(*, views: int = 2, weight: float = 12.0, flip: bool = False) -> Method:
    """The image, cropped as always, and `views` further crops of it, each shifted by up to 4 pixels more.

    Args:
        views, weight: As in `augmix`.
        flip: Whether half of the further crops are mirrored, for data where a mirrored image keeps its label. Source:
            ours.
    """
    check_integer("views", views, 1)
    check_flag("flip", flip)
    return consistent(partial(crops, count=views, flip=flip), weight)


def crops(
    images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator, *, count: int, flip: bool
) -> list[Tensor]:
    """The `count` further crops of each image."""
    return [crop_and_flip(images, rng, flip) for _ in range(count)]
