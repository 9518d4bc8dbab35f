"""Scikit-learn's handwritten digits: 1,797 real images that ship with the package.

The 8×8 originals are enlarged to 28×28 (bicubic) and padded to 32×32 RGB, the shape of CIFAR. The splits are fixed:

- `random` is stratified over all images: 1,437 for training, 360 for testing.
- `seen_writers` is stratified over the first 1,437 images alone: 1,150 and 287.
- `unseen_writers` trains on those first 1,437 and tests on the other 360.

Scikit-learn's file is the test set of the UCI's "Optical Recognition of Handwritten Digits" in its order, thirteen
writers one after the other: but for one who may lie on both sides, those of the last images wrote none of the first.
"""

import numpy as np
from PIL import Image

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data.datasets import Arrays, padded

IMAGES = 1_797
TEST_IMAGES = 360
FIRST = IMAGES - TEST_IMAGES
"""How many images are of the first writers."""
SIZES = {"random": (FIRST, TEST_IMAGES), "seen_writers": (1_150, 287), "unseen_writers": (FIRST, TEST_IMAGES)}
"""How many training and test images each split has."""


def check(split: str = "random") -> None:
    """Refuse a split that there is not; nothing else can be wrong: the images are part of scikit-learn."""
    if split not in SIZES:
        raise UserError(f"digits: split is {split!r}; {nearest(str(split), SIZES)}")


def limits(split: str = "random") -> list[str]:
    """Limits of the figures on these images, in words."""
    found = ["the originals have 8×8 pixels, enlarged"]
    if split != "unseen_writers":
        found.append(
            "the same writers wrote the training and the test images; on others' digits clean errors were two to five "
            "times as high"
        )
    return found


def side(split: str = "random") -> int:
    """The images' side in pixels."""
    return 32


def sizes(split: str = "random") -> tuple[int, int]:
    """How many training and test images there are."""
    check(split)
    return SIZES[split]


def classes(split: str = "random") -> list[str]:
    """The classes' names."""
    return [str(digit) for digit in range(10)]


def load(split: str = "random") -> Arrays:
    """The split's digits, white on black."""
    check(split)
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    # Grey levels 0 to 16 become 0 to 255.
    small = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    large = [np.asarray(Image.fromarray(image).resize((28, 28), Image.Resampling.BICUBIC)) for image in small]
    images, labels = padded(np.stack(large)), bunch.target.astype(np.int64)
    train, test = np.arange(FIRST), np.arange(FIRST, IMAGES)
    if split != "unseen_writers":
        among = np.arange(IMAGES) if split == "random" else train
        _, held = SIZES[split]
        train, test = train_test_split(among, test_size=held, stratify=labels[among], random_state=0)
    return Arrays(images[train], labels[train], images[test], labels[test], classes(split))
