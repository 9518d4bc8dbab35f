"""The corruptions of C̄: against plain constructions with the same draws, and their interface."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from augmix.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, bar, noise
from benchmarks.plain_corruptions import photographs
from benchmarks.plain_corruptions_bar import PLAIN, corrupted, pinch_and_twirl

ALL = tuple(plain.__name__ for plain in PLAIN)
# The published ones are made of float32, and round halves by the last bit of a sum of sixteen.
LARGEST_SHARE = {"circular_motion_blur": 0.005, "transverse_chromatic_abberation": 0.005}


SPECTRAL = ("blue_noise_sample", "brownish_noise")  # whose plain construction is of even sides
SIZES = (("cifar", 32), ("cifar", 33), ("tiny", 64), ("imagenet", 33), ("imagenet", 224))
CASES = [
    (plain, preset, size)
    for plain, levels in PLAIN.items()
    for preset, size in SIZES
    if levels[preset == "imagenet"] and not (plain.__name__ in SPECTRAL and size % 2)
]


@pytest.mark.parametrize(
    ("plain", "preset", "size"),
    [*CASES, (pinch_and_twirl, "cifar", 224)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_they_equal_the_plain_construction(plain: Callable, preset: str, size: int) -> None:
    if plain.__name__ == "lines":
        pytest.importorskip("skimage", reason="the plain line is scikit-image's")
    images = photographs(1 if size == 224 else 4, size)
    for severity, level in enumerate(PLAIN[plain][preset == "imagenet"] or (), 1):
        keys = noise.image_keys(7, plain.__name__, severity, 2, len(images))
        expected = corrupted(images, plain, level, keys)
        result = bar.corrupt(images, plain.__name__, severity, seed=7, preset=preset, first=2)
        difference = np.abs(result.astype(int) - expected)
        assert difference.max() <= 1
        assert (difference > 0).mean() <= LARGEST_SHARE.get(plain.__name__, 0)
        assert (result != images).mean() > 0.005


def test_noise_of_an_odd_side_has_the_spectrum_as_well() -> None:
    grey = np.full((20, 33, 33, 3), 128, np.uint8)
    noises = bar.corrupt(grey, "brownish_noise", 1) / 16 - 8
    power = (np.abs(np.fft.fft2(noises, axes=(1, 2))) ** 2).mean(axis=(0, 3))
    assert power[1:4, 0].mean() > 300 * power[12:21, 12:21].mean()
    assert noises.std(axis=(1, 2)).mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ALL)
def test_pixels_depend_on_the_seed_and_the_index_alone(name: str) -> None:
    images = np.tile(photographs(1, 32), (200, 1, 1, 1))  # more than one internal chunk
    preset = "cifar" if name in bar.corruptions_of("cifar") else "imagenet"

    def corrupt(some: np.ndarray, seed: int, first: int = 0) -> np.ndarray:
        return bar.corrupt(some, name, 3, seed, preset, first)

    whole = corrupt(images, 5)
    assert np.array_equal(corrupt(images[:7], 5), whole[:7])
    assert np.array_equal(corrupt(images[190:193], 5, first=190), whole[190:193])
    fixed = name == "circular_motion_blur"
    assert np.array_equal(whole[: len(whole) // 2], whole[len(whole) // 2 :]) == fixed
    assert np.array_equal(corrupt(images, 6), whole) == fixed


@pytest.mark.parametrize("size", [8, 28, 45])
@pytest.mark.parametrize(
    ("preset", "name"), [(preset, name) for preset in ("cifar", "imagenet") for name in bar.corruptions_of(preset)]
)
def test_every_size_and_severity(preset: str, name: str, size: int) -> None:
    images = photographs(1, size)
    before = images.copy()
    images.flags.writeable = False
    for severity in (1, 2, 3, 4, 5):
        result = bar.corrupt(images, name, severity, preset=preset)
        assert (result.shape, result.dtype) == (images.shape, np.uint8)
        assert np.array_equal(images, before)


@pytest.mark.parametrize("value", [0, 90, 255])
def test_turning_leaves_the_middle_of_an_even_image_as_it_is(value: int) -> None:
    image = np.full((1, 32, 32, 3), value, np.uint8)
    result = bar.corrupt(image, "circular_motion_blur", 5)
    assert (result[0, 8:24, 8:24] == value).all()
    assert (result[0, 0, 0] < value).all() or value == 0


def test_the_tens_are_those_of_the_paper_and_none_is_of_c() -> None:
    assert bar.corruptions_of("cifar") == bar.corruptions_of("tiny") == (
        *("blue_noise_sample", "brownish_noise", "checkerboard_cutout", "circular_motion_blur", "inverse_sparkles"),
        *("lines", "pinch_and_twirl", "ripple", "sparkles", "transverse_chromatic_abberation"),
    )  # fmt: skip
    assert bar.corruptions_of("imagenet") == (
        *("blue_noise_sample", "brownish_noise", "caustic_refraction", "checkerboard_cutout", "cocentric_sine_waves"),
        *("inverse_sparkles", "perlin_noise", "plasma_noise", "single_frequency_greyscale", "sparkles"),
    )
    assert not {*ALL} & {*CORRUPTIONS, *EXTRA_CORRUPTIONS}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": np.zeros((1, 32, 33, 3), np.uint8)}, ValueError, r"images must be square, not \(32, 33\)"),
        ({"images": np.zeros((1, 32, 32), np.uint8)}, ValueError, r"images must have shape \(N, H, W, 3\)"),
        ({"name": "sparkle"}, ValueError, "unknown name 'sparkle'; did you mean 'sparkles'?"),
        ({"name": "fog"}, ValueError, "unknown name 'fog'; valid: blue_noise_sample"),
        ({"name": "caustic_refraction"}, ValueError, "unknown name 'caustic_refraction'; valid: blue_noise"),
        ({"preset": "imagenet"}, ValueError, "unknown name 'ripple'"),
        ({"severity": 6}, ValueError, "severity must be 1 … 5, not 6"),
        ({"seed": "a"}, TypeError, "seed must be an integer"),
        ({"first": -1}, ValueError, "first must be at least 0"),
        ({"preset": "cifar10"}, ValueError, "unknown preset 'cifar10'; did you mean 'cifar'?"),
    ],
)
def test_bad_input_names_the_argument(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"images": photographs(1, 32), "name": "ripple", "severity": 1} | change
    with pytest.raises(error, match=message):
        bar.corrupt(**arguments)
