"""CIFAR-10.1: new test images found as CIFAR-10's were (Recht, Roelofs, Schmidt & Shankar, arXiv:1806.00451).

Of its two `version`s the authors recommend `v6`, 2,000 images, 200 of each class; `v4` has 2,021. The files,
`cifar10.1_<version>_data.npy` and `…_labels.npy`, are downloaded where they are absent. The images are of Tiny Images.
"""

from pathlib import Path

import numpy as np

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data.datasets import Arrays
from augmix.suite.data.download import Source, fetch
from augmix.suite.data.loaders import _cifar
from augmix.suite.io.files import expanded, read_array

DOWNLOADS = True
TESTS_ONLY = True


def _source(name: str, size: int, sha256: str) -> Source:
    url = f"https://github.com/modestyachts/CIFAR-10.1/blob/master/datasets/cifar10.1_{name}.npy?raw=true"
    return Source(url, size, f"sha256:{sha256}")


SOURCES = {
    "v4": (
        _source("v4_data", 6_208_640, "5aaedc268df8f4cffca2ac0cf9e608ae1897a8cddb630c7a850a2ea8f6558e75"),
        _source("v4_labels", 8_212, "1f9544300ded199539b6662364ce7fe6c2e1ea9f87408f06db4b1a6184cffb18"),
    ),
    "v6": (
        _source("v6_data", 6_144_128, "2997188e5816f5bd545dc77771b6227828c28146049fcecf3fa10775474cacc6"),
        _source("v6_labels", 8_128, "ae40beda001693674edc94d925ee8268cfe68905f8f9aff800c8dcdfcd6c9448"),
    ),
}
"""Images and labels of each version. The checksums are those of TensorFlow Datasets."""


def check(folder: str, version: str = "v6") -> None:
    """Refuse an unknown version, and files that are there and are none of CIFAR-10's kind."""
    if version not in SOURCES:
        raise UserError(f"cifar10_1: version is '{version}'; {nearest(version, SOURCES)}")
    if all(path.exists() for path in _paths(folder, version)):
        _read(folder, version)


def side(folder: str, version: str = "v6") -> int:
    """The images' side in pixels."""
    return _cifar.SIDE


def sizes(folder: str, version: str = "v6") -> tuple[int, int]:
    """How many training images there are, which is none, and test images."""
    return 0, {"v4": 2_021, "v6": 2_000}[version]


def classes(folder: str, version: str = "v6") -> list[str]:
    """The classes' names."""
    return list(_cifar.TEN)


def load(folder: str, version: str = "v6") -> Arrays:
    """All images as the test split, in the order of the files, which are compared with their checksums."""
    check(folder, version)
    for source in SOURCES[version]:
        fetch(source, expanded(folder))
    return _cifar.tests(*_read(folder, version))


def _paths(folder: str, version: str) -> tuple[Path, Path]:
    images, labels = (expanded(folder) / source.name for source in SOURCES[version])
    return images, labels


def _read(folder: str, version: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _paths(folder, version)
    return _cifar.checked(read_array(images), read_array(labels), images, labels)
