"""TrivialAugment (Müller & Hutter, 2021): one random operation an image, at a random magnitude.

The operations and what a magnitude means are torchvision's, as in `randaugment`; each of 31 magnitudes is as likely.

Departures:
    - The authors augment before crop and flip, end with Cutout of 16 pixels, take the nearest pixel, and have contrast,
      colour, brightness and sharpness. Here it is after crop and flip, without Cutout and bilinear; `full: true` has
      the four. With them each operation is torchvision's to the bit, with bilinear geometry, which tests compare.
    - Their errors were not reproduced: these need their nets and hours of a GPU.
"""

from functools import partial

from augmix.checks import check_choice, check_flag
from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from baselines.randaugment import ALL, FEWER, SPACE, Space, augmented

SPACES = {
    "wide": Space(shear=0.99, translate=32, rotate=135, enhance=0.99, posterize=6),
    "standard": SPACE._replace(translate=10),
}


def method(*, space: str = "wide", full: bool = False) -> Method:
    """The images, each after one operation.

    Args:
        space: The meaning of the highest magnitude. `wide` is torchvision's TrivialAugmentWide, whose translations of
            32 pixels can empty a small image; `standard` is the milder one that the authors advise for WideResNet 40-2.
            Source: torchvision, and the authors.
        full: Whether the operations that overlap with -C are kept. Source: the AugMix paper leaves them out.
    """
    check_choice("space", space, tuple(SPACES))
    check_flag("full", full)
    available = ALL if full else FEWER
    views = partial(augmented, space=SPACES[space], available=available, depth=1, magnitude=None)
    return Method(views, unmixed, cross_entropy)
