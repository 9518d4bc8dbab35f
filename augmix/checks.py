"""Checks of arguments that several modules share: each error names the argument and what it accepts."""

from collections.abc import Sequence

import numpy as np

from augmix.registry import nearest

# The three parameter sets of the -C and -P benchmarks and the image side that each is made for.
PRESETS = {"cifar": 32, "tiny": 64, "imagenet": 224}
_SMALLEST_SIDE = 8


def check_images(images: np.ndarray) -> None:
    """Raise unless `images` is uint8 (N, H, W, 3), not empty, with sides of at least 8 pixels."""
    if not isinstance(images, np.ndarray):
        raise TypeError(f"images must be a numpy array, not {type(images).__name__}")
    if images.dtype != np.uint8:
        raise TypeError(f"images must be uint8 in 0 … 255, not {images.dtype}")
    if images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images must have shape (N, H, W, 3), not {images.shape}")
    if len(images) == 0:
        raise ValueError("images is empty; give at least one image")
    if min(images.shape[1:3]) < _SMALLEST_SIDE:
        raise ValueError(f"images must be at least {_SMALLEST_SIDE} pixels a side, not {images.shape[1:3]}")


def check_square(images: np.ndarray) -> None:
    """Raise as `check_images`, and unless they are as high as they are wide."""
    check_images(images)
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"images must be square, not {images.shape[1:3]}")


def check_choice(argument: str, value: object, accepted: Sequence[str]) -> None:
    """Raise unless `value` is one of `accepted`; the message names the nearest one, or else all."""
    if value in accepted:
        return
    raise ValueError(f"unknown {argument} {value!r}; {nearest(value, accepted)}")


def check_integer(argument: str, value: object, lowest: int | None = None, highest: int | None = None) -> None:
    """Raise unless `value` is an integer (not a bool) in the given range."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{argument} must be an integer, not {value!r}")
    if (lowest is not None and value < lowest) or (highest is not None and value > highest):
        accepted = f"at least {lowest}" if highest is None else f"{lowest} … {highest}"
        raise ValueError(f"{argument} must be {accepted}, not {value}")


def check_number(argument: str, value: object, lowest: float, highest: float, *, above: bool = False) -> None:
    """Raise unless `value` is a number (not a bool) in [lowest, highest], or in (lowest, highest] where `above`."""
    accepted = f"in {'(' if above else '['}{lowest:g}, {highest:g}]"
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{argument} must be a number {accepted}, not {value!r}")
    if not lowest <= value <= highest or (above and value == lowest):
        raise ValueError(f"{argument} must be {accepted}, not {value}")


def check_flag(argument: str, value: object) -> None:
    """Raise unless `value` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{argument} must be True or False, not {value!r}")


def choose_preset(preset: str | None, images: np.ndarray) -> str:
    """Return `preset`, checked, or for None the set whose side is nearest to the images' shorter side."""
    if preset is not None:
        check_choice("preset", preset, tuple(PRESETS))
        return preset
    return nearest_preset(min(images.shape[1:3]))


def nearest_preset(side: int) -> str:
    """Return the parameter set made for the image side nearest to `side`."""
    return min(PRESETS, key=lambda name: abs(PRESETS[name] - side))
