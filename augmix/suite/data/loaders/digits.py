"""Scikit-learn's handwritten digits: 1,797 real images that ship with the package, the default experiment's data.

The 8×8 originals are enlarged to 28×28 (bicubic) and padded to 32×32 RGB, the shape of CIFAR. The split is fixed
and stratified: 1,437 for training, 360 for testing.
"""

import numpy as np
from PIL import Image

from augmix.suite.data.datasets import Arrays, padded

TEST_IMAGES = 360


def check() -> None:
    """Nothing can be missing: the images are part of scikit-learn."""


def side() -> int:
    """The images' side in pixels."""
    return 32


def sizes() -> tuple[int, int]:
    """How many training and test images there are."""
    return 1_797 - TEST_IMAGES, TEST_IMAGES


def load() -> Arrays:
    """All 1,797 digits, white on black."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    # Grey levels 0 to 16 become 0 to 255.
    small = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    large = [np.asarray(Image.fromarray(image).resize((28, 28), Image.Resampling.BICUBIC)) for image in small]
    images = padded(np.stack(large))
    train, test = train_test_split(np.arange(len(images)), test_size=TEST_IMAGES, stratify=bunch.target, random_state=0)
    labels = bunch.target.astype(np.int64)
    return Arrays(images[train], labels[train], images[test], labels[test], [str(digit) for digit in range(10)])
