"""Test sets of corruptions: each is generated at severities 1 to 5, in the layout of -C, or published in it."""

import io
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from augmix.suite.data.datasets import Split
from augmix.suite.data.photographs import Photographs
from augmix.suite.testsets import generation, photographs
from augmix.suite.testsets.arrays import ShiftArrays
from augmix.suite.testsets.base import Images
from augmix.suite.testsets.generation import SEVERITIES
from augmix.suite.testsets.photographs import ShiftPhotographs
from augmix.suite.testsets.shifted import Shifted


class Severities(Shifted):
    """Corruptions of the data set's test images at five severities."""

    levels = len(SEVERITIES)
    noun = "corruption"
    bytes_a_pixel = 0.3
    corrupt: ClassVar["staticmethod[..., np.ndarray]"]
    """The function that makes it, with the arguments of `augmix.corruptions.corrupt`."""

    def repeats(self, shift: str) -> int:
        return len(SEVERITIES)

    def write(self, shift: str, test: Split) -> None:
        write = photographs.write_severities if self.streamed else generation.write_severities
        write(test, self.folder, shift, self.corrupt, self.images, self.preset, self.seed)

    def trial(self, shift: str, images: np.ndarray) -> int:
        made = self.corrupt(images, shift, severity=3, seed=self.seed, preset=self.preset)
        for image in made if self.streamed else ():
            photographs.encode(image, io.BytesIO())
        return len(made)

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        if isinstance(test.images, Photographs):
            return ShiftPhotographs(self.folder, None, test, self.images, self.resize)
        return ShiftArrays(self.folder, False, test, len(classes), self.images)

    def _of_array(self, array: np.ndarray, count: int) -> np.ndarray:
        """The first image at severities 1 to 5."""
        return np.array(array[:: len(array) // len(SEVERITIES)][: len(SEVERITIES)])
