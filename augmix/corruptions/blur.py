"""The blurs: defocus, glass, motion, zoom and Gaussian; each is (images, keys, parameters) -> images."""

from functools import lru_cache

import cv2
import numpy as np

from augmix.compilation import njit
from augmix.corruptions import filters
from augmix.corruptions.noise import draw, uniforms


@lru_cache(64)
def _disk(radius: float, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the weights, rows and columns of a smoothed disk."""
    reach = max(8, int(radius))
    axis = np.arange(-reach, reach + 1)
    disk = (axis[:, None] ** 2 + axis**2 <= radius**2).astype(np.float32)
    side = 3 if radius <= 8 else 5
    disk = cv2.GaussianBlur(disk / disk.sum(), (side, side), sigma)
    rows, columns = np.nonzero(disk > 1e-12)
    return disk[rows, columns].astype(np.float64), rows - reach, columns - reach


def defocus_blur(images: np.ndarray, keys: np.ndarray, parameters: tuple[float, float]) -> np.ndarray:
    """Correlate with a smoothed disk (radius, standard deviation of its smoothing); borders mirror."""
    weights, rows, columns = _disk(*parameters)
    rows, columns = np.tile(rows, (len(images), 1)), np.tile(columns, (len(images), 1))
    return filters.correlate(images, weights, rows, columns, "reflect")


@njit(nogil=True, cache=True)
def _move_pixels(images: np.ndarray, keys: np.ndarray, reach: int, passes: int) -> None:
    """Give each pixel in turn a neighbour's colour, in place.

    The published script means to swap the two; its swap of array views leaves the neighbour's colour in both.
    """
    count, height, width, channels = images.shape
    span = np.uint64(2 * reach)
    low = np.uint64(0xFFFFFFFF)
    for n in range(count):
        position = 0
        for _ in range(passes):
            for y in range(height - reach, reach, -1):
                for x in range(width - reach, reach, -1):
                    bits = draw(keys[n], position)
                    position += 1
                    from_y = y - reach + int(((bits >> np.uint64(32)) * span) >> np.uint64(32))
                    from_x = x - reach + int(((bits & low) * span) >> np.uint64(32))
                    for c in range(channels):
                        images[n, y, x, c] = images[n, from_y, from_x, c]


def glass_blur(images: np.ndarray, keys: np.ndarray, parameters: tuple[float, int, int]) -> np.ndarray:
    """Blur, move pixels by up to `reach` in some passes, blur again (standard deviation, reach, passes)."""
    sigma, reach, passes = parameters
    moved = gaussian_blur(images, keys, sigma)
    _move_pixels(moved, keys, reach, passes)
    return gaussian_blur(moved, keys, sigma)


def motion_blur(images: np.ndarray, keys: np.ndarray, parameters: tuple[int, float]) -> np.ndarray:
    """Blur along a line at U(−45°, 45°) (radius, standard deviation)."""
    return filters.motion_blur(images, *parameters, angles=90 * uniforms(keys, 1)[:, 0] - 45)


@lru_cache(8)
def _zoom_taps(size: int, step: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how the zooms by 1, 1 + step, … read one axis: indices and fractions (count, size)."""
    # Not 1 + step·k: the published script's `arange` gives 1.25 + 2e-16, which rounds 32 pixels to 33.
    taps = [filters.zoom_taps(size, factor) for factor in np.arange(1, 1 + step * (count - 0.5), step)]
    return np.stack([index for index, _ in taps]), np.stack([fraction for _, fraction in taps])


@njit(nogil=True, cache=True)
def _zoom(
    images: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    columns: tuple[np.ndarray, np.ndarray],
    out: np.ndarray,
) -> None:
    """Average each image (H, W · C), given by its rows, and its zooms, row by row."""
    count, height, length = images.shape
    zooms, width = columns[0].shape
    channels = length // width
    line, total = np.empty(length), np.empty(length)
    for n in range(count):
        for y in range(height):
            for i in range(length):
                total[i] = images[n, y, i]
            for zoom in range(zooms):
                top = rows[0][zoom, y]
                down, above, below = rows[1][zoom, y], images[n, top], images[n, top + 1]
                for i in range(columns[0][zoom, 0] * channels, (columns[0][zoom, width - 1] + 2) * channels):
                    line[i] = above[i] + (np.float64(below[i]) - above[i]) * down
                for x in range(width):
                    left, right = columns[0][zoom, x] * channels, columns[1][zoom, x]
                    for c in range(channels):
                        value = line[left + c]
                        total[x * channels + c] += value + (line[left + channels + c] - value) * right
            for i in range(length):
                # The margin is rounding's: an even area keeps its value.
                out[n, y, i] = int(total[i] / (zooms + 1) + 1e-9)


def zoom_blur(images: np.ndarray, keys: np.ndarray, parameters: tuple[float, int]) -> np.ndarray:
    """Average the image and its zooms by 1, 1 + step, … (step, how many); the image counts twice."""
    count, height, width, channels = images.shape
    out = np.empty((count, height, width * channels), np.uint8)
    taps = _zoom_taps(height, *parameters), _zoom_taps(width, *parameters)
    _zoom(images.reshape(out.shape), *taps, out)
    return out.reshape(images.shape)


def gaussian_blur(images: np.ndarray, keys: np.ndarray, sigma: float) -> np.ndarray:
    """Blur with a Gaussian of standard deviation `sigma`."""
    blurred = np.clip(filters.gaussian_blur(images / 255, sigma), 0, 1)
    return (blurred * 255).astype(np.uint8)  # truncated: the published sets do not round
