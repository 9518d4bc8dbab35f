"""RandAugment (Cubuk et al., 2020): some random operations an image, all of them at one magnitude.

Operations are drawn anew for each place of a chain, signs for each operation. Those that overlap with -C are left out,
as of AutoAugment in the AugMix paper. New pixels are black.

Departures:
    - Magnitudes have torchvision's meaning: 31 of them, so that 9 is 9/30 of an operation's range. The authors' code
      for TPUs and timm count to 10, where 9 is nearly everything.
    - The authors augment before crop and flip, end with Cutout of 16 pixels, take the nearest pixel, and have contrast,
      colour, brightness and sharpness. Here it is after crop and flip, without Cutout and bilinear; `full: true` has
      the four. With them each operation is torchvision's to the bit, with bilinear geometry, which tests compare.
    - Their errors were not reproduced: these need their nets and hours of a GPU.
"""

from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from augmix import operations
from augmix.checks import check_flag, check_integer
from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed

MAGNITUDES = 31
FEWER, ALL = np.arange(10), np.arange(14)
"""The ids of the identity and AugMix's nine operations; and of these and the four that overlap with -C."""


class Space(NamedTuple):
    """The value at the highest magnitude."""

    shear: float
    translate: float
    """Pixels; at most 1: a share of the image's side."""
    rotate: float
    """Degrees."""
    enhance: float
    """How far the factors of colour, contrast, brightness and sharpness are from 1."""
    posterize: int
    """How many of the 8 bits are lost."""


SPACE = Space(shear=0.3, translate=150 / 331, rotate=30, enhance=0.9, posterize=4)


def method(*, depth: int = 2, magnitude: int = 9, full: bool = False) -> Method:
    """The images after `depth` operations at one magnitude.

    Args:
        depth: The paper's N: the operations that an image gets. Source: torchvision, and the authors for ResNet-50 on
            ImageNet; for WideResNet 28-10 they have 3 on CIFAR-10 and 2 on CIFAR-100.
        magnitude: The paper's M, 0 to 30. Source: torchvision, and the authors for ResNet-50 on ImageNet; for
            WideResNet 28-10 they have 5 on CIFAR-10 and 14 on CIFAR-100. They searched for each net and data set.
        full: Whether the operations that overlap with -C are kept. Source: the AugMix paper leaves them out.
    """
    check_integer("depth", depth, 1)
    check_integer("magnitude", magnitude, 0, MAGNITUDES - 1)
    check_flag("full", full)
    available = ALL if full else FEWER
    views = partial(augmented, space=SPACE, available=available, depth=depth, magnitude=magnitude)
    return Method(views, unmixed, cross_entropy)


def augmented(
    images: Tensor,
    labels: Tensor,
    net: nn.Module,
    rng: np.random.Generator,
    *,
    space: Space,
    available: np.ndarray,
    depth: int,
    magnitude: int | None,
) -> list[Tensor]:
    """Each image after `depth` random operations, whose magnitudes are drawn where it is None: uint8 (B, C, H, W)."""
    batch, _, height, width = images.shape
    shape = (batch, depth)
    ids = available[rng.integers(len(available), size=shape)]
    magnitudes = rng.integers(MAGNITUDES, size=shape) if magnitude is None else magnitude
    signs = rng.integers(2, size=shape)
    return [operations.chain(images, ids, parameters(space, (height, width))[ids, magnitudes, signs])]


@cache
def parameters(space: Space, size: tuple[int, int]) -> np.ndarray:
    """Each operation's parameter at each magnitude, of the one sign and the other: float64 (operations, 31, 2).

    `size` is the images' (height, width). Steps are in single precision, as torchvision's are.
    """

    def up_to(most: float) -> np.ndarray:
        return torch.linspace(0, most, MAGNITUDES).double().numpy()

    across, down = (np.trunc(up_to(space.translate * (side if space.translate <= 1 else 1))) for side in size[::-1])
    signed = {
        "shear_x": up_to(space.shear), "shear_y": up_to(space.shear), "rotate": up_to(space.rotate),
        "translate_x": across, "translate_y": down,
    }  # fmt: skip
    found = np.zeros((len(operations.OPERATIONS), MAGNITUDES, 2))
    for name, values in signed.items():
        found[operations.IDS[name]] = np.stack([-values, values], axis=1)
    for name in ("color", "contrast", "brightness", "sharpness"):
        found[operations.IDS[name]] = 1 + np.stack([-up_to(space.enhance), up_to(space.enhance)], axis=1)
    lost = torch.arange(MAGNITUDES) / ((MAGNITUDES - 1) / space.posterize)
    found[operations.IDS["posterize"]] = (8 - lost).round().numpy()[:, None]
    found[operations.IDS["solarize"]] = 255 * torch.linspace(1, 0, MAGNITUDES).double().numpy()[:, None]
    return found
