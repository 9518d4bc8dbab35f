"""-P: sequences of frames of each image under a growing perturbation (Hendrycks & Dietterich, ICLR 2019)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from augmix import perturbations
from augmix.checks import nearest_preset
from augmix.errors import UserError
from augmix.perturbations import NOISE_PERTURBATIONS, extra_perturbations_of, frame_count, perturbations_of
from augmix.suite.data import videos
from augmix.suite.data.datasets import Split, evenly
from augmix.suite.data.photographs import Photographs
from augmix.suite.testsets import generation, photographs
from augmix.suite.testsets.arrays import ShiftArrays
from augmix.suite.testsets.base import Images
from augmix.suite.testsets.photographs import ShiftPhotographs
from augmix.suite.testsets.shifted import Shifted


class Sequences(ShiftArrays):
    """Arrays of sequences; published ones, which come without labels, are told by their frames."""

    def check(self, shifts: Sequence[str]) -> None:
        super().check(shifts)
        for shift in () if self._made else shifts:
            array = self.array(shift)
            frames = frame_count(shift, nearest_preset(min(array.shape[2:4])))
            if array.shape[1] != frames:
                raise UserError(f"{self.path(shift)} has {array.shape[1]} frames an image; {shift} has {frames}")
            if shift in NOISE_PERTURBATIONS:
                # Their first frame is the test image, but for rounding.
                some = evenly(len(self.test.labels), 100)
                first = array[evenly(len(array), len(self.test.labels))[some], 0]
                if np.abs(first.astype(int) - self.test.images[some]).max() > 1:
                    raise UserError(f"{self.path(shift)} does not show the data set's test images")


@dataclass(frozen=True)
class Perturbations(Shifted):
    """A -P of the data set's test images."""

    top5: bool = False
    """Whether the five likeliest classes of every frame are kept, which the top-5 distance needs."""

    kind = "perturbations"
    sequence = True
    mean = "mFP"
    mean_title = "mean flip probability"
    noun = "perturbation"
    bytes_a_pixel = 0.03
    independent = NOISE_PERTURBATIONS
    schema: ClassVar[Mapping[str, Any]] = {
        **Shifted.schema,
        "top5": {
            "description": "Keep the five likeliest classes of every frame, and give the top-5 distance.",
            "type": "boolean",
            "default": False,
        },
    }

    def check(self, classes: Sequence[str] | None = None) -> None:
        super().check(classes)
        if self.top5 and classes is not None and len(classes) < 5:
            raise UserError(f"{self.name}: 'top5' needs five classes, and there are {len(classes)}; leave it out")

    def evaluated_with(self) -> dict[str, Any]:
        return {**super().evaluated_with(), **({"top5": True} if self.top5 else {})}

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return (*perturbations_of(preset), *extra_perturbations_of(preset))

    @classmethod
    def default(cls, preset: str) -> tuple[str, ...]:
        return perturbations_of(preset)

    def repeats(self, shift: str) -> int:
        return frame_count(shift, self.preset)

    def write(self, shift: str, test: Split) -> None:
        write = generation.write_sequences
        if self.streamed:
            write = partial(photographs.write_sequences, grain=shift in NOISE_PERTURBATIONS)
        write(test, self.folder, shift, perturbations.perturb, self.images, self.preset, self.seed)

    def trial(self, shift: str, images: np.ndarray) -> int:
        made = perturbations.perturb(images, shift, seed=self.seed, preset=self.preset)
        if self.streamed:
            with TemporaryDirectory() as folder:
                for frames in made:
                    videos.write(Path(folder) / "trial.mp4", frames, shift in NOISE_PERTURBATIONS)
        return made.shape[0] * made.shape[1]

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        if isinstance(test.images, Photographs):
            return ShiftPhotographs(self.folder, frame_count, test, self.images, self.resize)
        return Sequences(self.folder, True, test, len(classes), self.images)

    def _of_array(self, array: np.ndarray, count: int) -> np.ndarray:
        """Frames of the first image's sequence, from the first to the last."""
        return np.array(array[0, np.linspace(0, array.shape[1] - 1, count).round().astype(int)])


KIND = Perturbations
