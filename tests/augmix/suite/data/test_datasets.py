"""Data sets: the same four arrays from every source, and faults that name the file."""

import hashlib
import tarfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from augmix.errors import UserError
from augmix.suite.data import datasets, photographs
from augmix.suite.data.datasets import Preparation
from augmix.suite.data.loaders import cifar10, digits, image_folder, imagenet
from tests.conftest import SHARED

ALL = {"train": None, "test": None}


def test_digits_are_the_real_ones_split_for_good() -> None:
    data = digits.load()
    assert data.train_images.shape == (1437, 32, 32, 3)
    assert data.test_images.shape == (360, 32, 32, 3)
    assert data.classes == list("0123456789")
    # Stratified: every class has its share of the test set.
    share = np.bincount(data.test_labels) / np.bincount(load_digits().target)
    assert share.min() > 0.19
    assert share.max() < 0.21
    digest = hashlib.sha256(data.test_labels.tobytes()).hexdigest()
    assert digest.startswith("4493b2052e7b4258")
    # Each class's mean image is that of the 8×8 originals: enlarged 3.5 times, then padded by 2.
    labels = np.concatenate([data.train_labels, data.test_labels])
    images = np.concatenate([data.train_images, data.test_images])
    for digit in range(10):
        small = load_digits().images[load_digits().target == digit].mean(0) * (255 / 16)
        large = images[labels == digit].mean((0, 3))
        expected = np.asarray(Image.fromarray(small.astype(np.float32)).resize((28, 28), Image.Resampling.BICUBIC))
        assert np.abs(large[2:-2, 2:-2] - expected).mean() < 4
        assert large[:2].max() == 0


def test_digits_can_be_split_by_their_writers() -> None:
    every, target = np.arange(1797), load_digits().target
    whole = digits.load("unseen_writers")
    images = np.concatenate([whole.train_images, whole.test_images])
    # In the order of scikit-learn's file, which is that of its writers.
    assert np.array_equal(np.concatenate([whole.train_labels, whole.test_labels]), target)
    inked = images[:, 2:-2, 2:-2, 0].reshape(1797, -1).mean(1)
    assert np.corrcoef(inked, load_digits().images.reshape(1797, -1).mean(1))[0, 1] > 0.99
    assert len(whole.test_images) == 360
    seen = digits.load("seen_writers")
    first = {image.tobytes() for image in whole.train_images}
    assert {image.tobytes() for image in np.concatenate([seen.train_images, seen.test_images])} == first
    share = np.bincount(seen.test_labels) / np.bincount(target[every < 1437])
    assert share.min() > 0.19
    assert share.max() < 0.21
    again = digits.load("seen_writers")
    assert np.array_equal(seen.test_images, again.test_images)
    for split in ("random", "seen_writers", "unseen_writers"):
        data = digits.load(split)
        assert digits.sizes(split) == (len(data.train_images), len(data.test_images))
        assert len(data.train_images) == len(data.train_labels)
    for asked in (digits.check, digits.sizes, digits.load):
        with pytest.raises(UserError, match="split is 'unseen'; did you mean 'unseen_writers'"):
            asked("unseen")


def test_prepare_writes_what_read_reads(tmp_path: Path) -> None:
    datasets.prepare(Preparation("digits", {}, {"train": 50, "test": None}), tmp_path / "digits")
    train, test = (datasets.read(tmp_path / "digits", split) for split in datasets.SPLITS)
    assert train.images.shape == (50, 32, 32, 3)
    assert test.labels.shape == (360,)
    assert np.array_equal(np.asarray(train.images), digits.load().train_images[datasets.evenly(1437, 50)])
    noted = datasets.record(tmp_path / "digits")
    assert noted["sha256"]["test_labels"] == hashlib.sha256(test.labels.tobytes()).hexdigest()


def test_evenly_is_balanced_on_sorted_labels() -> None:
    labels = np.repeat(np.arange(10), 100)
    assert np.all(np.bincount(labels[datasets.evenly(1000, 50)]) == 5)
    assert np.array_equal(datasets.evenly(7, None), np.arange(7))
    assert np.array_equal(datasets.evenly(7, 9), np.arange(7))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes in several formats and modes, of several shapes."""
    rng = np.random.default_rng(0)
    root = tmp_path / "images"
    for split in ("train", "test"):
        for label, name in enumerate(("cat", "dog")):
            (root / split / name).mkdir(parents=True)
            pixels = rng.integers(0, 100, (40, 60, 3), np.uint8) + np.uint8(100 * label)
            image = Image.fromarray(pixels)
            image.save(root / split / name / "a.png")
            image.convert("L").resize((32, 32)).save(root / split / name / "b.gif")
            image.convert("CMYK").save(root / split / name / "c.jpg")
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(root / split / name / "d.bmp")
    (root / "train" / "cat" / ".DS_Store").write_bytes(b"junk")
    return root


def test_image_folder_reads_every_format(folder: Path) -> None:
    data = image_folder.load(str(folder), 32)
    assert data.train_images.shape == (8, 32, 32, 3)
    assert data.classes == ["cat", "dog"]
    assert data.train_labels.tolist() == [0] * 4 + [1] * 4
    # An image of the right size is taken as it is.
    exact = np.asarray(Image.open(folder / "train" / "cat" / "d.bmp"))
    assert np.array_equal(data.train_images[3], exact)
    # Others are scaled by their shorter side and cut out at the centre: the mean colour stays.
    assert abs(int(data.train_images[4].mean()) - 150) < 8


@pytest.mark.parametrize("width", [1, 2])
def test_classes_that_are_numbers_are_their_labels(tmp_path: Path, width: int) -> None:
    for split, number in product(("train", "test"), range(12)):
        folder = tmp_path / split / f"{number:0{width}}"
        folder.mkdir(parents=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / "a.png")
    (tmp_path / "train" / "Thumbs.db").write_text("")
    data = image_folder.load(str(tmp_path), 8)
    assert data.classes == [f"{number:0{width}}" for number in range(12)]
    assert data.test_images[:][:, 0, 0, 0].tolist() == data.test_labels.tolist() == list(range(12))
    names = image_folder.subfolders(tmp_path / "train")
    assert np.array_equal(imagenet._files(tmp_path, "train", names)[1], np.arange(12))


def test_what_systems_leave_among_images_is_left_out_with_a_word(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, images = image_folder.digest(str(folder)), image_folder.load(str(folder)).train_images[:]
    assert capsys.readouterr().err.startswith(f"left out 1 files that are no images, such as {folder}/train/cat/.DS_")
    for name in ("Thumbs.db", "cat/Thumbs.db", "dog/desktop.ini", "dog/ehthumbs.db", "dog/._a.png"):
        (folder / "train" / name).write_bytes(b"junk")
    (folder / "train" / "dog" / "@eaDir").mkdir()
    (folder / "train" / "__MACOSX").mkdir()
    assert image_folder.digest(str(folder)) == before
    assert image_folder.sizes(str(folder)) == (8, 8)
    assert np.array_equal(image_folder.load(str(folder)).train_images[:], images)
    assert capsys.readouterr().err.startswith("left out 8 files")


def test_grey_levels_of_32_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.tiff"
    Image.fromarray(np.full((32, 32), 0.5, np.float32)).save(path)
    for read in (lambda: image_folder.decode(path, 32), lambda: photographs.read(path)):
        with pytest.raises(UserError, match=r"deep\.tiff is damaged \(grey levels of 32 bits; 8 and 16 are read\)"):
            read()


def test_an_image_folder_changes_with_the_content_of_its_images(folder: Path) -> None:
    first = image_folder.digest(str(folder))
    assert first == image_folder.digest(str(folder), 64)
    path = folder / "train" / "dog" / "d.bmp"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # as many bytes
    assert image_folder.digest(str(folder)) != first
    path.write_bytes(whole)
    assert image_folder.digest(str(folder)) == first
    (folder / "test").rename(folder / "val")
    assert image_folder.digest(str(folder)) is None


def test_image_folder_turns_photographs_upright(folder: Path) -> None:
    path = folder / "train" / "cat" / "a.png"
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(path, exif=exif)
    assert image_folder.load(str(folder), 32).train_images[0][-1].min() == 255


def test_images_of_every_mode_are_rgb(tmp_path: Path) -> None:
    colours = np.zeros((32, 32, 3), np.uint8)
    colours[:16], colours[16:] = (200, 40, 90), (10, 220, 60)
    grey = colours[..., :1].repeat(3, 2)
    image, deep = Image.fromarray(colours), Image.fromarray(colours[..., 0].astype(np.uint16) * 257)
    palette = image.quantize(4)
    for name, saved, expected, options in (
        ("rgba.png", image.convert("RGBA"), colours, {}),
        ("palette.png", palette, colours, {}),
        ("transparent.png", palette, colours, {"transparency": b"\x00\x80"}),
        ("deep.png", deep, grey, {}),
        ("deep.tif", deep, grey, {}),
        ("grey.WEBP", Image.fromarray(grey), grey, {"lossless": True}),
        ("größe 中.bmp", image, colours, {}),
    ):
        saved.save(tmp_path / name, **options)
        for read in (lambda path: image_folder.decode(path, 32), photographs.read):
            assert np.array_equal(read(tmp_path / name), expected), name


def damage(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (lambda root: damage(root / "test" / "dog" / "a.png"), r"test/dog/a\.png is damaged"),
        (lambda root: (root / "train" / "dog" / "x.jpg").write_text("hello"), r"train/dog/x\.jpg is not an image"),
        (lambda root: (root / "train" / "dog" / "more").mkdir(), r"dog/more is a folder; images are expected right"),
        (lambda root: (root / "train" / "cow").mkdir(), r"train/cow is empty"),
        (
            lambda root: (root / "train" / "dog").rename(root / "train" / "cow"),
            "class 'cow' is in train/ but not in",
        ),
        (lambda root: (root / "test").rename(root / "val"), r"test does not exist"),
        (lambda root: root.rename(root.with_name("gone")), "images does not exist"),
        (lambda root: (root / "train" / "loose.png").write_text("x"), r"loose\.png is not a class folder"),
    ],
)
def test_image_folder_faults(folder: Path, fault: Callable[[Path], object], complaint: str) -> None:
    fault(folder)
    output = folder.parent / "prepared"
    with pytest.raises(UserError, match=complaint) as caught:
        datasets.prepare(Preparation("image_folder", {"folder": str(folder), "side": 32}, ALL), output)
    assert "\n" not in str(caught.value)
    assert not output.exists()


def test_one_class_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split / "only").mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / split / "only" / "a.png")
    with pytest.raises(UserError, match="only one class"):
        image_folder.check(str(tmp_path))
    with pytest.raises(UserError, match="8 to 1024"):
        image_folder.check(str(tmp_path), 0)


def test_labels_of_another_length_are_refused(tmp_path: Path) -> None:
    datasets.prepare(Preparation("digits", {}, {"train": 20, "test": 20}), tmp_path)
    np.save(tmp_path / "test_labels.npy", np.zeros(19, np.int64))
    with pytest.raises(UserError, match=r"test_labels\.npy has shape 19, expected 20"):
        datasets.read(tmp_path, "test")


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="needs the shared CIFAR-10 archive")
def test_cifar_as_an_image_folder(tmp_path: Path) -> None:
    with tarfile.open(SHARED / "data" / "cifar10-imagefolder.tar.gz") as archive:
        few = [m for m in archive if m.isfile() and int(Path(m.name).stem) % 500 == 0]
        archive.extractall(tmp_path, few, filter="data")
    data = cifar10.load(str(tmp_path))
    assert len(data.classes) == 10
    first = sorted((tmp_path / "train" / "airplane").iterdir())[0]
    assert np.array_equal(data.train_images[0], np.asarray(Image.open(first)))
