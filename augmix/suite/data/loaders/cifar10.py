"""CIFAR-10: 50,000 training and 10,000 test photographs of 32×32 in ten classes, from torchvision's files.

`folder` holds `cifar-10-batches-py`, or is it, or holds the images as files, `train/<class>/*` and `test/<class>/*`;
what is absent is downloaded there (170 MB).
"""

from augmix.suite.data.datasets import Arrays
from augmix.suite.data.download import Source
from augmix.suite.data.loaders import _cifar

DOWNLOADS = True
LAYOUT = _cifar.Layout(
    classes=10,
    source=Source(
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        size=170_498_071,
        checksum="md5:c58f30108f718f92721af3b95e74349a",
        unpacked=200_000_000,
    ),
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{i}" for i in range(1, 6)),
    test=("test_batch",),
    names="batches.meta",
    names_key="label_names",
    labels_key="labels",
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
)


def check(folder: str) -> None:
    """Refuse a folder with some of the files only."""
    _cifar.check(LAYOUT, folder)


def side(folder: str) -> int:
    """The images' side in pixels."""
    return _cifar.SIDE


def sizes(folder: str) -> tuple[int, int]:
    """How many training and test images there are."""
    return _cifar.sizes(LAYOUT, folder)


def classes(folder: str) -> list[str] | None:
    """The classes' names, where the files are there."""
    return _cifar.classes(LAYOUT, folder)


def digest(folder: str) -> str | None:
    """A digest by which changes of images as files show."""
    return _cifar.digest(LAYOUT, folder)


def contents(folder: str) -> dict[str, str]:
    """A digest of each file of images as files."""
    return _cifar.contents(LAYOUT, folder)


def load(folder: str) -> Arrays:
    """All 60,000 images, in the order of the files."""
    return _cifar.load(LAYOUT, folder)
