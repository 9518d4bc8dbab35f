"""The corruptions of CIFAR-10-C̄ and ImageNet-C̄ (Mintun, Kirillov & Xie, NeurIPS 2021), chosen to be unlike -C's.

`bar.corrupt(images, "ripple", severity=3)` corrupts any square uint8 images (N, S, S, 3); `corruptions_of(preset)`
are the ten of a preset. The functions of the modules beside are (images, keys, level) -> images.
"""

import numpy as np

from augmix.checks import check_choice, check_square, choose_preset
from augmix.corruptions.bar import occlusions, patterns, warps
from augmix.corruptions.chunks import Corruption, corrupt_in_chunks

__all__ = ["corrupt", "corruptions_of"]

_FUNCTIONS: dict[str, Corruption] = {
    "blue_noise_sample": patterns.blue_noise_sample,
    "brownish_noise": patterns.brownish_noise,
    "caustic_refraction": warps.caustic_refraction,
    "checkerboard_cutout": occlusions.checkerboard_cutout,
    "circular_motion_blur": warps.circular_motion_blur,
    "cocentric_sine_waves": patterns.cocentric_sine_waves,
    "inverse_sparkles": occlusions.inverse_sparkles,
    "lines": occlusions.lines,
    "perlin_noise": patterns.perlin_noise,
    "pinch_and_twirl": warps.pinch_and_twirl,
    "plasma_noise": patterns.plasma_noise,
    "ripple": warps.ripple,
    "single_frequency_greyscale": patterns.single_frequency_greyscale,
    "sparkles": occlusions.sparkles,
    "transverse_chromatic_abberation": warps.transverse_chromatic_abberation,
}

# The levels of severities 1 … 5, of 0 … 10. The names are spelt as in the published files.
_CIFAR: dict[str, tuple[float, ...]] = {
    "blue_noise_sample": (0.7, 1.4, 2.1, 3.5, 4.2),
    "brownish_noise": (2.5, 4, 5.5, 6.5, 7),
    "checkerboard_cutout": (1, 2, 3, 4, 5),
    "circular_motion_blur": (2.8, 3.6, 4.4, 5.2, 6),
    "inverse_sparkles": (1, 1.5, 2.5, 4.5, 5),
    "lines": (0.5, 1, 1.5, 2, 2.5),
    "pinch_and_twirl": (5.5, 6, 6.5, 8.5, 10),
    "ripple": (5.5, 6, 6.5, 7.5, 8),
    "sparkles": (0.7, 3.5, 5.6, 6.3, 7),
    "transverse_chromatic_abberation": (1, 2, 5, 9, 10),
}
_IMAGENET: dict[str, tuple[float, ...]] = {
    "blue_noise_sample": (0.8, 1.6, 2.4, 4, 5.6),
    "brownish_noise": (1, 2, 3, 4, 5),
    "caustic_refraction": (2.35, 3.2, 4.9, 6.6, 9.15),
    "checkerboard_cutout": (2, 3, 4, 5, 6),
    "cocentric_sine_waves": (3, 5, 8, 9, 10),
    "inverse_sparkles": (1, 2, 4, 9, 10),
    "perlin_noise": (4.6, 5.2, 5.8, 7.6, 8.8),
    "plasma_noise": (4.75, 7, 8.5, 9.25, 10),
    "single_frequency_greyscale": (1, 1.5, 2, 4.5, 5),
    "sparkles": (1, 2, 3, 5, 6),
}
LEVELS = {"cifar": _CIFAR, "tiny": _CIFAR, "imagenet": _IMAGENET}
"""By preset and corruption; there is no set of 64 pixels, for which CIFAR's are taken."""


def corruptions_of(preset: str) -> tuple[str, ...]:
    """Return the names of the ten corruptions that a preset has; all of them enter its mean."""
    return tuple(LEVELS[preset])


def corrupt(
    images: np.ndarray, name: str, severity: int, seed: int = 0, preset: str | None = None, first: int = 0
) -> np.ndarray:
    """Corrupt square images: uint8 (N, S, S, 3) RGB, at least 8 pixels a side, to the same shape and dtype.

    `name` is one of `corruptions_of(preset)`; the other arguments, the randomness and the errors are those of
    `augmix.corruptions.corrupt`.
    """
    check_square(images)
    levels = LEVELS[choose_preset(preset, images)]
    check_choice("name", name, tuple(levels))
    return corrupt_in_chunks(_FUNCTIONS[name], levels[name], images, name, severity, seed, first)
