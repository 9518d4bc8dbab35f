"""The interface of the corruptions: seeding, chunks, sizes, severities and bad input."""

import importlib
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augmix.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, NAMES, corrupt, digital, weather
from augmix.errors import UserError

DETERMINISTIC = {
    *("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"),
    *("gaussian_blur", "saturate"),
}


def some_images(count: int, height: int = 32, width: int = 32) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(0)
    slope = rng.uniform(-0.5, 0.5, (count, 2, 3))
    wave = 128 + 110 * np.sin(y[..., None] * slope[:, 0, None, None] + x[..., None] * slope[:, 1, None, None])
    return (wave + rng.uniform(0, 15, wave.shape)).astype(np.uint8)


def test_the_fifteen_and_the_four_are_in_the_papers_order() -> None:
    expected = (
        *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur"),
        *("zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate"),
        "jpeg_compression",
    )
    assert expected == CORRUPTIONS
    assert EXTRA_CORRUPTIONS == ("speckle_noise", "gaussian_blur", "spatter", "saturate")


@pytest.mark.parametrize("name", NAMES)
def test_pixels_depend_on_the_seed_and_the_index_alone(name: str) -> None:
    images = np.tile(some_images(1), (400, 1, 1, 1))  # more than one internal chunk
    whole = corrupt(images, name, 3, seed=5)
    assert np.array_equal(corrupt(images[:7], name, 3, seed=5), whole[:7])
    assert np.array_equal(corrupt(images[390:393], name, 3, seed=5, first=390), whole[390:393])
    deterministic = np.array_equal(whole[0], whole[1])
    assert np.array_equal(corrupt(images, name, 3, seed=6), whole) == deterministic
    if name in CORRUPTIONS + EXTRA_CORRUPTIONS:
        assert deterministic == (name in DETERMINISTIC)


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (33, 45), (64, 64), (224, 224), (360, 331)])
@pytest.mark.parametrize("name", NAMES)
def test_every_size_and_severity(name: str, size: tuple[int, int]) -> None:
    images = some_images(1, *size)
    before = images.copy()
    for severity in (1, 2, 3, 4, 5):
        result = corrupt(images, name, severity)
        assert result.shape == images.shape
        assert result.dtype == np.uint8
        assert np.array_equal(images, before)
        # Zooms of 8 pixels by less than 1.07 show all 8 of them.
        assert np.array_equal(result, images) == (name == "zoom_blur" and size == (8, 8) and severity == 1)


@pytest.mark.parametrize("color", [0, 255])
@pytest.mark.parametrize("name", CORRUPTIONS + EXTRA_CORRUPTIONS)
def test_flat_images(name: str, color: int) -> None:
    images = np.full((2, 32, 32, 3), color, np.uint8)
    result = corrupt(images, name, 4)
    if "noise" not in name and name not in ("snow", "frost", "brightness", "spatter", "saturate", "fog"):
        assert np.abs(result.astype(int) - color).max() <= 1


@pytest.mark.parametrize("size", [(45, 100), (100, 51), (100, 45), (150, 20)])
def test_pixelate_has_pillows_values_and_of_tall_images_nearly(size: tuple[int, int]) -> None:
    (height, width), factor = size, 0.25
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    small = (int(width * factor), int(height * factor))
    shrunk = [Image.fromarray(image).resize(small, Image.Resampling.BOX) for image in images]
    expected = np.stack([np.asarray(image.resize((width, height), Image.Resampling.BOX)) for image in shrunk])
    found = digital.pixelate(images, np.empty(0), factor)
    # Pillow from 13 on begins with the rows where images are taller than twice their width.
    assert np.abs(found.astype(int) - expected).max() <= (height > 2 * width)


def test_images_may_be_strided_or_read_only() -> None:
    images = some_images(4)
    expected = corrupt(images, "motion_blur", 2)
    read_only = images.copy()
    read_only.flags.writeable = False
    assert np.array_equal(corrupt(read_only, "motion_blur", 2), expected)
    strided = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert np.array_equal(corrupt(strided, "motion_blur", 2), expected)


def test_threads_give_the_same_pixels() -> None:
    images = some_images(40)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: corrupt(images, name, 2), NAMES))
    for name, result in zip(NAMES, results, strict=True):
        assert np.array_equal(result, corrupt(images, name, 2))


# Not the others: from one severity to the next some exchange strength for another kind of change.
@pytest.mark.parametrize(
    "name",
    [
        *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "gaussian_blur", "defocus_blur"),
        *("zoom_blur", "fog", "brightness", "contrast", "jpeg_compression"),
    ],
)
def test_a_higher_severity_changes_more(name: str) -> None:
    images = some_images(60)
    change = [np.abs(corrupt(images, name, s).astype(int) - images).mean() for s in range(1, 6)]
    assert change == sorted(change)


def test_the_preset_follows_the_shorter_side() -> None:
    for size, preset in [((28, 90), "cifar"), ((60, 300), "tiny"), ((200, 200), "imagenet")]:
        images = some_images(2, *size)
        assert np.array_equal(corrupt(images, "fog", 3), corrupt(images, "fog", 3, preset=preset))
    images = some_images(2)
    assert not np.array_equal(corrupt(images, "contrast", 1), corrupt(images, "contrast", 1, preset="tiny"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": [[0]]}, TypeError, "images must be a numpy array, not list"),
        ({"images": some_images(1) / 255}, TypeError, "images must be uint8 in 0 … 255, not float64"),
        ({"images": some_images(1)[0]}, ValueError, r"images must have shape \(N, H, W, 3\)"),
        ({"images": some_images(1).transpose(0, 3, 1, 2)}, ValueError, r"images must have shape \(N, H, W, 3\)"),
        ({"images": some_images(1)[:0]}, ValueError, "images is empty"),
        ({"images": some_images(1, 7, 40)}, ValueError, "at least 8 pixels"),
        ({"name": "gausian_noise"}, ValueError, "unknown name 'gausian_noise'; did you mean 'gaussian_noise'?"),
        ({"name": "xyz"}, ValueError, "valid: brightness, contrast, defocus_blur"),
        ({"name": 3}, ValueError, "unknown name 3"),
        ({"severity": 0}, ValueError, "severity must be 1 … 5, not 0"),
        ({"severity": 6}, ValueError, "severity must be 1 … 5, not 6"),
        ({"severity": 2.0}, TypeError, "severity must be an integer, not 2.0"),
        ({"severity": True}, TypeError, "severity must be an integer, not True"),
        ({"seed": "a"}, TypeError, "seed must be an integer"),
        ({"first": -1}, ValueError, "first must be at least 0"),
        ({"preset": "cifar10"}, ValueError, "unknown preset 'cifar10'; did you mean 'cifar'?"),
    ],
)
def test_bad_input_names_the_argument(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"images": some_images(1), "name": "fog", "severity": 1} | change
    with pytest.raises(error, match=message):
        corrupt(**arguments)


def test_missing_frost_photographs_are_the_users_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: Callable[[str], None] = lambda name: None  # noqa: E731
    monkeypatch.setattr(weather, "find_spec", absent)
    weather._frost_photographs.cache_clear()
    with pytest.raises(UserError, match="pip install --no-deps imagecorruptions-imaug"):
        corrupt(some_images(1), "frost", 1)


def test_it_is_reached_through_the_package() -> None:
    assert importlib.import_module("augmix").corruptions.corrupt is corrupt


def test_zoom_blur_of_a_photograph_needs_little_memory() -> None:
    image = np.zeros((1, 540, 960, 3), np.uint8)
    corrupt(image[:, :64, :64], "zoom_blur", 2, preset="imagenet")  # compiled
    tracemalloc.start()
    corrupt(image, "zoom_blur", 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * image.nbytes
