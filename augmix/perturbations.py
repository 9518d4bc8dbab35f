"""The perturbation sequences of the -P benchmarks (Hendrycks & Dietterich, ICLR 2019, section 3.2).

A sequence shows one image T times, a little further perturbed from frame to frame; the noises draw every frame
afresh. The constants are those of CIFAR-10-P (`cifar`), Tiny-ImageNet-P (`tiny`) and ImageNet-P (`imagenet`).
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from augmix.checks import PRESETS, check_choice, check_images, check_integer, choose_preset
from augmix.compilation import njit
from augmix.corruptions import filters, noise

_COMMON = (
    "gaussian_noise",
    "shot_noise",
    "motion_blur",
    "zoom_blur",
    "brightness",
    "translate",
    "rotate",
    "tilt",
    "scale",
)
_HELD_OUT = ("speckle_noise", "gaussian_blur", "shear")

PERTURBATIONS = (*_COMMON, "spatter")
"""The ten that enter the mFP on CIFAR; `perturbations_of` gives those of the other presets."""

EXTRA_PERTURBATIONS = (*_HELD_OUT, "snow")
"""The four that are held out on CIFAR; `extra_perturbations_of` gives those of the other presets."""

NOISE_PERTURBATIONS = ("gaussian_noise", "shot_noise", "speckle_noise")
"""Those whose frames are compared with the first frame, in the flip probability, not with the one before."""

GEOMETRIC_PERTURBATIONS = ("zoom_blur", "translate", "rotate", "tilt", "scale", "shear")
"""Those that act on the whole photograph, before the final crop."""

# The constants of the published generators, in the order in which the functions below take them.
_CONSTANTS: dict[str, dict[str, tuple[float, ...]]] = {
    "gaussian_noise": {"cifar": (0.02,), "tiny": (0.025,), "imagenet": (0.03,)},
    "shot_noise": {"cifar": (700,), "tiny": (500,), "imagenet": (300,)},
    "speckle_noise": dict.fromkeys(PRESETS, (0.05,)),
    "motion_blur": {"cifar": (6, 1.8, 9), "tiny": (14, 3, 5), "imagenet": (10, 3, 4)},
    "zoom_blur": dict.fromkeys(PRESETS, (0.004,)),
    "gaussian_blur": {"cifar": (0.3, 0.015, 7), "tiny": (0.35, 0.014, 7), "imagenet": (0.25, 0.035, 6)},
    "snow": {
        "cifar": (0.05, 0.3, 2, 0.5, 10, 2),
        "tiny": (0.05, 0.28, 2, 0.5, 10, 2.5),
        "imagenet": (0.05, 0.3, 3, 0.5, 14, 4),
    },
    "spatter": {
        "cifar": (0.6, 0.265, 1.75, 0.7, 0.2, 0.8),
        "tiny": (0.6, 0.25, 1.75, 0.7, 0.2, 0.8),
        "imagenet": (0.65, 0.27, 3.7, 0.69, 0.05, 0.1, 0.15, 0.7),
    },
    "brightness": {"cifar": (0.015,), "tiny": (0.02,), "imagenet": (0.02,)},
    "translate": dict.fromkeys(PRESETS, ()),
    "rotate": dict.fromkeys(PRESETS, ()),
    "tilt": {"cifar": (0.75,), "tiny": (1,), "imagenet": (1,)},
    "scale": {"cifar": (70, 2), "tiny": (40, 2.5), "imagenet": (40, 2.5)},
    "shear": dict.fromkeys(PRESETS, ()),
}
_FRAMES = {("motion_blur", "cifar"): 21, ("translate", "cifar"): 16, ("translate", "imagenet"): 41}


def perturbations_of(preset: str) -> tuple[str, ...]:
    """Return the ten that enter the mFP or mFR of a preset: spatter is among them on cifar, else snow."""
    check_choice("preset", preset, tuple(PRESETS))
    return PERTURBATIONS if preset == "cifar" else (*_COMMON, "snow")


def extra_perturbations_of(preset: str) -> tuple[str, ...]:
    """Return the four that are held out of the mFP or mFR of a preset: snow is one on cifar, else spatter."""
    check_choice("preset", preset, tuple(PRESETS))
    return EXTRA_PERTURBATIONS if preset == "cifar" else (*_HELD_OUT, "spatter")


def frame_count(name: str, preset: str) -> int:
    """Return T, the length of a perturbation's sequences: 31, but for a few of the published ones."""
    check_choice("perturbation", name, tuple(_CONSTANTS))
    check_choice("preset", preset, tuple(PRESETS))
    return _FRAMES.get((name, preset), 31)


def _repeat(image: np.ndarray, frames: int) -> np.ndarray:
    return np.broadcast_to(image, (frames, *image.shape))


def _noise(table_of: Callable[[float], np.ndarray]) -> Callable[..., np.ndarray]:
    """Make the sequence of a noise: the clean image, then a fresh draw per frame."""

    def sequence(image: np.ndarray, keys: np.ndarray, amount: float) -> np.ndarray:
        noisy = noise.add_noise(_repeat(image, len(keys) - 1), table_of(amount), keys[1:])
        return np.concatenate([image[None], noisy])

    return sequence


def _snow(
    image: np.ndarray,
    keys: np.ndarray,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: int,
    sigma: float,
) -> np.ndarray:
    """One layer of flakes, whose direction turns from frame to frame."""
    layer = filters.snow_layers(keys[:1], image.shape[:2], mean, deviation, zoom, threshold)[0]
    frames = len(keys)
    layers = filters.motion_blur(_repeat(layer, frames), radius, sigma, 4 * np.arange(frames) - 150)
    return filters.add_snow(_repeat(image, frames), layers, 0.85)


def _spatter(
    image: np.ndarray,
    keys: np.ndarray,
    mean: float,
    deviation: float,
    sigma: float,
    threshold: float,
    *flow: float,
) -> np.ndarray:
    """One layer of water, which flows down: each frame convolves its columns with `flow`."""
    import cv2

    noisy = mean + deviation * noise.normals(keys[:1], image.shape[:2])
    layer = filters.gaussian_blur(noisy, sigma)[0]
    layer[layer < threshold] = 0
    kernel = np.array(flow[::-1])[:, None]  # OpenCV correlates
    layers = np.empty((len(keys), *layer.shape))
    for frame in layers:
        frame[:] = layer
        layer = cv2.filter2D(layer, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    return filters.add_water(_repeat(image, len(keys)), layers, 0.6)


_RANDOM: dict[str, Callable[..., np.ndarray]] = {
    "gaussian_noise": _noise(noise.gaussian_noise_table),
    "shot_noise": _noise(noise.shot_noise_table),
    "speckle_noise": _noise(noise.speckle_noise_table),
    "snow": _snow,
    "spatter": _spatter,
}


def _motion_blur(image: np.ndarray, frames: int, radius: int, sigma: float, step: float) -> np.ndarray:
    angles = step * (np.arange(frames) - (frames - 1))
    return filters.motion_blur(_repeat(image, frames), radius, sigma, angles)


def _gaussian_blur(image: np.ndarray, frames: int, start: float, step: float, truncate: float) -> np.ndarray:
    unit = image[None] / 255
    blurred = [filters.gaussian_blur(unit, start + step * i, truncate) for i in range(frames)]
    return (np.concatenate(blurred) * 255).astype(np.uint8)


def _brightness(image: np.ndarray, frames: int, step: float) -> np.ndarray:
    shifts = [step * (i - frames // 2) for i in range(frames)]
    return np.concatenate([filters.adjust_hsv(image[None], value_shift=shift) for shift in shifts])


def _translate(image: np.ndarray, frames: int) -> np.ndarray:
    """Shift to the right by whole pixels; zeros come in."""
    moved = np.zeros((frames, *image.shape), np.uint8)
    for i, frame in enumerate(moved):
        shift = i - (frames - 1) // 2
        kept = max(image.shape[1] - abs(shift), 0)
        source, target = max(-shift, 0), max(shift, 0)
        frame[:, target : target + kept] = image[:, source : source + kept]
    return moved


@lru_cache(8)
def _tilt_matrices(height: int, width: int, frames: int, step: float) -> np.ndarray:
    """Return (T, 3, 3): the image plane turned about both axes, seen from its diagonal's length away."""
    focal = math.hypot(width, height)
    to_space = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1], [0, 0, 1]])
    away = np.eye(4)
    away[2, 3] = focal
    to_plane = np.array([[focal, 0, width / 2, 0], [0, focal, height / 2, 0], [0, 0, 1, 0]])
    matrices = np.empty((frames, 3, 3))
    for i in range(frames):
        angle = math.radians(step * (i - frames // 2))
        c, s = math.cos(angle), math.sin(angle)
        about_x = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])
        about_y = np.array([[c, 0, -s, 0], [0, 1, 0, 0], [s, 0, c, 0], [0, 0, 0, 1]])
        matrices[i] = to_plane @ away @ about_x @ about_y @ to_space
    return matrices


def _tilt(image: np.ndarray, frames: int, step: float) -> np.ndarray:
    """Turn the image with OpenCV, whose version matters: 4 interpolates in steps of 1/32 pixel, 5 does not.

    On CIFAR's images the two differ by up to 7 grey levels, by more than 2 in 1 % of the values.
    """
    import cv2

    height, width = image.shape[:2]
    matrices = _tilt_matrices(height, width, frames, step)
    return np.stack([cv2.warpPerspective(image, matrix, (width, height)) for matrix in matrices])


_FIXED: dict[str, Callable[..., np.ndarray]] = {
    "motion_blur": _motion_blur,
    "gaussian_blur": _gaussian_blur,
    "brightness": _brightness,
    "translate": _translate,
    "tilt": _tilt,
}

# Each affine perturbation in frame i: degrees of rotation (clockwise), scale, degrees of shear.
_AFFINE: dict[str, Callable[..., tuple[float, float, float]]] = {
    "zoom_blur": lambda i, step: (0, 1 + step * i, 0),
    "rotate": lambda i: (i - 15, 1, 0),
    "scale": lambda i, start, step: (0, (start + step * i) / 100, 0),
    "shear": lambda i: (0, 1, i - 15),
}


def _inverse_affine(
    rotation: float, scale: float, shear: float, height: int, width: int, centre: str
) -> tuple[float, ...]:
    """Return the coefficients with which Pillow reads the input, in torchvision's convention of the time.

    The published sets were made with torchvision 0.2: it turns about half a pixel right of and below the middle,
    and its shear also shortens the columns, by the cosine of the angle.
    """
    angle, slant = math.radians(rotation), math.radians(shear)
    cosine, sine = math.cos(angle), math.sin(angle)
    if centre == "published":
        a, b, d, e = math.cos(angle + slant), math.sin(angle + slant), -sine, cosine
        factor = 1 / scale / (a * e - b * d)
        a, b, d, e = a * factor, b * factor, d * factor, e * factor
        x, y = width / 2 + 0.5, height / 2 + 0.5
    else:
        tangent = math.tan(slant)
        a, b = (cosine - sine * tangent) / scale, (cosine * tangent + sine) / scale
        d, e = -sine / scale, cosine / scale
        x, y = width / 2, height / 2
    return a, b, (a * -x + b * -y) + x, d, e, (d * -x + e * -y) + y


@njit(nogil=True, cache=True)
def _affine(image: np.ndarray, matrices: np.ndarray, out: np.ndarray) -> None:
    """Fill out (T, H, W, C) as Pillow's bilinear affine transform does, to the bit; zeros from outside."""
    height, width, channels = image.shape
    for t in range(len(matrices)):
        a, b, c, d, e, f = matrices[t]
        for y in range(height):
            for x in range(width):
                column = (a * (x + 0.5) + b * (y + 0.5)) + c
                row = (d * (x + 0.5) + e * (y + 0.5)) + f
                if not (0 <= column < width and 0 <= row < height):
                    for channel in range(channels):
                        out[t, y, x, channel] = 0
                    continue
                left, top = math.floor(column - 0.5), math.floor(row - 0.5)
                right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
                across, down = column - 0.5 - left, row - 0.5 - top
                left, top = max(left, 0), max(top, 0)
                for channel in range(channels):
                    p, q = np.float64(image[top, left, channel]), np.float64(image[top, right, channel])
                    upper = p + (q - p) * across
                    p, q = np.float64(image[bottom, left, channel]), np.float64(image[bottom, right, channel])
                    lower = p + (q - p) * across
                    out[t, y, x, channel] = int(upper + (lower - upper) * down)


@njit(nogil=True, cache=True)
def _running_mean(frames: np.ndarray) -> None:
    """Replace every frame (T, values) by the mean of those up to it, in float32 as the published sets do."""
    count, size = frames.shape
    total = np.zeros(size, np.float32)
    for t in range(count):
        for i in range(size):
            total[i] += np.float32(frames[t, i]) / np.float32(255)
            frames[t, i] = int(total[i] / np.float32(t + 1) * np.float32(255))


def _affine_sequence(image: np.ndarray, name: str, matrices: np.ndarray) -> np.ndarray:
    frames = np.empty((len(matrices), *image.shape), np.uint8)
    _affine(image, matrices, frames)
    if name == "zoom_blur":
        _running_mean(frames.reshape(len(frames), -1))
    return frames


def _crop(images: np.ndarray, side: int) -> np.ndarray:
    """Cut the central square out of (…, H, W, 3)."""
    top, left = round((images.shape[-3] - side) / 2), round((images.shape[-2] - side) / 2)
    return images[..., top : top + side, left : left + side, :]


def perturb(
    images: np.ndarray,
    name: str,
    seed: int = 0,
    preset: str | None = None,
    *,
    first: int = 0,
    centre: str = "published",
    crop: int | None = None,
) -> np.ndarray:
    """Make a perturbation's sequence of T frames from every image.

    Args:
        images: uint8 (N, H, W, 3), RGB.
        name: one of `perturbations_of(preset)` or `extra_perturbations_of(preset)`.
        seed: an image's frames depend on the seed, the name and the image's index alone.
        preset: `cifar`, `tiny` or `imagenet`; None takes the one whose side is nearest to the shorter side.
        first: the index of images[0], for callers that work in chunks.
        centre: `published` is torchvision's convention of the time (zoom_blur, rotate, scale, shear);
            `modern` is today's, with the centre in the middle of the image.
        crop: the side of the frames. The geometric perturbations then act on the images as they are, the others
            on their central square, as ImageNet-P (256, crop 224) and Tiny-ImageNet-P (shorter side 64, crop 64)
            were made. None takes the images as whole photographs and as final frames.

    Returns:
        uint8 (N, T, H, W, 3), with T = `frame_count(name, preset)`; H = W = `crop` where it is given.

    Raises:
        TypeError, ValueError: with the name of the argument and what it accepts.
    """
    check_images(images)
    check_choice("perturbation", name, tuple(_CONSTANTS))
    check_choice("centre", centre, ("published", "modern"))
    check_integer("seed", seed)
    check_integer("first", first, 0)
    preset = choose_preset(preset, images)
    if crop is not None:
        check_integer("crop", crop, 8, min(images.shape[1:3]))
        if name not in GEOMETRIC_PERTURBATIONS:
            images = _crop(images, crop)
    images = np.require(images, requirements=["C", "W"])  # for read-only ones the kernels would be compiled once more
    count, height, width, _ = images.shape
    frames, constants = frame_count(name, preset), _CONSTANTS[name][preset]
    sequences = np.empty((count, frames, crop or height, crop or width, 3), np.uint8)
    if name in _AFFINE:
        motions = [_AFFINE[name](i, *constants) for i in range(frames)]
        matrices = np.array([_inverse_affine(*motion, height, width, centre) for motion in motions])
    elif name in _RANDOM:
        label = f"perturb {name}"  # not the streams of the corruption of the same name
        keys = np.stack([noise.image_keys(seed, label, i, first, count) for i in range(frames)], axis=1)
    for n, image in enumerate(images):
        if name in _AFFINE:
            sequence = _affine_sequence(image, name, matrices)
        elif name in _RANDOM:
            sequence = _RANDOM[name](image, keys[n], *constants)
        else:
            sequence = _FIXED[name](image, frames, *constants)
        sequences[n] = sequence if crop is None else _crop(sequence, crop)
    return sequences
