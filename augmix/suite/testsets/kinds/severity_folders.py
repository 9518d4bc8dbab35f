"""Published corruptions whose files say their own classes: `<shift>/<1 … 5>/<class>/*`, such as Tiny-ImageNet-C's.

Unlike -C's they need not be of every test image of the data set, nor bear its images' names: each folder is of one of
its classes, and the files of all severities of a shift have the same names.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data import photographs
from augmix.suite.data.datasets import Split, evenly
from augmix.suite.io.files import expanded
from augmix.suite.testsets.base import IMAGES, Images, Origin, Shift
from augmix.suite.testsets.generation import SEVERITIES
from augmix.suite.testsets.photographs import CHECKED, at_severities, severities_in
from augmix.suite.testsets.severities import Severities


class Folders(Images):
    """The photographs in such folders."""

    source = "published"

    def __init__(self, testset: "SeverityFolders", classes: Sequence[str], side: int, workers: int = 1) -> None:
        """Images have `side` pixels, decoded by so many threads; `classes` are the data set's."""
        self._testset, self._side, self._workers = testset, side, workers
        self._classes = {name: label for label, name in enumerate(classes)}
        self._listed: dict[str, list[str]] = {}
        if testset.resize:
            self.source += f", resized to {photographs.shorter_side(side)} and cropped"
        if classes:
            self.labels = self.read(testset.shifts[0]).labels

    def read(self, shift: str) -> Shift:
        names, folder = self._files(shift), self._testset.folder / shift
        labels = np.array([self._classes[os.path.dirname(name)] for name in names], np.int64)
        first = self._files(self._testset.shifts[0])
        if [os.path.dirname(name) for name in names] != [os.path.dirname(name) for name in first]:
            raise UserError(f"{folder} has other images a class than {self._testset.shifts[0]}")
        images = at_severities(folder, len(names), names.__getitem__, self._side, self._testset.resize, self._workers)
        return Shift(images, np.tile(labels, len(SEVERITIES)), (len(SEVERITIES), len(names)))

    def check(self, shifts: Sequence[str]) -> None:
        """Compare the names of all files, and decode a few."""
        for shift in shifts:
            found = self.read(shift)
            for severity in severities_in(self._testset.folder / shift)[1:]:
                if odd := sorted(set(self._all(shift, severity)) ^ set(self._all(shift))):
                    raise UserError(f"{self._testset.folder / shift}: {odd[0]} is not there at every severity")
            found.images[evenly(len(found.images), CHECKED)]

    def _files(self, shift: str) -> list[str]:
        """The files that are used, as `<class>/<name>`."""
        if shift not in self._listed:
            names = self._all(shift)
            self._listed[shift] = [names[i] for i in evenly(len(names), self._testset.images)]
        return self._listed[shift]

    def _all(self, shift: str, severity: str = "") -> list[str]:
        """The files of one severity, the first unless it is named, in order."""
        folder = self._testset.folder / shift / (severity or severities_in(self._testset.folder / shift)[0])
        found = []
        for name in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()):
            if name not in self._classes:
                raise UserError(f"{folder / name} is none of the data set's classes; {nearest(name, self._classes)}")
            found += [f"{name}/{file}" for file in sorted(os.listdir(folder / name)) if not file.startswith(".")]
        if not found:
            raise UserError(f"{folder} holds no images; they are expected at {folder}/<class>/*")
        return found


@dataclass(frozen=True)
class SeverityFolders(Severities):
    """Such a test set; the mean is over the shifts that are named."""

    side: int
    """The side of the data set's images in pixels."""
    address: str
    """The web page from which it is to be had, or an empty string."""

    kind = "severity_folders"
    mean = "mCE"
    mean_title = "mean corruption error"
    schema: ClassVar[Mapping[str, Any]] = {
        "folder": {
            "description": "The folder that holds one for each shift.",
            "type": ["string", "null"],
            "default": None,
        },
        "published": {"description": "Its folder below <data>/downloads, unless `folder` is set.", "type": "string"},
        "address": {"description": "Where it is to be had.", "type": "string", "default": ""},
        "shifts": {
            "description": "The names of its shifts, all of which enter the mean.",
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"type": "string"},
        },
        "images": IMAGES,
        "resize": Severities.schema["resize"],
    }

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        if "shifts" not in entry or not (entry["folder"] or "published" in entry):
            raise UserError(f"a test set of the kind {cls.kind} needs 'shifts', and a 'folder'")
        where = expanded(entry["folder"]) if entry["folder"] else origin.downloads / entry["published"]
        others = {"where": str(where), "published": str(where), "preset": origin.preset, "side": origin.side}
        return cls.of_fields(name, entry, origin, names=tuple(entry["shifts"]), seed=0, streamed=True, **others)

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return ()

    @property
    def entering(self) -> tuple[str, ...]:
        return self.names

    def size(self, count: int | None) -> int | None:
        return None

    def check(self, classes: Sequence[str] | None = None) -> None:
        if missing := next((shift for shift in self.names if not (self.folder / shift).is_dir()), None):
            had = f"; get it from {self.address}, and unpack it there or name its 'folder'" if self.address else ""
            raise UserError(f"{self.folder / missing} does not exist{had}")
        opened = Folders(self, classes or (), self.side)
        for shift in self.names:
            levels = severities_in(self.folder / shift)
            if classes is not None:
                opened.read(shift)
            elif not any(entry.is_dir() for entry in os.scandir(self.folder / shift / levels[0])):
                raise UserError(f"{self.folder / shift / levels[0]} holds no class folders")

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        return Folders(self, classes, self.side, getattr(test.images, "workers", 1))


KIND = SeverityFolders
