"""TrivialAugment (Müller & Hutter, 2021): one random operation an image, at a random magnitude.

The operations and what a magnitude means are torchvision's, as in `randaugment`; so are the departures. The authors
augment before crop and flip and end with Cutout.
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
    """One of 31 magnitudes, each as likely; `full` keeps the operations that overlap with -C.

    `space` is what the highest magnitude means: `wide` is torchvision's TrivialAugmentWide, which can push an image of
    32 pixels out of itself, `standard` the milder one that the authors advise for WideResNet 40-2.
    """
    check_choice("space", space, tuple(SPACES))
    check_flag("full", full)
    available = ALL if full else FEWER
    views = partial(augmented, space=SPACES[space], available=available, depth=1, magnitude=None)
    return Method(views, unmixed, cross_entropy)
