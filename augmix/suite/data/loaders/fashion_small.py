"""A part of Fashion-MNIST that ships with the package: 5,000 training and 1,000 test images of clothes in ten classes.

They are the first 500 training and the first 100 test images of each class, in the order of the published files, sorted
by class: evenly spaced subsets are balanced. `fashion_small.xz` holds them as an xz stream of 6,000 × 784 grey levels,
each image column by column, which packs a twentieth smaller than row by row. `docs/data/make_fashion_small.py` makes
the file anew; its licence is in `fashion_small.LICENSE`. The images are padded to 32×32 RGB, as the whole set's are.
"""

import hashlib
import lzma
from importlib import resources

import numpy as np

from augmix.errors import UserError
from augmix.suite.data.datasets import Arrays, padded
from augmix.suite.data.loaders.fashion_mnist import CLASSES, SMALL

FILE = resources.files("augmix.suite.data.loaders") / "fashion_small.xz"
SHA256 = "c1ba5fc58e43b2a6f1bcdd214e71b96e6876a032fb05ff5796aba02be7ec2180"
# Images of each class.
TRAIN, TEST = 500, 100


def check() -> None:
    """Refuse a file that is not the published one, before any job needs it."""
    _packed()


def limits() -> list[str]:
    """Limits of the figures on these images, in words."""
    return [SMALL]


def side() -> int:
    """The images' side in pixels."""
    return 32


def sizes() -> tuple[int, int]:
    """How many training and test images there are."""
    return len(CLASSES) * TRAIN, len(CLASSES) * TEST


def classes() -> list[str]:
    """The classes' names."""
    return CLASSES


def load() -> Arrays:
    """All 6,000 images, white on black, sorted by class."""
    train, test = sizes()
    columns = np.frombuffer(lzma.decompress(_packed()), np.uint8).reshape(train + test, 28, 28)
    images = padded(columns.transpose(0, 2, 1))
    labels = np.arange(len(CLASSES))
    return Arrays(images[:train], labels.repeat(TRAIN), images[train:], labels.repeat(TEST), CLASSES)


def _packed() -> bytes:
    """The file's bytes, as they were published."""
    try:
        content = FILE.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {FILE} ({error.strerror}); install augmix anew") from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise UserError(f"{FILE} is damaged or another file (not the published sha256); install augmix anew")
    return content
