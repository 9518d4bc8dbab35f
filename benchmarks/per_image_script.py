"""The corruptions in the manner of the published script, to be timed: an image at a time, looping where it loops.

Where they take the same steps these are the plain constructions. For motion blur and snow the script hands every image
to ImageMagick and back as PNG files in memory: so it goes here, but numpy blurs it, which is quicker.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from PIL import Image
from skimage.color import hsv2rgb, rgb2hsv
from skimage.filters import gaussian
from skimage.util import random_noise

from augmix.corruptions.constants import PARAMETERS
from benchmarks import plain_corruptions as plain
from benchmarks import plain_corruptions_bar as plain_bar
from benchmarks.plain_corruptions import truncate

Corrupt = Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]


def impulse_noise(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return truncate(random_noise(image / 255, mode="s&p", amount=amount, rng=rng))


def defocus_blur(image: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    kernel = plain.disk(*constants)
    return truncate(np.stack([cv2.filter2D(image[..., c] / 255, -1, kernel) for c in range(3)], axis=-1))


def glass_blur(image: np.ndarray, constants: tuple[float, int, int], rng: np.random.Generator) -> np.ndarray:
    sigma, reach, passes = constants
    size = len(image)
    moved = truncate(gaussian(image / 255, sigma=sigma, channel_axis=-1))
    for _ in range(passes):
        for y in range(size - reach, reach, -1):
            for x in range(size - reach, reach, -1):
                dx, dy = np.random.randint(-reach, reach, size=(2,))
                moved[y, x], moved[y + dy, x + dx] = moved[y + dy, x + dx], moved[y, x]
    return truncate(gaussian(moved / 255, sigma=sigma, channel_axis=-1))


def moved(image: np.ndarray, radius: int, sigma: float, degrees: float) -> np.ndarray:
    sent = Image.open(_png(image))
    return np.asarray(Image.open(_png(plain.moved(np.asarray(sent), radius, sigma, degrees))))


def _png(image: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file


def motion_blur(image: np.ndarray, constants: tuple[int, float], rng: np.random.Generator) -> np.ndarray:
    return moved(image, *constants, rng.uniform(-45, 45))


def snow(image: np.ndarray, constants: tuple, rng: np.random.Generator) -> np.ndarray:
    return plain.snow(image, constants, rng, moved)


def frost(image: np.ndarray, constants: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    plain.frost_photograph.cache_clear()  # the script reads a photograph for every image
    return plain.frost(image, constants, rng)


def brightness(image: np.ndarray, shift: float, rng: np.random.Generator) -> np.ndarray:
    hsv = rgb2hsv(image / 255)
    hsv[..., 2] = np.clip(hsv[..., 2] + shift, 0, 1)
    return truncate(hsv2rgb(hsv))


def gaussian_blur(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return truncate(gaussian(image / 255, sigma=sigma, channel_axis=-1))


def saturate(image: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    hsv = rgb2hsv(image / 255)
    hsv[..., 1] = np.clip(hsv[..., 1] * constants[0] + constants[1], 0, 1)
    return truncate(hsv2rgb(hsv))


def _zoom_blur(image: np.ndarray, constants: tuple[float, int], rng: np.random.Generator) -> np.ndarray:
    step, count = constants
    return plain.zoom_blur(image, np.arange(1, 1 + step * (count - 0.5), step))


def _without_rng(function: Callable[[np.ndarray, Any], np.ndarray]) -> Corrupt:
    return lambda image, constants, rng: function(image, constants)


SCRIPT: dict[str, Corrupt] = {
    **plain.RANDOM,
    **{function.__name__: _without_rng(function) for function in plain.EXACT},
    **{function.__name__: function for function in (impulse_noise, defocus_blur, glass_blur, motion_blur)},
    **{function.__name__: function for function in (snow, frost, brightness, gaussian_blur, saturate)},
    "zoom_blur": _zoom_blur,
}


def corrupt(image: np.ndarray, name: str, severity: int, rng: np.random.Generator) -> np.ndarray:
    """One image of 32×32, uint8 (32, 32, 3)."""
    return SCRIPT[name](image, PARAMETERS[name]["cifar"][severity - 1], rng)


# ---- C̄, whose script goes from pixel to pixel


@contextmanager
def pixel_by_pixel() -> Iterator[None]:
    """Within it, the plain constructions of C̄ loop over pixels in Python wherever the published script does so."""
    looping: dict[str, Any] = {"ray_weight": ray_weight, "bilinear": bilinear, "spectral_noise": spectral_noise}
    with patch.multiple(plain_bar, **looping):
        yield


def ray_weight(y: np.ndarray, x: np.ndarray, lengths: np.ndarray, exponent: float) -> np.ndarray:
    count = len(lengths)

    def weight(down: float, right: float) -> list[float]:
        distance = np.linalg.norm(np.array([down, right]))
        position = (np.arctan2(right, down) + np.pi) * count / (2 * np.pi)
        ray = int(position)
        fraction = position - ray
        length = lengths[ray % count] + fraction * (lengths[(ray + 1) % count] - lengths[ray % count])
        bright = (length**2 / (distance**2 + 1e-4)) ** exponent
        return [np.clip((1 - (fraction - 0.5) ** 2) * bright, 0, 1)]

    return np.array([[weight(*place) for place in zip(*rows, strict=True)] for rows in zip(y, x, strict=True)])


def bilinear(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]

    def value(row: int, column: int) -> np.ndarray:
        return image[row, column] if 0 <= row < height and 0 <= column < width else np.zeros(3)

    def between(down: float, right: float) -> np.ndarray:
        top, left = int(np.floor(down)), int(np.floor(right))
        near, far = 1 - right + left, right - left
        above = value(top, left) * near + value(top, left + 1) * far
        below = value(top + 1, left) * near + value(top + 1, left + 1) * far
        return above * (1 - down + top) + below * (down - top)

    return np.array([[between(*place) for place in zip(*rows, strict=True)] for rows in zip(y, x, strict=True)])


_spectral_noise = plain_bar.spectral_noise


def spectral_noise(amplitude: Callable[[np.ndarray], np.ndarray], size: int, draws: plain_bar.Draws) -> np.ndarray:
    def looping(distances: np.ndarray) -> np.ndarray:
        middle = len(distances) / 2
        places = ((y, x) for y in range(size) for x in range(size))
        return np.array([amplitude(np.asarray(np.linalg.norm(np.array(place) - middle))) for place in places]).reshape(
            size, size
        )

    return _spectral_noise(looping, size, draws)
