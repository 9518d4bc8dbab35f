"""Textures without shapes and shapes without textures, against plain constructions on real digits and photographs."""

import numpy as np
import pytest
from skimage.filters import threshold_otsu
from sklearn.datasets import load_sample_images

from augmix.corruptions import textures
from augmix.suite.data.loaders import digits


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Sixty-four pixels of real photographs: uint8 (6, 64, 64, 3)."""
    return np.stack(
        [photo[y : y + 256 : 4, y : y + 256 : 4] for photo in load_sample_images().images for y in (0, 60, 120)]
    )


@pytest.mark.parametrize("name", textures.TEXTURES)
def test_an_image_depends_on_its_own_place_and_seed_alone(images: np.ndarray, name: str) -> None:
    whole = textures.corrupt(images, name, 2, seed=3)
    assert whole.dtype == np.uint8
    assert whole.shape == images.shape
    assert np.array_equal(textures.corrupt(images[4:5], name, 2, seed=3, first=4), whole[4:5])
    assert (name == "patch_shuffle") != np.array_equal(textures.corrupt(images, name, 2, seed=4), whole)


@pytest.mark.parametrize(("severity", "grid"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32)])
def test_patches_are_shuffled_and_none_is_lost(images: np.ndarray, severity: int, grid: int) -> None:
    def patches(image: np.ndarray) -> list[bytes]:
        side = 64 // grid
        return [image[y : y + side, x : x + side].tobytes() for y in range(0, 64, side) for x in range(0, 64, side)]

    shuffled = textures.corrupt(images, "patch_shuffle", severity)
    for before, after in zip(images, shuffled, strict=True):
        assert sorted(patches(before)) == sorted(patches(after))
    assert (shuffled != images).any()


def test_of_a_side_that_is_no_multiple_the_rest_stays(images: np.ndarray) -> None:
    odd = images[:, :39, :39]
    shuffled = textures.corrupt(odd, "patch_shuffle", 3)
    assert np.array_equal(shuffled[:, 32:], odd[:, 32:])
    assert np.array_equal(shuffled[:, :, 32:], odd[:, :, 32:])
    assert textures.corrupt(odd[:, :8, :8], "patch_shuffle", 5).shape == (6, 8, 8, 3)


@pytest.mark.parametrize(("name", "severity", "cutoff"), [("low_pass", 2, 0.45), ("high_pass", 3, 0.2)])
def test_filters_keep_whole_frequencies(images: np.ndarray, name: str, severity: int, cutoff: float) -> None:
    """The whole transform, frequency by frequency, of one channel."""
    found = textures.corrupt(images, name, severity)[1, :, :, 2].astype(float)
    spectrum = np.fft.fftshift(np.fft.fft2(images[1, :, :, 2].astype(float)))
    for y in range(64):
        for x in range(64):
            radius = np.sqrt((y - 32) ** 2 + (x - 32) ** 2) / 32
            if radius > cutoff if name == "low_pass" else radius <= cutoff:
                spectrum[y, x] = 0
    plain = np.fft.ifft2(np.fft.ifftshift(spectrum)).real + (0 if name == "low_pass" else 127.5)
    assert np.abs(found - plain.clip(0, 255)).max() <= 0.5 + 1e-6


def test_the_five_severities_keep_less_and_less(images: np.ndarray) -> None:
    for name in ("low_pass", "high_pass"):
        kept = [textures.corrupt(images, name, s).astype(float).std(axis=(1, 2, 3)).mean() for s in range(1, 6)]
        assert (np.diff(kept) < 0).all()


def test_a_silhouette_is_what_otsu_parts_from_the_rim(images: np.ndarray) -> None:
    real = digits.load().test_images[:20]
    for batch in (real, images):
        found = textures.silhouette(batch)
        assert set(np.unique(found)) == {0, 255}
        for image, shape in zip(batch, found, strict=True):
            grey = np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
            above = grey > threshold_otsu(grey)
            rim = np.concatenate([above[0], above[-1], above[:, 0], above[:, -1]])
            assert np.array_equal(shape[..., 0] == 0, above != (rim.mean() > 0.5))
    assert (textures.silhouette(real)[:, 0, 0] == 255).all()  # digits are strokes within
    assert (textures.silhouette(np.full((1, 8, 8, 3), 7, np.uint8)) == 255).all()


def test_conflicting_cues_have_the_phases_of_the_one_and_the_amplitudes_of_the_other(images: np.ndarray) -> None:
    assert np.array_equal(textures.cue_conflict(images, images), images)
    made = textures.cue_conflict(images, images[::-1])
    shape, texture = (np.fft.fft2(image[..., 1].astype(float)) for image in (images[0], images[-1]))
    plain = np.fft.ifft2(np.abs(texture) * np.exp(1j * np.angle(shape))).real
    assert np.abs(made[0, ..., 1] - plain.clip(0, 255)).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(("side", "i", "j"), [(32, 0, 0), (32, 3, -5), (32, -16, 0), (32, -16, 7), (33, 4, 16)])
def test_a_fourier_basis_image_has_one_frequency_and_its_mirror(side: int, i: int, j: int) -> None:
    wave = textures.fourier_basis(side, i, j)
    assert np.linalg.norm(wave) == pytest.approx(1)
    assert wave.dtype == np.float64
    spectrum = np.abs(np.fft.fft2(wave))
    there = {(y, x) for y, x in np.argwhere(spectrum > 1e-9).tolist()}
    assert there == {(i % side, j % side), (-i % side, -j % side)}


def test_fourier_noise_is_of_its_norm_in_each_channel() -> None:
    grey = np.full((2, 32, 32, 3), 128, np.uint8)
    signs = np.array([[1, -1, 1], [-1, -1, 1]])
    noise = textures.fourier_noise(grey, 2, 3, 4.0, signs).astype(float) - 128
    assert np.sqrt((noise**2).sum(axis=(1, 2))) == pytest.approx(np.full((2, 3), 4 * 255), rel=0.01)
    assert np.array_equal(noise[0, :, :, 0], noise[1, :, :, 2])
    assert np.abs(noise[0, :, :, 0] + noise[0, :, :, 1]).max() <= 1  # halves are rounded to even
    assert textures.fourier_noise(grey, 2, 3, 1000.0, signs).max() == 255


def test_arguments_are_checked(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="images must be square"):
        textures.corrupt(images[:, :40], "low_pass", 1)
    with pytest.raises(ValueError, match="unknown name 'low_pas'; did you mean 'low_pass'"):
        textures.corrupt(images, "low_pas", 1)
    with pytest.raises(ValueError, match="severity"):
        textures.corrupt(images, "low_pass", 6)
