"""The corruptions of CIFAR-10-C, CIFAR-100-C, Tiny-ImageNet-C and ImageNet-C (Hendrycks & Dietterich, ICLR 2019).

`corrupt(images, "fog", severity=3)` corrupts any uint8 images (N, H, W, 3); `CORRUPTIONS` are the 15 that enter
the mean corruption error, `EXTRA_CORRUPTIONS` the four that are held out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from augmix.checks import check_choice, check_images, check_integer, choose_preset
from augmix.corruptions.constants import PARAMETERS

try:
    from augmix.corruptions import blur, digital, noise, weather
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}; run `pip install 'augmix[corruptions]'`", name=error.name) from None

__all__ = ["CORRUPTIONS", "EXTRA_CORRUPTIONS", "corrupt"]

# What one call of a corruption works on at most, in values: its temporaries stay in the cache.
_CHUNK = 2**18


def _noise(table: Callable[[float], np.ndarray]) -> Callable[[np.ndarray, np.ndarray, float], np.ndarray]:
    return lambda images, keys, parameter: noise.add_noise(images, table(parameter), keys)


_FUNCTIONS: dict[str, Callable[[np.ndarray, np.ndarray, Any], np.ndarray]] = {
    "gaussian_noise": _noise(noise.gaussian_noise_table),
    "shot_noise": _noise(noise.shot_noise_table),
    "impulse_noise": _noise(noise.impulse_noise_table),
    "defocus_blur": blur.defocus_blur,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": weather.brightness,
    "contrast": digital.contrast,
    "elastic_transform": digital.elastic_transform,
    "pixelate": digital.pixelate,
    "jpeg_compression": digital.jpeg_compression,
    "speckle_noise": _noise(noise.speckle_noise_table),
    "gaussian_blur": blur.gaussian_blur,
    "spatter": weather.spatter,
    "saturate": digital.saturate,
}

CORRUPTIONS = (
    "gaussian_noise", "shot_noise", "impulse_noise",
    "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
    "snow", "frost", "fog", "brightness",
    "contrast", "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
"""The 15 that enter the mean corruption error, in the paper's order."""
EXTRA_CORRUPTIONS = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""The four that are held out of it."""


def corrupt(
    images: np.ndarray, name: str, severity: int, seed: int = 0, preset: str | None = None, first: int = 0
) -> np.ndarray:
    """Corrupt images: uint8 (N, H, W, 3) RGB, at least 8 pixels a side, to the same shape and dtype.

    `name` is one of `CORRUPTIONS` and `EXTRA_CORRUPTIONS`, `severity` 1 … 5. `preset` picks the constants made
    for sides of 32 ("cifar"), 64 ("tiny") or 224 ("imagenet"); None takes those whose side is nearest to the
    shorter side. An image's randomness depends on the seed, the name, the severity and its index alone. To
    work in chunks, pass as `first` the index of the chunk's first image: the pixels are those of one call.

    Raises TypeError or ValueError naming the argument; `augmix.errors.UserError` where frost's photographs are
    not installed.
    """
    check_images(images)
    check_choice("name", name, (*CORRUPTIONS, *EXTRA_CORRUPTIONS))
    check_integer("severity", severity, 1, 5)
    check_integer("seed", seed)
    check_integer("first", first, 0)
    parameters = PARAMETERS[name][choose_preset(preset, images)][severity - 1]
    step = max(1, _CHUNK // images[0].size)
    out = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), step):
        chunk = np.array(images[start : start + step], order="C")
        keys = noise.image_keys(seed, name, severity, first + start, len(chunk))
        out[start : start + step] = _FUNCTIONS[name](chunk, keys, parameters)
    return out
