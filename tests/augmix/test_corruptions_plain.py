"""Every corruption against a plain construction, one image at a time, written from the benchmark's definition."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from augmix.corruptions import corrupt
from augmix.corruptions.constants import PARAMETERS
from augmix.corruptions.digital import _smooth
from benchmarks.plain_corruptions import (
    EXACT,
    PRESETS,
    RANDOM,
    SLOW,
    deviation,
    elastic_transform,
    photographs,
    statistics,
)

# ---- what has one right answer


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("plain", EXACT, ids=lambda plain: plain.__name__)
def test_deterministic_corruptions_equal_the_plain_construction(plain: Callable, size: int) -> None:
    cifar, tiny, tolerance = EXACT[plain]
    images = photographs(6, size)
    for severity, constants in enumerate(cifar if size == 32 else tiny, 1):
        expected = np.stack([plain(image, constants) for image in images])
        difference = corrupt(images, plain.__name__, severity).astype(int) - expected
        assert np.abs(difference).max() <= tolerance


def test_a_white_image_stays_white_under_zoom_blur() -> None:
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    assert np.array_equal(corrupt(white, "zoom_blur", 5), white)


# ---- what is random: the same distribution


def assert_same_distribution(ours: np.ndarray, plain: np.ndarray) -> None:
    """Within 3 % and sampling error."""
    difference, error = deviation(ours, plain)
    assert (difference <= 0.03 + 4 * error).all(), (ours.mean(1), plain.mean(1), error)


@pytest.mark.parametrize(
    ("size", "severities"),
    [(32, (1, 2, 3, 4, 5)), (64, (5,)), pytest.param(64, (1, 2, 3, 4), marks=pytest.mark.nightly)],
)
@pytest.mark.parametrize("name", RANDOM)
def test_random_corruptions_have_the_plain_distribution(name: str, size: int, severities: tuple[int, ...]) -> None:
    if name == "frost":
        pytest.importorskip("imagecorruptions", reason="the frost photographs are not installed")
    count = 4_000 // size if name in SLOW else 16_000 // size
    images = np.tile(photographs(10, size), (count // 10, 1, 1, 1))
    rng = np.random.default_rng(1)
    for severity in severities:
        constants = PARAMETERS[name][PRESETS[size]][severity - 1]
        expected = np.stack([RANDOM[name](image, constants, rng) for image in images])
        result = corrupt(images, name, severity)
        assert_same_distribution(statistics(result, images), statistics(expected, images))


# ---- at 224 pixels: the imagecorruptions package, an independent generator


DETERMINISTIC_AT_224 = [plain.__name__ for plain in EXACT]
# Not its frost (six photographs, enlarged) and its elastic_transform (another algorithm).
RANDOM_AT_224 = [name for name in RANDOM if name not in ("frost", "elastic_transform")]


def peer(images: np.ndarray, severity: int, name: str) -> np.ndarray:
    imagecorruptions = pytest.importorskip("imagecorruptions", reason="imagecorruptions is not installed")
    np.random.seed(severity)
    return np.stack([imagecorruptions.corrupt(image, severity, name) for image in images])


@pytest.mark.parametrize("name", DETERMINISTIC_AT_224)
def test_deterministic_corruptions_equal_imagecorruptions(name: str) -> None:
    images = photographs(1, 224)
    for severity in range(1, 6):
        difference = corrupt(images, name, severity).astype(int) - peer(images, severity, name)
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("name", RANDOM_AT_224)
def test_random_corruptions_have_the_distribution_of_imagecorruptions(name: str) -> None:
    images = photographs(6, 224)
    for severity in (1, 5):
        expected = peer(images, severity, name)
        result = corrupt(images, name, severity)
        assert_same_distribution(statistics(result, images), statistics(expected, images))


def test_elastic_transform_at_224_has_the_plain_distribution() -> None:
    images = photographs(8, 224)
    rng = np.random.default_rng(2)
    for severity in (1, 4):
        constants = PARAMETERS["elastic_transform"]["imagenet"][severity - 1]
        expected = np.stack([elastic_transform(image, constants, rng) for image in images])
        result = corrupt(images, "elastic_transform", severity)
        assert_same_distribution(statistics(result, images), statistics(expected, images))


@pytest.mark.parametrize(("shape", "sigma"), [((24, 33), 18), ((120, 100), 52)])
def test_a_long_kernel_smooths_as_any_other_and_is_not_summed(
    shape: tuple[int, int], sigma: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = np.random.default_rng(0).uniform(-1, 1, (1, *shape, 2)).astype(np.float32)
    expected = ndimage.gaussian_filter(fields[0], (sigma, sigma, 0), mode="reflect", truncate=3)
    monkeypatch.delattr("cv2.sepFilter2D")
    _smooth(fields, sigma)
    assert np.abs(fields[0] - expected).max() < 1e-6
    assert expected.std() > 1e-4
