"""The files of CIFAR-10 and CIFAR-100: torchvision's Python pickles of rows of 3,072 bytes, or images as files."""

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augmix.errors import UserError
from augmix.suite.data.datasets import Arrays
from augmix.suite.data.download import Source, obtain
from augmix.suite.data.loaders import image_folder
from augmix.suite.io.files import expanded

SIDE = 32
TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""CIFAR-10's classes."""
OTHERWISE = ", or the images as files, train/<class>/* and test/<class>/*"


@dataclass
class Layout:
    """The files of one of the two data sets; its functions are those of a loader."""

    count: int
    """How many classes there are."""
    source: Source
    folder: str
    """The archive's only folder."""
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str
    """The file with the classes' names."""
    names_key: str
    labels_key: str
    md5: Mapping[str, str]
    """The checksum of every file, by its name."""

    def check(self, folder: str) -> None:
        """Refuse a folder with some of the files only; when all are absent, they are downloaded."""
        root = self._root(folder)
        if self._as_images(folder):
            image_folder.check(folder, SIDE)
            if (found := len(image_folder.listing(root.parent / "train"))) != self.count:
                raise UserError(f"{root.parent / 'train'} has {found} classes, not {self.count}")
            return
        for path in (root.parent, root):
            if path.exists() and not path.is_dir():
                raise UserError(f"{path} is not a folder; {self.folder}/ is expected in it, or under its name")
        missing = [name for name in self.md5 if not (root / name).is_file()]
        if missing and len(missing) < len(self.md5):
            raise UserError(
                f"{root / missing[0]} is missing; put it there, or delete {root} to have all of it downloaded"
            )

    def load(self, folder: str) -> Arrays:
        """All 60,000 images, in the order of the files, which are compared with their published checksums.

        They are downloaded when they are absent. Images as files are taken where there are no pickles.
        """
        self.check(folder)
        if self._as_images(folder):
            return image_folder.load(folder, SIDE)
        root = self._root(folder)
        obtain(self.source, root.parent, [root / name for name in self.md5], OTHERWISE)
        parts = {name: _read(root / name, digest) for name, digest in self.md5.items()}
        (train_images, train_labels), (test_images, test_labels) = (
            self._joined([parts[name] for name in names]) for names in (self.train, self.test)
        )
        return Arrays(train_images, train_labels, test_images, test_labels, list(parts[self.names][self.names_key]))

    def side(self, folder: str) -> int:
        """The images' side in pixels."""
        return SIDE

    def sizes(self, folder: str) -> tuple[int, int]:
        """How many training and test images there are, or will be."""
        return image_folder.sizes(folder, SIDE) if self._as_images(folder) else (50_000, 10_000)

    def classes(self, folder: str) -> list[str] | None:
        """The classes' names; None where the files are yet to be downloaded."""
        if self._as_images(folder):
            return image_folder.classes(folder, SIDE)
        names = self._root(folder) / self.names
        return list(_read(names, self.md5[self.names])[self.names_key]) if names.is_file() else None

    def digest(self, folder: str) -> str | None:
        """A digest by which changes of images as files show; the pickles are compared with their checksums."""
        return image_folder.digest(folder, SIDE) if self._as_images(folder) else None

    def contents(self, folder: str) -> dict[str, str]:
        """A digest of each file of images as files; none of pickles."""
        return image_folder.contents(folder, SIDE) if self._as_images(folder) else {}

    def _as_images(self, folder: str) -> bool:
        """Whether the folder holds train/<class>/* and test/<class>/* in place of the pickles."""
        root = self._root(folder)
        return not root.exists() and (root.parent / "train").is_dir()

    def _root(self, folder: str) -> Path:
        """The folder of the files themselves, whether it or the one above was given."""
        path = expanded(folder)
        return path if path.name == self.folder else path / self.folder

    def _joined(self, parts: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        rows = np.concatenate([part["data"] for part in parts])
        labels = np.concatenate([part[self.labels_key] for part in parts])
        return rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels.astype(np.int64)


def checked(images: np.ndarray, labels: np.ndarray, path: Path, beside: Path) -> tuple[np.ndarray, np.ndarray]:
    """Refuse arrays of the two files that are no images and labels of CIFAR-10's kind; returns them."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (SIDE, SIDE, 3):
        raise UserError(f"{path} holds {images.dtype} {images.shape}; uint8 (any, {SIDE}, {SIDE}, 3) is expected")
    if labels.dtype.kind not in "iu" or labels.shape != (len(images),):
        raise UserError(f"{beside} holds {labels.dtype} {labels.shape}; {len(images)} whole numbers are expected")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(TEN):
        raise UserError(f"{beside} has labels from {labels.min()} to {labels.max()}; 0 to {len(TEN) - 1} are expected")
    return images, labels


def tests(images: np.ndarray, labels: np.ndarray) -> Arrays:
    """A data set of test images alone."""
    labels = labels.astype(np.int64)
    return Arrays(images[:0], labels[:0], images, labels, list(TEN))


# Everything that the pickles ask for; the first is numpy's function that makes an empty array to be filled.
_ALLOWED = {"_reconstruct": np.empty(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}


class _ArraysOnly(pickle.Unpickler):
    """Makes numpy arrays and what a pickle makes by itself (numbers, text, lists, dicts); calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] != "numpy" or name not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[name]


def _read(path: Path, md5: str) -> Any:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if hashlib.md5(content).hexdigest() != md5:
        raise UserError(
            f"{path} is damaged or another file (its md5 is not {md5}); delete {path.parent} to have it downloaded"
        )
    return unpickle(path, content)


def unpickle(path: Path, content: bytes) -> Any:
    """The mapping in a batch's pickle; raises `UserError` when it asks for more than arrays."""
    try:
        return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise UserError(f"{path} is not one of CIFAR's pickles: {error}") from error
