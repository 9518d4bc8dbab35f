"""-C: every corruption at severities 1 to 5 (Hendrycks & Dietterich, ICLR 2019), generated or published."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from augmix import corruptions
from augmix.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS
from augmix.suite.data.datasets import Split
from augmix.suite.data.photographs import Photographs
from augmix.suite.testsets import generation, photographs, published
from augmix.suite.testsets.arrays import ShiftArrays
from augmix.suite.testsets.base import Images
from augmix.suite.testsets.generation import SEVERITIES
from augmix.suite.testsets.photographs import ShiftPhotographs
from augmix.suite.testsets.shifted import Shifted

GROUPS = {
    "Noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "Blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "Weather": ("snow", "frost", "fog", "brightness"),
    "Digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
"""The four categories of the corruptions that enter the mean, as their authors have them."""


@dataclass(frozen=True)
class Corruptions(Shifted):
    """A -C of the data set's test images."""

    kind: ClassVar[str] = "corruptions"
    levels: ClassVar[int] = len(SEVERITIES)
    mean: ClassVar[str] = "mCE"
    mean_title: ClassVar[str] = "mean corruption error"
    noun: ClassVar[str] = "corruption"
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = GROUPS
    bytes_a_pixel: ClassVar[float] = 0.3
    downloads: ClassVar[Mapping[str, str]] = published.DOWNLOADED

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return (*CORRUPTIONS, *EXTRA_CORRUPTIONS)

    @classmethod
    def default(cls, preset: str) -> tuple[str, ...]:
        return CORRUPTIONS

    def repeats(self, shift: str) -> int:
        return len(SEVERITIES)

    def write(self, shift: str, test: Split) -> None:
        write = photographs.write_severities if self.streamed else generation.write_severities
        write(test, self.folder, shift, corruptions.corrupt, self.images, self.preset, self.seed)

    def trial(self, shift: str, images: np.ndarray) -> int:
        made = corruptions.corrupt(images, shift, severity=3, seed=self.seed, preset=self.preset)
        for image in made if self.streamed else ():
            photographs.encode(image, io.BytesIO())
        return len(made)

    def check(self, classes: Sequence[str] | None = None) -> None:
        super().check(classes)
        missing = self.published is None and not (self.folder / "frost.npy").exists()
        if "frost" in self.names and missing:
            # Frost is made with photographs of a package of their own, which may not be installed.
            corruptions.corrupt(np.zeros((1, 32, 32, 3), np.uint8), "frost", severity=1)

    def _opened(self, test: Split, classes: int) -> Images:
        if isinstance(test.images, Photographs):
            return ShiftPhotographs(self.folder, None, test, self.images, self.resize)
        return ShiftArrays(self.folder, False, test, classes, self.images)

    def _of_one(self, test: Split) -> Images:
        return ShiftPhotographs(self.folder, None, test, 1)

    def _of_array(self, array: np.ndarray, count: int) -> np.ndarray:
        """The first image at severities 1 to 5."""
        return np.array(array[:: len(array) // len(SEVERITIES)][: len(SEVERITIES)])


KIND = Corruptions
