"""The affine matrices of rotations, shears and translations, computed as Pillow does."""

import math
from functools import lru_cache

import numpy as np

from augmix.operations.table import ROTATE, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y


@lru_cache(maxsize=4096)
def _rotation(degrees: float, height: int, width: int) -> tuple[float, ...]:
    # The order of operations and the rounding to 15 decimals are Pillow's: at ±30° they decide about pixels.
    angle = -math.radians(degrees % 360.0)
    cosine, sine = round(math.cos(angle), 15), round(math.sin(angle), 15)
    x, y = width / 2, height / 2
    return (
        cosine,
        sine,
        cosine * -x + sine * -y + 0.0 + x,
        -sine,
        cosine,
        -sine * -x + cosine * -y + 0.0 + y,
    )


def matrices(operations: np.ndarray, parameters: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return (…, 6) float64 coefficients (a, b, c, d, e, f) for operation ids and parameters of one shape (…).

    The output at (x, y) is the input at (a·x + b·y + c, d·x + e·y + f). An operation that is not affine gets the
    identity.
    """
    result = np.zeros((*operations.shape, 6))
    result[..., 0] = result[..., 4] = 1.0
    for operation, coefficient in ((SHEAR_X, 1), (TRANSLATE_X, 2), (SHEAR_Y, 3), (TRANSLATE_Y, 5)):
        chosen = operations == operation
        result[chosen, coefficient] = parameters[chosen]
    rotated = operations == ROTATE
    if rotated.any():
        degrees, which = np.unique(parameters[rotated], return_inverse=True)
        result[rotated] = np.array([_rotation(angle, height, width) for angle in degrees.tolist()])[which]
    return result
