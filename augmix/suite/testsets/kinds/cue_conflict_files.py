"""Published images with the shape of one class and the texture of another: `<shape>/<shape>N-<texture>M.png`.

They are a natural test set by the classes of their shapes, and have the shape bias as a measure.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from augmix.errors import UserError
from augmix.suite.data import datasets
from augmix.suite.data.datasets import Split, loader_module
from augmix.suite.data.photographs import Photographs
from augmix.suite.testsets.base import Images, Origin
from augmix.suite.testsets.kinds.natural import Natural

NAME = re.compile(r".+?\d+-(.+?)\d+\.\w+")
LOADER = "class_folders"


class CueConflictFiles(Natural):
    """Such a test set."""

    kind = "cue_conflict_files"
    question = "texture"
    schema: ClassVar[Mapping[str, Any]] = {
        key: value for key, value in Natural.schema.items() if key not in ("loader", "split")
    }

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        options = {**entry["options"], "streamed": True}
        return super().of_entry(name, {**entry, "loader": LOADER, "split": "test", "options": options}, origin)

    @property
    def cues(self) -> bool:
        return True

    def check(self, classes: Sequence[str] | None = None) -> None:
        super().check(classes)
        if classes is not None:
            self.textures(list(loader_module(LOADER).contents(**self.options)), classes)

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        opened = super().open(test, classes)
        images = opened.read(self.name).images
        assert isinstance(images, Photographs)
        opened.cues = self.textures([os.fsdecode(name) for name in images.names], classes)
        return opened

    def textures(self, names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
        """The label of the texture of each file, int64 (N,); raises `UserError` for one whose name says none."""
        theirs = datasets.classes(self.loader, self.options) or []
        labels = dict(zip(theirs, self._mapped(theirs, classes).labels, strict=True))
        found = [NAME.fullmatch(os.path.basename(name)) for name in names]
        for name, match in zip(names, found, strict=True):
            if match is None or match[1] not in labels:
                raise UserError(
                    f"{self.name}: {name} does not say its texture; <shape>N-<texture>M.png is expected, with the name "
                    "of one of the class folders"
                )
        return np.array([labels[match[1]] for match in found if match], np.int64)


KIND = CueConflictFiles
