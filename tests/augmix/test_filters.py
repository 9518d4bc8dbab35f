"""The shared filters against scipy, colorsys and plain loops."""

import colorsys

import numpy as np
import pytest
from scipy import ndimage

from augmix.corruptions import filters, noise


def some_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("sigma", [0.05, 0.25, 0.4, 1.0, 2.7])
@pytest.mark.parametrize("truncate", [4.0, 7.0])
def test_gaussian_blur_is_scipys(sigma: float, truncate: float) -> None:
    gray = np.random.default_rng(0).uniform(size=(2, 9, 13))
    expected = ndimage.gaussian_filter(gray, (0, sigma, sigma), mode="nearest", truncate=truncate)
    assert np.allclose(filters.gaussian_blur(gray, sigma, truncate), expected, atol=1e-12)
    color = np.repeat(gray[..., None], 3, axis=3).astype(np.float32)
    blurred = filters.gaussian_blur(color, sigma, truncate)
    assert blurred.dtype == np.float32
    assert np.allclose(blurred, expected[..., None], atol=1e-6)


def plain_motion_blur(image: np.ndarray, radius: int, sigma: float, degrees: float) -> np.ndarray:
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    height, width = image.shape[:2]
    result = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            total = np.zeros(image.shape[2:])
            for i, weight in enumerate(weights):
                row = y + int(np.ceil(i * np.sin(np.radians(degrees)) - 0.5))
                column = x + int(np.ceil(i * np.cos(np.radians(degrees)) - 0.5))
                total += weight * image[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
            result[y, x] = np.floor(257 * total + 0.5) // 257
    return result


@pytest.mark.parametrize(("radius", "sigma"), [(3, 1.0), (6, 2.0), (12, 9.0)])
def test_motion_blur_is_the_plain_sum(radius: int, sigma: float) -> None:
    angles = np.array([-180.0, -135.0, -90.0, -45.0, -7.3, 0.0, 33.0, 90.0, 161.0])
    color = some_images(len(angles), 11, 14, 3)
    blurred = filters.motion_blur(color, radius, sigma, angles)
    for image, result, angle in zip(color, blurred, angles, strict=True):
        assert np.array_equal(result, plain_motion_blur(image, radius, sigma, angle))
    gray = np.ascontiguousarray(color[..., 0])
    assert np.array_equal(filters.motion_blur(gray, radius, sigma, angles), blurred[..., 0])


def test_motion_blur_keeps_an_even_image() -> None:
    even = np.arange(256, dtype=np.uint8).repeat(64).reshape(256, 8, 8)
    assert np.array_equal(filters.motion_blur(even, 10, 3, np.linspace(-180, 180, 256)), even)


def test_correlate_mirrors_at_the_border() -> None:
    images = some_images(2, 9, 12, 3)
    kernel = np.random.default_rng(1).dirichlet(np.ones(121)).reshape(11, 11)
    rows, columns = (np.tile(axis.ravel() - 5, (2, 1)) for axis in np.indices((11, 11)))
    result = filters.correlate(images, kernel.ravel(), rows, columns, "reflect", 1e-9)
    expected = ndimage.correlate(images.astype(float), kernel[None, :, :, None], mode="mirror")
    assert np.array_equal(result, np.floor(expected + 1e-9).astype(np.uint8))


@pytest.mark.parametrize("factor", [1, 1.01, 1.15, 1.25, 1.75, 2.25, 3, 4.5])
@pytest.mark.parametrize("size", [28, 32, 45, 64])
def test_zoom_taps_are_scipys_zoom(size: int, factor: float) -> None:
    line = np.random.default_rng(0).uniform(size=size)
    crop = int(np.ceil(size / factor))
    start = (size - crop) // 2
    zoomed = ndimage.zoom(line[start : start + crop], factor, order=1)
    trim = (len(zoomed) - size) // 2
    index, fraction = filters.zoom_taps(size, factor)
    result = line[index] * (1 - fraction) + line[index + 1] * fraction
    assert np.allclose(result, zoomed[trim : trim + size])


def test_snow_layers_are_cut_off_and_unzoomed_ones_are_normal() -> None:
    keys = noise.image_keys(0, "snow", 1, 0, 200)
    layers = filters.snow_layers(keys, (32, 40), 0.3, 0.2, 1, 0.6)
    assert layers.shape == (200, 32, 40)
    assert layers[layers > 0].min() == 153
    flakes = np.clip(np.random.default_rng(0).normal(0.3, 0.2, layers.shape), 0, 1)
    flakes[flakes < 0.6] = 0
    assert (layers > 0).mean() == pytest.approx((flakes > 0).mean(), rel=0.05)
    assert layers.mean() == pytest.approx((flakes * 255).astype(int).mean(), rel=0.05)


def test_add_snow_is_the_formula() -> None:
    images, layers = some_images(3, 8, 10, 3), some_images(3, 8, 10) // 4
    unit = images / 255
    gray = (unit @ [0.299, 0.587, 0.114])[..., None]
    white = 0.7 * unit + 0.3 * np.maximum(unit, 1.5 * gray + 0.5)
    snow = (layers + layers[:, ::-1, ::-1].astype(float))[..., None] / 255
    expected = (np.clip(white + snow, 0, 1) * 255).astype(int)
    assert np.abs(filters.add_snow(images, layers, 0.7) - expected).max() <= 1


def test_water_brightens_where_the_layer_is_and_nowhere_else() -> None:
    images = np.full((2, 32, 32, 3), 40, np.uint8)
    layers = np.zeros((2, 32, 32))
    layers[0, 8:20, 10:22] = 0.8
    wet = filters.add_water(images, layers, 0.6)
    assert np.array_equal(wet[1], images[1])
    dry = layers[0] == 0
    assert np.array_equal(wet[0][dry], images[0][dry])
    # The thickest water adds its colour times the weight.
    assert wet[0].reshape(-1, 3).max(0) == pytest.approx(40 + 0.6 * np.array([175, 238, 238]), abs=1)


def test_adjust_hsv_is_colorsyss() -> None:
    images = some_images(1, 20, 20, 3)
    images[0, 0] = images[0, 0, :, :1]  # grays
    images[0, 1, :, 0] = images[0, 1, :, 1]  # two equal channels
    result = filters.adjust_hsv(images, saturation_scale=1.5, saturation_shift=0.1, value_shift=-0.2)
    for pixel, adjusted in zip(images.reshape(-1, 3), result.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        saturation, value = np.clip(1.5 * saturation + 0.1, 0, 1), np.clip(value - 0.2, 0, 1)
        expected = np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 255
        assert np.abs(adjusted - np.floor(expected + 1e-6)).max() <= 1


def test_the_round_trip_through_hsv_lowers_some_values() -> None:
    images = some_images(10, 32, 32, 3)
    change = filters.adjust_hsv(images).astype(int) - images
    assert set(np.unique(change)) == {-1, 0}
    assert 0.1 < (change == -1).mean() < 0.3  # uniform colours; photographs have 5 to 8 %
