"""Noise of one frequency at a time, for a Fourier heat map (Yin, Lopes, Shlens, Cubuk & Gilmer, NeurIPS 2019).

A frequency of fixed norm is added to each channel of each test image with a random sign, and cut off at both ends of
the values. A frequency and its mirror image are the same wave, so that half of the map is measured. Unlike its authors'
the images are rounded to 8 bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from augmix.corruptions import textures
from augmix.suite.data.streaming import Lazy
from augmix.suite.testsets.base import IMAGES, Origin
from augmix.suite.testsets.derived import Derived

NORMS = {"cifar": 4.0, "tiny": 8.0, "imagenet": 15.7}
"""The norm of the noise in each channel, of values in [0, 1]: the paper's; at 64 pixels CIFAR's change of a pixel."""
RADIUS = 31
"""The greatest frequency along an axis, as the paper has it on ImageNet: the central 63 × 63."""


@dataclass(frozen=True)
class Fourier(Derived):
    """The test set of all frequencies, whose mean is over the waves that are measured."""

    norm: float
    radius: int
    """The greatest frequency along an axis."""
    side: int

    kind = "fourier"
    mean = "mFE"
    mean_title = "mean error under Fourier basis noise"
    noun = "wave"
    schema: ClassVar[Mapping[str, Any]] = {
        **Derived.schema,
        "images": {**IMAGES, "default": 100},
        "norm": {
            "description": "The noise's norm in each channel, of values in [0, 1]; null: 4, 8 or 15.7 by the preset.",
            "type": ["number", "null"],
            "exclusiveMinimum": 0,
            "default": None,
        },
        "radius": {
            "description": "The greatest frequency along an axis; no more than half the side is used.",
            "type": "integer",
            "minimum": 0,
            "default": RADIUS,
        },
    }

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        norm, radius = entry["norm"] or NORMS[origin.preset], min(entry["radius"], origin.side // 2)
        return cls.of_fields(name, entry, origin, norm=norm, radius=radius, side=origin.side)

    @cached_property
    def cells(self) -> Mapping[tuple[int, int], str]:
        half, last = self.side // 2, min(self.radius, (self.side - 1) // 2)

        def wave(i: int, j: int) -> str:
            i, j = max(((sign * i + half) % self.side - half, (sign * j + half) % self.side - half) for sign in (1, -1))
            return f"{i}_{j}"

        axis = range(-self.radius, last + 1)
        return {(i, j): wave(i, j) for i in axis for j in axis}

    @cached_property
    def shifts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.cells.values()))

    @property
    def entering(self) -> tuple[str, ...]:
        return self.shifts

    def derive(self, shift: str, images: np.ndarray | Lazy, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        i, j = map(int, shift.split("_"))
        rng = np.random.default_rng([self.seed, i % self.side, j % self.side])
        signs = rng.choice([-1, 1], (len(labels), 3))[indices]
        return textures.fourier_noise(images[indices], i, j, self.norm, signs)

    def evaluated_with(self) -> dict[str, Any]:
        return {**super().evaluated_with(), "side": self.side}


KIND = Fourier
