"""Images that are made of a data set's own test images when they are asked for: nothing of them lies on disk."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from augmix.suite.data import datasets
from augmix.suite.data.datasets import Split, evenly
from augmix.suite.data.photographs import Photographs
from augmix.suite.data.streaming import Lazy, Streamed
from augmix.suite.testsets.base import IMAGES, SEED, Images, Shift, TestSet

SHOWN = 8
"""At most so many of the shifts are among the samples."""


class DerivedImages(Images):
    """Some of the test images of a prepared data set, from which a test set derives its own."""

    def __init__(self, testset: "Derived", source: str, images: np.ndarray | Lazy, labels: np.ndarray) -> None:
        self.source, self.labels, self.cues = source, testset.labelled(labels), testset.textures(labels)
        self._testset, self._images, self._labels = testset, images, labels

    def read(self, shift: str) -> Shift:
        images, labels = self._images, self._labels

        def made(indices: np.ndarray) -> np.ndarray:
            return self._testset.derive(shift, images, labels, indices)

        if isinstance(images, Streamed):
            side = images.shape[1]
            found = Streamed(len(labels), lambda i: made(np.array([i])), side, workers=images.workers)
            return Shift(found, self.labels, labels.shape)
        return Shift(Lazy(images.shape, made), self.labels, labels.shape)


@dataclass(frozen=True)
class Derived(TestSet):
    """A test set of the data set's test images, changed in memory."""

    images: int | None
    """At most so many test images are used, evenly spaced."""
    seed: int

    schema: ClassVar[Mapping[str, Any]] = {"images": IMAGES, "seed": SEED}

    @abstractmethod
    def derive(self, shift: str, images: np.ndarray | Lazy, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The changed images of these indices (M,) among `images` (N, H, W, 3), labelled (N,): uint8 (M, H, W, 3)."""

    def labelled(self, labels: np.ndarray) -> np.ndarray:
        """The labels (N,) that the changed images count by."""
        return labels

    def textures(self, labels: np.ndarray) -> np.ndarray | None:
        """The classes (N,) of the textures of changed images that count by their shapes; None of others."""
        return None

    @property
    def shifts(self) -> tuple[str, ...]:
        return (self.name,)

    def size(self, count: int | None) -> int | None:
        return self.images if count is None else min(self.images or count, count)

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        chosen = evenly(len(test.labels), self.images)
        source = f"{datasets.record(Path(self.data))['loader']}, {self.kind.replace('_', ' ')}"
        images: np.ndarray | Lazy = test.images
        if isinstance(images, Photographs):
            images = Photographs(images.root, images.names[chosen], images.shape[1], images.workers, images.border)
        elif len(chosen) < len(images):
            images = Lazy((len(chosen), *images.shape[1:]), lambda wanted: test.images[chosen[wanted]])
        return DerivedImages(self, source, images, test.labels[chosen])

    def evaluated_with(self) -> dict[str, Any]:
        return {**super().evaluated_with(), **{key: getattr(self, key) for key in self.schema}}

    def verify(self, shift: str) -> None:
        if shift == self.shifts[0]:  # all are of the same images
            super().verify(shift)

    def samples(self, count: int) -> Iterator[tuple[str, np.ndarray]]:
        folder = Path(self.data)
        if not (folder / "test_labels.npy").is_file():
            return
        opened = self.open(datasets.read(folder, "test"), ())
        for shift in np.array(self.shifts)[evenly(len(self.shifts), SHOWN)].tolist():
            shown = opened.read(shift).images
            yield shift, np.array(shown[evenly(len(shown), count)])
