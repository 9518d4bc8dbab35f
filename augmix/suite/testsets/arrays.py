"""Shifted images as arrays on disk, generated or published: checked, and of them the images that are used."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from augmix.errors import UserError
from augmix.suite.data.datasets import Split, evenly
from augmix.suite.data.streaming import Lazy
from augmix.suite.io.files import read_array, read_json
from augmix.suite.testsets.base import Images, Shift
from augmix.suite.testsets.generation import SEVERITIES


class ShiftArrays(Images):
    """The files of severities (-C) or sequences (-P) in a folder, for a data set's test images.

    Files that our generator made have their labels and a `source.json` beside them, and are of all test images or
    of some. Any others are taken for the published ones, which are of every test image: where the data set is
    prepared with some of them only, the same ones are used. Published sequences come without labels.
    """

    def __init__(self, folder: Path, sequence: bool, test: Split, classes: int, images: int | None = None) -> None:
        """Open a folder; at most so many `images` of it, evenly spaced, are used.

        Raises `UserError` when the labels are missing, damaged, or not those of the test images.
        """
        self.folder, self.sequence, self.test, self._limit = folder, sequence, test, images
        self._made = (folder / "source.json").exists()
        self.source = str(read_json(folder / "source.json")["source"]) if self._made else "published"
        levels = 1 if sequence else len(SEVERITIES)
        self._labels = read_labels(folder / "labels.npy", levels, classes) if self._made or not sequence else None
        if self._labels is not None and not self._made:
            kept = self._labels[:, evenly(self._labels.shape[1], len(test.labels))]
            if kept.shape[1] != len(test.labels) or (kept != test.labels).any():
                raise UserError(f"{folder / 'labels.npy'} does not have the labels of the data set's test images")
        if self._labels is None:
            self.labels = test.labels[evenly(len(test.labels), images)]
        else:
            self.labels = self._labels[:, self._used(self._labels.shape[1])].ravel()

    def read(self, shift: str) -> Shift:
        """The images of a shift; raises `UserError` when its file is missing, cut short, or does not fit."""
        array = self.array(shift)
        images = array.reshape(-1, *array.shape[-3:])
        if self.sequence:
            rows = np.arange(len(images)).reshape(array.shape[:2])[self._used(len(array))]
            labels = np.repeat(self.labels, rows.shape[1])
        else:
            rows = np.arange(len(images)).reshape(len(SEVERITIES), -1)
            rows, labels = rows[:, self._used(rows.shape[1])], self.labels
        if rows.size == len(images):
            return Shift(images, labels, rows.shape)
        used = rows.ravel()
        return Shift(Lazy((len(used), *images.shape[1:]), lambda wanted: images[used[wanted]]), labels, rows.shape)

    def check(self, shifts: Sequence[str]) -> None:
        """Check the files of these shifts."""
        for shift in shifts:
            self.array(shift)

    def path(self, shift: str) -> Path:
        return self.folder / f"{shift}.npy"

    def array(self, shift: str) -> np.ndarray:
        """A shift's whole file, memory-mapped: uint8 (5N, H, W, 3), or (N, T, H, W, 3) of sequences."""
        side = self.test.images.shape[1:]
        if not self.sequence:
            assert self._labels is not None
            return read_array(self.path(shift), np.uint8, (self._labels.size, *side))
        total = None if self._labels is None else self._labels.shape[1]
        array = read_array(self.path(shift), np.uint8, (total, None, *side))
        if len(array) < len(self.test.labels) and not self._made:
            raise UserError(f"{self.path(shift)} is of {len(array)} images, the test set of {len(self.test.labels)}")
        return array

    def _used(self, total: int) -> np.ndarray:
        """Indices of a file's images that are used."""
        own = np.arange(total) if self._made else evenly(total, len(self.test.labels))
        return own[evenly(len(own), self._limit)]


def read_labels(path: Path, levels: int, classes: int) -> np.ndarray:
    """Labels of shifted images as int64 (levels, N); raises `UserError` where they are none."""
    labels = np.asarray(read_array(path, shape=(None,)))
    if labels.dtype.kind not in "iu" or not len(labels):
        raise UserError(f"{path} holds {labels.dtype} (or nothing); integer labels are expected")
    if labels.min() < 0 or labels.max() >= classes:
        raise UserError(f"{path} has labels outside 0 … {classes - 1}")
    if len(labels) % levels:
        raise UserError(f"{path} has {len(labels)} labels, no multiple of the {levels} severities")
    return labels.astype(np.int64).reshape(levels, -1)
