"""The weather: snow, frost, fog, brightness; and spatter."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from augmix.compilation import njit
from augmix.corruptions import filters
from augmix.corruptions.noise import draw_uniform, normals, uniforms
from augmix.errors import UserError

_MUD_COLOR = np.array([63, 42, 20]) / 255
# The published sets are made from the first five of the six photographs.
_FROST_FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


def snow(
    images: np.ndarray, keys: np.ndarray, parameters: tuple[float, float, float, float, int, float, float]
) -> np.ndarray:
    """Whiten and add motion-blurred flakes falling at U(−135°, −45°).

    The parameters are the flakes' mean, standard deviation, zoom and threshold, the motion's radius and
    standard deviation, and the weight that the image keeps.
    """
    mean, deviation, zoom, threshold, radius, sigma, weight = parameters
    layers = filters.snow_layers(keys, images.shape[1:3], mean, deviation, zoom, threshold)
    # The complement of a key is a stream of its own: the key's draws went into the layer.
    angles = 90 * uniforms(~keys, 1)[:, 0] - 135
    return filters.add_snow(images, filters.motion_blur(layers, radius, sigma, angles), weight)


@lru_cache(8)
def _frost_photographs(scale: float, height: int, width: int) -> list[np.ndarray]:
    """Read the photographs as RGB, scaled, and enlarged where an image of this size would not fit."""
    packages = (find_spec("imagecorruptions"), find_spec("imagenet_c"))  # neither is imported
    folders = [Path(folder, "frost") for spec in packages if spec for folder in spec.submodule_search_locations or []]
    photographs = []
    for name in _FROST_FILES:
        file = next((folder / name for folder in folders if (folder / name).is_file()), None)
        photograph = cv2.imread(str(file)) if file else None
        if photograph is None:
            raise UserError(
                f"the photograph {name} that frost needs is not installed: "
                "run `pip install --no-deps imagecorruptions-imaug`"
            )
        fitting = max(scale, (height + 1) / photograph.shape[0], (width + 1) / photograph.shape[1])
        scaled = cv2.resize(photograph, None, fx=fitting, fy=fitting, interpolation=cv2.INTER_LINEAR)
        photographs.append(np.ascontiguousarray(scaled[..., ::-1]))
    return photographs


@njit(nogil=True, cache=True)
def _blend(images: np.ndarray, weight: float, others: np.ndarray, other_weight: float, out: np.ndarray) -> None:
    for i in range(images.size):
        out[i] = int(min(weight * images[i] + other_weight * others[i], 255.0))


def frost(images: np.ndarray, keys: np.ndarray, parameters: tuple[float, float, float]) -> np.ndarray:
    """Add a random crop of a frost photograph (weights of image and photograph, the photograph's scale)."""
    weight, frost_weight, scale = parameters
    height, width = images.shape[1:3]
    photographs = _frost_photographs(scale, height, width)
    crops = np.empty_like(images)
    for crop, (which, down, right) in zip(crops, uniforms(keys, 3), strict=True):
        photograph = photographs[int(which * len(photographs))]
        top = int(down * (photograph.shape[0] - height))
        left = int(right * (photograph.shape[1] - width))
        crop[:] = photograph[top : top + height, left : left + width]
    out = np.empty_like(images)
    _blend(images.reshape(-1), float(weight), crops.reshape(-1), frost_weight, out.reshape(-1))
    return out


@njit(nogil=True, cache=True)
def _plasma(key: np.uint64, decay: float, plasma: np.ndarray) -> None:
    """Fill a square map, its side a power of two, by diamond–square on a torus; scale it to [0, 1]."""
    size = plasma.shape[0]
    last = size - 1
    plasma[0, 0] = 0
    position = 0
    wobble = 100.0
    step = size
    while step >= 2:
        half = step // 2
        spread = wobble * wobble
        for y in range(0, size, step):
            for x in range(0, size, step):
                right, below = (x + step) & last, (y + step) & last
                mean = (plasma[y, x] + plasma[y, right] + plasma[below, x] + plasma[below, right]) / 4
                plasma[y + half, x + half] = mean + spread * (2 * draw_uniform(key, position) - 1)
                position += 1
        for y in range(0, size, half):
            for x in range(half if y % step == 0 else 0, size, step):
                vertical = plasma[(y - half) & last, x] + plasma[(y + half) & last, x]
                horizontal = plasma[y, (x - half) & last] + plasma[y, (x + half) & last]
                noise = spread * (2 * draw_uniform(key, position) - 1)
                plasma[y, x] = (vertical + horizontal) / 4 + noise
                position += 1
        wobble /= decay
        step = half
    lowest, highest = plasma.min(), plasma.max()
    plasma -= lowest
    plasma /= highest - lowest


@njit(nogil=True, cache=True)
def _fog(images: np.ndarray, keys: np.ndarray, amount: float, decay: float, out: np.ndarray) -> None:
    count, height, width, channels = images.shape
    size = 1
    while size < max(height, width):
        size *= 2
    plasma = np.empty((size, size))
    for n in range(count):
        _plasma(keys[n], decay, plasma)
        brightest = images[n].max() / 255
        scale = brightest / (brightest + amount)
        for y in range(height):
            for x in range(width):
                fog = 255 * amount * plasma[y, x]
                for c in range(channels):
                    out[n, y, x, c] = int(min((images[n, y, x, c] + fog) * scale, 255.0))


def fog(images: np.ndarray, keys: np.ndarray, parameters: tuple[float, float]) -> np.ndarray:
    """Add a plasma fractal and darken to the old range (amount, decay of the wobble per halving)."""
    out = np.empty_like(images)
    amount, decay = map(float, parameters)
    _fog(images, keys, amount, decay, out)
    return out


def brightness(images: np.ndarray, keys: np.ndarray, shift: float) -> np.ndarray:
    """Add `shift` to the HSV value."""
    return filters.adjust_hsv(images, value_shift=shift)


def spatter(
    images: np.ndarray, keys: np.ndarray, parameters: tuple[float, float, float, float, float, str]
) -> np.ndarray:
    """Spatter water or mud where a blurred normal layer exceeds a threshold.

    The parameters are the layer's mean, standard deviation, blur and threshold, the water's weight (the blur of
    the mud's edge), and "water" or "mud".
    """
    mean, deviation, sigma, threshold, weight, liquid = parameters
    layers = filters.gaussian_blur(mean + deviation * normals(keys, images.shape[1:3]), sigma)
    layers[layers < threshold] = 0
    if liquid == "water":
        return filters.add_water(images, layers, weight)
    mud = filters.gaussian_blur((layers > threshold).astype(np.float64), weight)
    mud[mud < 0.8] = 0
    mud = mud[..., None]
    return (np.clip(images / 255 * (1 - mud) + mud * _MUD_COLOR, 0, 1) * 255).astype(np.uint8)
