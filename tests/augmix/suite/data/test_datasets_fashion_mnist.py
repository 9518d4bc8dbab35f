"""Fashion-MNIST from IDX files of a few images, in every place and form in which they are found."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torchvision
from torchvision.datasets.mnist import read_image_file, read_label_file

from augmix.errors import UserError
from augmix.suite.data import download
from augmix.suite.data.loaders import fashion_mnist

RNG = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """The four files with a few images; the loader knows their checksums and finds no Debian package."""
    contents = {}
    for name, count in (("train", 12), ("t10k", 5)):
        contents[f"{name}-images-idx3-ubyte"] = idx(RNG.integers(0, 256, (count, 28, 28), np.uint8))
        contents[f"{name}-labels-idx1-ubyte"] = idx(RNG.integers(0, 10, count).astype(np.uint8))
    digests = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(fashion_mnist, "MD5", digests)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(download, "PAUSES", ())
    return contents


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("place", [".", "FashionMNIST/raw", "../debian"])
def test_the_images_are_padded_to_cifars_shape(
    files: dict[str, bytes], tmp_path: Path, place: str, compressed: bool
) -> None:
    root = tmp_path / "root"
    (root / place).mkdir(parents=True)
    for name, content in files.items():
        path = root / place / (f"{name}.gz" if compressed else name)
        path.write_bytes(gzip.compress(content) if compressed else content)
    fashion_mnist.check(str(root))
    data = fashion_mnist.load(str(root))
    (tmp_path / "plain").write_bytes(files["t10k-images-idx3-ubyte"])
    expected = read_image_file(str(tmp_path / "plain")).numpy()
    assert data.test_images.shape == (5, 32, 32, 3)
    for channel in range(3):
        assert np.array_equal(data.test_images[:, 2:-2, 2:-2, channel], expected)
    assert data.test_images[:, :2].max() == data.test_images[:, :, -2:].max() == 0
    (tmp_path / "plain").write_bytes(files["train-labels-idx1-ubyte"])
    assert data.train_labels.tolist() == read_label_file(str(tmp_path / "plain")).tolist()
    assert data.train_images.shape == (12, 32, 32, 3)
    assert data.classes[9] == "Ankle boot"


@pytest.mark.parametrize(
    ("name", "damage", "complaint"),
    [
        ("t10k-images-idx3-ubyte", lambda content: content[:-1] + b"x", "is damaged or another file"),
        ("t10k-images-idx3-ubyte", lambda content: content[:-1], "is damaged or another file"),
        ("t10k-images-idx3-ubyte.gz", lambda content: gzip.compress(content)[:-9], "cannot read .*delete it"),
        ("t10k-images-idx3-ubyte.gz", lambda content: content, "cannot read .*delete it"),
    ],
)
def test_a_damaged_file_is_named(
    files: dict[str, bytes], tmp_path: Path, name: str, damage: Callable[[bytes], bytes], complaint: str
) -> None:
    for other, content in files.items():
        (tmp_path / other).write_bytes(content)
    original = (tmp_path / "t10k-images-idx3-ubyte").read_bytes()
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    (tmp_path / name).write_bytes(damage(original))
    with pytest.raises(UserError, match=complaint) as caught:
        fashion_mnist.load(str(tmp_path))
    assert str(tmp_path / name) in str(caught.value)


def test_offline_it_says_what_is_missing(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        name: source._replace(url=f"http://127.0.0.1:9/{source.name}") for name, source in fashion_mnist.SOURCES.items()
    }
    monkeypatch.setattr(fashion_mnist, "SOURCES", sources)
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz \(26\.4 MB\) is not in .*raw.*or install Debian"):
        fashion_mnist.load(str(tmp_path))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is not a folder"):
        fashion_mnist.check(str(tmp_path / "file"))


def test_the_published_checksums_are_torchvisions() -> None:
    theirs = torchvision.datasets.FashionMNIST
    ours = [(source.name, source.checksum.removeprefix("md5:")) for source in fashion_mnist.SOURCES.values()]
    assert ours == [tuple(resource) for resource in theirs.resources]
    assert theirs.classes == fashion_mnist.CLASSES


@pytest.mark.skipif(not fashion_mnist.DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_debians_package(tmp_path: Path) -> None:
    data = fashion_mnist.load(str(tmp_path))
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
