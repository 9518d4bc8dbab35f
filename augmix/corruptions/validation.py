"""Corruptions to choose by, so that those of the mean corruption error stay untouched until the choice is made.

The four that -C's authors hold out say little where light decides: on small grey images most of the mean corruption
error is brightness, contrast, frost and fog. So noise, brightness and contrast stand beside them, at strengths that
-C has not: severity s lies halfway between -C's s - 1 and s, and severity 1 halfway to the untouched image.
"""

import numpy as np

from augmix import corruptions
from augmix.checks import check_choice, check_images, choose_preset
from augmix.corruptions.chunks import corrupt_in_chunks
from augmix.corruptions.constants import PARAMETERS

__all__ = ["VALIDATION_CORRUPTIONS", "corrupt"]

_UNTOUCHED = {"gaussian_noise": 0.0, "brightness": 0.0, "contrast": 1.0}
"""The parameter that leaves an image as it is."""

VALIDATION_CORRUPTIONS = (*corruptions.EXTRA_CORRUPTIONS, *_UNTOUCHED)
"""The four that are held out of the mean corruption error, and three of it at other severities."""


def corrupt(
    images: np.ndarray, name: str, severity: int, seed: int = 0, preset: str | None = None, first: int = 0
) -> np.ndarray:
    """Corrupt images as `augmix.corruptions.corrupt` does, whose arguments and errors these are.

    `name` is one of `VALIDATION_CORRUPTIONS`.
    """
    check_images(images)
    check_choice("name", name, VALIDATION_CORRUPTIONS)
    if name not in _UNTOUCHED:
        return corruptions.corrupt(images, name, severity, seed, preset, first)
    published = PARAMETERS[name][choose_preset(preset, images)]
    between = [(one + other) / 2 for one, other in zip((_UNTOUCHED[name], *published), published, strict=False)]
    return corrupt_in_chunks(corruptions.FUNCTIONS[name], between, images, name, severity, seed, first)
