"""The operations on the CPU: serial kernels that take one image at a time, while it is hot in the cache.

An image is held as (H, W) uint32 pixels, red | green << 8 | blue << 16. A grey image has three equal channels, and
every operation then does to it what Pillow does to its mode L. No fastmath: a fused multiply-add changes bits.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numba import njit

from augmix.operations import table
from augmix.operations.affine import matrices

_compiled = njit(nogil=True, cache=True, error_model="numpy")


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
def _autocontrast(pixels: np.ndarray, lut: np.ndarray) -> None:
    for channel in range(3):
        shift = 8 * channel
        low, high = 255, 0
        for i in range(pixels.size):
            value = int((pixels[i] >> shift) & 255)
            low, high = min(low, value), max(high, value)
        scale, offset = 1.0, 0.0
        if high > low:
            scale = 255.0 / (high - low)
            offset = -low * scale
        for value in range(256):
            stretched = min(max(int(value * scale + offset), 0), 255)
            lut[channel, value] = np.uint32(stretched) << shift
    _look_up(pixels, lut)


@_compiled
def _equalize(pixels: np.ndarray, lut: np.ndarray) -> None:
    counts = np.zeros((3, 256), np.int32)
    for i in range(pixels.size):
        pixel = pixels[i]
        counts[0, pixel & 255] += 1
        counts[1, (pixel >> 8) & 255] += 1
        counts[2, (pixel >> 16) & 255] += 1
    for channel in range(3):
        shift = 8 * channel
        last = 255
        while counts[channel, last] == 0:
            last -= 1
        step = (pixels.size - counts[channel, last]) // 255
        position = step // 2
        for value in range(256):
            equalized = value
            if step > 0:
                equalized = min(int(position / step), 255)
            lut[channel, value] = np.uint32(equalized) << shift
            position += counts[channel, value]
    _look_up(pixels, lut)


@_compiled
def _solarize(pixels: np.ndarray, threshold: float) -> None:
    values = pixels.view(np.uint8)
    for i in range(values.size):
        values[i] = values[i] if values[i] < threshold else 255 - values[i]


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
def _pad(pixels: np.ndarray, padded: np.ndarray) -> None:
    """Copy pixels (H, W) to the middle of `padded` (H + 2, W + 2), and repeat its edges outside."""
    height, width = pixels.shape
    for y in range(height):
        padded[y + 1, 0] = pixels[y, 0]
        padded[y + 1, 1 : width + 1] = pixels[y]
        padded[y + 1, width + 1] = pixels[y, width - 1]
    padded[0] = padded[1]
    padded[height + 1] = padded[height]


@_compiled
def _affine(pixels: np.ndarray, padded: np.ndarray, matrix: np.ndarray, fill: int) -> None:
    """Resample bilinearly in double precision; a pixel that comes from outside the image becomes `fill`."""
    _pad(pixels, padded)
    height, width = pixels.shape
    source, stride = padded.ravel(), width + 2
    a, b, c, d, e, f = matrix[0], matrix[1], matrix[2], matrix[3], matrix[4], matrix[5]
    outside = np.uint32(fill * 0x010101)
    for y in range(height):
        for x in range(width):
            x_in = a * (x + 0.5) + b * (y + 0.5) + c
            y_in = d * (x + 0.5) + e * (y + 0.5) + f
            if x_in < 0 or x_in >= width or y_in < 0 or y_in >= height:
                pixels[y, x] = outside
                continue
            left, top = np.floor(x_in - 0.5), np.floor(y_in - 0.5)
            dx, dy = x_in - 0.5 - left, y_in - 0.5 - top
            index = np.uint64((top + 1) * stride + left + 1)
            nw, ne = source[index], source[index + np.uint64(1)]
            sw, se = source[index + np.uint64(stride)], source[index + np.uint64(stride + 1)]
            pixel = np.uint32(0)
            for shift in (0, 8, 16):
                v00, v01 = np.int32((nw >> shift) & 255), np.int32((ne >> shift) & 255)
                v10, v11 = np.int32((sw >> shift) & 255), np.int32((se >> shift) & 255)
                upper = v00 + (v01 - v00) * dx
                lower = v10 + (v11 - v10) * dx
                pixel |= np.uint32(np.int32(upper + (lower - upper) * dy)) << shift
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
    _pad(pixels, padded)
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
    matrix: np.ndarray,
    fill: int,
    pixels: np.ndarray,
    padded: np.ndarray,
    lut: np.ndarray,
) -> None:
    """Apply one operation to pixels, in place; `padded` and `lut` are scratch."""
    flat = pixels.ravel()
    if operation == table.AUTOCONTRAST:
        _autocontrast(flat, lut)
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
    elif operation != table.IDENTITY:
        _affine(pixels, padded, matrix, fill)


@_compiled
def _chain_slice(
    images: np.ndarray,
    operations: np.ndarray,
    parameters: np.ndarray,
    matrices: np.ndarray,
    fill: int,
    result: np.ndarray,
) -> None:
    count, _, height, width = images.shape
    pixels = np.empty((height, width), np.uint32)
    padded = np.empty((height + 2, width + 2), np.uint32)
    lut = np.empty((3, 256), np.uint32)
    for n in range(count):
        _load(images[n], pixels.ravel())
        for i in range(operations.shape[1]):
            _operate(operations[n, i], parameters[n, i], matrices[n, i], fill, pixels, padded, lut)
        _store(pixels.ravel(), result[n])


@_compiled
def _mix_slice(
    images: np.ndarray,
    operations: np.ndarray,
    parameters: np.ndarray,
    matrices: np.ndarray,
    weights: np.ndarray,
    result: np.ndarray,
) -> None:
    count, channels, height, width = images.shape
    original = np.empty((height, width), np.uint32)
    pixels = np.empty((height, width), np.uint32)
    padded = np.empty((height + 2, width + 2), np.uint32)
    lut = np.empty((3, 256), np.uint32)
    flat = pixels.ravel()
    for n in range(count):
        _load(images[n], original.ravel())
        mixed = result[n].reshape(channels, height * width)
        for chain in range(operations.shape[1] + 1):
            pixels[:] = original
            if chain > 0:
                for i in range(operations.shape[2]):
                    k = chain - 1
                    _operate(operations[n, k, i], parameters[n, k, i], matrices[n, k, i], 0, pixels, padded, lut)
            weight = weights[n, chain]
            for channel in range(channels):
                for i in range(height * width):
                    term = weight * np.float32(np.int32((flat[i] >> (8 * channel)) & 255))
                    mixed[channel, i] = term if chain == 0 else min(mixed[channel, i] + term, np.float32(255))


@lru_cache(maxsize=1)
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """A forked process makes its own pool: threads do not survive the fork."""
    return ThreadPoolExecutor(workers, thread_name_prefix="augmix")


def _run(kernel: Callable[..., None], images: np.ndarray, *arrays: Any) -> None:
    """Call `kernel` on slices of the batch, one for each torch thread; what is no array is passed as it is."""
    workers = min(torch.get_num_threads(), len(images))
    if workers == 1:
        kernel(images, *arrays)
        return
    bounds = np.linspace(0, len(images), workers + 1).astype(int)
    slices = [slice(start, stop) for start, stop in pairwise(bounds)]
    pool = _pool(os.getpid(), torch.get_num_threads())
    jobs = [
        pool.submit(kernel, images[part], *(a[part] if isinstance(a, np.ndarray) else a for a in arrays))
        for part in slices
    ]
    for job in jobs:
        job.result()


def chain(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, fill: int) -> torch.Tensor:
    """Apply each image's operations (N, D) in order to uint8 (N, C, H, W) on the CPU."""
    images = images.contiguous()
    result = torch.empty_like(images)
    height, width = images.shape[-2:]
    matrix = matrices(operations, parameters, height, width)
    _run(_chain_slice, images.numpy(), operations, parameters, matrix, fill, result.numpy())
    return result


def mix(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """Return Σ weights[:, i] · chain_i as float32, chain 0 the images themselves; operations (N, K, D)."""
    images = images.contiguous()
    result = torch.empty(images.shape, dtype=torch.float32)
    height, width = images.shape[-2:]
    matrix = matrices(operations, parameters, height, width)
    _run(_mix_slice, images.numpy(), operations, parameters, matrix, weights, result.numpy())
    return result
