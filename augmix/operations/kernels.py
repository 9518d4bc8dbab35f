"""The compiled kernels: serial, one image at a time while it is hot in the cache.

An image is held as (H, W) uint32 pixels, red | green << 8 | blue << 16. A grey image has three equal channels, and
every operation then does to it what Pillow does to its mode L. No fastmath: a fused multiply-add changes bits.
All kernels are in one file because numba's cache notices a change only in the file of the kernel that is called.
"""

import math
from typing import TypeAlias

import numpy as np

from augmix.compilation import njit
from augmix.operations import table

_compiled = njit(nogil=True, cache=True, error_model="numpy")

_Matrix: TypeAlias = tuple[float, float, float, float, float, float]

_OPERATIONS = len(table.OPERATIONS)
_CIRCLE = 360
_TURNS = np.array(
    [[round(f(-math.radians(i % 360)), 15) for f in (math.cos, math.sin)] for i in range(-_CIRCLE, _CIRCLE + 1)]
)  # what `_turn` gives for whole degrees
_HIGH, _LOW = 1000000003768320.0, -3768320.0  # together 10¹⁵


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
def _look_up(pixels: np.ndarray, lut: np.ndarray) -> None:
    """Replace each channel's values by its row of `lut` (3, 256), whose values are shifted into place."""
    for i in range(pixels.size):
        pixel = pixels[i]
        pixels[i] = lut[0, pixel & 255] | lut[1, (pixel >> 8) & 255] | lut[2, (pixel >> 16) & 255]


@_compiled
def _autocontrast(pixels: np.ndarray) -> None:
    scale, offset = np.ones(3), np.zeros(3)
    for channel in range(3):
        low, high = 255, 0
        for i in range(pixels.size):
            value = int((pixels[i] >> (8 * channel)) & 255)
            low, high = min(low, value), max(high, value)
        if high > low:
            scale[channel] = 255.0 / (high - low)
            offset[channel] = -low * scale[channel]
    for i in range(pixels.size):
        pixel = np.uint32(0)
        for channel in (0, 1, 2):
            stretched = np.int32(((pixels[i] >> (8 * channel)) & 255) * scale[channel] + offset[channel])
            pixel |= np.uint32(min(max(stretched, np.int32(0)), np.int32(255))) << (8 * channel)
        pixels[i] = pixel


@_compiled
def _equalize(pixels: np.ndarray, lut: np.ndarray) -> None:
    lut[:] = 0  # counts first, then where each value stands among them, at last what it becomes
    for i in range(pixels.size):
        pixel = pixels[i]
        lut[0, pixel & 255] += 1
        lut[1, (pixel >> 8) & 255] += 1
        lut[2, (pixel >> 16) & 255] += 1
    for channel in range(3):
        shift, last = 8 * channel, 255
        while lut[channel, last] == 0:
            last -= 1
        step = (pixels.size - int(lut[channel, last])) // 255
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
    _look_up(pixels, lut)


@_compiled
def _solarize(pixels: np.ndarray, threshold: float) -> None:
    values = pixels.view(np.uint8)
    first = np.int32(math.ceil(min(max(threshold, 0.0), 256.0)))
    for i in range(values.size):
        values[i] = values[i] if np.int32(values[i]) < first else ~values[i]


@_compiled
def _posterize(pixels: np.ndarray, bits: float) -> None:
    mask = np.uint32((256 - (1 << (8 - int(bits)))) * 0x010101)
    for i in range(pixels.size):
        pixels[i] &= mask


@_compiled
def _invert(pixels: np.ndarray) -> None:
    for i in range(pixels.size):
        pixels[i] ^= np.uint32(0xFFFFFF)


@_compiled
def _pad(pixels: np.ndarray, padded: np.ndarray, fill: int) -> None:
    """Copy pixels (H, W) into `padded` (H + 4, W + 2): the edges repeated around them, then two rows of `fill`."""
    height, width = pixels.shape
    for y in range(height + 2):
        source, target = pixels[min(max(y - 1, 0), height - 1)], padded[y]
        target[0] = source[0]
        for x in range(width):
            target[x + 1] = source[x]
        target[width + 1] = source[width - 1]
    padded[height + 2 :] = np.uint32(fill * 0x010101)


@_compiled
def _translate(pixels: np.ndarray, padded: np.ndarray, x: int, y: int, fill: int) -> None:
    """Copy the pixels from x to the right and y below; where there are none, `fill`."""
    _pad(pixels, padded, fill)
    height, width = pixels.shape
    first, last = min(max(-x, 0), width), max(min(width - x, width), 0)
    pixels[:] = padded[height + 2, 0]
    for row in range(max(-y, 0), min(height - y, height)):
        source, target = padded[row + y + 1], pixels[row]
        for column in range(np.uint64(first), np.uint64(last)):
            target[column] = source[column + np.uint64(x + 1)]


@_compiled
def _to_15_decimals(value: float) -> float:
    """Round a value in [-1, 1] as Python's `round` does: to the decimal that is nearest to it exactly."""
    scaled = value * 1e15
    nearest = np.rint(scaled)
    # What the product lost (Dekker, 1971), from halves of the factors whose products are exact.
    shifted = value * 134217729.0
    high = shifted - (shifted - value)
    low = value - high
    lost = ((high * _HIGH - scaled) + high * _LOW + low * _HIGH) + low * _LOW
    rest = (scaled - nearest) + lost
    return (nearest + (1.0 if rest > 0.5 else -1.0 if rest < -0.5 else 0.0)) / 1e15


@_compiled
def _turn(degrees: float) -> tuple[float, float]:
    """Return the cosine and the sine, rounded as Pillow rounds them: at ±30° that decides about pixels."""
    angle = -(degrees % 360.0 * (math.pi / 180.0))
    return _to_15_decimals(math.cos(angle)), _to_15_decimals(math.sin(angle))


@_compiled
def _matrix(operation: int, parameter: float, height: int, width: int) -> _Matrix:
    """Return (a, b, c, d, e, f) of a rotation or translation: (x, y) is taken from (a·x + b·y + c, d·x + e·y + f)."""
    if operation == table.TRANSLATE_X:
        return 1.0, 0.0, parameter, 0.0, 1.0, 0.0
    if operation == table.TRANSLATE_Y:
        return 1.0, 0.0, 0.0, 0.0, 1.0, parameter
    cosine, sine = _turn(parameter)
    x, y = width / 2, height / 2
    return cosine, sine, cosine * -x + sine * -y + 0.0 + x, -sine, cosine, -sine * -x + cosine * -y + 0.0 + y


@_compiled
def _locate(
    matrix: _Matrix, y: int, height: int, width: int, corner: np.ndarray, dx: np.ndarray, dy: np.ndarray
) -> None:
    """Find where row `y` comes from: the padded index of each pixel's upper left neighbour, and the way from it.

    A pixel that comes from outside the image is sent to the rows of fill, where all four neighbours are equal.
    """
    a, b, c, d, e, f = matrix
    right, below = np.float64(width), np.float64(height)
    stride, outside = np.int32(width + 2), np.int32((height + 2) * (width + 2))
    y_out = y + 0.5
    for x in range(width):
        x_out = np.float64(np.int32(x)) + 0.5
        x_in = a * x_out + b * y_out + c
        y_in = d * x_out + e * y_out + f
        inside = (x_in >= 0) & (x_in < right) & (y_in >= 0) & (y_in < below)
        left, top = np.floor(x_in - 0.5), np.floor(y_in - 0.5)
        dx[x], dy[x] = x_in - 0.5 - left, y_in - 0.5 - top
        index = np.int32(top + 1) * stride + np.int32(left + 1)
        corner[x] = index if inside else outside


@_compiled
def _affine(pixels: np.ndarray, padded: np.ndarray, matrix: _Matrix, fill: int) -> None:
    """Resample bilinearly in double precision; a pixel that comes from outside the image becomes `fill`."""
    _pad(pixels, padded, fill)
    height, width = pixels.shape
    source, stride = padded.ravel(), np.uint64(width + 2)
    corner = np.empty(width, np.uint32)
    dx, dy = np.empty(width), np.empty(width)
    neighbours = np.empty((4, width), np.uint32)
    nw, ne, sw, se = neighbours[0], neighbours[1], neighbours[2], neighbours[3]
    # Three short loops a row, with unsigned indices and 32-bit integers: each becomes vector instructions.
    for y in range(height):
        _locate(matrix, y, height, width, corner, dx, dy)
        for x in range(width):
            index = np.uint64(corner[x])
            nw[x], ne[x] = source[index], source[index + np.uint64(1)]
            sw[x], se[x] = source[index + stride], source[index + stride + np.uint64(1)]
        for x in range(width):
            pixel = np.uint32(0)
            for shift in (0, 8, 16):
                v00, v01 = np.int32((nw[x] >> shift) & 255), np.int32((ne[x] >> shift) & 255)
                v10, v11 = np.int32((sw[x] >> shift) & 255), np.int32((se[x] >> shift) & 255)
                upper = v00 + np.int32(v01 - v00) * dx[x]
                lower = v10 + np.int32(v11 - v10) * dx[x]
                pixel |= np.uint32(np.int32(upper + (lower - upper) * dy[x])) << shift
            pixels[y, x] = pixel


@_compiled
def _shear(pixels: np.ndarray, padded: np.ndarray, slope: float, along_x: bool, fill: int) -> None:
    """What `_affine` gives where one coordinate stays: only two of the four neighbours have a weight."""
    _pad(pixels, padded, fill)
    height, width = pixels.shape
    source, stride, outside = padded.ravel(), np.int32(width + 2), np.int32((height + 2) * (width + 2))
    corner, way = np.empty(width, np.uint32), np.empty(width)
    first, second = np.empty(width, np.uint32), np.empty(width, np.uint32)
    side, step = np.float64(width if along_x else height), np.uint64(1 if along_x else stride)
    for y in range(height):
        y_out, row = y + 0.5, np.int32(y + 1) * stride
        for x in range(width):
            x_out = np.float64(np.int32(x)) + 0.5
            position = x_out + slope * y_out if along_x else slope * x_out + y_out
            before = np.floor(position - 0.5)
            way[x] = position - 0.5 - before
            steps = np.int32(before + 1)
            index = row + steps if along_x else steps * stride + np.int32(x + 1)
            corner[x] = index if (position >= 0) & (position < side) else outside
        for x in range(width):
            here = np.uint64(corner[x])
            first[x], second[x] = source[here], source[here + step]
        for x in range(width):
            pixel = np.uint32(0)
            for shift in (0, 8, 16):
                v0, v1 = np.int32((first[x] >> shift) & 255), np.int32((second[x] >> shift) & 255)
                pixel |= np.uint32(np.int32(v0 + np.int32(v1 - v0) * way[x])) << shift
            pixels[y, x] = pixel


@_compiled
def _grey(pixel: int) -> int:
    return (19595 * (pixel & 255) + 38470 * ((pixel >> 8) & 255) + 7471 * ((pixel >> 16) & 255) + 32768) >> 16


@_compiled
def _blend(degenerate: int, value: int, factor: np.float32) -> np.uint32:
    """Move from `degenerate` to `value` and, where factor > 1, beyond, in single precision."""
    blended = np.float32(degenerate) + factor * np.float32(value - degenerate)
    return np.uint32(np.int32(min(max(blended, np.float32(0)), np.float32(255))))


@_compiled
def _blend_with_grey(pixels: np.ndarray, operation: int, factor: np.float32) -> None:
    """Colour blends with each pixel's own grey, contrast with the mean grey, brightness with black."""
    mean = 0
    if operation == table.CONTRAST:
        for i in range(pixels.size):
            mean += _grey(pixels[i])
        mean = (2 * mean + pixels.size) // (2 * pixels.size)
    for i in range(pixels.size):
        grey = _grey(pixels[i]) if operation == table.COLOR else mean
        pixel = np.uint32(0)
        for shift in (0, 8, 16):
            pixel |= _blend(grey, (pixels[i] >> shift) & 255, factor) << shift
        pixels[i] = pixel


@_compiled
def _sharpness(pixels: np.ndarray, padded: np.ndarray, factor: np.float32) -> None:
    """Blend with the image smoothed by the 3×3 mean with a centre of 5; the border is not smoothed."""
    _pad(pixels, padded, 0)
    height, width = pixels.shape
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            pixel = np.uint32(0)
            for shift in (0, 8, 16):
                total = 4 * ((pixels[y, x] >> shift) & 255)
                for row in range(3):
                    for column in range(3):
                        total += (padded[y + row, x + column] >> shift) & 255
                smooth = (2 * total + 13) // 26
                pixel |= _blend(smooth, (padded[y + 1, x + 1] >> shift) & 255, factor) << shift
            pixels[y, x] = pixel


@_compiled
def _operate(
    operation: int,
    parameter: float,
    fill: int,
    pixels: np.ndarray,
    flat: np.ndarray,
    padded: np.ndarray,
    lut: np.ndarray,
) -> None:
    """Apply one operation to pixels, in place; `flat` is the same memory, `padded` and `lut` are scratch."""
    if operation == table.AUTOCONTRAST:
        _autocontrast(flat)
    elif operation == table.EQUALIZE:
        _equalize(flat, lut)
    elif operation == table.POSTERIZE:
        _posterize(flat, parameter)
    elif operation == table.SOLARIZE:
        _solarize(flat, parameter)
    elif operation == table.INVERT:
        _invert(flat)
    elif operation == table.SHARPNESS:
        _sharpness(pixels, padded, np.float32(parameter))
    elif operation in (table.COLOR, table.CONTRAST, table.BRIGHTNESS):
        _blend_with_grey(flat, operation, np.float32(parameter))
    elif operation == table.TRANSLATE_X and parameter == int(parameter):
        _translate(pixels, padded, int(parameter), 0, fill)
    elif operation == table.TRANSLATE_Y and parameter == int(parameter):
        _translate(pixels, padded, 0, int(parameter), fill)
    elif operation in (table.SHEAR_X, table.SHEAR_Y):
        _shear(pixels, padded, parameter, operation == table.SHEAR_X, fill)
    else:
        _affine(pixels, padded, _matrix(operation, parameter, *pixels.shape), fill)


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
    pixels = np.empty((height, width), np.uint32)
    padded = np.empty((height + 4, width + 2), np.uint32)
    lut = np.empty((3, 256), np.uint32)
    flat = pixels.ravel()
    for n in range(start, stop):
        _load(images[n], flat)
        for i in range(operations.shape[1]):
            if operations[n, i] != table.IDENTITY:
                _operate(operations[n, i], parameters[n, i], fill, pixels, flat, padded, lut)
        _store(flat, result[n])


@_compiled
def _add(pixels: np.ndarray, weight: np.float32, mixed: np.ndarray, first: bool) -> None:
    """Add a weighted image to the mix (C, H·W), which stays within 255 whatever the rounding; the first begins it."""
    for channel in range(3):  # a constant, so that the compiler unrolls it
        if channel < len(mixed):
            plane = mixed[channel]
            for i in range(pixels.size):
                value = np.float32(np.int32((pixels[i] >> (8 * channel)) & 255))
                before = np.float32(0) if first else plane[i]
                plane[i] = min(before + weight * value, np.float32(255))


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
    size = height * width
    # Half a page apart: where two buffers begin almost alike in their pages, some processors copy ten times as slowly.
    apart = -(-size // 1024) * 1024 + 512
    memory = np.empty(apart + size, np.uint32)
    clean, flat = memory[:size], memory[apart:]
    pixels = flat.reshape(height, width)
    padded = np.empty((height + 4, width + 2), np.uint32)
    lut = np.empty((3, 256), np.uint32)
    for n in range(start, stop):
        mixed = result[n]
        _load(images[n], clean)
        _add(clean, weights[n, 0], mixed, True)
        for k in range(operations.shape[1]):
            for i in range(flat.size):
                flat[i] = clean[i]
            for i in range(operations.shape[2]):
                if operations[n, k, i] != table.IDENTITY:
                    _operate(operations[n, k, i], parameters[n, k, i], 0, pixels, flat, padded, lut)
            _add(flat, weights[n, k + 1], mixed, False)
