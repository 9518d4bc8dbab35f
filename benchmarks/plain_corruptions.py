"""Every corruption in a plain construction, one image at a time, written from ImageNet-C's definition.

They are what `augmix.corruptions` is held against: for equality where a corruption has one right answer (`EXACT`),
for the same distribution where it is random (`RANDOM`). Images are uint8 (H, W, 3).
"""

import io
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

PRESETS = {32: "cifar", 64: "tiny", 224: "imagenet"}


def photographs(count: int, size: int) -> np.ndarray:
    """Soft colour fields with hard-edged, partly saturated shapes on them: uint8 (count, size, size, 3)."""
    rng = np.random.default_rng(size)
    y, x = np.mgrid[:size, :size] / size
    images = np.empty((count, size, size, 3), np.uint8)
    for image in images:
        field = ndimage.gaussian_filter(rng.normal(size=(size, size, 3)), (size / 8, size / 8, 0), mode="wrap")
        values = 128 + 60 * field / field.std() + 12 * rng.normal(size=field.shape)
        for _ in range(4):
            centre, radius, color = rng.uniform(size=2), rng.uniform(0.05, 0.25), rng.integers(-60, 316, 3)
            values[np.hypot(y - centre[0], x - centre[1]) < radius] = color
        image[:] = np.clip(values, 0, 255)
    return images


def truncate(unit: np.ndarray) -> np.ndarray:
    return (np.clip(unit, 0, 1) * 255).astype(np.uint8)


def blur(unit: np.ndarray, sigma: float) -> np.ndarray:
    axes = (sigma, sigma, 0)[: unit.ndim]
    return ndimage.gaussian_filter(unit, axes, mode="nearest", truncate=4)


# ---- corruptions that have one right answer


def disk(radius: float, sigma: float) -> np.ndarray:
    axis = np.arange(-8, 9) if radius <= 8 else np.arange(-radius, radius + 1)
    columns, rows = np.meshgrid(axis, axis)
    inside = (columns**2 + rows**2 <= radius**2).astype(np.float32)
    side = 3 if radius <= 8 else 5
    return cv2.GaussianBlur(inside / inside.sum(), (side, side), sigma).astype(float)


def defocus_blur(image: np.ndarray, constants: tuple[float, float]) -> np.ndarray:
    return truncate(ndimage.correlate(image / 255, disk(*constants)[..., None], mode="mirror"))


def zoomed(unit: np.ndarray, factor: float) -> np.ndarray:
    size = len(unit)
    crop = int(np.ceil(size / factor))
    top = (size - crop) // 2
    inside = unit[top : top + crop, top : top + crop]
    large = ndimage.zoom(inside, (factor, factor, 1)[: unit.ndim], order=1)
    trim = (len(large) - size) // 2
    return large[trim : trim + size, trim : trim + size]


def zoom_blur(image: np.ndarray, factors: np.ndarray) -> np.ndarray:
    unit = image / 255
    total = unit + sum(zoomed(unit, factor) for factor in factors)
    return truncate(total / (len(factors) + 1))


def to_hsv(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    red, green, blue = np.moveaxis(unit, -1, 0)
    value, chroma = unit.max(-1), np.ptp(unit, axis=-1)
    safe = np.where(chroma == 0, 1, chroma)
    hue = np.select(
        [chroma == 0, value == blue, value == green],
        [0 * value, 4 + (red - green) / safe, 2 + (blue - red) / safe],
        (green - blue) / safe,
    )
    return hue % 6, chroma / np.where(value == 0, 1, value), value


def from_hsv(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    def channel(n: int) -> np.ndarray:
        k = (n + hue) % 6
        return value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)

    return np.stack([channel(5), channel(3), channel(1)], axis=-1)


def brightness(image: np.ndarray, shift: float) -> np.ndarray:
    hue, saturation, value = to_hsv(image / 255)
    return truncate(from_hsv(hue, saturation, np.clip(value + shift, 0, 1)))


def saturate(image: np.ndarray, constants: tuple[float, float]) -> np.ndarray:
    hue, saturation, value = to_hsv(image / 255)
    return truncate(from_hsv(hue, np.clip(saturation * constants[0] + constants[1], 0, 1), value))


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    unit = image / 255
    mean = unit.mean((0, 1))
    return truncate((unit - mean) * factor + mean)


def pixelate(image: np.ndarray, factor: float) -> np.ndarray:
    size = len(image)
    small = Image.fromarray(image).resize((int(size * factor),) * 2, Image.Resampling.BOX)
    return np.asarray(small.resize((size, size), Image.Resampling.BOX))


def jpeg_compression(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return truncate(blur(image / 255, sigma))


# The constants at 32 and at 64 pixels, and the largest difference allowed, in grey levels.
_ZOOMS = [np.arange(1, stop, 0.01) for stop in (1.06, 1.11, 1.16, 1.21, 1.26)]
EXACT: dict[Callable, tuple[list, list, int]] = {
    defocus_blur: (
        [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
        [(0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)],
        1,
    ),
    zoom_blur: (_ZOOMS, _ZOOMS, 1),
    brightness: ([0.05, 0.1, 0.15, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4, 0.5], 1),
    saturate: (
        [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)],
        [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)],
        1,
    ),
    contrast: ([0.75, 0.5, 0.4, 0.3, 0.15], [0.4, 0.3, 0.2, 0.1, 0.05], 1),
    pixelate: ([0.95, 0.9, 0.85, 0.75, 0.65], [0.9, 0.8, 0.7, 0.6, 0.5], 0),
    jpeg_compression: ([80, 65, 58, 50, 40], [65, 58, 50, 40, 25], 0),
    gaussian_blur: ([0.4, 0.6, 0.7, 0.8, 1], [0.5, 0.75, 1, 1.25, 1.5], 1),
}


# ---- random corruptions: of the same distribution


def gaussian_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return truncate(image / 255 + rng.normal(0, sigma, image.shape))


def speckle_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return truncate(image / 255 * (1 + rng.normal(0, sigma, image.shape)))


def shot_noise(image: np.ndarray, photons: float, rng: np.random.Generator) -> np.ndarray:
    return truncate(rng.poisson(image / 255 * photons) / photons)


def impulse_noise(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    hit = rng.uniform(size=image.shape) < amount
    return np.where(hit, np.where(rng.uniform(size=image.shape) < 0.5, 255, 0), image).astype(np.uint8)


def glass_blur(image: np.ndarray, constants: tuple[float, int, int], rng: np.random.Generator) -> np.ndarray:
    sigma, reach, passes = constants
    size = len(image)
    pixels = truncate(blur(image / 255, sigma)).reshape(-1, 3)
    source = list(range(size * size))  # which pixel's colour each pixel shows
    for _ in range(passes):
        offsets = iter(rng.integers(-reach, reach, (size * size, 2)).tolist())
        for y in range(size - reach, reach, -1):
            for x in range(size - reach, reach, -1):
                dy, dx = next(offsets)
                source[y * size + x] = source[(y + dy) * size + x + dx]
    return truncate(blur(pixels[source].reshape(image.shape) / 255, sigma))


def moved(image: np.ndarray, radius: int, sigma: float, degrees: float) -> np.ndarray:
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    height, width = image.shape[:2]
    total = np.zeros(image.shape)
    for i, weight in enumerate(weights / weights.sum()):
        rows = np.arange(height) + int(np.ceil(i * np.sin(np.radians(degrees)) - 0.5))
        columns = np.arange(width) + int(np.ceil(i * np.cos(np.radians(degrees)) - 0.5))
        total += weight * image[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
    return (np.floor(257 * total + 0.5) // 257).astype(np.uint8)


def motion_blur(image: np.ndarray, constants: tuple[int, float], rng: np.random.Generator) -> np.ndarray:
    return moved(image, *constants, rng.uniform(-45, 45))


def snow(
    image: np.ndarray, constants: tuple, rng: np.random.Generator, move: Callable[..., np.ndarray] = moved
) -> np.ndarray:
    mean, deviation, factor, threshold, radius, sigma, weight = constants
    layer = zoomed(rng.normal(mean, deviation, image.shape[:2]), factor)
    layer[layer < threshold] = 0
    layer = move(truncate(layer), radius, sigma, rng.uniform(-135, -45))[..., None] / 255
    unit = image / 255
    gray = (unit @ [0.299, 0.587, 0.114])[..., None]
    unit = weight * unit + (1 - weight) * np.maximum(unit, 1.5 * gray + 0.5)
    return truncate(unit + layer + np.rot90(layer, 2))


def plasma(side: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Diamond-square on a torus, from 0 in its corner; scaled to [0, 1]."""
    heights = np.zeros((side, side))
    step, wobble = side, 100.0

    def displaced(total: np.ndarray) -> np.ndarray:
        return total / 4 + wobble * rng.uniform(-wobble, wobble, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        below = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = displaced(below + np.roll(below, -1, 1))
        centres = heights[half::step, half::step]
        heights[::step, half::step] = displaced(
            centres + np.roll(centres, 1, 0) + corners + np.roll(corners, -1, 1),
        )
        heights[half::step, ::step] = displaced(
            centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 0),
        )
        step, wobble = half, wobble / decay
    return (heights - heights.min()) / np.ptp(heights)


def fog(image: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    amount, decay = constants
    size = len(image)
    heights = plasma(1 << (size - 1).bit_length(), decay, rng)[:size, :size, None]
    unit = image / 255
    brightest = unit.max()
    return truncate((unit + amount * heights) * brightest / (brightest + amount))


def elastic_transform(image: np.ndarray, constants: tuple, rng: np.random.Generator) -> np.ndarray:
    size = len(image)
    amplitude, sigma, reach = (size * value for value in constants)
    middle, third = size // 2, size // 3
    points = np.array([[middle + third] * 2, [middle + third, middle - third], [middle - third] * 2], np.float32)
    matrix = cv2.getAffineTransform(points, points + rng.uniform(-reach, reach, (3, 2)).astype(np.float32))
    unit = cv2.warpAffine((image / 255).astype(np.float32), matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    if amplitude == 0:
        return truncate(unit)
    down, right = (
        ndimage.gaussian_filter(rng.uniform(-1, 1, (size, size)), sigma, mode="reflect", truncate=3) * amplitude
        for _ in range(2)
    )
    y, x = np.mgrid[:size, :size]
    channels = [ndimage.map_coordinates(unit[..., c], [y + down, x + right], order=1, mode="reflect") for c in range(3)]
    return truncate(np.stack(channels, axis=-1))


def read_frost(number: int, scale: float) -> np.ndarray:
    """One of the five photographs, from its file, and scaled."""
    package = find_spec("imagecorruptions")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("the frost photographs are not installed (imagecorruptions-imaug)")
    file = sorted(Path(package.submodule_search_locations[0], "frost").glob("frost[1-5].*"))[number]
    return cv2.resize(np.asarray(Image.open(file).convert("RGB")), None, fx=scale, fy=scale)


frost_photograph = lru_cache(read_frost)


def frost(image: np.ndarray, constants: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    weight, frost_weight, scale = constants
    photograph = frost_photograph(int(rng.integers(5)), scale)
    top, left = (rng.integers(side - len(image)) for side in photograph.shape[:2])
    crop = photograph[top : top + len(image), left : left + len(image)]
    return np.clip(weight * image + frost_weight * crop, 0, 255).astype(np.uint8)


def spatter(image: np.ndarray, constants: tuple, rng: np.random.Generator) -> np.ndarray:
    mean, deviation, sigma, threshold, weight, liquid = constants
    layer = blur(rng.normal(mean, deviation, image.shape[:2]), sigma)
    layer[layer < threshold] = 0
    unit = image / 255
    if liquid == "mud":
        mud = blur((layer > threshold).astype(float), weight)
        mud[mud < 0.8] = 0
        return truncate(unit * (1 - mud[..., None]) + mud[..., None] * np.array([63, 42, 20]) / 255)
    drops = np.clip(layer * 255, 0, 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(drops, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.equalizeHist(cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8))
    relief = cv2.filter2D(distance, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    mask = drops * cv2.blur(relief, (3, 3)).astype(float)
    mask = mask / max(mask.max(), 1) * weight
    return truncate(unit + mask[..., None] * np.array([175, 238, 238]) / 255)


RANDOM = {
    plain.__name__: plain
    for plain in (
        *(gaussian_noise, shot_noise, impulse_noise, speckle_noise, glass_blur, motion_blur),
        *(snow, frost, fog, elastic_transform, spatter),
    )
}
# The plain loop over pixels takes milliseconds an image.
SLOW = {"glass_blur"}


def statistics(corrupted: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Per image: mean absolute and mean signed change, its RMS, and the RMS of the result's Laplacian."""
    axes = (1, 2, 3)
    change = corrupted.astype(float) - images
    values = corrupted.astype(float)
    laplacian = 4 * values[:, 1:-1, 1:-1] - values[:, :-2, 1:-1] - values[:, 2:, 1:-1]
    laplacian -= values[:, 1:-1, :-2] + values[:, 1:-1, 2:]
    size = [np.abs(change).mean(axes), change.mean(axes), np.sqrt((change**2).mean(axes))]
    return np.stack([*size, np.sqrt((laplacian**2).mean(axes))])


def deviation(ours: np.ndarray, plain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tell how far the means of two sets of paired `statistics` are apart, and the sampling error of that.

    Both in shares of the mean itself; those of the signed change, which may be near 0, in shares of the absolute one.
    """
    scale = np.abs(plain.mean(1))
    scale[1] = scale[0]
    error = np.sqrt((ours - plain).var(1) / ours.shape[1])
    return np.abs(ours.mean(1) - plain.mean(1)) / scale, error / scale
