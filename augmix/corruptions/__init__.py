"""The corruptions of CIFAR-10-C, CIFAR-100-C, Tiny-ImageNet-C and ImageNet-C (Hendrycks & Dietterich, ICLR 2019).

`corrupt(images, "fog", severity=3)` corrupts any uint8 images (N, H, W, 3); `CORRUPTIONS` are the 15 that enter
the mean corruption error, `EXTRA_CORRUPTIONS` the four that are held out.
"""

from collections.abc import Callable

import numpy as np

from augmix.checks import check_choice, check_images, choose_preset
from augmix.corruptions.chunks import Corruption, corrupt_in_chunks
from augmix.corruptions.constants import PARAMETERS

try:
    from augmix.corruptions import blur, digital, noise, weather
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}; run `pip install 'augmix[corruptions]'`", name=error.name) from None

__all__ = ["CORRUPTIONS", "EXTRA_CORRUPTIONS", "NAMES", "corrupt"]


def _noise(table: Callable[[float], np.ndarray]) -> Corruption:
    return lambda images, keys, parameter: noise.add_noise(images, table(parameter), keys)


FUNCTIONS: dict[str, Corruption] = {
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
NAMES = tuple(FUNCTIONS)
"""Everything that `corrupt` takes: those 19, and any that were added since and stand in no published set."""


def corrupt(
    images: np.ndarray, name: str, severity: int, seed: int = 0, preset: str | None = None, first: int = 0
) -> np.ndarray:
    """Corrupt images: uint8 (N, H, W, 3) RGB, at least 8 pixels a side, to the same shape and dtype.

    `name` is one of `NAMES`, `severity` 1 … 5. `preset` picks the constants made
    for sides of 32 ("cifar"), 64 ("tiny") or 224 ("imagenet"); None takes those whose side is nearest to the
    shorter side. An image's randomness depends on the seed, the name, the severity and its index alone. To
    work in chunks, pass as `first` the index of the chunk's first image: the pixels are those of one call.

    Raises TypeError or ValueError naming the argument; `augmix.errors.UserError` where frost's photographs are
    not installed.
    """
    check_images(images)
    check_choice("name", name, NAMES)
    parameters = PARAMETERS[name][choose_preset(preset, images)]
    return corrupt_in_chunks(FUNCTIONS[name], parameters, images, name, severity, seed, first)
