"""Each sequence against a plain construction, frame by frame, from the benchmark's definition."""

import colorsys
import math
import subprocess
import sys
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from augmix.checks import PRESETS
from augmix.perturbations import (
    EXTRA_PERTURBATIONS,
    GEOMETRIC_PERTURBATIONS,
    NOISE_PERTURBATIONS,
    PERTURBATIONS,
    _affine,
    extra_perturbations_of,
    frame_count,
    perturb,
    perturbations_of,
)

AFFINE, BILINEAR = Image.Transform.AFFINE, Image.Resampling.BILINEAR
ALL = (*PERTURBATIONS, *EXTRA_PERTURBATIONS)
RANDOM = (*NOISE_PERTURBATIONS, "snow", "spatter")


def make_images(count: int, height: int, width: int | None = None) -> np.ndarray:
    """Soft blobs with some grain: flat, smooth and sharp places, black and white among them."""
    rng = np.random.default_rng(height + count)
    blobs = gaussian_filter(rng.normal(size=(count, height, width or height, 3)), (0, 3, 3, 0))
    grain = rng.normal(size=blobs.shape) * (rng.random(blobs.shape) < 0.3)
    return np.clip(128 + 900 * blobs + 40 * grain, 0, 255).astype(np.uint8)


def affine(image: np.ndarray, matrix: np.ndarray, centre: float = 0.5) -> np.ndarray:
    """Read with Pillow at centre + matrix · (position − centre)."""
    height, width = image.shape[:2]
    middle = np.array([width / 2 + centre, height / 2 + centre])
    coefficients = np.column_stack([matrix, middle - matrix @ middle]).ravel()
    return np.asarray(Image.fromarray(image).transform((width, height), AFFINE, tuple(coefficients), BILINEAR))


def rotate(image: np.ndarray, i: int, preset: str) -> np.ndarray:
    c, s = math.cos(math.radians(i - 15)), math.sin(math.radians(i - 15))
    return affine(image, np.array([[c, s], [-s, c]]))


def scale(image: np.ndarray, i: int, preset: str) -> np.ndarray:
    factor = (70 + 2 * i if preset == "cifar" else 40 + 2.5 * i) / 100
    return affine(image, np.eye(2) / factor)


def shear(image: np.ndarray, i: int, preset: str) -> np.ndarray:
    angle = math.radians(i - 15)
    return affine(image, np.array([[1, math.tan(angle)], [0, 1 / math.cos(angle)]]))


def zoom_blur(image: np.ndarray, i: int, preset: str) -> np.ndarray:
    zooms = [affine(image, np.eye(2) / (1 + 0.004 * k)) for k in range(i + 1)]
    return np.mean(zooms, axis=0).astype(np.uint8)


def translate(image: np.ndarray, i: int, preset: str) -> np.ndarray:
    shift = i - {"cifar": 7, "tiny": 15, "imagenet": 20}[preset]
    size = image.shape[1::-1]
    return np.asarray(Image.fromarray(image).transform(size, AFFINE, (1, 0, -shift, 0, 1, 0)))


def tilt(image: np.ndarray, i: int, preset: str) -> np.ndarray:
    h, w = image.shape[:2]
    angle = np.deg2rad((0.75 if preset == "cifar" else 1) * (i - 15))
    c, s, f = np.cos(angle), np.sin(angle), np.sqrt(w**2 + h**2)
    p1 = np.array([[1, 0, -w / 2], [0, 1, -h / 2], [0, 0, 1], [0, 0, 1]])
    rx = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])
    ry = np.array([[c, 0, -s, 0], [0, 1, 0, 0], [s, 0, c, 0], [0, 0, 0, 1]])
    t = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, f], [0, 0, 0, 1]])
    p2 = np.array([[f, 0, w / 2, 0], [0, f, h / 2, 0], [0, 0, 1, 0]])
    return cv2.warpPerspective(image, p2 @ t @ rx @ ry @ p1, (w, h))


def brightness(image: np.ndarray, i: int, preset: str) -> np.ndarray:
    def brighten(pixel: np.ndarray) -> list[float]:
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        value = min(max(value + (i - 15) * (0.015 if preset == "cifar" else 0.02), 0), 1)
        return [int(channel * 255) for channel in colorsys.hsv_to_rgb(hue, saturation, value)]

    return np.apply_along_axis(brighten, 2, image)


def motion_blur(image: np.ndarray, i: int, preset: str) -> np.ndarray:
    radius, sigma, degrees = {
        "cifar": (6, 1.8, (i - 20) * 9),
        "tiny": (14, 3, (i - 30) * 5),
        "imagenet": (10, 3, (i - 30) * 4),
    }[preset]
    taps = range(2 * radius + 1)
    weights = np.exp([-(k**2) / (2 * sigma**2) for k in taps])
    padded = np.pad(image, ((40, 40), (40, 40), (0, 0)), mode="edge").astype(float)
    total = np.zeros(image.shape)
    for k, weight in zip(taps, weights / weights.sum(), strict=True):
        y = 40 + math.ceil(k * math.sin(math.radians(degrees)) - 0.5)
        x = 40 + math.ceil(k * math.cos(math.radians(degrees)) - 0.5)
        total += weight * padded[y : y + image.shape[0], x : x + image.shape[1]]
    return np.floor(np.floor(257 * total + 0.5) / 257)


def gaussian_blur(image: np.ndarray, i: int, preset: str) -> np.ndarray:
    sigma, truncate = {
        "cifar": (0.3 + 0.015 * i, 7),
        "tiny": (0.35 + 0.014 * i, 7),
        "imagenet": (0.25 + 0.035 * i, 6),
    }[preset]
    blurred = gaussian_filter(image / 255, (sigma, sigma, 0), mode="nearest", truncate=truncate)
    return (blurred * 255).astype(np.uint8)


PLAIN: list[Callable[[np.ndarray, int, str], np.ndarray]] = [
    rotate,
    scale,
    shear,
    zoom_blur,
    translate,
    tilt,
    brightness,
    motion_blur,
    gaussian_blur,
]


def deviation(frame: np.ndarray, expected: np.ndarray) -> int:
    return int(np.abs(frame.astype(int) - expected.astype(int)).max())


@pytest.mark.parametrize("plain", PLAIN, ids=lambda plain: plain.__name__)
def test_every_frame_at_32_is_that_of_the_plain_construction(
    plain: Callable[[np.ndarray, int, str], np.ndarray],
) -> None:
    images = make_images(2, 32)
    sequences = perturb(images, plain.__name__)
    for image, sequence in zip(images, sequences, strict=True):
        for i, frame in enumerate(sequence):
            assert deviation(frame, plain(image, i, "cifar")) <= 1, i


@pytest.mark.parametrize("preset", ["tiny", "imagenet"])
@pytest.mark.parametrize("plain", PLAIN, ids=lambda plain: plain.__name__)
def test_frames_at_larger_sides_are_those_of_the_plain_construction(
    plain: Callable[[np.ndarray, int, str], np.ndarray], preset: str
) -> None:
    [image] = make_images(1, PRESETS[preset])
    [sequence] = perturb(image[None], plain.__name__)
    for i in (0, 16, len(sequence) - 1):
        assert deviation(sequence[i], plain(image, i, preset)) <= 1, i


def test_affine_frames_are_those_of_pillow_to_the_bit() -> None:
    [image] = make_images(1, 33, 45)
    rng = np.random.default_rng(0)
    matrices = rng.normal([1, 0, 0, 0, 1, 0], [0.3, 0.3, 8, 0.3, 0.3, 8], (200, 6))
    matrices[:4] = np.round(matrices[:4])
    frames = np.empty((200, *image.shape), np.uint8)
    _affine(image, matrices, frames)
    for matrix, frame in zip(matrices, frames, strict=True):
        pillow = Image.fromarray(image).transform((45, 33), AFFINE, tuple(matrix), BILINEAR)
        np.testing.assert_array_equal(frame, np.asarray(pillow))


def test_rectangles_turn_about_their_own_centre() -> None:
    [image] = make_images(1, 40, 57)
    for plain in (rotate, scale, shear, zoom_blur, tilt):
        assert deviation(perturb(image[None], plain.__name__)[0, 3], plain(image, 3, "cifar")) <= 1


def test_the_modern_centre_is_the_middle_of_the_image() -> None:
    [image] = make_images(1, 32)
    modern = perturb(image[None], "scale", centre="modern")[0]
    assert deviation(modern[0], affine(image, np.eye(2) / 0.7, centre=0)) == 0
    assert deviation(modern[0], perturb(image[None], "scale")[0, 0]) > 20
    slant = affine(image, np.array([[1, math.tan(math.radians(-15))], [0, 1]]), centre=0)
    assert deviation(perturb(image[None], "shear", centre="modern")[0, 0], slant) == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_ten_enter_the_mean_and_four_are_held_out(preset: str) -> None:
    entering, held_out = perturbations_of(preset), extra_perturbations_of(preset)
    assert (len(entering), len(held_out)) == (10, 4)
    assert sorted(entering + held_out) == sorted(ALL)
    assert ("spatter" in entering, "snow" in entering) == (preset == "cifar", preset != "cifar")


# Frames and the position of the clean one, where there is one, in the order of PRESETS.
TABLE: dict[str, list[tuple[int, int | None]]] = {
    "gaussian_noise": [(31, 0)] * 3,
    "shot_noise": [(31, 0)] * 3,
    "speckle_noise": [(31, 0)] * 3,
    "motion_blur": [(21, None), (31, None), (31, None)],
    "zoom_blur": [(31, 0)] * 3,
    "translate": [(16, 7), (31, 15), (41, 20)],
    "rotate": [(31, 15)] * 3,
    "shear": [(31, 15)] * 3,
    "tilt": [(31, None)] * 3,
    "scale": [(31, 15), (31, 24), (31, 24)],
    "snow": [(31, None)] * 3,
    "spatter": [(31, None)] * 3,
    "gaussian_blur": [(31, None)] * 3,
    "brightness": [(31, None)] * 3,
}


@pytest.mark.parametrize("name", ALL)
def test_frame_counts_and_clean_frames(name: str) -> None:
    for (preset, side), (frames, clean) in zip(PRESETS.items(), TABLE[name], strict=True):
        images = make_images(1, side)
        sequences = perturb(images, name)
        assert sequences.dtype == np.uint8
        assert sequences.shape == (1, frames, side, side, 3)
        assert frame_count(name, preset) == frames
        equal = [i for i in range(frames) if np.array_equal(sequences[0, i], images[0])]
        assert equal == ([] if clean is None else [clean])


def test_brightness_by_zero_lowers_some_values_by_one() -> None:
    images = make_images(4, 32)
    lowered = images.astype(int) - perturb(images, "brightness")[:, 15]
    assert set(np.unique(lowered)) == {0, 1}
    assert 0.01 < lowered.mean() < 0.25


@pytest.mark.parametrize(
    ("name", "preset", "spread"),
    [
        ("gaussian_noise", "cifar", 0.02 * 255),
        ("gaussian_noise", "tiny", 0.025 * 255),
        ("gaussian_noise", "imagenet", 0.03 * 255),
        ("shot_noise", "cifar", 255 * math.sqrt(100 / 255 / 700)),
        ("shot_noise", "tiny", 255 * math.sqrt(100 / 255 / 500)),
        ("shot_noise", "imagenet", 255 * math.sqrt(100 / 255 / 300)),
        ("speckle_noise", "cifar", 0.05 * 100),
    ],
)
def test_noise_has_the_spread_of_its_definition_and_is_fresh_in_every_frame(
    name: str, preset: str, spread: float
) -> None:
    images = np.full((2, 32, 32, 3), 100, np.uint8)
    noisy = perturb(images, name, preset=preset)[:, 1:].astype(float)
    # 2·30·3072 draws: the standard error is .0023·spread for the mean, .0016·spread for the deviation.
    # Truncation lowers the mean by about a half and adds 1/12 to the variance.
    assert noisy.mean() == pytest.approx(99.5, abs=0.013 * spread + 0.1)
    assert noisy.std() == pytest.approx(math.sqrt(spread**2 + 1 / 12), rel=0.02)
    values = noisy.reshape(60, -1)
    correlation = np.corrcoef(values) - np.eye(60)
    assert np.abs(correlation).max() < 6 / math.sqrt(values.shape[1])


def test_black_stays_black_under_shot_and_speckle_noise() -> None:
    black = np.zeros((1, 32, 32, 3), np.uint8)
    assert not perturb(black, "shot_noise").any()
    assert not perturb(black, "speckle_noise").any()


def test_snow_falls_from_one_layer_and_from_its_half_turn() -> None:
    black = np.zeros((1, 64, 64, 3), np.uint8)
    sequence = perturb(black, "snow")[0]
    np.testing.assert_array_equal(sequence, sequence[:, ::-1, ::-1])
    assert sequence.min() == int(0.15 * 0.5 * 255)  # the grey that k = .85 adds to black
    # A motion blur moves the flakes' light about: its sum changes little, its place much.
    light = sequence.astype(float).mean(axis=(1, 2, 3)) - sequence.min()
    assert light.min() > 0.6 * light.max() > 0
    assert deviation(sequence[0], sequence[30]) > 20


def test_water_is_pale_turquoise_and_flows_down() -> None:
    black = np.zeros((8, 32, 32, 3), np.uint8)
    sequences = perturb(black, "spatter").astype(int)
    assert sequences[:, 0].max(axis=(1, 2)).tolist() == [[105, 142, 142]] * 8  # .6 of (175, 238, 238)
    wet = sequences.sum(axis=(0, 3, 4))  # (frame, row)
    assert wet[0, :8].any()
    assert not wet[30, :8].any()


@pytest.mark.parametrize("name", RANDOM)
def test_an_image_depends_on_seed_name_and_index_alone(name: str) -> None:
    images = np.repeat(make_images(1, 32), 5, axis=0)
    whole = perturb(images, name, seed=3)
    np.testing.assert_array_equal(whole[:2], perturb(images[:2], name, seed=3))
    np.testing.assert_array_equal(whole[3:], perturb(images[3:], name, seed=3, first=3))
    assert deviation(whole[0], whole[1]) > 0
    assert deviation(whole[0], perturb(images[:1], name, seed=4)[0]) > 0


@pytest.mark.parametrize("name", ALL)
def test_the_geometry_acts_before_the_crop_and_all_else_after_it(name: str) -> None:
    photographs = make_images(1, 36, 47)
    frames = perturb(photographs, name, preset="cifar", crop=32)
    middle = np.s_[..., 2:34, 8:40, :]  # (47 − 32) / 2 = 7.5 is rounded to even
    if name in GEOMETRIC_PERTURBATIONS:
        expected = perturb(photographs, name, preset="cifar")[middle]
    else:
        expected = perturb(photographs[middle], name, preset="cifar")
    np.testing.assert_array_equal(frames, expected)


def test_input_is_left_alone_and_need_not_be_contiguous() -> None:
    images = make_images(2, 32)
    images.flags.writeable = False
    for name in ALL:
        strided = np.asfortranarray(images)
        np.testing.assert_array_equal(perturb(strided, name), perturb(images, name))


IMAGES = make_images(1, 32)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"images": IMAGES.astype(np.float32)}, TypeError, "images must be uint8"),
        ({"images": IMAGES.tolist()}, TypeError, "images must be a numpy array"),
        ({"images": IMAGES[0]}, ValueError, "images must have shape"),
        ({"images": IMAGES[:0]}, ValueError, "images is empty"),
        ({"images": IMAGES[:, :4]}, ValueError, "at least 8 pixels"),
        ({"name": "zoom_blurr"}, ValueError, "unknown perturbation 'zoom_blurr'; did you mean 'zoom_blur'"),
        ({"name": "fog"}, ValueError, "unknown perturbation 'fog'; valid: brightness, gaussian_blur"),
        ({"preset": "cifar10"}, ValueError, "unknown preset 'cifar10'; did you mean 'cifar'"),
        ({"centre": "centre"}, ValueError, "unknown centre"),
        ({"seed": 0.5}, TypeError, "seed must be an integer"),
        ({"first": -1}, ValueError, "first must be at least 0"),
        ({"crop": 33}, ValueError, "crop must be 8 … 32"),
    ],
)
def test_bad_input_is_named(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        perturb(**{"images": IMAGES, "name": "rotate", **arguments})  # type: ignore[arg-type]


def test_unknown_presets_are_named() -> None:
    for function in (perturbations_of, extra_perturbations_of):
        with pytest.raises(ValueError, match="unknown preset 'imagnet'; did you mean 'imagenet'"):
            function("imagnet")
    with pytest.raises(ValueError, match="unknown perturbation 'tillt'"):
        frame_count("tillt", "cifar")


def test_the_import_is_free_of_torch() -> None:
    code = "import sys, augmix.perturbations; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
