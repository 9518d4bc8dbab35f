"""A -C or -P benchmark on disk, generated or published: its files, checked, and the images of them that are used."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from augmix.checks import nearest_preset
from augmix.errors import UserError
from augmix.perturbations import NOISE_PERTURBATIONS, frame_count
from augmix.suite.data.datasets import Split, evenly
from augmix.suite.data.streaming import Streamed
from augmix.suite.io.configuration import Lines, Position, place
from augmix.suite.io.files import read_array, read_json
from augmix.suite.testsets.generation import SEVERITIES

DOWNLOAD = "download"
DOWNLOADED = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C", "imagenet": "ImageNet-C"}
"""The set that `published: {C: download}` means, by loader."""
COMPARED = "generated/"
"""What the names begin with, in an archive of predictions on a published -C, of those on a generated one."""


def folder_of(data: Path, dataset: str, settings: Mapping[str, Any], kind: str) -> Path:
    """The folder of a data set's -C or -P (`kind`), from its entry in an experiment's `datasets`."""
    where = settings.get("published", {}).get(kind)
    if where is None:
        return data / f"{dataset}-{kind}"
    if where == DOWNLOAD:
        return data / "downloads" / DOWNLOADED[settings["loader"]]
    return Path(where).expanduser()


def check_published(settings: Mapping[str, Any], loader: str, position: Position, lines: Lines) -> None:
    """Refuse a data set's `published` that asks for a download which there is not, or compares with nothing."""
    if settings["compare"] and settings["C"] is None:
        raise UserError(
            f"{place((*position, 'compare'), lines)}: 'compare' needs published files; name their folder as C"
        )
    for kind, where in settings.items():
        if where == DOWNLOAD and (kind == "P" or loader not in DOWNLOADED):
            valid = f"published -C sets for the loaders {', '.join(DOWNLOADED)}"
            raise UserError(
                f"{place((*position, kind), lines)}: only {valid} can be downloaded; name a folder with the files"
            )


class Shift(NamedTuple):
    """What a benchmark holds of one corruption or perturbation."""

    images: np.ndarray | Streamed
    """uint8 (A·B, H, W, 3), a memory map where all of the file is used, or decoded from many files."""
    labels: np.ndarray
    """int64 (A·B,)."""
    shape: tuple[int, int]
    """(A, B): (5, N) for a corruption, (N, T) for a perturbation."""


class Benchmark:
    """The -C or -P files in a folder, for a data set's test images.

    Files that our generator made have their labels and a `source.json` beside them, and are of all test images or
    of some. Any others are taken for the published ones, which are of every test image: where the data set is
    prepared with some of them only, the same ones are used. Published -P files come without labels.
    """

    def __init__(self, folder: Path, kind: str, test: Split, classes: int, images: int | None = None) -> None:
        """Open the -C or -P (`kind`) in `folder`; at most so many `images` of it, evenly spaced, are used.

        Raises `UserError` when the labels are missing, damaged, or not those of the test images.
        """
        self.folder, self.kind, self.test, self._limit = folder, kind, test, images
        self._made = (folder / "source.json").exists()
        self.source = str(read_json(folder / "source.json")["source"]) if self._made else "published"
        self._labels = _labels(folder / "labels.npy", kind, classes) if self._made or kind == "C" else None
        if self._labels is not None and not self._made:
            kept = self._labels[:, evenly(self._labels.shape[1], len(test.labels))]
            if kept.shape[1] != len(test.labels) or (kept != test.labels).any():
                raise UserError(f"{folder / 'labels.npy'} does not have the labels of the data set's test images")

    @property
    def labels(self) -> np.ndarray:
        """int64: (5N,) of a -C, (N,) of a -P."""
        if self._labels is None:
            return self.test.labels[evenly(len(self.test.labels), self._limit)]
        return self._labels[:, self._used(self._labels.shape[1])].ravel()

    def read(self, name: str) -> Shift:
        """The images of a shift; raises `UserError` when its file is missing, cut short, or does not fit."""
        array = self._open(name)
        if self.kind == "C":
            array = array.reshape(len(SEVERITIES), -1, *array.shape[1:])
            used = self._used(array.shape[1])
            chosen = array if len(used) == array.shape[1] else array[:, used]
            labels = self.labels
        else:
            used = self._used(len(array))
            chosen = array if len(used) == len(array) else array[used]
            labels = np.repeat(self.labels, chosen.shape[1])
        return Shift(chosen.reshape(-1, *chosen.shape[2:]), labels, (chosen.shape[0], chosen.shape[1]))

    def check(self, names: Sequence[str]) -> None:
        """Check the files of these shifts; of published -P files also the frames, since they have no labels."""
        for name in names:
            array = self._open(name)
            if self.kind == "C" or self._made:
                continue
            frames = frame_count(name, nearest_preset(min(array.shape[2:4])))
            if array.shape[1] != frames:
                raise UserError(f"{self._path(name)} has {array.shape[1]} frames an image; {name} has {frames}")
            if name in NOISE_PERTURBATIONS:
                # Their first frame is the test image, but for rounding.
                some = evenly(len(self.test.labels), 100)
                first = array[evenly(len(array), len(self.test.labels))[some], 0]
                if np.abs(first.astype(int) - self.test.images[some]).max() > 1:
                    raise UserError(f"{self._path(name)} does not show the data set's test images")

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def _open(self, name: str) -> np.ndarray:
        side = self.test.images.shape[1:]
        if self.kind == "C":
            assert self._labels is not None
            return read_array(self._path(name), np.uint8, (self._labels.size, *side))
        total = None if self._labels is None else self._labels.shape[1]
        array = read_array(self._path(name), np.uint8, (total, None, *side))
        if len(array) < len(self.test.labels) and not self._made:
            raise UserError(f"{self._path(name)} is of {len(array)} images, the test set of {len(self.test.labels)}")
        return array

    def _used(self, total: int) -> np.ndarray:
        """Which of a file's images are used."""
        own = np.arange(total) if self._made else evenly(total, len(self.test.labels))
        return own[evenly(len(own), self._limit)]


def _labels(path: Path, kind: str, classes: int) -> np.ndarray:
    """A benchmark's labels as int64, (5, N) of a -C and (1, N) of a -P."""
    labels = np.asarray(read_array(path, shape=(None,)))
    if labels.dtype.kind not in "iu" or not len(labels):
        raise UserError(f"{path} holds {labels.dtype} (or nothing); integer labels are expected")
    if labels.min() < 0 or labels.max() >= classes:
        raise UserError(f"{path} has labels outside 0 … {classes - 1}")
    severities = len(SEVERITIES) if kind == "C" else 1
    if len(labels) % severities:
        raise UserError(f"{path} has {len(labels)} labels, no multiple of the {severities} severities")
    return labels.astype(np.int64).reshape(severities, -1)
