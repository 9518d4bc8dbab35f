"""Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes in ten classes, from its IDX files.

The 28×28 grey images are padded to 32×32 RGB, as the digits are. The files, compressed or not, are looked for in
`folder`, in torchvision's place within it, and where Debian's package `dataset-fashion-mnist` installs them; what is
absent is downloaded to torchvision's place (31 MB).
"""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from augmix.errors import UserError
from augmix.suite.data.datasets import Arrays, padded
from augmix.suite.data.download import Source, fetch
from augmix.suite.io.files import expanded

DOWNLOADS = True
HOST = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
TORCHVISION = Path("FashionMNIST", "raw")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
# Checksums of the uncompressed files: Debian compresses them anew.
MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
SOURCES = {
    name: Source(f"{HOST}/{name}.gz", size, f"md5:{md5}")
    for name, size, md5 in (
        ("train-images-idx3-ubyte", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
    )
}
SMALL = "the originals are grey and have 28×28 pixels, padded with black"
OTHERWISE = ", or install Debian's package dataset-fashion-mnist"


def check(folder: str) -> None:
    """Refuse a file where a folder is expected; when all four files are absent, they are downloaded."""
    root = expanded(folder)
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is not a folder; the files of Fashion-MNIST are expected in it")


def limits(folder: str = "") -> list[str]:
    """Limits of the figures on these images, in words."""
    return [SMALL]


def side(folder: str) -> int:
    """The images' side in pixels."""
    return 32


def sizes(folder: str) -> tuple[int, int]:
    """How many training and test images there are."""
    return 60_000, 10_000


def classes(folder: str) -> list[str]:
    """The classes' names."""
    return CLASSES


def load(folder: str) -> Arrays:
    """All 70,000 images, in the order of the files."""
    check(folder)
    root = expanded(folder)
    train_images, train_labels, test_images, test_labels = (_array(_find(root, name), name) for name in MD5)
    return Arrays(
        padded(train_images), train_labels.astype(np.int64), padded(test_images), test_labels.astype(np.int64), CLASSES
    )


def _find(root: Path, name: str) -> Path:
    """The file, compressed or not; downloaded when it is nowhere."""
    for folder in (root, root / TORCHVISION, DEBIAN):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return fetch(SOURCES[name], root / TORCHVISION, OTHERWISE)


def _array(path: Path, name: str) -> np.ndarray:
    """The uint8 array of an IDX file: two zero bytes, type 8, the number of axes, their lengths, the values."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path} ({error}); delete it to have it downloaded") from error
    if hashlib.md5(content).hexdigest() != MD5[name]:
        raise UserError(f"{path} is damaged or another file (not the published md5); delete it to have it downloaded")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
