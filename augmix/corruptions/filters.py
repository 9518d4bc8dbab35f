"""Filters of corruptions and perturbations: blurs, snow, water, HSV (`augmix.corruptions.noise` has the random part).

The definitions are those of the -C and -P benchmarks (Hendrycks & Dietterich, ICLR 2019).
"""

from typing import Any, Literal

import cv2
import numpy as np

from augmix.compilation import njit
from augmix.corruptions.noise import fill_normal


def gaussian_kernel(sigma: float, truncate: float) -> np.ndarray:
    """Return the normalised 1-D Gaussian, cut off at `truncate` standard deviations (to whole pixels)."""
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return np.ones(1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return kernel / kernel.sum()


def gaussian_blur(images: np.ndarray, sigma: float, truncate: float = 4.0) -> np.ndarray:
    """Blur float images (N, H, W) or (N, H, W, C) with a Gaussian; edge pixels repeat beyond the border."""
    kernel = gaussian_kernel(sigma, truncate)
    out = np.empty_like(images, order="C")
    for image, blurred in zip(images, out, strict=True):
        cv2.sepFilter2D(image, -1, kernel, kernel, dst=blurred, borderType=cv2.BORDER_REPLICATE)
    return out


@njit(nogil=True, cache=True)
def _correlate(
    images: np.ndarray,
    taps: tuple[np.ndarray, np.ndarray, np.ndarray],
    sources: tuple[np.ndarray, np.ndarray],
    margin: float,
    out: np.ndarray,
) -> None:
    """Sum the taps line by line; `sources` are the rows and columns that an extended image reads."""
    count, height, width, channels = images.shape
    weights, rows, columns = taps
    source_rows, source_columns = sources
    lines = np.empty((height, source_columns.size * channels))
    total = np.empty(width * channels)
    for n in range(count):
        for y in range(height):
            for x in range(source_columns.size):
                for c in range(channels):
                    lines[y, x * channels + c] = images[n, y, source_columns[x], c]
        for y in range(height):
            total[:] = 0
            for tap in range(weights.size):
                start = columns[n, tap] * channels
                line = lines[source_rows[y + rows[n, tap]], start : start + total.size]
                weight = weights[tap]
                for i in range(total.size):
                    total[i] += weight * line[i]
            result = out[n, y].reshape(-1)
            for i in range(total.size):
                result[i] = int(min(total[i] + margin, 255.0))


def correlate(
    images: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    border: Literal["edge", "reflect"],
    margin: float = 0.0,
) -> np.ndarray:
    """Return ⌊Σ weights[t] · image[y + rows[n, t], x + columns[n, t]] + margin⌋ for uint8 images (N, H, W[, C]).

    `rows` and `columns` (N, T) are whole offsets; beyond the border the edge pixel repeats, or the image is
    mirrored in its edge pixels.
    """
    pixels = np.require(images, np.uint8, ["C", "W"]).reshape(*images.shape[:3], -1)
    reach = int(max(np.abs(rows).max(), np.abs(columns).max()))
    height, width = pixels.shape[1:3]
    sources = np.pad(np.arange(height), reach, border), np.pad(np.arange(width), reach, border)
    out = np.empty_like(pixels)
    _correlate(pixels, (weights, rows + reach, columns + reach), sources, margin, out)
    return out.reshape(images.shape)


def motion_blur(images: np.ndarray, radius: int, sigma: float, angles: np.ndarray) -> np.ndarray:
    """Blur uint8 images (N, H, W) or (N, H, W, C) along a line, as ImageMagick's motion blur does.

    `angles` (N,) are in degrees; tap i = 0 … 2·radius lies i pixels away in that direction (x to the right,
    y down) and weighs exp(−i² / 2σ²); edge pixels repeat beyond the border.
    """
    taps = np.arange(2 * radius + 1)
    weights = np.exp(-(taps**2) / (2 * sigma**2))
    radians = np.deg2rad(np.asarray(angles, float))[:, None]
    rows = np.ceil(taps * np.sin(radians) - 0.5).astype(np.int64)
    columns = np.ceil(taps * np.cos(radians) - 0.5).astype(np.int64)
    # ImageMagick truncates a value rounded to 16 bits: ⌊⌊257·s + ½⌋ / 257⌋ = ⌊s + 1/514⌋.
    return correlate(images, weights / weights.sum(), rows, columns, "edge", 1 / 514)


def zoom_taps(size: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how a centre zoom reads one axis: value i is lerp(line[index[i]], line[index[i] + 1], fraction[i]).

    The central ⌈size / factor⌉ values are interpolated linearly, corner to corner, and trimmed to `size`.
    """
    cropped = int(np.ceil(size / factor))
    zoomed = round(cropped * factor)
    position = (np.arange(size) + (zoomed - size) // 2) * ((cropped - 1) / (zoomed - 1))
    index = np.minimum(position.astype(np.int64), cropped - 2)
    return index + (size - cropped) // 2, position - index


@njit(nogil=True, cache=True)
def _snow_layers(
    keys: np.ndarray, vertical: Any, horizontal: Any, law: tuple[float, float, float], out: np.ndarray
) -> None:
    """Draw the part of the normal layer that the zoom shows; zoom it, cut it off and truncate it to uint8."""
    top, left = vertical[0][0], horizontal[0][0]
    height, width = vertical[0][-1] + 2 - top, horizontal[0][-1] + 2 - left
    mean, deviation, threshold = law
    for n in range(keys.size):
        flat = np.empty(height * width)
        fill_normal(keys[n], flat)
        layer = flat.reshape(height, width)
        for y in range(out.shape[1]):
            upper, lower = layer[vertical[0][y] - top], layer[vertical[0][y] - top + 1]
            down = vertical[1][y]
            for x in range(out.shape[2]):
                i, right = horizontal[0][x] - left, horizontal[1][x]
                above = upper[i] + (upper[i + 1] - upper[i]) * right
                below = lower[i] + (lower[i + 1] - lower[i]) * right
                value = mean + deviation * (above + (below - above) * down)
                out[n, y, x] = 0 if value < threshold else int(255 * min(max(value, 0.0), 1.0))


def snow_layers(
    keys: np.ndarray, size: tuple[int, int], mean: float, deviation: float, zoom: float, threshold: float
) -> np.ndarray:
    """Draw a layer of flakes per key, before the motion blur: uint8 (N, H, W), with size = (H, W)."""
    out = np.empty((len(keys), *size), np.uint8)
    _snow_layers(keys, zoom_taps(size[0], zoom), zoom_taps(size[1], zoom), (mean, deviation, threshold), out)
    return out


@njit(nogil=True, cache=True)
def _add_snow(images: np.ndarray, layers: np.ndarray, weight: float, out: np.ndarray) -> None:
    count, height, width, _ = images.shape
    for n in range(count):
        for y in range(height):
            for x in range(width):
                pixel = images[n, y, x]
                snow = np.float64(layers[n, y, x]) + layers[n, height - 1 - y, width - 1 - x]
                gray = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
                for c in range(3):
                    white = max(np.float64(pixel[c]), 1.5 * gray + 127.5)
                    out[n, y, x, c] = min(weight * pixel[c] + (1 - weight) * white + snow, 255.0)


def add_snow(images: np.ndarray, layers: np.ndarray, weight: float) -> np.ndarray:
    """Whiten uint8 images (N, H, W, 3) by 1 − weight; add the layers uint8 (N, H, W) and their 180° turns."""
    out = np.empty(images.shape, np.uint8)
    _add_snow(np.require(images, np.uint8, ["C", "W"]), layers, weight, out)
    return out


_WATER_COLOR = np.array([175, 238, 238]) / 255
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


def _water_mask(layer: np.ndarray) -> np.ndarray:
    """Return how much water covers each pixel, with maximum 1 (0 everywhere where no water is)."""
    liquid = (np.minimum(layer, 1) * 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8)
    relief = cv2.filter2D(cv2.equalizeHist(distance), cv2.CV_8U, _EMBOSS)
    mask = liquid * cv2.blur(relief, (3, 3)).astype(np.float64)
    return mask / max(mask.max(), 1.0)


def add_water(images: np.ndarray, layers: np.ndarray, weight: float) -> np.ndarray:
    """Spatter water, where the float layers (N, H, W) are above 0,, on uint8 images (N, H, W, 3)."""
    out = np.empty(images.shape, np.uint8)
    for image, layer, wet in zip(images, layers, out, strict=True):
        water = weight * _water_mask(layer)[..., None] * _WATER_COLOR
        wet[:] = np.minimum(image / 255 + water, 1) * 255
    return out


@njit(nogil=True, cache=True)
def _adjust_hsv(
    pixels: np.ndarray, saturation_scale: float, saturation_shift: float, value_shift: float, out: np.ndarray
) -> None:
    unit = np.arange(256) / 255
    for i in range(pixels.shape[0]):
        red, green, blue = unit[pixels[i, 0]], unit[pixels[i, 1]], unit[pixels[i, 2]]
        value = max(red, green, blue)
        chroma = value - min(red, green, blue)
        hue = saturation = 0.0
        if chroma > 0:
            saturation = chroma / value
            if blue == value:
                hue = 4 + (red - green) / chroma
            elif green == value:
                hue = 2 + (blue - red) / chroma
            else:
                hue = (green - blue) / chroma
            hue /= 6
            if hue < 0:
                hue += 1
        saturation = min(max(saturation * saturation_scale + saturation_shift, 0.0), 1.0)
        value = min(max(value + value_shift, 0.0), 1.0)
        sector = int(hue * 6)
        fraction = hue * 6 - sector
        low = value * (1 - saturation)
        falling = value * (1 - fraction * saturation)
        rising = value * (1 - (1 - fraction) * saturation)
        if sector == 1:
            red, green, blue = falling, value, low
        elif sector == 2:
            red, green, blue = low, value, rising
        elif sector == 3:
            red, green, blue = low, falling, value
        elif sector == 4:
            red, green, blue = rising, low, value
        elif sector == 5:
            red, green, blue = value, low, falling
        else:
            red, green, blue = value, rising, low
        out[i, 0], out[i, 1], out[i, 2] = int(red * 255), int(green * 255), int(blue * 255)


def adjust_hsv(
    images: np.ndarray,
    saturation_scale: float = 1.0,
    saturation_shift: float = 0.0,
    value_shift: float = 0.0,
) -> np.ndarray:
    """Change saturation and value, in [0, 1] and clipped, of uint8 images (N, H, W, 3).

    The round trip through HSV is done in float64 and truncated to uint8, as in the published sets: a shift
    by 0 still lowers some values by 1.
    """
    pixels = np.require(images, np.uint8, ["C", "W"]).reshape(-1, 3)
    out = np.empty_like(pixels)
    _adjust_hsv(pixels, float(saturation_scale), float(saturation_shift), float(value_shift), out)
    return out.reshape(images.shape)
