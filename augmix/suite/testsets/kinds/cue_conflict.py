"""The shape of one test image with the texture of another class's: which of the two does a net go by?

A test set counts by the classes of the shapes, and has the shape bias as a measure; another of the same seed counts by
those of the textures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from augmix.corruptions import textures
from augmix.suite.data.streaming import Lazy
from augmix.suite.testsets.derived import Derived


@dataclass(frozen=True)
class CueConflict(Derived):
    """Images of two classes, of which `labels` says the one that counts."""

    labels: str
    """`shape` or `texture`."""

    kind = "cue_conflict"
    question = "texture"
    schema: ClassVar[Mapping[str, Any]] = {
        **Derived.schema,
        "labels": {"description": "The image whose class counts.", "enum": ["shape", "texture"], "default": "shape"},
    }

    def labelled(self, labels: np.ndarray) -> np.ndarray:
        return labels if self.labels == "shape" else labels[partners(labels, self.seed)]

    @property
    def cues(self) -> bool:
        return self.labels == "shape"

    def textures(self, labels: np.ndarray) -> np.ndarray | None:
        return labels[partners(labels, self.seed)] if self.cues else None

    def derive(self, shift: str, images: np.ndarray | Lazy, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return textures.cue_conflict(images[indices], images[partners(labels, self.seed)[indices]])


def partners(labels: np.ndarray, seed: int) -> np.ndarray:
    """The index of an image of another class for each, (N,), drawn from all of these; itself where there is none."""
    order = np.argsort(labels, kind="stable")
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    ends, others = np.cumsum(counts)[inverse], len(labels) - counts[inverse]
    drawn = np.random.default_rng(seed).random(len(labels))
    found = order[(ends + (drawn * others).astype(np.int64)) % len(labels)]
    return np.where(others > 0, found, np.arange(len(labels)))


KIND = CueConflict
