"""The operations as Triton kernels, for CUDA devices.

An image is held as in `kernels`, as pixels red | green << 8 | blue << 16, and every expression keeps the order and the
precision that it has there. The kernels are to be compiled without fused multiply-adds, which change bits. What to do
comes as the rows of `kernels.pack`.

A small image lies in the registers of one thread block from its first operation to the mix: `whole` is the only
launch. A larger one is cut into tiles: `begin`, one `step` for each operation of a chain but the last, and `finish`.
What autocontrast, equalize and contrast have to know of the whole image is counted by the launch before.

Where `resident`, a function has all pixels of the image in registers; else it has a tile, and `source` points to them.
Triton's cache on disk notices a change in this file alone, not in the ids of `table`, which are never renumbered.
"""

import triton
import triton.language as tl

from augmix.operations import table


@triton.jit
def _look_up(pixels, lut):
    """Replace each channel's value by that channel of `lut` (256,)."""
    red = tl.gather(lut, pixels & 255, 0) & 0xFF
    green = tl.gather(lut, (pixels >> 8) & 255, 0) & 0xFF00
    blue = tl.gather(lut, (pixels >> 16) & 255, 0) & 0xFF0000
    return red | green | blue


@triton.jit
def _stretched(low, high):
    """Return what autocontrast makes of the 256 values, where a channel's are from `low` to `high`."""
    value = tl.arange(0, 256)
    scale = tl.full((), 255, tl.float64) / tl.maximum(high - low, 1).to(tl.float64)
    offset = -low.to(tl.float64) * scale
    stretched = (value.to(tl.float64) * scale + offset).to(tl.int32)
    return tl.where(high > low, tl.minimum(tl.maximum(stretched, 0), 255), value)


@triton.jit
def _equalized(counts, size, resident: tl.constexpr):
    """Return what equalize makes of the 256 values, of which a channel has `counts` among `size`."""
    value = tl.arange(0, 256)
    last = tl.max(tl.where(counts > 0, value, 0), 0)
    step = (size - tl.sum(tl.where(value == last, counts, 0), 0)) // 255
    position = step // 2 + tl.cumsum(counts, 0) - counts
    divisor = tl.maximum(step, 1)
    if resident:  # as in `_coordinates`, for there are at most 4,096 pixels
        equalized = ((position.to(tl.float32) + 0.5) * tl.div_rn(1.0, divisor.to(tl.float32))).to(tl.int32)
    else:
        equalized = position // divisor
    return tl.where(step > 0, tl.minimum(equalized, 255), value)


@triton.jit
def _histogram(band, inside, padding):
    """Return how many of `band` have each of the 256 values; the `padding` that are not `inside` do not count."""
    counts = tl.histogram(tl.where(inside, band, 0), 256)
    return counts - tl.where(tl.arange(0, 256) == 0, padding, 0)


@triton.jit
def _lut_of_pixels(kind, pixels, inside, padding, size):
    """Return what autocontrast or equalize makes of the 256 values of each channel, packed as pixels are."""
    lut = tl.zeros((256,), tl.int32)
    for shift in tl.static_range(0, 24, 8):
        band = (pixels >> shift) & 255
        if kind == table.EQUALIZE:
            row = _equalized(_histogram(band, inside, padding), size, True)
        else:
            row = _stretched(tl.min(tl.where(inside, band, 255), 0), tl.max(tl.where(inside, band, 0), 0))
        lut |= row << shift
    return lut


@triton.jit
def _lut_of_counts(kind, counts, size):
    """Return the same from histograms (3, 256) that other thread blocks have added to."""
    value = tl.arange(0, 256)
    lut = tl.zeros((256,), tl.int32)
    for shift in tl.static_range(0, 24, 8):
        count = tl.load(counts + 32 * shift + value, volatile=True)
        if kind == table.EQUALIZE:
            row = _equalized(count, size, False)
        else:
            low = tl.min(tl.where(count > 0, value, 255), 0)
            high = tl.max(tl.where(count > 0, value, 0), 0)
            row = _stretched(low, high)
        lut |= row << shift
    return lut


@triton.jit
def _mean(total, size):
    """Return the mean, rounded, of `size` values whose sum is `total`, an int64."""
    return ((2 * total + size) // (2 * size.to(tl.int64))).to(tl.int32)


@triton.jit
def _grey(pixels):
    return (19595 * (pixels & 255) + 38470 * ((pixels >> 8) & 255) + 7471 * ((pixels >> 16) & 255) + 32768) >> 16


@triton.jit
def _blend(degenerate, value, factor):
    """Move from `degenerate` to `value` and, where factor > 1, beyond, in single precision."""
    blended = degenerate.to(tl.float32) + factor * (value - degenerate).to(tl.float32)
    return tl.minimum(tl.maximum(blended, 0.0), 255.0).to(tl.int32)


@triton.jit
def _blend_with_grey(pixels, grey, factor):
    red = _blend(grey, pixels & 255, factor)
    green = _blend(grey, (pixels >> 8) & 255, factor)
    blue = _blend(grey, (pixels >> 16) & 255, factor)
    return red | (green << 8) | (blue << 16)


@triton.jit
def _solarize(pixels, threshold):
    solarized = tl.zeros_like(pixels)
    for shift in tl.static_range(0, 24, 8):
        band = (pixels >> shift) & 255
        solarized |= tl.where(band < threshold, band, 255 - band) << shift
    return solarized


@triton.jit
def _at(x, y, pixels, source, height, width, inside, resident: tl.constexpr):
    """Return the pixels at (x, y); beyond the edge, those of the edge."""
    index = tl.minimum(tl.maximum(y, 0), height - 1) * width + tl.minimum(tl.maximum(x, 0), width - 1)
    if resident:
        return tl.gather(pixels, index, 0)
    else:
        return tl.load(source + index, mask=inside, other=0)


@triton.jit
def _raised(value):
    """Return 2⁵² + value in double precision, made of bits: that is four times as fast as to convert the integer."""
    return (value.to(tl.int64) | 0x4330000000000000).to(tl.float64, bitcast=True)


@triton.jit
def _double(value):
    """Return an integer, not negative, in double precision."""
    return _raised(value) - 4503599627370496.0


@triton.jit
def _between(first, second, way):
    return _double(first) + (_raised(second) - _raised(first)) * way


@triton.jit
def _rotate(x, y, cosine, sine, pixels, source, height, width, inside, resident: tl.constexpr):
    """Resample bilinearly in double precision; return the pixels, and which of them come from within the image."""
    right, below = width.to(tl.float64), height.to(tl.float64)
    x_centre, y_centre = right * 0.5, below * 0.5
    x_from = cosine * -x_centre + sine * -y_centre + x_centre
    y_from = -sine * -x_centre + cosine * -y_centre + y_centre
    x_out, y_out = _double(x) + 0.5, _double(y) + 0.5
    x_in = cosine * x_out + sine * y_out + x_from
    y_in = -sine * x_out + cosine * y_out + y_from
    within = (x_in >= 0) & (x_in < right) & (y_in >= 0) & (y_in < below)
    x_in, y_in = x_in - 0.5, y_in - 0.5
    x_floor, y_floor = tl.floor(x_in), tl.floor(y_in)
    dx, dy = x_in - x_floor, y_in - y_floor
    left, top = x_floor.to(tl.int32), y_floor.to(tl.int32)
    nw = _at(left, top, pixels, source, height, width, inside, resident)
    ne = _at(left + 1, top, pixels, source, height, width, inside, resident)
    sw = _at(left, top + 1, pixels, source, height, width, inside, resident)
    se = _at(left + 1, top + 1, pixels, source, height, width, inside, resident)
    found = tl.zeros_like(x)
    for shift in tl.static_range(0, 24, 8):
        upper = _between((nw >> shift) & 255, (ne >> shift) & 255, dx)
        lower = _between((sw >> shift) & 255, (se >> shift) & 255, dx)
        found |= (upper + (lower - upper) * dy).to(tl.int32) << shift
    return found, within


@triton.jit
def _shear(x, y, along_x, slope, way, pixels, source, height, width, inside, resident: tl.constexpr):
    """The result of `_rotate` where one coordinate stays: only two of the four neighbours have a weight."""
    moving, staying = tl.where(along_x, x, y), tl.where(along_x, y, x)
    position = (_double(moving) + 0.5) + slope * (_double(staying) + 0.5) + way
    within = (position >= 0) & (position < tl.where(along_x, width, height).to(tl.float64))
    position -= 0.5
    before = tl.floor(position)
    rest = position - before
    place = before.to(tl.int32)
    x_first, y_first = tl.where(along_x, place, x), tl.where(along_x, y, place)
    x_second, y_second = tl.where(along_x, place + 1, x), tl.where(along_x, y, place + 1)
    first = _at(x_first, y_first, pixels, source, height, width, inside, resident)
    second = _at(x_second, y_second, pixels, source, height, width, inside, resident)
    found = tl.zeros_like(x)
    for shift in tl.static_range(0, 24, 8):
        found |= _between((first >> shift) & 255, (second >> shift) & 255, rest).to(tl.int32) << shift
    return found, within


@triton.jit
def _sharpness(x, y, factor, pixels, source, height, width, inside, resident: tl.constexpr):
    """Blend with the image smoothed by the 3×3 mean with a centre of 5; the border is not smoothed."""
    # Red and blue are summed side by side: neither sum reaches 2¹⁶.
    red_blue, green = 4 * (pixels & 0xFF00FF), 4 * ((pixels >> 8) & 255)
    for i in tl.static_range(9):
        near = _at(x + (i % 3 - 1), y + (i // 3 - 1), pixels, source, height, width, inside, resident)
        red_blue += near & 0xFF00FF
        green += (near >> 8) & 255
    red = _blend((2 * (red_blue & 0xFFFF) + 13) // 26, pixels & 255, factor)
    green = _blend((2 * green + 13) // 26, (pixels >> 8) & 255, factor)
    blue = _blend((2 * (red_blue >> 16) + 13) // 26, (pixels >> 16) & 255, factor)
    inner = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    return tl.where(inner, red | (green << 8) | (blue << 16), pixels)


@triton.jit
def _operate(entry, x, y, fill, known, pixels, source, height, width, inside, padding, resident: tl.constexpr):
    """Apply the operation that `entry` points to, to pixels at (x, y); return them and the operation's id.

    Of the pixels all but `padding` are `inside` the image. What must be known of the whole of it is, where not
    `resident`, in `known`.
    """
    kind = tl.load(entry).to(tl.int32)
    first, second = tl.load(entry + 1), tl.load(entry + 2)
    result = pixels
    if kind == table.AUTOCONTRAST or kind == table.EQUALIZE:
        if resident:
            lut = _lut_of_pixels(kind, pixels, inside, padding, height * width)
        else:
            lut = tl.load(known + tl.arange(0, 256))
        result = _look_up(pixels, lut)
    elif kind == table.POSTERIZE:
        result = pixels & ((256 - (1 << (8 - first.to(tl.int32)))) * 0x010101)
    elif kind == table.SOLARIZE:
        result = _solarize(pixels, tl.ceil(tl.minimum(tl.maximum(first, 0.0), 256.0)).to(tl.int32))
    elif kind == table.INVERT:
        result = pixels ^ 0xFFFFFF
    elif kind == table.ROTATE:
        found, within = _rotate(x, y, first, second, pixels, source, height, width, inside, resident)
        result = tl.where(within, found, fill * 0x010101)
    elif kind == table.SHEAR_X or kind == table.SHEAR_Y or kind == table.TRANSLATE_X or kind == table.TRANSLATE_Y:
        # A shift that moves everything out of the image is cut down to one that just does: places are 32-bit integers.
        far = 4.0 * tl.maximum(height, width).to(tl.float64)
        by = tl.minimum(tl.maximum(first, -far), far)
        along_x = (kind == table.SHEAR_X) | (kind == table.TRANSLATE_X)
        slope = tl.where(kind <= table.SHEAR_Y, by, 0.0)
        way = by - slope
        if slope == 0 and way == tl.floor(way):
            x_in, y_in = x + tl.where(along_x, way, 0.0).to(tl.int32), y + tl.where(along_x, 0.0, way).to(tl.int32)
            found = _at(x_in, y_in, pixels, source, height, width, inside, resident)
            within = (x_in >= 0) & (x_in < width) & (y_in >= 0) & (y_in < height)
        else:
            found, within = _shear(x, y, along_x, slope, way, pixels, source, height, width, inside, resident)
        result = tl.where(within, found, fill * 0x010101)
    elif kind == table.SHARPNESS:
        result = _sharpness(x, y, first.to(tl.float32), pixels, source, height, width, inside, resident)
    elif kind == table.COLOR or kind == table.CONTRAST or kind == table.BRIGHTNESS:
        grey = tl.zeros_like(pixels)
        if kind == table.COLOR:
            grey = _grey(pixels)
        elif kind == table.CONTRAST:
            if resident:
                grey += _mean(tl.sum(tl.where(inside, _grey(pixels), 0), 0).to(tl.int64), height * width)
            else:
                grey += tl.load(known)
        result = _blend_with_grey(pixels, grey, first.to(tl.float32))
    return result, kind


@triton.jit
def _tile(start, size, block: tl.constexpr):
    """Return the indices of the pixels from `start`, which of them are inside the image, and how many are not."""
    index = start + tl.arange(0, block)
    return index, index < size, tl.maximum(start + block - size, 0)


@triton.jit
def _coordinates(start, width, block: tl.constexpr):
    """Return x and y of the pixels from the index `start`."""
    y = start // width
    x = start - y * width + tl.arange(0, block)
    # Half a pixel further on, the quotient is further from an integer than single precision errs. A division of
    # integers is a dozen instructions.
    rows = ((x.to(tl.float32) + 0.5) * tl.div_rn(1.0, width.to(tl.float32))).to(tl.int32)
    return x - rows * width, y + rows


@triton.jit
def _read(image, x, y, channels, channel_stride, row_stride, column_stride, inside):
    """Return the pixels at (x, y) of a uint8 image; a grey one is read as three equal channels."""
    place = image + y.to(tl.int64) * row_stride + x.to(tl.int64) * column_stride
    middle, last = (channels - 1) // 2, channels - 1
    red = tl.load(place, mask=inside, other=0).to(tl.int32)
    green = tl.load(place + middle.to(tl.int64) * channel_stride, mask=inside, other=0).to(tl.int32)
    blue = tl.load(place + last.to(tl.int64) * channel_stride, mask=inside, other=0).to(tl.int32)
    return red | (green << 8) | (blue << 16)


@triton.jit
def _add(red, green, blue, weight, pixels):
    """Add a weighted image to the mix, which stays within 255 whatever the rounding."""
    weight = weight.to(tl.float32)
    red = tl.minimum(red + weight * (pixels & 255).to(tl.float32), 255.0)
    green = tl.minimum(green + weight * ((pixels >> 8) & 255).to(tl.float32), 255.0)
    blue = tl.minimum(blue + weight * ((pixels >> 16) & 255).to(tl.float32), 255.0)
    return red, green, blue


@triton.jit
def _write(image, index, inside, channels, size, red, green, blue):
    coloured = inside & (channels == 3)
    tl.store(image + index, red, mask=inside)
    tl.store(image + size.to(tl.int64) + index, green, mask=coloured)
    tl.store(image + 2 * size.to(tl.int64) + index, blue, mask=coloured)


@triton.jit
def _write_pixels(image, index, inside, channels, size, pixels):
    red, green, blue = pixels & 255, (pixels >> 8) & 255, (pixels >> 16) & 255
    _write(image, index, inside, channels, size, red.to(tl.uint8), green.to(tl.uint8), blue.to(tl.uint8))


_GENERAL = [
    "images", "rows", "memory", "notes", "result", "count", "fill", "channels", "height", "width", "image_stride",
    "channel_stride", "row_stride", "column_stride", "chains", "depth", "tiles", "i",
]  # fmt: skip
"""Arguments that Triton is not to look at: it would compile a kernel once for each kind of number or address."""


@triton.jit(do_not_specialize=_GENERAL)
def whole(
    images, rows, result, fill, channels, height, width, image_stride, channel_stride, row_stride, column_stride,
    chains, depth, block: tl.constexpr, mix: tl.constexpr,
):  # fmt: skip
    """Write to `result` the mix of each image, of at most `block` pixels; where not `mix`, its one chain."""
    n = tl.program_id(0).to(tl.int64)
    size = height * width
    index, inside, padding = _tile(0, size, block)
    x, y = _coordinates(0, width, block)
    place = x | (y << 16)
    row = rows + n * (chains + 1 + 3 * chains * depth)
    clean = _read(images + n * image_stride, x, y, channels, channel_stride, row_stride, column_stride, inside)
    nothing = tl.zeros((block,), tl.float32)
    red, green, blue = _add(nothing, nothing, nothing, tl.load(row), clean)
    pixels = clean
    # Whatever depends on the place alone would be computed before the loops, for all operations, and fill the
    # registers. The compiler does not know that this stays zero, and leaves it where it is.
    zero = 0
    for k in range(chains):
        pixels = clean
        for i in range(depth):
            entry = row + chains + 1 + 3 * (k * depth + i)
            here = place + zero
            pixels, kind = _operate(
                entry, here & 0xFFFF, here >> 16, fill, rows, pixels, rows, height, width, inside, padding, True
            )
            zero += kind >> 8
        if mix:
            red, green, blue = _add(red, green, blue, tl.load(row + 1 + k), pixels)
    written = result + n * channels * size
    if mix:
        _write(written, index, inside, channels, size, red, green, blue)
    else:
        _write_pixels(written, index, inside, channels, size, pixels)


@triton.jit
def _count(kind, pixels, inside, padding, size, tiles, known):
    """Count a tile for the operation `kind`, if it has to know the whole image.

    In `known` are then the histograms (3, 256) of the channels, or for contrast of the grey, and behind them how many
    of the image's `tiles` are counted. Whoever counts the last one puts in place of the histograms what follows from
    them: the lookup table, or the mean grey.
    """
    value = tl.arange(0, 256)
    if kind == table.CONTRAST:
        tl.atomic_add(known + value, _histogram(_grey(pixels), inside, padding), sem="relaxed")
    elif kind == table.AUTOCONTRAST or kind == table.EQUALIZE:
        for shift in tl.static_range(0, 24, 8):
            count = _histogram((pixels >> shift) & 255, inside, padding)
            tl.atomic_add(known + 32 * shift + value, count, sem="relaxed")
    if kind == table.CONTRAST or kind == table.AUTOCONTRAST or kind == table.EQUALIZE:
        # The sums of all threads come before the one addition that the last to count sees.
        tl.debug_barrier()
        if tl.atomic_add(known + 768, 1, sem="acq_rel") == tiles - 1:
            if kind == table.CONTRAST:
                count = tl.load(known + value, volatile=True).to(tl.int64)
                follows = tl.where(value == 0, _mean(tl.sum(value.to(tl.int64) * count, 0), size), 0)
            else:
                follows = _lut_of_counts(kind, known, size)
            tl.debug_barrier()
            tl.store(known + value, follows)


@triton.jit(do_not_specialize=_GENERAL)
def begin(
    images, rows, memory, notes, channels, height, width, image_stride, channel_stride, row_stride, column_stride,
    chains, depth, tiles, block: tl.constexpr, noted: tl.constexpr,
):  # fmt: skip
    """Put a tile of an image into `memory`, and count it for each chain's first operation.

    Of each operation of each chain `noted` numbers are in `notes`, all zero: what `_count` knows.
    """
    n = (tl.program_id(0) // tiles).to(tl.int64)
    size = height * width
    start = tl.program_id(0) % tiles * block
    index, inside, padding = _tile(start, size, block)
    x, y = _coordinates(start, width, block)
    pixels = _read(images + n * image_stride, x, y, channels, channel_stride, row_stride, column_stride, inside)
    tl.store(memory + n * size + index, pixels, mask=inside)
    row = rows + n * (chains + 1 + 3 * chains * depth)
    for k in range(chains):
        before = table.IDENTITY
        for i in range(depth):
            kind = tl.load(row + chains + 1 + 3 * (k * depth + i)).to(tl.int32)
            if before == table.IDENTITY:
                _count(kind, pixels, inside, padding, size, tiles, notes + ((n * chains + k) * depth + i) * noted)
            before = kind


@triton.jit
def _place(entry, count, n, k, chains, i):
    """Return which of the images in memory the `i`-th operation of a chain reads.

    There are the `count` images, and twice as many for each chain: after an even operation and after an odd one.
    """
    before = tl.load(entry - 3, mask=i > 0, other=0).to(tl.int32)
    return tl.where(before == table.IDENTITY, n, count + ((i + 1) % 2 * count + n) * chains + k)


@triton.jit(do_not_specialize=_GENERAL)
def step(
    rows, memory, notes, count, fill, height, width, chains, depth, tiles, i, block: tl.constexpr, noted: tl.constexpr
):  # fmt: skip
    """Apply the `i`-th operation, not the last one, to a tile of a chain's image, and count that for the next one."""
    chain = tl.program_id(0) // tiles
    n, k = (chain // chains).to(tl.int64), chain % chains
    size = height * width
    entry = rows + n * (chains + 1 + 3 * chains * depth) + chains + 1 + 3 * (k * depth + i)
    if tl.load(entry).to(tl.int32) != table.IDENTITY:
        start = tl.program_id(0) % tiles * block
        index, inside, padding = _tile(start, size, block)
        x, y = _coordinates(start, width, block)
        source = memory + _place(entry, count, n, k, chains, i) * size
        known = notes + ((n * chains + k) * depth + i) * noted
        pixels = tl.load(source + index, mask=inside, other=0)
        pixels, _ = _operate(entry, x, y, fill, known, pixels, source, height, width, inside, padding, False)
        tl.store(memory + (count + (i % 2 * count + n) * chains + k) * size + index, pixels, mask=inside)
        _count(tl.load(entry + 3).to(tl.int32), pixels, inside, padding, size, tiles, known + noted)


@triton.jit(do_not_specialize=_GENERAL)
def finish(
    rows, memory, notes, result, count, fill, channels, height, width, chains, depth, tiles, block: tl.constexpr,
    noted: tl.constexpr, mix: tl.constexpr,
):  # fmt: skip
    """Apply the last operation to a tile of each chain's image and write the mix; where not `mix`, the one chain."""
    n = (tl.program_id(0) // tiles).to(tl.int64)
    size = height * width
    start = tl.program_id(0) % tiles * block
    index, inside, padding = _tile(start, size, block)
    row = rows + n * (chains + 1 + 3 * chains * depth)
    pixels = tl.load(memory + n * size + index, mask=inside, other=0)
    nothing = tl.zeros((block,), tl.float32)
    red, green, blue = _add(nothing, nothing, nothing, tl.load(row), pixels)
    zero = 0  # as in `whole`
    for k in range(chains):
        entry = row + chains + 1 + 3 * (k * depth + depth - 1)
        source = memory + _place(entry, count, n, k, chains, depth - 1) * size
        known = notes + ((n * chains + k) * depth + depth - 1) * noted
        pixels = tl.load(source + index, mask=inside, other=0)
        x, y = _coordinates(start + zero, width, block)
        pixels, kind = _operate(entry, x, y, fill, known, pixels, source, height, width, inside, padding, False)
        zero += kind >> 8
        if mix:
            red, green, blue = _add(red, green, blue, tl.load(row + 1 + k), pixels)
    written = result + n * channels * size
    if mix:
        _write(written, index, inside, channels, size, red, green, blue)
    else:
        _write_pixels(written, index, inside, channels, size, pixels)
