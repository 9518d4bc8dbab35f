"""The table of operations: their names, their ids, and how a level becomes a parameter."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from augmix.checks import check_choice
from augmix.compilation import njit

# The compiled kernels hold these ids as constants.
IDENTITY: Final = 0
AUTOCONTRAST: Final = 1
EQUALIZE: Final = 2
POSTERIZE: Final = 3
ROTATE: Final = 4
SOLARIZE: Final = 5
SHEAR_X: Final = 6
SHEAR_Y: Final = 7
TRANSLATE_X: Final = 8
TRANSLATE_Y: Final = 9
COLOR: Final = 10
CONTRAST: Final = 11
BRIGHTNESS: Final = 12
SHARPNESS: Final = 13
INVERT: Final = 14


class Operation(NamedTuple):
    """One row: level ℓ becomes the parameter `offset + sign · maximum · ℓ / 10`.

    The product is truncated where `integer`; the sign is one of `signs`, each with probability ½. The maximum
    of a translation is a fraction of the image's side.
    """

    name: str
    maximum: float = 0.0
    integer: bool = False
    offset: float = 0.0
    signs: tuple[int, int] = (1, 1)


# The AugMix paper's operations and the authors' magnitudes at level 10. A row's position is its id.
OPERATIONS: Final = (
    Operation("identity"),
    Operation("autocontrast"),
    Operation("equalize"),
    Operation("posterize", 4, integer=True, offset=4, signs=(-1, -1)),
    Operation("rotate", 30, integer=True, signs=(-1, 1)),
    Operation("solarize", 256, integer=True, offset=256, signs=(-1, -1)),
    Operation("shear_x", 0.3, signs=(-1, 1)),
    Operation("shear_y", 0.3, signs=(-1, 1)),
    Operation("translate_x", 1 / 3, integer=True, signs=(-1, 1)),
    Operation("translate_y", 1 / 3, integer=True, signs=(-1, 1)),
    Operation("color", 1.8, offset=0.1),
    Operation("contrast", 1.8, offset=0.1),
    Operation("brightness", 1.8, offset=0.1),
    Operation("sharpness", 1.8, offset=0.1),
    Operation("invert"),
)
IDS: Final = {operation.name: id for id, operation in enumerate(OPERATIONS)}

# The nine operations of AugMix, and all thirteen: the last four overlap with the corruptions of -C.
AUGMIX: Final = np.arange(AUTOCONTRAST, TRANSLATE_Y + 1)
ALL: Final = np.arange(AUTOCONTRAST, SHARPNESS + 1)
GEOMETRIC: Final = np.array([ROTATE, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y])
"""Those that move what an image shows."""

_MAXIMUM = np.array([operation.maximum for operation in OPERATIONS])
_INTEGER = np.array([operation.integer for operation in OPERATIONS])
_OFFSET = np.array([operation.offset for operation in OPERATIONS])
_SIGNS = np.array([operation.signs for operation in OPERATIONS], dtype=np.float64)


@njit(cache=True, boundscheck=True)
def fill(
    operations: np.ndarray, levels: np.ndarray, signs: np.ndarray, height: int, width: int, found: np.ndarray
) -> None:
    """Write to `found`, which may be `levels`, each parameter; all arrays are flat.

    An id or a sign outside the tables is an IndexError.
    """
    for i in range(found.size):
        operation = operations[i]
        maximum = _MAXIMUM[operation]
        if operation == TRANSLATE_X:
            maximum *= width
        elif operation == TRANSLATE_Y:
            maximum *= height
        magnitude = levels[i] * maximum / 10
        if _INTEGER[operation]:
            magnitude = np.trunc(magnitude)
        found[i] = _OFFSET[operation] + _SIGNS[operation, signs[i]] * magnitude


def parameters(operations: np.ndarray, levels: np.ndarray, signs: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return what each operation's level means for images of `size` (height, width), float64.

    `operations` are ids, `levels` are in [0, 10], `signs` choose (0 or 1) between an operation's two signs;
    the three have one shape.
    """
    found = np.empty(operations.shape)
    fill(operations.ravel(), levels.ravel(), signs.ravel(), *size, found.ravel())
    return found


def ids(names: Sequence[str]) -> np.ndarray:
    """Return the ids of operation names; an unknown name is a ValueError."""
    for name in names:
        check_choice("operation", name, tuple(IDS))
    return np.array([IDS[name] for name in names], dtype=np.int64)
