"""Photographs and streamed arrays: torchvision's pixels, NumPy's indexing, little memory."""

import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

from augmix.errors import UserError
from augmix.suite.data import photographs
from augmix.suite.data.streaming import Streamed

SIZES = [(500, 375), (375, 500), (333, 500), (224, 224), (256, 256), (130, 90), (1000, 60)]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Smooth random photographs of several sizes."""
    rng = np.random.default_rng(0)
    paths = []
    for width, height in SIZES:
        small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
        paths.append(tmp_path / f"{width}x{height}.JPEG")
        small.resize((width, height), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def test_evaluated_photographs_are_torchvisions_to_the_bit(pictures: list[Path]) -> None:
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    for path in pictures:
        expected = np.asarray(transform(Image.open(path).convert("RGB")))
        assert np.array_equal(photographs.evaluated(photographs.read(path), 224), expected), path


def test_random_crops_are_torchvisions_to_the_bit(pictures: list[Path]) -> None:
    draws = photographs.draw_crops(len(pictures), True, np.random.default_rng(1))
    for path, draw in zip(pictures, draws, strict=True):
        image = photographs.read(path)
        height, width = image.shape[:2]
        found = photographs.random_crop(image, 224, draw)
        found = found[:, ::-1] if draw[-1] else found
        boxes = [
            (w, h)
            for area, ratio in zip(draw[:10], np.exp(draw[10:20]), strict=True)
            for w, h in [(round((area * width * height * ratio) ** 0.5), round((area * width * height / ratio) ** 0.5))]
            if w <= width and h <= height
        ]
        if not boxes:
            assert (width, height) == (1000, 60)
            continue
        w, h = boxes[0]
        top, left = int(draw[20] * (height - h + 1)), int(draw[21] * (width - w + 1))
        crop = functional.resized_crop(Image.fromarray(image), top, left, h, w, [224, 224])
        assert np.array_equal(found, np.asarray(crop)), path


def test_a_very_long_photograph_is_cut_at_its_centre(pictures: list[Path]) -> None:
    draw = np.concatenate([np.ones(10), np.zeros(10), [0.9, 0.9, 0]])
    image = photographs.read(pictures[-1])
    expected = Image.fromarray(image[:, 460:540]).resize((224, 224), Image.Resampling.BILINEAR)
    assert np.array_equal(photographs.random_crop(image, 224, draw), np.asarray(expected))


def test_crops_have_torchvisions_distribution() -> None:
    draws = photographs.draw_crops(4000, True, np.random.default_rng(0))
    areas, ratios = draws[:, 0], np.exp(draws[:, 10])
    assert areas.min() > 0.08
    assert abs(areas.mean() - 0.54) < 0.02
    assert ratios.min() > 0.75
    assert ratios.max() < 4 / 3
    assert abs(np.log(ratios).mean()) < 0.01
    assert abs(draws[:, -1].mean() - 0.5) < 0.03
    assert not photographs.draw_crops(100, False, np.random.default_rng(0))[:, -1].any()


def test_training_images_depend_on_their_draw_alone(pictures: list[Path]) -> None:
    names = np.array([path.name.encode() for path in pictures])
    draws = photographs.draw_crops(len(names), True, np.random.default_rng(0))
    split = photographs.Photographs(pictures[0].parent, names, 64, workers=3)
    order = np.array([4, 0, 2])
    some = [future.result() for future in split.training_images(order, draws[order])]
    every = [future.result() for future in split.training_images(np.arange(len(names)), draws)]
    assert all(np.array_equal(image, every[i]) for image, i in zip(some, order, strict=True))
    assert some[0].shape == (64, 64, 3)


def test_the_real_photographs_decode_as_pillow_does(imagenet_sample: Path) -> None:
    for path in sorted(imagenet_sample.glob("val/*/*"))[:12]:
        assert np.array_equal(photographs.read(path), np.asarray(Image.open(path).convert("RGB")))


def test_other_formats_and_damage(tmp_path: Path, pictures: list[Path]) -> None:
    Image.open(pictures[0]).convert("L").save(tmp_path / "grey.JPEG")
    assert photographs.read(tmp_path / "grey.JPEG").shape == (375, 500, 3)
    Image.open(pictures[0]).save(tmp_path / "png.JPEG", format="PNG")
    assert np.array_equal(photographs.read(tmp_path / "png.JPEG"), np.asarray(Image.open(pictures[0])))
    (tmp_path / "cut.JPEG").write_bytes(pictures[0].read_bytes()[:2000])
    (tmp_path / "text.JPEG").write_text("hello")
    for name, complaint in (("cut", "is damaged"), ("text", "is not an image"), ("none", "is missing")):
        with pytest.raises(UserError, match=rf"{name}\.JPEG {complaint}"):
            photographs.read(tmp_path / f"{name}.JPEG")


def test_an_image_of_too_many_pixels_is_not_called_damaged(
    pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    with pytest.raises(
        UserError, match=rf"{pictures[0].name} is larger than Pillow reads \(.*187500 pixels.*; scale it"
    ):
        photographs.read(pictures[0])


@pytest.mark.parametrize(
    ("mode", "options"), [("CMYK", {}), ("CMYK", {"progressive": True}), ("RGB", {"keep_rgb": True}), ("L", {})]
)
def test_every_kind_of_jpeg_decodes_as_pillow_does(
    tmp_path: Path, pictures: list[Path], mode: str, options: dict[str, Any]
) -> None:
    path = tmp_path / "other.JPEG"
    Image.open(pictures[0]).convert(mode).save(path, **options)
    with Image.open(path) as opened:
        assert opened.mode == mode
        assert np.array_equal(photographs.read(path), np.asarray(opened.convert("RGB")))


def test_damage_in_the_middle_is_found(tmp_path: Path, pictures: list[Path]) -> None:
    names = np.array([path.name.encode() for path in pictures])
    photographs.verify(tmp_path, names)
    whole = pictures[1].read_bytes()
    # A second beginning in the middle: OpenCV fills the rest with grey, without a word.
    pictures[1].write_bytes(whole[: len(whole) // 2] + b"\xff\xd8" + whole[len(whole) // 2 + 2 :])
    assert photographs.read(pictures[1]).shape == (500, 375, 3)
    with pytest.raises(UserError, match=rf"{pictures[1].name} is damaged"):
        photographs.verify(tmp_path, names)


class Counted:
    """Decodes item i as frames of the value i, and counts."""

    def __init__(self, frames: int) -> None:
        self.frames, self.items, self.lock = frames, list[int](), threading.Lock()

    def __call__(self, item: int) -> np.ndarray:
        with self.lock:
            self.items.append(item)
        values = np.arange(item * self.frames, (item + 1) * self.frames, dtype=np.uint8)
        return np.broadcast_to(values[:, None, None, None], (self.frames, 4, 4, 3))


@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize(
    "key",
    [
        slice(None),
        slice(3, 17),
        slice(0, 0),
        slice(7, 90),
        slice(2, 20, 3),
        4,
        -1,
        np.array([9, 2, 2, -3]),
        np.array([]),
    ],
)
def test_streamed_indexes_like_an_array(frames: int, key: Any) -> None:
    array = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None, None], (20, 4, 4, 3))
    streamed = Streamed(20 // frames, Counted(frames), 4, frames, workers=2)
    assert streamed.shape == array.shape
    assert len(streamed) == 20
    expected = array[key.astype(int) if isinstance(key, np.ndarray) else key]
    assert np.array_equal(streamed[key], expected)
    assert streamed[key].dtype == np.uint8


@pytest.mark.parametrize("frames", [1, 5])
def test_reading_in_order_decodes_everything_once_and_holds_little(frames: int) -> None:
    counted = Counted(frames)
    streamed = Streamed(60 // frames, counted, 4, frames)
    for start in range(0, 60, 7):
        assert streamed[start : start + 7][0, 0, 0, 0] == start
        assert len(streamed._pending) <= 9
    assert sorted(counted.items) == list(range(60 // frames))


def test_threads_end_with_what_they_decode_for() -> None:
    streamed = Streamed(6, Counted(1), 4)
    assert len(streamed[:4]) == 4
    left = weakref.ref(streamed)
    del streamed
    assert left() is None  # with no garbage to collect first


def test_an_index_out_of_range_is_an_error() -> None:
    with pytest.raises(IndexError, match="6 is out of bounds"):
        Streamed(6, Counted(1), 4)[np.array([6])]
