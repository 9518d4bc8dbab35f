"""Corruptions are made chunk by chunk, so that their temporaries stay in the cache."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from augmix.checks import check_integer
from augmix.corruptions import noise

Corruption = Callable[[np.ndarray, np.ndarray, Any], np.ndarray]
"""From uint8 images (N, H, W, 3), which it may overwrite, their keys (N,) and a parameter to corrupted images."""

# The most values that one call of a corruption works on.
_CHUNK = 2**18


def corrupt_in_chunks(
    corruption: Corruption,
    parameters: Sequence[Any],
    images: np.ndarray,
    name: str,
    severity: int,
    seed: int,
    first: int,
) -> np.ndarray:
    """Corrupt images, uint8 (N, H, W, 3), with the severity's parameter; chunks give the pixels of one call.

    `first` is the index of the first image. Raises TypeError or ValueError naming the argument.
    """
    check_integer("severity", severity, 1, len(parameters))
    check_integer("seed", seed)
    check_integer("first", first, 0)
    step = max(1, _CHUNK // images[0].size)
    out = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), step):
        chunk = np.array(images[start : start + step], order="C")
        keys = noise.image_keys(seed, name, severity, first + start, len(chunk))
        out[start : start + step] = corruption(chunk, keys, parameters[severity - 1])
    return out
