"""Make `fashion_small.xz` of the loaders: the first 500 training and 100 test images of each class of Fashion-MNIST.

The whole set is read as the loader `fashion_mnist` finds it: in FOLDER, from Debian's package dataset-fashion-mnist, or
downloaded to FOLDER. Nothing is drawn at random, so that every run writes the same pixels, and the same version of
liblzma the same bytes. Where these change, `SHA256` in `augmix/suite/data/loaders/fashion_small.py` must follow.

    python docs/data/make_fashion_small.py [--output FILE] [FOLDER]
"""

import argparse
import hashlib
import lzma
from pathlib import Path

import numpy as np

from augmix.suite.data.loaders import fashion_mnist, fashion_small

# Found by trial among those that liblzma offers: the literal's context is the four highest bits of the pixel before.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 2}]


def main() -> None:
    """Write the file and say how large it is, and its checksum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="data/downloads", metavar="FOLDER")
    parser.add_argument("--output", type=Path, default=Path(str(fashion_small.FILE)), metavar="FILE")
    arguments = parser.parse_args()
    content = pack(chosen(arguments.folder))
    arguments.output.write_bytes(content)
    print(f"{arguments.output}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def chosen(folder: str) -> np.ndarray:
    """The images that ship: uint8 (6000, 28, 28), those for training first.

    Raises ValueError where a test image is a training image too: the set's first release had such images.
    """
    data = fashion_mnist.load(folder)
    train, test = (images[:, 2:-2, 2:-2, 0] for images in (data.train_images, data.test_images))
    shared = {image.tobytes() for image in train} & {image.tobytes() for image in test}
    if shared:
        raise ValueError(f"{len(shared)} test images are among the training images")
    parts = ((train, data.train_labels, fashion_small.TRAIN), (test, data.test_labels, fashion_small.TEST))
    return np.concatenate([images[first_of_each_class(labels, count)] for images, labels, count in parts])


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """The indices of each class's first `count` images, class by class."""
    return np.concatenate([np.flatnonzero(labels == label)[:count] for label in range(len(fashion_mnist.CLASSES))])


def pack(images: np.ndarray) -> bytes:
    """Images, uint8 (N, 28, 28), as an xz stream of their columns."""
    content = lzma.compress(images.transpose(0, 2, 1).tobytes(), lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=FILTERS)
    unpacked = np.frombuffer(lzma.decompress(content), np.uint8).reshape(len(images), 28, 28).transpose(0, 2, 1)
    assert np.array_equal(unpacked, images)
    return content


if __name__ == "__main__":
    main()
