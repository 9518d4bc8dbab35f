"""The compiled kernels: serial, one image at a time while it is hot in the cache.

An image is held as (H, W) uint32 pixels, red | green << 8 | blue << 16. A grey image has three equal channels, and
every operation then does to it what Pillow does to its mode L. No fastmath: a fused multiply-add changes bits.
"""

import math
from typing import TypeAlias

import numpy as np

from augmix.compilation import njit
from augmix.operations import table

_compiled = njit(nogil=True, cache=True, error_model="numpy")
# For small functions, and those that mostly call others: what Numba compiles alone, LLVM compiles again in each caller.
_inlined = njit(inline="always", error_model="numpy")


_Matrix: TypeAlias = tuple[float, float, float, float, float, float]
_Scratch: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_OPERATIONS = len(table.OPERATIONS)
_CIRCLE = 360
_TURNS = np.array(
    [[round(f(-math.radians(i % 360)), 15) for f in (math.cos, math.sin)] for i in range(-_CIRCLE, _CIRCLE + 1)]
)  # what `_turn` gives for whole degrees
_HIGH, _LOW = 1000000003768320.0, -3768320.0  # together 10¹⁵


@_compiled
def _scratch(height: int, width: int) -> _Scratch:
    """Return memory for `_operate`: padded pixels, a lookup table, and what geometry has in hand at a time.

    That is some whole rows, so many pixels that they fill vectors. The arrays are passed one by one: a tuple of them
    would have its references counted in each call, which takes as long as a narrow image's row.
    """
    block = max(256 // width, 1) * width
    padded, lut = np.empty((height + 4, width + 2), np.uint32), np.empty((6, 256), np.uint32)
    places, pairs = np.empty((2, width)), np.empty((2, block), np.uint64)
    return padded, lut, places, pairs, np.empty((3, block), np.int32), np.empty((2, block), np.float32)


@_compiled
def _load(image: np.ndarray, pixels: np.ndarray) -> None:
    """Pack a (C, H, W) image into pixels."""
    last = image.shape[0] - 1
    red, green, blue = image[0].ravel(), image[last // 2].ravel(), image[last].ravel()
    for i in range(pixels.size):
        pixels[i] = np.uint32(red[i]) | (np.uint32(green[i]) << 8) | (np.uint32(blue[i]) << 16)


@_compiled
def _store(pixels: np.ndarray, image: np.ndarray) -> None:
    """Unpack pixels into a (C, H, W) image."""
    for channel in range(image.shape[0]):
        plane = image[channel].ravel()
        for i in range(pixels.size):
            plane[i] = (pixels[i] >> (8 * channel)) & 255


@_compiled
def _copy(source: np.ndarray, target: np.ndarray) -> None:
    for i in range(source.size):
        target[i] = source[i]


@_inlined
def _stretch(low: np.int64, high: np.int64) -> tuple[float, float]:
    """Return the scale and the offset of autocontrast for values from `low` to `high`."""
    if high <= low:
        return 1.0, 0.0
    scale = 255.0 / (high - low)
    return scale, -low * scale


@_inlined
def _stretched(pixel: int, shift: int, scale: float, offset: float) -> np.uint32:
    # A value from `low` to `high` lands within 0 and 255 also when rounded.
    return np.uint32(np.int32(np.int32((pixel >> shift) & 255) * scale + offset)) << shift


@_compiled
def _autocontrast(source: np.ndarray, target: np.ndarray) -> None:
    red_low = green_low = blue_low = np.uint32(0xFF0000)
    red_high = green_high = blue_high = np.uint32(0)
    for i in range(source.size):
        red, green, blue = np.uint32(source[i] & 0xFF), np.uint32(source[i] & 0xFF00), np.uint32(source[i] & 0xFF0000)
        red_low, red_high = min(red_low, red), max(red_high, red)
        green_low, green_high = min(green_low, green), max(green_high, green)
        blue_low, blue_high = min(blue_low, blue), max(blue_high, blue)
    red_scale, red_offset = _stretch(np.int64(red_low), np.int64(red_high))
    green_scale, green_offset = _stretch(np.int64(green_low >> 8), np.int64(green_high >> 8))
    blue_scale, blue_offset = _stretch(np.int64(blue_low >> 16), np.int64(blue_high >> 16))
    if red_scale == green_scale == blue_scale == 1.0:  # each channel reaches from 0 to 255, or has one value alone
        _copy(source, target)
        return
    for i in range(source.size):
        pixel = source[i]
        red, green = _stretched(pixel, 0, red_scale, red_offset), _stretched(pixel, 8, green_scale, green_offset)
        target[i] = red | green | _stretched(pixel, 16, blue_scale, blue_offset)


@_compiled
def _equalize(source: np.ndarray, target: np.ndarray, lut: np.ndarray) -> None:
    lut[:] = 0  # counts first, then where each value stands among them, at last what it becomes
    for i in range(source.size):
        # Neighbours are often equal: counted in one place, they would wait for each other.
        pixel, half = source[i], 3 * (i & 1)
        lut[half, pixel & 255] += 1
        lut[half + 1, (pixel >> 8) & 255] += 1
        lut[half + 2, (pixel >> 16) & 255] += 1
    for channel in range(3):
        shift, last = 8 * channel, 255
        for value in range(256):
            lut[channel, value] += lut[channel + 3, value]
        while lut[channel, last] == 0:
            last -= 1
        step = (source.size - int(lut[channel, last])) // 255
        position = np.uint32(step // 2)
        for value in range(256):
            count = lut[channel, value]
            lut[channel, value] = position
            position += count
        # The truncated product is the exact quotient: it is off by far less than the 1/(2·step) that ½ adds.
        inverse = 1.0 / max(step, 1)
        for value in range(256):
            equalized = np.int32((np.int32(lut[channel, value]) + 0.5) * inverse) if step > 0 else np.int32(value)
            lut[channel, value] = np.uint32(min(equalized, np.int32(255))) << shift
    for i in range(source.size):
        pixel = source[i]
        target[i] = lut[0, pixel & 255] | lut[1, (pixel >> 8) & 255] | lut[2, (pixel >> 16) & 255]


@_compiled
def _solarize(source: np.ndarray, target: np.ndarray, threshold: float) -> None:
    values, solarized = source.view(np.uint8), target.view(np.uint8)
    first = np.int32(math.ceil(min(max(threshold, 0.0), 256.0)))
    for i in range(values.size):
        solarized[i] = values[i] if np.int32(values[i]) < first else ~values[i]


@_compiled
def _posterize(source: np.ndarray, target: np.ndarray, bits: float) -> None:
    mask = np.uint32((256 - (1 << (8 - int(bits)))) * 0x010101)
    for i in range(source.size):
        target[i] = source[i] & mask


@_compiled
def _invert(source: np.ndarray, target: np.ndarray) -> None:
    for i in range(source.size):
        target[i] = source[i] ^ np.uint32(0xFFFFFF)


@_compiled
def _pad(source: np.ndarray, padded: np.ndarray, fill: int) -> None:
    """Copy pixels (H·W) into `padded` (H + 4, W + 2): the edges repeated around them, then two rows of `fill`."""
    height, width = padded.shape[0] - 4, padded.shape[1] - 2
    for y in range(height + 2):
        start, row = np.uint64(min(max(y - 1, 0), height - 1) * width), padded[y]
        row[0] = source[start]
        for x in range(np.uint64(width)):
            row[x + np.uint64(1)] = source[start + x]
        row[width + 1] = row[width]
    padded[height + 2 :] = np.uint32(fill * 0x010101)


@_compiled
def _translate(source: np.ndarray, target: np.ndarray, width: int, x: int, y: int, fill: int) -> None:
    """Copy the pixels from x to the right and y below; where there are none, `fill`."""
    height, colour = source.size // width, np.uint32(fill * 0x010101)
    first, last = min(max(-x, 0), width), max(min(width - x, width), 0)
    for row in range(height):
        start = row * width
        for i in range(np.uint64(start), np.uint64(start + width)):
            target[i] = colour
        if 0 <= row + y < height:
            to, here = np.uint64(start + first), np.uint64(max(start + first + y * width + x, 0))
            for i in range(np.uint64(last - first)):
                target[to + i] = source[here + i]


@_inlined
def _to_15_decimals(value: float) -> float:
    """Round a value in [-1, 1] as Python's `round` does: to the decimal that is nearest to it exactly."""
    scaled = value * 1e15
    nearest = np.rint(scaled)
    # The product's rounding error (Dekker, 1971), from halves of the factors whose products are exact.
    shifted = value * 134217729.0
    high = shifted - (shifted - value)
    low = value - high
    lost = ((high * _HIGH - scaled) + high * _LOW + low * _HIGH) + low * _LOW
    rest = (scaled - nearest) + lost
    return (nearest + (1.0 if rest > 0.5 else -1.0 if rest < -0.5 else 0.0)) / 1e15


@_inlined
def _turn(degrees: float) -> tuple[float, float]:
    """Return the cosine and the sine, rounded as Pillow rounds them: at ±30° that decides about pixels."""
    angle = -(degrees % 360.0 * (math.pi / 180.0))
    return _to_15_decimals(math.cos(angle)), _to_15_decimals(math.sin(angle))


@_compiled
def _matrix(operation: int, parameter: float, height: int, width: int) -> _Matrix:
    """Return (a, b, c, d, e, f): the pixel at (x, y) is taken from (a·x + b·y + c, d·x + e·y + f)."""
    if operation == table.ROTATE:
        cosine, sine = _turn(parameter)
        x, y = width / 2, height / 2
        return cosine, sine, cosine * -x + sine * -y + 0.0 + x, -sine, cosine, -sine * -x + cosine * -y + 0.0 + y
    b = parameter if operation == table.SHEAR_X else 0.0
    c = parameter if operation == table.TRANSLATE_X else 0.0
    d = parameter if operation == table.SHEAR_Y else 0.0
    f = parameter if operation == table.TRANSLATE_Y else 0.0
    return 1.0, b, c, d, 1.0, f


@_compiled
def _bilinear(padded: np.ndarray, matrix: _Matrix, x: int, y: int) -> np.uint32:
    """Interpolate the pixel at (x, y) in double precision, as Pillow does."""
    a, b, c, d, e, f = matrix
    x_in, y_in = a * (x + 0.5) + b * (y + 0.5) + c - 0.5, d * (x + 0.5) + e * (y + 0.5) + f - 0.5
    left, top = math.floor(x_in), math.floor(y_in)
    dx, dy, column, row = x_in - left, y_in - top, int(left) + 1, int(top) + 1
    nw, ne = padded[row, column], padded[row, column + 1]
    sw, se = padded[row + 1, column], padded[row + 1, column + 1]
    pixel = np.uint32(0)
    for shift in (0, 8, 16):
        v00, v01 = np.int32((nw >> shift) & 255), np.int32((ne >> shift) & 255)
        v10, v11 = np.int32((sw >> shift) & 255), np.int32((se >> shift) & 255)
        upper, lower = v00 + (v01 - v00) * dx, v10 + (v11 - v10) * dx
        pixel |= np.uint32(np.int32(upper + (lower - upper) * dy)) << shift
    return pixel


@_compiled
def _settle(flat: np.ndarray, padded: np.ndarray, matrix: _Matrix, start: int, words: np.ndarray, count: int) -> None:
    """Interpolate anew those of `count` pixels from `start` that are in doubt."""
    width = padded.shape[1] - 2
    for i in range(count):
        if words[0, i]:
            y = (start + i) // width
            flat[start + i] = _bilinear(padded, matrix, start + i - y * width, y)


@_inlined
def _among(
    nw: np.uint32, ne: np.uint32, sw: np.uint32, se: np.uint32, shift: int, dx: np.float32, dy: np.float32
) -> tuple[np.uint32, np.int32]:
    """Interpolate a channel in single precision; return it, and not 0 if double precision might give another value.

    Single precision errs by less than 6e-5. Where all four are equal, it is exact.
    """
    v00, v01 = np.int32((nw >> shift) & 255), np.int32((ne >> shift) & 255)
    v10, v11 = np.int32((sw >> shift) & 255), np.int32((se >> shift) & 255)
    upper = np.float32(v00) + np.float32(np.int32(v01 - v00)) * dx
    lower = np.float32(v10) + np.float32(np.int32(v11 - v10)) * dx
    value = upper + (lower - upper) * dy
    unequal = (nw ^ ne) | (nw ^ sw) | (nw ^ se)
    margin = np.float32(8e-5) if (unequal >> shift) & 255 else np.float32(0)
    least = np.int32(value - margin)
    return np.uint32(least) << shift, least ^ np.int32(value + margin)


@_compiled
def _rotate(
    flat: np.ndarray, padded: np.ndarray, matrix: _Matrix, places: np.ndarray, pairs: np.ndarray, words: np.ndarray,
    ways: np.ndarray,
) -> None:  # fmt: skip
    """Resample; a pixel that comes from outside the image is sent to the rows of fill, where neighbours are equal."""
    height, width = padded.shape[0] - 4, padded.shape[1] - 2
    a, b, c, d, e, f = matrix
    right, below = np.float64(width), np.float64(height)
    source, stride, outside = padded.ravel(), np.int32(width + 2), np.int32((height + 2) * (width + 2))
    halves, block = pairs.view(np.uint32), words.shape[1] // width
    down, one, shift = np.uint64(stride), np.uint64(1), np.uint64(32)
    for x in range(width):
        places[0, x], places[1, x] = a * (np.int32(x) + 0.5), d * (np.int32(x) + 0.5)
    # Short loops, with unsigned indices and 32-bit integers: each but the gathering becomes vector instructions.
    for first in range(0, height, block):
        rows = min(block, height - first)
        for row in range(rows):
            by, ey, start = b * (first + row + 0.5), e * (first + row + 0.5), np.uint64(row * width)
            for x in range(np.uint64(width)):
                x_in, y_in = places[0, x] + by + c, places[1, x] + ey + f
                inside = (x_in >= 0) & (x_in < right) & (y_in >= 0) & (y_in < below)
                left, top = np.floor(x_in - 0.5), np.floor(y_in - 0.5)
                ways[0, start + x], ways[1, start + x] = np.float32(x_in - 0.5 - left), np.float32(y_in - 0.5 - top)
                index = np.int32(top + 1) * stride + np.int32(left + 1)
                words[0, start + x] = index if inside else outside
        for i in range(np.uint64(rows * width)):
            here = np.uint64(np.uint32(words[0, i]))
            there = here + down
            # Two neighbours are one load and one store.
            pairs[0, i] = source[here] | np.uint64(source[here + one]) << shift
            pairs[1, i] = source[there] | np.uint64(source[there + one]) << shift
        begin, doubts = np.uint64(first * width), np.int32(0)
        for i in range(np.uint64(rows * width)):
            j = np.uint64(2) * i
            nw, ne, sw, se = halves[0, j], halves[0, j + one], halves[1, j], halves[1, j + one]
            red, red_doubt = _among(nw, ne, sw, se, 0, ways[0, i], ways[1, i])
            green, green_doubt = _among(nw, ne, sw, se, 8, ways[0, i], ways[1, i])
            blue, blue_doubt = _among(nw, ne, sw, se, 16, ways[0, i], ways[1, i])
            flat[begin + i] = red | green | blue
            words[0, i] = red_doubt | green_doubt | blue_doubt
            doubts |= words[0, i]
        if doubts:
            _settle(flat, padded, matrix, first * width, words, rows * width)


@_inlined
def _way(offset: float, side: float) -> tuple[np.int32, np.int32]:
    """Return whole steps and the rest, as `_between` takes it; beyond a side nothing comes from the image anyway."""
    offset = min(max(offset, -side), side)
    steps = np.floor(offset)
    return np.int32(steps), np.int32(np.floor((offset - steps) * 4194304.0 - 0.5))


@_inlined
def _between(first: int, second: int, shift: int, way: int) -> tuple[np.uint32, np.int32]:
    """Interpolate a channel by integers; return it, and at least 2²² if double precision might give another value.

    The way is in 2⁻²² and too small by half to one and a half of them. Where two more change no value, neither does
    what double precision rounds.
    """
    start = np.int32((first >> shift) & 255)
    step = np.int32(np.int32((second >> shift) & 255) - start)
    value = np.int32(np.int32(start << 22) + np.int32(step * way))
    return np.uint32(value >> 22) << shift, value ^ np.int32(value + 2 * step)


@_compiled
def _between_all(flat: np.ndarray, begin: int, count: int, halves: np.ndarray, words: np.ndarray) -> bool:
    """Interpolate `count` pixels to `flat` from `begin`; return whether words[0] says of any that it is in doubt.

    They lie between halves[0] and halves[1], on ways words[1].
    """
    doubts, start = np.int32(0), np.uint64(begin)
    for i in range(np.uint64(count)):
        near, far, way = halves[0, i], halves[1, i], words[1, i]
        red, red_doubt = _between(near, far, 0, way)
        green, green_doubt = _between(near, far, 8, way)
        blue, blue_doubt = _between(near, far, 16, way)
        flat[start + i] = red | green | blue
        words[0, i] = np.int32(red_doubt | green_doubt | blue_doubt) >> 22
        doubts |= words[0, i]
    return doubts != 0


@_compiled
def _shear_x(
    flat: np.ndarray, padded: np.ndarray, matrix: _Matrix, places: np.ndarray, pairs: np.ndarray, words: np.ndarray
) -> None:
    """The result of `_rotate` where y stays: neighbours are side by side in the row, equally far in all of it."""
    height, width = padded.shape[0] - 4, padded.shape[1] - 2
    source, side, fill = padded.ravel(), np.float64(width), padded[height + 2, 0]
    halves, block = pairs.view(np.uint32), words.shape[1] // width
    for x in range(width):
        places[0, x] = np.int32(x) + 0.5
    for top in range(0, height, block):
        rows = min(block, height - top)
        for row in range(rows):
            y, start = top + row, np.uint64(row * width)
            offset = matrix[1] * (y + 0.5) + matrix[2]
            steps, rest = _way(offset, side)
            first = np.uint64((y + 1) * (width + 2) + steps + 1)
            second = first + np.uint64(1)
            for x in range(np.uint64(width)):
                position = places[0, x] + offset
                inside = (position >= 0) & (position < side)
                near, far = source[first + x], source[second + x]
                halves[0, start + x] = near if inside else fill
                halves[1, start + x] = far if inside else fill
                words[1, start + x] = rest
        if _between_all(flat, top * width, rows * width, halves, words):
            _settle(flat, padded, matrix, top * width, words, rows * width)


@_compiled
def _shear_y(
    flat: np.ndarray, padded: np.ndarray, matrix: _Matrix, places: np.ndarray, pairs: np.ndarray, words: np.ndarray
) -> None:
    """The result of `_rotate` where x stays: neighbours are one above the other, equally far in all of a column."""
    height, width = padded.shape[0] - 4, padded.shape[1] - 2
    source, stride, outside = padded.ravel(), np.int32(width + 2), np.int32((height + 2) * (width + 2))
    side, halves, block = np.float64(height), pairs.view(np.uint32), words.shape[1] // width
    for x in range(width):
        places[0, x] = matrix[3] * (np.int32(x) + 0.5) + matrix[5]
        steps, words[1, x] = _way(places[0, x], side)
        words[2, x] = (steps + 1) * stride + np.int32(x) + 1
    for i in range(width, words.shape[1]):
        words[1, i] = words[1, i - width]
    for top in range(0, height, block):
        rows = min(block, height - top)
        for row in range(rows):
            below, y_out, start = np.int32(top + row) * stride, top + row + 0.5, np.uint64(row * width)
            for x in range(np.uint64(width)):
                position = y_out + places[0, x]
                inside = (position >= 0) & (position < side)
                words[0, start + x] = words[2, x] + below if inside else outside
        for i in range(np.uint64(rows * width)):
            here = np.uint64(np.uint32(words[0, i]))
            halves[0, i], halves[1, i] = source[here], source[here + np.uint64(stride)]
        if _between_all(flat, top * width, rows * width, halves, words):
            _settle(flat, padded, matrix, top * width, words, rows * width)


@_inlined
def _affine(
    operation: int,
    parameter: float,
    fill: int,
    source: np.ndarray,
    target: np.ndarray,
    padded: np.ndarray,
    places: np.ndarray,
    pairs: np.ndarray,
    words: np.ndarray,
    ways: np.ndarray,
) -> None:
    """Resample bilinearly; a pixel that comes from outside the image becomes `fill`.

    The result is double precision's, as Pillow computes it. It is computed in single precision or by integers, which
    is twice as fast, and in double precision where their error might decide about a value.
    """
    matrix = _matrix(operation, parameter, padded.shape[0] - 4, padded.shape[1] - 2)
    if matrix == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0):
        _copy(source, target)
        return
    _pad(source, padded, fill)
    if operation == table.ROTATE:
        _rotate(target, padded, matrix, places, pairs, words, ways)
    elif operation == table.SHEAR_X or operation == table.TRANSLATE_X:
        _shear_x(target, padded, matrix, places, pairs, words)
    else:
        _shear_y(target, padded, matrix, places, pairs, words)


@_inlined
def _grey(pixel: int) -> int:
    return (19595 * (pixel & 255) + 38470 * ((pixel >> 8) & 255) + 7471 * ((pixel >> 16) & 255) + 32768) >> 16


@_inlined
def _blend(degenerate: int, value: int, factor: np.float32) -> np.uint32:
    """Move from `degenerate` to `value` and, where factor > 1, beyond, in single precision."""
    blended = np.float32(degenerate) + factor * np.float32(np.int32(value) - np.int32(degenerate))
    return np.uint32(np.int32(min(max(blended, np.float32(0)), np.float32(255))))


@_compiled
def _blend_with_grey(source: np.ndarray, target: np.ndarray, operation: int, factor: np.float32) -> None:
    """Colour blends with each pixel's own grey, contrast with the mean grey, brightness with black."""
    mean = 0
    if operation == table.CONTRAST:
        for i in range(source.size):
            mean += _grey(source[i])
        mean = (2 * mean + source.size) // (2 * source.size)
    for i in range(source.size):
        grey = _grey(source[i]) if operation == table.COLOR else mean
        pixel = np.uint32(0)
        for shift in (0, 8, 16):
            pixel |= _blend(grey, (source[i] >> shift) & 255, factor) << shift
        target[i] = pixel


@_compiled
def _sharpness(source: np.ndarray, target: np.ndarray, padded: np.ndarray, factor: np.float32) -> None:
    """Blend with the image smoothed by the 3×3 mean with a centre of 5; the border is not smoothed."""
    _pad(source, padded, 0)
    _copy(source, target)
    height, width = padded.shape[0] - 4, padded.shape[1] - 2
    pixels = target.reshape(height, width)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            pixel = np.uint32(0)
            for shift in (0, 8, 16):
                total = 4 * ((padded[y + 1, x + 1] >> shift) & 255)
                for row in range(3):
                    for column in range(3):
                        total += (padded[y + row, x + column] >> shift) & 255
                smooth = (2 * total + 13) // 26
                pixel |= _blend(smooth, (padded[y + 1, x + 1] >> shift) & 255, factor) << shift
            pixels[y, x] = pixel


@_inlined
def _operate(
    operation: int,
    parameter: float,
    fill: int,
    source: np.ndarray,
    target: np.ndarray,
    padded: np.ndarray,
    lut: np.ndarray,
    places: np.ndarray,
    pairs: np.ndarray,
    words: np.ndarray,
    ways: np.ndarray,
) -> None:
    """Apply one operation to the pixels (H·W) of `source`, into `target`; the other arrays are `_scratch`."""
    if operation == table.AUTOCONTRAST:
        _autocontrast(source, target)
    elif operation == table.EQUALIZE:
        _equalize(source, target, lut)
    elif operation == table.POSTERIZE:
        _posterize(source, target, parameter)
    elif operation == table.SOLARIZE:
        _solarize(source, target, parameter)
    elif operation == table.INVERT:
        _invert(source, target)
    elif operation == table.SHARPNESS:
        _sharpness(source, target, padded, np.float32(parameter))
    elif operation in (table.COLOR, table.CONTRAST, table.BRIGHTNESS):
        _blend_with_grey(source, target, operation, np.float32(parameter))
    elif operation in (table.TRANSLATE_X, table.TRANSLATE_Y) and parameter == int(parameter):
        across = int(operation == table.TRANSLATE_X)
        x, y = across * int(parameter), (1 - across) * int(parameter)
        _translate(source, target, padded.shape[1] - 2, x, y, fill)
    else:
        _affine(operation, parameter, fill, source, target, padded, places, pairs, words, ways)


@_compiled
def pack(
    operations: np.ndarray,
    parameters: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Write to `rows` (N, (K + 1) + K·D·3) what `fused` reads: each image's weights, then three numbers an operation.

    Those are the operation, its parameter and 0; of a rotation the cosine and the sine. The operations of a chain
    (N, K, D) come last, in their order, without those that do nothing and after as many IDENTITY.
    """
    chains, depth = operations.shape[1:]
    for n in range(start, stop):
        row = rows[n]
        row[:] = table.IDENTITY
        for k in range(chains + 1):
            row[k] = weights[n, k]
        for k in range(chains):
            place = chains + 1 + 3 * (k + 1) * depth
            for i in range(depth - 1, -1, -1):
                operation, first, second = operations[n, k, i], parameters[n, k, i], 0.0
                # Next to nothing here is a branch: which one is taken a processor could not know. What is left out is
                # written where the next operation goes, as IDENTITY.
                moves = (operation >= table.ROTATE) & (operation <= table.TRANSLATE_Y) & (operation != table.SOLARIZE)
                kept = (operation != table.IDENTITY) & ((not moves) | (first != 0))
                turns = operation == table.ROTATE
                known = turns & (first == np.rint(first)) & (abs(first) <= _CIRCLE)
                turn = _TURNS[int(first if known else 0.0) + _CIRCLE]
                first, second = turn[0] if known else first, turn[1] if known else 0.0
                if turns and not known:
                    first, second = _turn(first)
                row[place - 3], row[place - 2], row[place - 1] = operation * kept, first, second
                place -= 3 * kept


@_compiled
def first_fault(operations: np.ndarray, parameters: np.ndarray) -> int:
    """Return the index of the first operation that is no id, or whose parameter it does not take; -1: there is none."""
    for i in range(operations.size):
        operation, parameter = operations[i], parameters[i]
        if operation < 0 or operation >= _OPERATIONS or not np.isfinite(parameter):
            return i
        if operation == table.POSTERIZE and (parameter < 1 or parameter > 8):
            return i
    return -1


@_compiled
def chain(
    images: np.ndarray,
    operations: np.ndarray,
    parameters: np.ndarray,
    fill: int,
    result: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Write to `result` (N, C, H, W) each image from `start` to `stop` after its operations (N, D)."""
    height, width = images.shape[2:]
    source, target = np.empty(height * width, np.uint32), np.empty(height * width, np.uint32)
    padded, lut, places, pairs, words, ways = _scratch(height, width)
    for n in range(start, stop):
        _load(images[n], source)
        for i in range(operations.shape[1]):
            if operations[n, i] != table.IDENTITY:
                _operate(
                    operations[n, i], parameters[n, i], fill, source, target, padded, lut, places, pairs, words, ways
                )
                source, target = target, source
        _store(source, result[n])


@_compiled
def _add(
    first: np.ndarray,
    second: np.ndarray,
    weight: np.float32,
    other_weight: np.float32,
    mixed: np.ndarray,
    start: int,
    stop: int,
    begins: bool,
) -> None:
    """Add two weighted views to the mix (C, H·W), which stays within 255 whatever the rounding; the first begin it."""
    for channel in range(3):  # a constant, so that the compiler unrolls it
        if channel < len(mixed):
            for i in range(np.uint64(start), np.uint64(stop)):
                value = np.float32(np.int32((first[i] >> (8 * channel)) & 255))
                other = np.float32(np.int32((second[i] >> (8 * channel)) & 255))
                before = np.float32(0) if begins else mixed[channel, i]
                mixed[channel, i] = min(before + weight * value + other_weight * other, np.float32(255))


@_compiled
def mix(
    images: np.ndarray,
    operations: np.ndarray,
    parameters: np.ndarray,
    weights: np.ndarray,
    result: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Write to `result` (N, C, H·W) Σ weights[:, i] · chain_i, chain 0 the image, for images from `start` to `stop`."""
    height, width = images.shape[2:]
    size, chains = height * width, operations.shape[1]
    # Half a page apart: where two buffers begin almost alike in their pages, some processors copy ten times as slowly.
    apart = -(-size // 1024) * 1024 + 512
    views = np.empty((chains + 2, apart), np.uint32)
    ends = np.zeros(chains + 1, np.int64)  # where each chain ends: without an operation, at the image
    padded, lut, places, pairs, words, ways = _scratch(height, width)
    for n in range(start, stop):
        _load(images[n], views[0, :size])
        spare = chains + 1  # an operation reads one view and writes another
        for k in range(1, chains + 1):
            here, there = 0, k
            for i in range(operations.shape[2]):
                if operations[n, k - 1, i] != table.IDENTITY:
                    _operate(
                        operations[n, k - 1, i],
                        parameters[n, k - 1, i],
                        0,
                        views[here, :size],
                        views[there, :size],
                        padded,
                        lut,
                        places,
                        pairs,
                        words,
                        ways,
                    )
                    here, there, spare = there, spare, there
            ends[k] = here
            spare = there if here else spare
        # A piece of the mix stays in the first-level cache until it is complete.
        mixed = result[n]
        for first in range(0, size, 1024):
            last = min(first + 1024, size)
            for k in range(0, chains + 1, 2):
                second = min(k + 1, chains)
                other_weight = weights[n, second] if second > k else np.float32(0)
                one, two = views[ends[k]], views[ends[second]]
                _add(one, two, weights[n, k], other_weight, mixed, first, last, k == 0)
