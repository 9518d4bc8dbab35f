"""Tiny-ImageNet as it is distributed: 200 classes of ImageNet at 64 pixels; its validation images are the test images.

`<folder>/tiny-imagenet-200/train/<wnid>/images/*.JPEG` (500 a class), and `val/images/*.JPEG` (10,000), whose classes
`val/val_annotations.txt` tells. Classes are numbered in the order of their wnids, which is not that of `wnids.txt`.
It is not downloaded: cs231n.stanford.edu/tiny-imagenet-200.zip, for research under ImageNet's terms.
"""

from pathlib import Path

import numpy as np

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data.datasets import Arrays
from augmix.suite.data.loaders.image_folder import decoded, is_wanted, listing, subfolders
from augmix.suite.io.contents import each, of_contents
from augmix.suite.io.files import expanded

DOWNLOADS = True
SIDE = 64
NAME = "tiny-imagenet-200"
ADDRESS = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"


def check(folder: str) -> None:
    """Refuse a folder without the class folders, or whose annotations do not fit the validation images."""
    root = _root(folder)
    for path in (root / "train", root / "val" / "images"):
        if not path.is_dir():
            raise UserError(
                f"{path} does not exist; unpack {ADDRESS} there, or name the folder that holds {NAME} by 'folder'"
            )
    names = subfolders(root / "train")
    if len(names) < 2:
        raise UserError(f"{root / 'train'} should hold a folder for each class, with images in its folder images/")
    for name in names:
        if not (root / "train" / name / "images").is_dir():
            raise UserError(f"{root / 'train' / name / 'images'} does not exist; {NAME} has its images there")
    _annotated(root, names)


def side(folder: str) -> int:
    """The images' side in pixels."""
    return SIDE


def sizes(folder: str) -> tuple[int, int]:
    """How many training and test images there are."""
    check(folder)
    root = _root(folder)
    names = subfolders(root / "train")
    return len(_training(root, names)), len(_annotated(root, names))


def classes(folder: str) -> list[str] | None:
    """The classes' names, their wnids; None where the images are gone."""
    root = _root(folder)
    return subfolders(root / "train") if (root / "train").is_dir() else None


def contents(folder: str) -> dict[str, str]:
    """A digest of each image's file, by its name below `train/` and `test/`."""
    root = _root(folder)
    found = each(root, [f"train/{name}/images" for name in subfolders(root / "train")] + ["val/images"], is_wanted)
    return {f"test/{name.removeprefix('val/')}" if name.startswith("val/") else name: c for name, c in found.items()}


def digest(folder: str) -> str | None:
    """A digest of the images' names and contents and of the annotations; None where they are gone."""
    root = _root(folder)
    if not (root / "train").is_dir() or not (root / "val" / "images").is_dir():
        return None
    return of_contents({**contents(folder), **each(root, ["val"], "val_annotations.txt".__eq__)})


def load(folder: str) -> Arrays:
    """All images, each decoded when it is asked for; one that cannot be is a `UserError` then, which names it."""
    check(folder)
    root = _root(folder)
    names = subfolders(root / "train")
    (train_images, train_labels), (test_images, test_labels) = (
        (decoded([file for file, _ in found], SIDE), np.array([label for _, label in found], np.int64))
        for found in (_training(root, names), _annotated(root, names))
    )
    return Arrays(train_images, train_labels, test_images, test_labels, names)


def _root(folder: str) -> Path:
    """The data set's own folder, whether it or the one above was given."""
    path = expanded(folder)
    return path if path.name == NAME else path / NAME


def _training(root: Path, names: list[str]) -> list[tuple[Path, int]]:
    """The training images' files and labels."""
    folders = [(root / "train" / name / "images", label) for label, name in enumerate(names)]
    return [(folder / file, label) for folder, label in folders for file in listing(folder)]


def _annotated(root: Path, names: list[str]) -> list[tuple[Path, int]]:
    """The validation images' files and labels, in the order of the annotations."""
    path, labels = root / "val" / "val_annotations.txt", {name: label for label, name in enumerate(names)}
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); it tells the classes of the validation images") from error
    found = []
    for number, row in enumerate(rows, 1):
        if len(row) < 2:
            raise UserError(f"{path}, line {number}: a file, a class and a box are expected, with tabs between")
        if row[1] not in labels:
            raise UserError(f"{path}, line {number}: train/ has no class '{row[1]}'; {nearest(row[1], labels)}")
        found.append((root / "val" / "images" / row[0], labels[row[1]]))
    there = set(listing(root / "val" / "images"))
    if odd := sorted(there ^ {file.name for file, _ in found}):
        what = "has no line" if odd[0] in there else "is missing"
        raise UserError(f"{root / 'val' / 'images' / odd[0]} {what}; {path.name} should tell the class of each image")
    return found
