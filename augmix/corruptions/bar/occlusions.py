"""Shapes that hide parts of an image: a checkerboard, lines, and rays of white light."""

import numpy as np

from augmix.compilation import njit
from augmix.corruptions.noise import draw, draw_uniform, fill_normal

_GREY = 128
_MOST_RAYS = 199


@njit(nogil=True, cache=True)
def _checkerboard_cutout(images: np.ndarray, keys: np.ndarray, share: float) -> None:
    side = images.shape[1]
    for n in range(len(images)):
        angle = 2 * np.pi * draw_uniform(keys[n], 0)
        cell = max((0.1 + 0.15 * draw_uniform(keys[n], 1)) * side, 1.0)
        cells = int(4 * side // cell)
        cosine, sine = np.cos(angle), np.sin(angle)
        for y in range(side):
            for x in range(side):
                u = (cosine * y + sine * x) / cell
                v = (-sine * y + cosine * x) / cell
                if int(u % 2) == int(v % 2):
                    # Both are truncated towards 0, and negative ones count from the grid's end, as published.
                    row, column = int(u) % cells, int(v) % cells
                    if draw_uniform(keys[n], 2 + row * cells + column) < share:
                        images[n, y, x] = _GREY


def checkerboard_cutout(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Turn a share of the fields of one colour of a rotated checkerboard to grey."""
    _checkerboard_cutout(images, keys, level / 10)
    return images


@njit(nogil=True, cache=True)
def _note(row: int, column: int, coverage: float, covered: np.ndarray, met: np.ndarray, count: int) -> int:
    """Note a pixel that a line covers, in place of what was noted of it before; return how many were met."""
    side = len(covered)
    if not (0 <= row < side and 0 <= column < side):
        return count
    if covered[row, column] < 0:
        met[count, 0], met[count, 1] = row, column
        count += 1
    covered[row, column] = coverage
    return count


@njit(nogil=True, cache=True)
def _line(ends: tuple[int, int, int, int], covered: np.ndarray, met: np.ndarray) -> int:
    """Note the pixels of an antialiased line from (row, column) to (row, column); return how many.

    It is Zingl's (A Rasterizing Algorithm for Drawing Curves, 2012): Bresenham's line with the pixels beside it.
    """
    row, column, last_row, last_column = ends
    down, right = abs(last_row - row), abs(last_column - column)
    row_step = 1 if row < last_row else -1
    column_step = 1 if column < last_column else -1
    error = right - down
    length = np.sqrt(down * down + right * right) if down + right else 1.0
    count = 0
    while True:
        count = _note(row, column, 1 - abs(error - right + down) / length, covered, met, count)
        before, old_column = error, column
        if 2 * before >= -right:
            if column == last_column:
                return count
            if before + down < length:
                count = _note(row + row_step, column, 1 - abs(before + down) / length, covered, met, count)
            error -= down
            column += column_step
        if 2 * before <= down:
            if row == last_row:
                return count
            if right - before < length:
                count = _note(row, old_column + column_step, 1 - abs(right - before) / length, covered, met, count)
            error += right
            row += row_step


@njit(nogil=True, cache=True)
def _lines(images: np.ndarray, keys: np.ndarray, lines: int) -> None:
    side = images.shape[1]
    covered, met = np.full((side, side), -1.0), np.empty((side * side, 2), np.int64)
    for n in range(len(images)):
        main = 2 * np.pi * draw_uniform(keys[n], 0)
        spread = 0.1 + 0.9 * draw_uniform(keys[n], 1)
        for i in range(lines):
            y, x = side * draw_uniform(keys[n], 2 + 3 * i), side * draw_uniform(keys[n], 3 + 3 * i)
            angle = main + 2 * np.pi * spread * (draw_uniform(keys[n], 4 + 3 * i) - 0.5)
            down, right = np.cos(angle) * side, np.sin(angle) * side
            for k in range(_line((int(y - down), int(x - right), int(y + down), int(x + right)), covered, met)):
                row, column = met[k]
                coverage, covered[row, column] = covered[row, column], -1.0
                for c in range(3):
                    images[n, row, column, c] = int((1 - coverage) * images[n, row, column, c] + coverage * _GREY)


def lines(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Draw grey lines of twice the image's side; their angles vary about the image's own by its own spread."""
    _lines(images, keys, int(level / 10 * images.shape[1]))
    return images


@njit(nogil=True, cache=True)
def _fill_lengths(key: np.uint64, radius: float, least: float, lengths: np.ndarray) -> None:
    """Draw the lengths of rays: normal about the radius, by a quarter of it."""
    fill_normal(key, lengths)
    for i in range(len(lengths)):
        lengths[i] = max(radius + 0.25 * radius * lengths[i], least)


@njit(nogil=True, cache=True)
def _ray_weight(dy: float, dx: float, lengths: np.ndarray, exponent: float) -> float:
    """Return how bright rays about (0, 0) are at (dy, dx), in [0, 1]."""
    position = (np.arctan2(dx, dy) + np.pi) / (2 * np.pi) * len(lengths)
    ray = int(position)
    fraction = position - ray
    length, following = lengths[ray % len(lengths)], lengths[(ray + 1) % len(lengths)]
    length += fraction * (following - length)
    brightness = length * length / (dy * dy + dx * dx + 1e-4)
    if exponent != 1:
        brightness **= exponent
    return min(max((1 - (fraction - 0.5) ** 2) * brightness, 0.0), 1.0)


@njit(nogil=True, cache=True)
def _rays(key: np.uint64, position: int) -> int:
    """Draw the number of a star's rays."""
    return 50 + int(150 * draw_uniform(key, position))


@njit(nogil=True, cache=True)
def _sparkles(images: np.ndarray, keys: np.ndarray, radius: float) -> None:
    count, side = images.shape[:2]
    centres, rays, lengths = np.empty((5, 2)), np.empty(5, np.int64), np.empty((5, _MOST_RAYS))
    for n in range(count):
        for star in range(5):
            for axis in range(2):
                centres[star, axis] = side * draw_uniform(keys[n], 4 * star + axis)
            rays[star] = _rays(keys[n], 4 * star + 2)
            _fill_lengths(draw(keys[n], 4 * star + 3), radius, 1.0, lengths[star, : rays[star]])
        for y in range(side):
            for x in range(side):
                red, green, blue = float(images[n, y, x, 0]), float(images[n, y, x, 1]), float(images[n, y, x, 2])
                for star in range(5):
                    dy, dx = y - centres[star, 0], x - centres[star, 1]
                    weight = _ray_weight(dy, dx, lengths[star, : rays[star]], 1.0)
                    red += weight * (255 - red)
                    green += weight * (255 - green)
                    blue += weight * (255 - blue)
                images[n, y, x, 0], images[n, y, x, 1], images[n, y, x, 2] = int(red), int(green), int(blue)


def sparkles(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Add five white stars of many rays."""
    _sparkles(images, keys, 0.01 * level * images.shape[1])
    return images


@njit(nogil=True, cache=True)
def _inverse_sparkles(images: np.ndarray, keys: np.ndarray, exponent: float) -> None:
    side = images.shape[1]
    lengths = np.empty(_MOST_RAYS)
    for n in range(len(images)):
        row = side * (0.25 + 0.5 * draw_uniform(keys[n], 0))
        column = side * (0.25 + 0.5 * draw_uniform(keys[n], 1))
        rays = lengths[: _rays(keys[n], 2)]
        _fill_lengths(draw(keys[n], 3), 0.25 * side, -np.inf, rays)
        for y in range(side):
            for x in range(side):
                weight = _ray_weight(y - row, x - column, rays, exponent)
                for c in range(3):
                    images[n, y, x, c] = int(255 + weight * (float(images[n, y, x, c]) - 255))


def inverse_sparkles(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Turn all but one star of many rays to white."""
    _inverse_sparkles(images, keys, 0.13 * level)
    return images
