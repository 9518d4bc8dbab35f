"""CIFAR-10.2: 2,000 test images found as CIFAR-10's were (Lu, Nott, Olson, Todeschini, Vahabi, Carmon & Schmidt, 2020).

They are read from `cifar102_test.npz` of github.com/modestyachts/cifar-10.2, which holds `images` and `labels`.
"""

import zipfile
import zlib

import numpy as np

from augmix.errors import UserError
from augmix.suite.data.datasets import Arrays
from augmix.suite.data.loaders import _cifar
from augmix.suite.io.contents import each, of_contents
from augmix.suite.io.files import expanded

DOWNLOADS = True
TESTS_ONLY = True
FILE = "cifar102_test.npz"


def check(folder: str) -> None:
    """Refuse a folder without the file, or with another of its name."""
    _read(folder)


def side(folder: str) -> int:
    """The images' side in pixels."""
    return _cifar.SIDE


def sizes(folder: str) -> tuple[int, int]:
    """How many training images there are, which is none, and test images."""
    return 0, len(_read(folder)[1])


def classes(folder: str) -> list[str]:
    """The classes' names."""
    return list(_cifar.TEN)


def digest(folder: str) -> str | None:
    """A digest of the file; None where it is gone."""
    root = expanded(folder)
    return of_contents(each(root, ["."], FILE.__eq__)) if (root / FILE).is_file() else None


def load(folder: str) -> Arrays:
    """All images as the test split, in the order of the file."""
    return _cifar.tests(*_read(folder))


def _read(folder: str) -> tuple[np.ndarray, np.ndarray]:
    path = expanded(folder) / FILE
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _cifar.checked(archive["images"], archive["labels"], path, path)
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing; get it from https://github.com/modestyachts/cifar-10.2 and put it there, "
            "or name its folder by 'folder'"
        ) from error
    except (OSError, ValueError, EOFError, LookupError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is not CIFAR-10.2's: arrays 'images' and 'labels' are expected ({error})") from error
