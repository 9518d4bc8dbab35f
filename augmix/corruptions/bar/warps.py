"""Corruptions that read an image elsewhere: ripples, twirls, unequally enlarged colours, a turn's blur, water."""

from functools import lru_cache
from itertools import permutations
from typing import Any

import cv2
import numpy as np

from augmix.compilation import njit
from augmix.corruptions import filters
from augmix.corruptions.noise import draw_uniform, uniforms


@njit(nogil=True, cache=True)
def _sample(image: np.ndarray, y: float, x: float, out: np.ndarray) -> None:
    """Interpolate linearly at (y, x), into out (3,); pixels beyond the border count as 0.

    The order of the operations is the published one: truncation shows the last bit.
    """
    side = len(image)
    top, left = int(np.floor(y)), int(np.floor(x))
    upper, lower = 1.0 - y + top, y - top
    near, far = 1.0 - x + left, x - left
    for c in range(3):
        above = below = 0.0
        if 0 <= top < side:
            above += image[top, left, c] * near if 0 <= left < side else 0.0
            above += image[top, left + 1, c] * far if -1 <= left < side - 1 else 0.0
        if -1 <= top < side - 1:
            below += image[top + 1, left, c] * near if 0 <= left < side else 0.0
            below += image[top + 1, left + 1, c] * far if -1 <= left < side - 1 else 0.0
        out[c] = above * upper + below * lower


@njit(nogil=True, cache=True)
def _store(values: np.ndarray, out: np.ndarray) -> None:
    """Clip values (3,) and truncate them to uint8."""
    for c in range(3):
        out[c] = int(min(max(values[c], 0.0), 255.0))


@njit(nogil=True, cache=True)
def _ripple(images: np.ndarray, where: np.ndarray, out: np.ndarray) -> None:
    count, side = images.shape[:2]
    values = np.empty(3)
    for n in range(count):
        for y in range(side):
            for x in range(side):
                _sample(images[n], where[n, 0, y], where[n, 1, x], values)
                _store(values, out[n, y, x])


def ripple(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Shift rows and columns by a sine of their own coordinate."""
    side, random = images.shape[1], uniforms(keys, 4)[..., None]
    lengths, phases = (0.1 + 0.2 * random[:, :2]) * side, 2 * np.pi * random[:, 2:]
    line = np.arange(side)
    where = line + 0.0025 * level * side * np.sin(2 * np.pi * line / lengths + phases)
    out = np.empty_like(images)
    _ripple(images, where, out)
    return out


@lru_cache(16)
def _twirl(cell: int, level: float) -> np.ndarray:
    """Return where a cell's pixels are read, from its centre, twirled one way and the other: (2, cell, cell, 2)."""
    radius = cell / 2
    axis = np.arange(cell) - radius
    away = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    distance = np.hypot(away[..., 0], away[..., 1])
    inside = (distance > 0) & (distance <= radius)
    share = np.where(inside, distance / radius, 1.0)
    y, x = np.moveaxis(away * (np.sin(np.pi * 0.5 * share) ** -(0.04 * level + 0.1))[..., None], -1, 0)
    where = []
    for angle in (np.pi * level / 20, -np.pi * level / 20):
        turn = angle * (1 - share) ** 2
        turned = np.stack([y * np.cos(turn) - x * np.sin(turn), y * np.sin(turn) + x * np.cos(turn)], axis=-1)
        where.append(np.where(inside[..., None], turned, away))
    return np.stack(where)


@njit(nogil=True, cache=True)
def _pinch_and_twirl(images: np.ndarray, keys: np.ndarray, where: np.ndarray, cells: int, out: np.ndarray) -> None:
    count, side = images.shape[:2]
    cell = where.shape[1]
    warped, values = np.empty((cell, cell, 3), np.float32), np.empty(3)
    for n in range(count):
        for i in range(cells * cells):
            left, top = i // cells * cell, i % cells * cell
            way = int(2 * draw_uniform(keys[n], i))
            for y in range(cell):
                for x in range(cell):
                    source_y, source_x = top + cell / 2 + where[way, y, x, 0], left + cell / 2 + where[way, y, x, 1]
                    _sample(images[n], source_y, source_x, values)
                    for c in range(3):
                        warped[y, x, c] = values[c]
            for y in range(cell):
                for x in range(cell):
                    for c in range(3):
                        images[n, top + y, left + x, c] = warped[y, x, c]
        for y in range(side):
            for x in range(side):
                _store(images[n, y, x], out[n, y, x])


def pinch_and_twirl(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Pull each of nine cells (at 224 pixels 25) to its centre and twirl it, one way or the other.

    Cell follows cell, column by column, and reads what the former ones left.
    """
    side = images.shape[1]
    cells = 5 if side == 224 else 3
    out = np.empty_like(images)
    _pinch_and_twirl(images.astype(np.float32), keys, _twirl(side // cells, level), cells, out)
    return out


def _spline_weights(fractions: np.ndarray) -> np.ndarray:
    """Return the cubic B-spline's weights of the four nearest values, the second of them at 0: (…, 4)."""
    after = 1 - fractions
    outer = np.stack([after**3, fractions**3], axis=-1) / 6
    inner = np.stack([(f * f * (f - 2) * 3 + 4) / 6 for f in (fractions, after)], axis=-1)
    return np.stack([outer[..., 0], inner[..., 0], inner[..., 1], outer[..., 1]], axis=-1)


def _mirrored(indices: np.ndarray, side: int) -> np.ndarray:
    """Reflect indices about the edge pixels."""
    indices = np.abs(indices)
    return np.where(indices < side, indices, 2 * (side - 1) - indices)


@lru_cache(16)
def _enlargement(side: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the taps and the weights, both (S, 4), that enlarge a line by a factor and keep its middle."""
    enlarged = round(side * factor)
    positions = (np.arange(side) + (enlarged - side) // 2) * ((side - 1) / (enlarged - 1))
    first = np.floor(positions).astype(np.int64)
    return _mirrored(first[:, None] + np.arange(-1, 3), side), _spline_weights(positions - first)


@njit(nogil=True, cache=True)
def _enlarge(images: np.ndarray, keys: np.ndarray, orders: Any, taps: np.ndarray, weights: np.ndarray) -> None:
    count, side = images.shape[:2]
    channel, down = np.empty((side, side)), np.empty((side, side))
    for n in range(count):
        order = orders[int(len(orders) * draw_uniform(keys[n], 0))]
        for c in range(3):
            tap, weight = taps[order[c]], weights[order[c]]
            for y in range(side):
                for x in range(side):
                    channel[y, x] = images[n, y, x, c]
            for y in range(side):
                a, b, d, e = channel[tap[y, 0]], channel[tap[y, 1]], channel[tap[y, 2]], channel[tap[y, 3]]
                for x in range(side):
                    down[y, x] = weight[y, 0] * a[x] + weight[y, 1] * b[x] + weight[y, 2] * d[x] + weight[y, 3] * e[x]
            for y in range(side):
                line = down[y]
                for x in range(side):
                    total = 0.5 + 1e-9  # a half is rounded up, whatever the last bits are
                    for k in range(4):
                        total += weight[x, k] * line[tap[x, k]]
                    images[n, y, x, c] = int(total)


def transverse_chromatic_abberation(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Enlarge the channels by three factors, the least of them 1, in random order; it blurs them as well.

    B-splines smooth where their coefficients are taken for values, as published.
    """
    found = [_enlargement(images.shape[1], 1 + step * level) for step in (0, 0.025, 0.05)]
    orders = np.array(list(permutations(range(3))))
    _enlarge(images, keys, orders, np.stack([taps for taps, _ in found]), np.stack([weights for _, weights in found]))
    return images


@lru_cache(2)
def _circular_operator(side: int, degrees: float) -> Any:
    """Return the weighted mean of 21 rotations as one sparse matrix over a cubic spline's coefficients."""
    from scipy import sparse

    middle = (side - 1) / 2
    y, x = (axis.ravel() - middle for axis in np.mgrid[:side, :side])
    total, times = 0, np.linspace(-1, 1, 21)
    shares = np.exp(-2 * times**2)
    for time, share in zip(times, shares / shares.sum(), strict=True):
        cosine, sine = np.cos(np.deg2rad(degrees * time)), np.sin(np.deg2rad(degrees * time))
        source = np.stack([cosine * y + sine * x, -sine * y + cosine * x]) + middle
        pixels = np.flatnonzero((source >= 0).all(axis=0) & (source <= side - 1).all(axis=0))
        source = source[:, pixels]
        first = np.floor(source).astype(np.int64)
        taps = _mirrored(first[..., None] + np.arange(-1, 3), side)
        weights = _spline_weights(source - first)
        values = share * weights[0][:, :, None] * weights[1][:, None, :]
        columns = taps[0][:, :, None] * side + taps[1][:, None, :]
        entries = values.ravel(), (np.repeat(pixels, 16), columns.ravel())
        total = total + sparse.csr_matrix(entries, shape=(side * side, side * side))
    return total


def circular_motion_blur(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Turn an image about its centre while it is exposed; the corners turn dark."""
    from scipy import ndimage

    count, side = images.shape[:2]
    pixels = images.transpose(1, 2, 0, 3).reshape(side, side, -1).astype(np.float64)
    for axis in range(2):
        pixels = ndimage.spline_filter1d(pixels, 3, axis, mode="mirror")
    blurred = _circular_operator(side, 1.5 * level) @ pixels.reshape(side * side, -1)
    # The margin is rounding's: an even area keeps its value.
    result = np.clip(blurred + 1e-6, 0, 255).astype(np.uint8)
    return result.reshape(side, side, count, 3).transpose(2, 0, 1, 3)


@njit(nogil=True, cache=True)
def _caustics(keys: np.ndarray, out: np.ndarray) -> None:
    """Fill (N, S, S) with the light that waves gather on the ground, in [0, 1], as a widespread shader has it."""
    count, side = out.shape[:2]
    for n in range(count):
        time = 0.5 + 1.5 * draw_uniform(keys[n], 0)
        scale = (0.75 + 0.5 * draw_uniform(keys[n], 1)) * side
        for y in range(side):
            for x in range(side):
                down, right = y / scale % 1 * 2 * np.pi - 250, x / scale % 1 * 2 * np.pi - 250
                a, b, light = down, right, 1.0
                for i in range(5):
                    t = time * (1 - 3.5 / (i + 1))
                    a, b = down + np.cos(t - a) + np.sin(t + b), right + np.sin(t - b) + np.cos(t + a)
                    light += 200 / np.sqrt((down / np.sin(a + t)) ** 2 + (right / np.cos(b + t)) ** 2)
                out[n, y, x] = min(abs(1.17 - (light / 5) ** 1.4) ** 8, 1.0)


@njit(nogil=True, cache=True)
def _refract(images: np.ndarray, heights: np.ndarray, depth: float, light: float, out: np.ndarray) -> None:
    """Read images of values in [0, 1] through water of these heights, (N, S + 2, S + 2) with a rim of 0."""
    count, side = images.shape[:2]
    values = np.empty(3)
    for n in range(count):
        height = heights[n]
        for y in range(side):
            for x in range(side):
                slope_y, slope_x = height[y + 2, x + 1] - height[y, x + 1], height[y + 1, x + 2] - height[y + 1, x]
                upright = 1 / np.sqrt(slope_y * slope_y + slope_x * slope_x + 1)
                shift_y = shift_x = 0.0
                if upright < 0.999:
                    # Snell's law: the sine of the vertical's angle to the normal is divided by 4.
                    cosine = np.sqrt(1 - (1 - upright * upright) / 16)
                    bent = depth * upright * (cosine - upright / 4)
                    shift_y, shift_x = np.round(bent * slope_y, 3), np.round(bent * slope_x, 3)
                _sample(images[n], y + shift_y, x + shift_x, values)
                for c in range(3):
                    values[c] = 255 * min(max(values[c] + light * (slope_y - slope_x), 0.0), 1.0)
                _store(values, out[n, y, x])


def caustic_refraction(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Look at an image on the ground of shallow, moving water."""
    side = images.shape[1]
    heights = np.zeros((len(images), side + 2, side + 2))
    _caustics(keys, heights[:, 1:-1, 1:-1])
    kernel = filters.gaussian_kernel(1, 4)
    for inside in heights[:, 1:-1, 1:-1]:
        inside[:] = cv2.sepFilter2D(inside.copy(), -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    out = np.empty_like(images)
    _refract(images.astype(np.float32) / np.float32(255), heights, 0.05 * level * side, 0.2 * level, out)
    return out
