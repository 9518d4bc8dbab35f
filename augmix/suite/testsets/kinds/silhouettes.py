"""Black silhouettes on white of the data set's test images: shape without texture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from augmix.corruptions import textures
from augmix.suite.data.streaming import Lazy
from augmix.suite.testsets.base import IMAGES
from augmix.suite.testsets.derived import Derived


@dataclass(frozen=True)
class Silhouettes(Derived):
    """The silhouettes, by a threshold; they draw nothing at random."""

    kind = "silhouettes"
    question = "texture"
    schema: ClassVar[Mapping[str, Any]] = {"images": IMAGES}
    seed: int = 0

    def derive(self, shift: str, images: np.ndarray | Lazy, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return textures.silhouette(images[indices])


KIND = Silhouettes
