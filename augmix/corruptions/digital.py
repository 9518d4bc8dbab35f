"""The digital corruptions: contrast, elastic transform, pixelate, JPEG; and saturate."""

from functools import lru_cache

import cv2
import numpy as np

from augmix.compilation import njit
from augmix.corruptions import filters
from augmix.corruptions.noise import draw_uniform

TAPS = 300
"""Kernels of so many taps and more are not summed tap by tap."""


@njit(nogil=True, cache=True)
def _contrast(images: np.ndarray, factor: float, out: np.ndarray) -> None:
    count, pixels, channels = images.shape
    unit = np.arange(256) / 255
    table = np.empty((channels, 256), np.uint8)
    for n in range(count):
        total = np.zeros(channels, np.int64)
        for i in range(pixels):
            for c in range(channels):
                total[c] += images[n, i, c]
        for c in range(channels):
            mean = total[c] / (255 * pixels)
            for value in range(256):
                table[c, value] = int(min(max((unit[value] - mean) * factor + mean, 0.0), 1.0) * 255)
        for i in range(pixels):
            for c in range(channels):
                out[n, i, c] = table[c, images[n, i, c]]


def contrast(images: np.ndarray, keys: np.ndarray, factor: float) -> np.ndarray:
    """Pull every channel towards its mean over the image."""
    out = np.empty_like(images)
    _contrast(images.reshape(len(images), -1, 3), factor, out.reshape(len(images), -1, 3))
    return out


@njit(nogil=True, cache=True)
def _mirror(index: int, size: int, edge: int) -> int:
    """Reflect an index into the image; the edge pixel itself is repeated where edge is 1, not where 0."""
    while not 0 <= index < size:
        index = -edge - index if index < 0 else 2 * size - 2 + edge - index
    return index


@njit(inline="always")  # a call with arrays would take three times as long as the arithmetic
def _sample(image: np.ndarray, y: float, x: float, edge: int, out: np.ndarray, start: int) -> None:
    """Interpolate linearly at (y, x), mirrored at the border, into out[start : start + channels]."""
    height, width, channels = image.shape
    top, left = int(np.floor(y)), int(np.floor(x))
    down, right = np.float32(y - top), np.float32(x - left)
    bottom, far = top + 1, left + 1
    if not (0 <= top < height - 1 and 0 <= left < width - 1):
        top, bottom = _mirror(top, height, edge), _mirror(bottom, height, edge)
        left, far = _mirror(left, width, edge), _mirror(far, width, edge)
    for c in range(channels):
        above = image[top, left, c] + (image[top, far, c] - image[top, left, c]) * right
        below = image[bottom, left, c] + (image[bottom, far, c] - image[bottom, left, c]) * right
        out[start + c] = above + (below - above) * down


@njit(nogil=True, cache=True)
def _affine(images: np.ndarray, keys: np.ndarray, reach: float, out: np.ndarray) -> None:
    """Warp each image by the affine map that takes three points to where U(−reach, reach) moves them."""
    count, height, width, channels = images.shape
    third = float(min(height, width) // 3)
    corner_x, corner_y = width // 2 + third, height // 2 - third  # the second of the three points
    move = np.empty(6)
    for n in range(count):
        for i in range(6):
            move[i] = reach * (2 * draw_uniform(keys[n], i) - 1)
        # The map's matrix, column by column along the square's sides; its inverse says where to read.
        xx, yx = 1 + (move[2] - move[4]) / (2 * third), (move[3] - move[5]) / (2 * third)
        xy, yy = (move[0] - move[2]) / (2 * third), 1 + (move[1] - move[3]) / (2 * third)
        determinant = xx * yy - xy * yx
        xx, yx, xy, yy = yy / determinant, -yx / determinant, -xy / determinant, xx / determinant
        image, result = images[n], out[n].reshape(-1)
        for y in range(height):
            from_y = y - corner_y - move[3]
            for x in range(width):
                from_x = x - corner_x - move[2]
                source_y = corner_y + yx * from_x + yy * from_y
                source_x = corner_x + xx * from_x + xy * from_y
                _sample(image, source_y, source_x, 0, result, (y * width + x) * channels)


@njit(nogil=True, cache=True)
def _uniform_fields(keys: np.ndarray, out: np.ndarray) -> None:
    """Fill the displacement fields with U(−1, 1); the affine map has used the first six draws."""
    for n in range(out.shape[0]):
        field = out[n].reshape(-1)
        for i in range(field.size):
            field[i] = 2 * draw_uniform(keys[n], 6 + i) - 1


@lru_cache(8)
def _cosine_factors(size: int, sigma: float) -> np.ndarray:
    """Return by what the smoothing multiplies each cosine of a mirrored line: float64 (size,)."""
    kernel = filters.gaussian_kernel(sigma, 3)
    offsets = np.arange(len(kernel)) - len(kernel) // 2
    return (np.cos(np.pi / size * np.arange(size)[:, None] * offsets) * kernel).sum(axis=1)


def _smooth(fields: np.ndarray, sigma: float) -> None:
    """Smooth fields (N, H, W, 2) in place with a Gaussian, cut off at 3σ; edge pixels repeat as borders mirror."""
    height, width = fields.shape[1:3]
    kernel = filters.gaussian_kernel(sigma, 3)
    if len(kernel) < min(4 * min(height, width), TAPS):
        for field in fields:
            cv2.sepFilter2D(field, -1, kernel, kernel, dst=field, borderType=cv2.BORDER_REFLECT)
        return
    # With 1,025 taps, at 224 pixels, the cosine transform takes a twentieth of the time.
    from scipy import fft

    factors = np.outer(_cosine_factors(height, sigma), _cosine_factors(width, sigma))[..., None].astype(np.float32)
    for field in fields:
        field[:] = fft.idctn(fft.dctn(field, axes=(0, 1)) * factors, axes=(0, 1))


@njit(nogil=True, cache=True)
def _displace(images: np.ndarray, fields: np.ndarray, amplitude: float, out: np.ndarray) -> None:
    count, height, width, channels = images.shape
    for n in range(count):
        image, result = images[n], out[n].reshape(-1)
        for y in range(height):
            for x in range(width):
                source_y = y + amplitude * fields[n, y, x, 0]
                source_x = x + amplitude * fields[n, y, x, 1]
                _sample(image, source_y, source_x, 1, result, (y * width + x) * channels)


def elastic_transform(images: np.ndarray, keys: np.ndarray, parameters: tuple[float, float, float]) -> np.ndarray:
    """Apply a random affine map, then a smooth random displacement.

    The parameters are the displacement's amplitude and standard deviation and the affine map's reach, as
    shares of the shorter side.
    """
    amplitude, sigma, reach = (min(images.shape[1:3]) * value for value in parameters)
    warped = np.empty(images.shape, np.float32)
    _affine(images.astype(np.float32), keys, reach, warped)
    if amplitude == 0:
        return warped.astype(np.uint8)
    fields = np.empty((*images.shape[:3], 2), np.float32)
    _uniform_fields(keys, fields)
    _smooth(fields, sigma)
    displaced = np.empty_like(warped)
    _displace(warped, fields, amplitude, displaced)
    return displaced.astype(np.uint8)


@lru_cache(64)
def _box_taps(size: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Pillow's box filter from `size` to `target` values: first taps, and weights times 2²²."""
    scale = size / target
    support = max(scale, 1.0) / 2
    centres = (np.arange(target) + 0.5) * scale
    starts = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    stops = np.minimum((centres + support + 0.5).astype(np.int64), size)
    taps = np.arange((stops - starts).max())
    offset = (taps + starts[:, None] - centres[:, None] + 0.5) / (2 * support)
    inside = (offset > -0.5) & (offset <= 0.5) & (taps < (stops - starts)[:, None])
    weights = inside / inside.sum(axis=1, keepdims=True)
    return starts, (0.5 + weights * 2**22).astype(np.int64)


@njit(nogil=True, cache=True)
def _resize_rows(images: np.ndarray, starts: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Resize the second axis of (N, H, L) images; zero weights may point beyond the last row."""
    total = np.empty(images.shape[2], np.int64)
    for n in range(images.shape[0]):
        for row in range(out.shape[1]):
            total[:] = 2**21
            for tap in range(weights.shape[1]):
                weight = weights[row, tap]
                if weight:
                    for i in range(total.size):
                        total[i] += weight * images[n, starts[row] + tap, i]
            for i in range(total.size):
                out[n, row, i] = total[i] >> 22


def _resize(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize as Pillow's box filter does, across first, with a uint8 intermediate.

    That is Pillow 11.3's order at any shape. Pillow 13 takes images taller than twice their width the other way round,
    which changes some of their values by 1.
    """
    count, old_height, old_width, channels = images.shape
    across = np.empty((count * old_height, width, channels), np.uint8)
    _resize_rows(images.reshape(-1, old_width, channels), *_box_taps(old_width, width), across)
    out = np.empty((count, height, width * channels), np.uint8)
    _resize_rows(across.reshape(count, old_height, -1), *_box_taps(old_height, height), out)
    return out.reshape(count, height, width, channels)


def pixelate(images: np.ndarray, keys: np.ndarray, factor: float) -> np.ndarray:
    """Shrink by `factor` and enlarge again, both with a box filter."""
    height, width = images.shape[1:3]
    return _resize(_resize(images, int(height * factor), int(width * factor)), height, width)


def jpeg_compression(images: np.ndarray, keys: np.ndarray, quality: int) -> np.ndarray:
    """Write and read JPEG; OpenCV's coder gives Pillow's bits."""
    out = np.empty_like(images)
    for image, result in zip(images, out, strict=True):
        _, code = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        result[:] = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))[..., ::-1]
    return out


def saturate(images: np.ndarray, keys: np.ndarray, parameters: tuple[float, float]) -> np.ndarray:
    """Scale the HSV saturation, then add to it (factor, shift)."""
    scale, shift = parameters
    return filters.adjust_hsv(images, saturation_scale=scale, saturation_shift=shift)
