"""The part of Fashion-MNIST that ships: the published pixels, stratified, and a damaged file is refused."""

import hashlib
import runpy
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from augmix.errors import UserError
from augmix.suite.data import datasets
from augmix.suite.data.loaders import fashion_mnist, fashion_small
from tests.checkout import ROOT

MAKER = ROOT / "docs" / "data" / "make_fashion_small.py"
needs_debian = pytest.mark.skipif(
    not fashion_mnist.DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)


def test_it_is_stratified_and_as_large_as_it_says() -> None:
    fashion_small.check()
    data = fashion_small.load()
    assert (len(data.train_images), len(data.test_images)) == fashion_small.sizes() == (5000, 1000)
    assert data.train_images.shape[1:] == data.test_images.shape[1:] == (fashion_small.side(),) * 2 + (3,)
    assert data.train_images.dtype == np.uint8
    assert np.bincount(data.train_labels).tolist() == [500] * 10
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    assert data.classes == fashion_mnist.CLASSES
    assert data.train_images[:, :2].max() == data.test_images[:, :, -2:].max() == 0
    for wanted in (50, 100, 500):
        chosen = datasets.evenly(1000, wanted)
        assert np.bincount(data.test_labels[chosen]).tolist() == [wanted // 10] * 10


def test_no_image_is_there_twice() -> None:
    data = fashion_small.load()
    assert len({image.tobytes() for image in (*data.train_images, *data.test_images)}) == 6000


def test_the_images_fit_their_labels() -> None:
    # Trousers are narrow and stand upright, sneakers are low and lie across: transposed, they would not.
    data = fashion_small.load()
    mean = np.stack([data.test_images[data.test_labels == label, ..., 0].mean(0) for label in range(10)])
    beside, above = mean[:, :, 2:8].mean((1, 2)), mean[:, 2:8].mean((1, 2))
    assert data.classes[beside.argmin()] == "Trouser"
    assert data.classes[above.argmin()] == "Sneaker"


@needs_debian
def test_the_pixels_are_the_published_ones(tmp_path: Path) -> None:
    small, whole = fashion_small.load(), fashion_mnist.load(str(tmp_path))
    for images, labels, all_images, all_labels, count in (
        (small.train_images, small.train_labels, whole.train_images, whole.train_labels, 500),
        (small.test_images, small.test_labels, whole.test_images, whole.test_labels, 100),
    ):
        for label in range(10):
            assert np.array_equal(images[labels == label], all_images[all_labels == label][:count])


@needs_debian
@pytest.mark.nightly
def test_the_file_can_be_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = fashion_small.load()
    made = tmp_path / "made.xz"
    monkeypatch.setattr(sys, "argv", [str(MAKER), "--output", str(made), str(tmp_path)])
    runpy.run_path(str(MAKER), run_name="__main__")
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert digest in capsys.readouterr().out
    # Another version of liblzma may pack the same pixels into other bytes.
    monkeypatch.setattr(fashion_small, "FILE", made)
    monkeypatch.setattr(fashion_small, "SHA256", digest)
    after = fashion_small.load()
    assert np.array_equal(before.train_images, after.train_images)
    assert np.array_equal(before.test_images, after.test_images)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    content = bytearray(fashion_small.FILE.read_bytes())
    path = tmp_path / "fashion_small.xz"
    cut = content[:-1]
    content[1_000_000] ^= 1
    path.write_bytes({"cut": cut, "changed": content, "empty": bytearray()}[damage])
    monkeypatch.setattr(fashion_small, "FILE", path)
    for look in (fashion_small.check, fashion_small.load):
        with pytest.raises(UserError, match=r"fashion_small\.xz is damaged or another file") as caught:
            look()
        assert "\n" not in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_small, "FILE", tmp_path / "fashion_small.xz")
    with pytest.raises(UserError, match=r"cannot read .*fashion_small\.xz \(No such file"):
        fashion_small.check()


def test_it_ships_with_its_licence() -> None:
    notice = resources.files("augmix.suite.data.loaders") / "fashion_small.LICENSE"
    text = notice.read_text(encoding="utf-8")
    assert "Copyright (c) 2017 Zalando SE" in text
    assert "The above copyright notice and this permission notice shall be included" in text
    assert len(fashion_small.FILE.read_bytes()) < 3_500_000
