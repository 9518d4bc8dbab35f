"""Compiled steps of methods for images on the CPU: what torch does in many passes over memory, in one.

No fastmath: results differ from those of the same steps in torch, which other devices take, by rounding alone;
NoisyMix's also by its draws.
"""

import math

import numpy as np

from augmix.compilation import njit

_compiled = njit(nogil=True, cache=True, error_model="numpy")
# Beside a plain number, single precision would become double.
_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_THREE, _FOUR, _FIVE = np.float32(3), np.float32(4), np.float32(5)
_THIRD, _FIFTH, _SEVENTH, _NINTH = (np.float32(1 / n) for n in (3, 5, 7, 9))
_1_6, _1_24, _1_120, _1_720 = (np.float32(1 / n) for n in (6, 24, 120, 720))
_LN2, _TWO_LOG2E = np.float32(math.log(2)), np.float32(2 / math.log(2))
_NEXT = np.uint64(1)  # of signed indices Numba asks each whether it counts from the end


@_compiled
def mix(given: np.ndarray, weights: np.ndarray, mixed: np.ndarray, start: int, stop: int) -> None:
    """Write to `mixed` (N, P) the sums of `given` (N, K, P), of any type, weighted by `weights` (N, K)."""
    for n in range(start, stop):
        for k in range(weights.shape[1]):
            weight, values, total = weights[n, k], given[n, k], mixed[n]
            for i in range(total.size):
                before = _ZERO if k == 0 else total[i]
                total[i] = before + weight * np.float32(values[i])


@_compiled
def filter(images: np.ndarray, which: np.ndarray, filters: np.ndarray, start: int, stop: int) -> None:
    """Filter, in place, each plane of some images (N, C, H, W) in [0, 1] by the image's own of `filters` (n, 3, 3)."""
    _, channels, height, width = images.shape
    padded = np.zeros((height + 2, width + 2), np.float32)
    for n in range(start, stop):
        a, b, c = filters[n]
        for channel in range(channels):
            plane = images[which[n], channel]
            padded[1:-1, 1:-1] = plane
            for y in range(height):
                above, here, below, row = padded[y], padded[y + 1], padded[y + 2], plane[y]
                for x in range(width):
                    total = a[0] * above[x] + a[1] * above[x + 1] + a[2] * above[x + 2]
                    total += b[0] * here[x] + b[1] * here[x + 1] + b[2] * here[x + 2]
                    total += c[0] * below[x] + c[1] * below[x + 1] + c[2] * below[x + 2]
                    row[x] = min(max(total, _ZERO), _ONE)


@_compiled
def colour(images: np.ndarray, which: np.ndarray, tables: np.ndarray, start: int, stop: int) -> None:
    """Replace, in place, the values of some images in [0, 1] by those of their channels' `tables` (n, C, steps + 3).

    These begin a step below 0 and end a step above 1; between two of their values goes a cubic by these and the
    values beside them (Catmull & Rom, 1974), and the result is clipped.
    """
    size, last = images.shape[2] * images.shape[3], np.float32(tables.shape[2] - 4)
    steps, places, shares = last + _ONE, np.empty(size, np.int32), np.empty(size, np.float32)
    for n in range(start, stop):
        for channel in range(images.shape[1]):
            table, values = tables[n, channel], images[which[n], channel].ravel()
            for i in range(size):  # by itself: it fills vectors
                position = steps * values[i]
                whole = np.int32(min(position, last))
                places[i], shares[i] = whole, position - np.float32(whole)
            for i in range(size):
                t, first = shares[i], np.uint64(places[i])
                second = first + _NEXT
                third = second + _NEXT
                a, b, c, d = table[first], table[second], table[third], table[third + _NEXT]
                cubic, square = _THREE * (b - c) + d - a, _TWO * a - _FIVE * b + _FOUR * c - d
                value = b + _HALF * t * (c - a + t * (square + t * cubic))
                values[i] = min(max(value, _ZERO), _ONE)


@_compiled
def displace(
    images: np.ndarray, which: np.ndarray, corners: np.ndarray, shares: np.ndarray, start: int, stop: int
) -> None:
    """Resample some images, in place: each pixel between the four at `corners` (H·W,), by `shares` (2, H·W)."""
    _, channels, height, width = images.shape
    # Where a side is one pixel long, corners lie behind the image; their share is 0.
    before = np.zeros((height + 1) * width + 1, np.float32)
    row = np.uint64(width)
    for n in range(start, stop):
        for channel in range(channels):
            values = images[which[n], channel].ravel()
            before[: values.size] = values
            for i in range(values.size):
                corner, down, across = np.uint64(corners[i]), shares[0, i], shares[1, i]
                above = before[corner] + across * (before[corner + _NEXT] - before[corner])
                corner += row
                below = before[corner] + across * (before[corner + _NEXT] - before[corner])
                values[i] = above + down * (below - above)


@_compiled
def add_noise(
    values: np.ndarray, bits: np.ndarray, normal: np.ndarray, neutral: int, centre: float, factor: float, step: float
) -> None:
    """Multiply some of the `values` about `centre` by noise and add some to others, in place.

    The halves of each value's 32 `bits` say which, where they are not below `neutral`: the upper whether the next of
    the `normal` numbers is added, times `step`, the lower also by which factor, of 1 - `factor` to 1 + `factor`. Of the
    numbers there is one more than is added.
    """
    middle, most, size = np.float32(centre), np.float32(factor), np.float32(step)
    scale, taken = np.float32(2 / (2**16 - neutral)), np.uint64(0)
    for i in range(values.size):
        value, place = values[i] - middle, np.int32(bits[i] & 0xFFFF) - np.int32(neutral)
        changed = _ONE + most * (scale * (np.float32(place) + _HALF) - _ONE)
        values[i] = value * (changed if place >= 0 else _ONE)
    for i in range(values.size):
        # No branch: which one is taken a processor could not know.
        chosen = np.int32(bits[i] >> 16) >= neutral
        values[i] += (size if chosen else _ZERO) * normal[taken] + middle
        taken += np.uint64(chosen)


@_compiled
def add(
    images: np.ndarray,
    which: np.ndarray,
    pool: np.ndarray,
    sources: np.ndarray,
    weights: np.ndarray,
    shares: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Add to some images (N, P) in [0, 1], in place, those at `sources` of the uint8 `pool`, about mid-grey; clipped.

    `weights` (2, n) are the images' and the others', `shares` (256,) the values in [0, 1].
    """
    for n in range(start, stop):
        values, others, first, second = images[which[n]], pool[sources[n]], weights[0, n], weights[1, n]
        for i in range(values.size):
            total = first * (_TWO * values[i] - _ONE) + second * (_TWO * shares[others[i]] - _ONE)
            values[i] = min(max((total + _ONE) / _TWO, _ZERO), _ONE)


@_compiled
def multiply(
    images: np.ndarray,
    which: np.ndarray,
    pool: np.ndarray,
    sources: np.ndarray,
    weights: np.ndarray,
    logarithms: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Multiply as `add` adds: half the product of the images' and the others' doubles to the powers of their weights.

    `logarithms` (256,) are those to the base 2 of the others' doubles. Both functions are sums of Taylor's, since those
    of the system take one number at a time; they err by less than 1e-6. What is black stays so.
    """
    size = images.shape[1]
    powers, added, numbers = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.int32)
    floats = numbers.view(np.float32)
    for n in range(start, stop):
        values, others, first, second = images[which[n]], pool[sources[n]], weights[0, n], weights[1, n]
        bits = values.view(np.int32)
        for i in range(size):  # by itself: the other loops fill vectors
            added[i] = second * logarithms[others[i]]
        for i in range(size):
            # A number from ¾ to 1½ and its power of two: with s = (m − 1)/(m + 1), ln m = 2·(s + s³/3 + s⁵/5 + …).
            part = bits[i] & 0x7FFFFF
            above = np.int32(part >= 0x400000)
            numbers[i] = part | ((127 - above) << 23)
            powers[i] = np.float32(np.int32((bits[i] >> 23) - 126 + above))
        for i in range(size):
            m = floats[i]
            s = (m - _ONE) / (m + _ONE)
            square = s * s
            series = _ONE + square * (_THIRD + square * (_FIFTH + square * (_SEVENTH + square * _NINTH)))
            logarithm = powers[i] + _TWO_LOG2E * s * series
            powers[i] = max(first * logarithm + added[i], np.float32(-125))
        for i in range(size):
            whole = np.rint(powers[i])
            t = (powers[i] - whole) * _LN2
            series = _ONE + t * (_ONE + t * (_HALF + t * (_1_6 + t * (_1_24 + t * (_1_120 + t * _1_720)))))
            numbers[i] = (np.int32(whole) + 126) << 23
            powers[i] = series
        for i in range(size):
            values[i] = min(powers[i] * floats[i], _ONE) if values[i] > _ZERO else _ZERO


@_compiled
def patch(
    images: np.ndarray,
    which: np.ndarray,
    pictures: np.ndarray,
    bounds: np.ndarray,
    ways: np.ndarray,
    weights: np.ndarray,
    shares: np.ndarray,
    chances: np.ndarray,
    firsts: np.ndarray,
    tables: np.ndarray,
    wrap: bool,
    start: int,
    stop: int,
) -> None:
    """Mix some uint8 images (N, C, H, W), in place, with their pictures between `bounds` (n, 4): rows, then columns.

    Of the `ways` 0 adds and 1 multiplies, by `weights` (2, n); 2 and 3 keep a pixel or a value whose chance is below
    the image's one of `shares` (n,). An image's `chances` (P, C) begin at one of `firsts` (n,). The `tables` (3, 256)
    are the values in [0, 1], the logarithms of their doubles, and those for pictures.
    """
    each, channels, half = len(images) // len(pictures), images.shape[1], np.float32(127.5)
    for n in range(start, stop):
        image, picture, way, place = images[which[n]], pictures[which[n] // each], ways[n], firsts[n]
        first, second, share = weights[0, n], weights[1, n], shares[n]
        for y in range(bounds[n, 0], bounds[n, 1]):
            for x in range(bounds[n, 2], bounds[n, 3]):
                for channel in range(channels):
                    own, other = image[channel, y, x], picture[channel, y, x]
                    if way >= 2:
                        kept = chances[place, channel if way == 3 else 0] < share
                        image[channel, y, x] = own if kept else other
                        continue
                    if way == 0:
                        total = (
                            first * (_TWO * tables[0, own] - _ONE) + second * (_TWO * tables[0, other] - _ONE) + _ONE
                        )
                    else:
                        total = np.float32(math.exp(first * tables[1, own] + second * tables[2, other]))
                    # A product can be 1e38, which is no integer.
                    value = min(max(half * total, np.float32(-1e6)), np.float32(1e6))
                    bounded = min(max(value, _ZERO), np.float32(255))
                    image[channel, y, x] = np.uint8((np.int32(value) & 255) if wrap else np.int32(bounded))
                place += way >= 2
