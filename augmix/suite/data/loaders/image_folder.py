"""Your own images: `<folder>/train/<class>/*` and `<folder>/test/<class>/*`, in any format that Pillow reads.

Each image is scaled so that its shorter side is `side` pixels, and its centre is cut out; an image of that size
is taken as it is. Classes are numbered in the order of their names, `2` before `10` where all names are whole numbers,
and images keep the order of theirs. Hidden files, `Thumbs.db` and the like are left out with a word.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from augmix.errors import UserError
from augmix.suite.data.datasets import SPLITS, Arrays
from augmix.suite.data.photographs import as_rgb, decoding
from augmix.suite.data.streaming import Streamed
from augmix.suite.io.contents import each, of_contents
from augmix.suite.io.files import expanded

LEFT = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir")
"""Files that Windows, macOS and network drives leave in folders of images, beside hidden ones."""


def check(folder: str, side: int = 32) -> None:
    """Refuse a folder that is missing, empty, of one class, or whose splits disagree about the classes."""
    if not isinstance(side, int) or isinstance(side, bool) or not 8 <= side <= 1024:
        raise UserError(f"image_folder: side is {side!r}; 8 to 1024 pixels are accepted")
    root = expanded(folder)
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise UserError(f"image folder {root} {what}; it should hold train/<class>/* and test/<class>/*")
    found = {split: _classes(root, split) for split in SPLITS}
    for one, other in (("train", "test"), ("test", "train")):
        if odd := sorted(set(found[one]) - set(found[other])):
            raise UserError(f"{root}: class '{odd[0]}' is in {one}/ but not in {other}/; both need the same classes")
    if len(found["train"]) < 2:
        raise UserError(f"{root}: only one class ('{found['train'][0]}'); at least two are needed")


def _classes(root: Path, split: str) -> list[str]:
    if not (root / split).is_dir():
        raise UserError(f"{root / split} does not exist; put its images at {root / split}/<class>/*")
    names = listing(root / split)
    for name in names:
        if name.encode(errors="ignore").decode() != name:  # class names are written into files
            raise UserError(f"the name of the class folder {str(root / split / name)!r} is not UTF-8; rename it")
        if not (root / split / name).is_dir():
            raise UserError(f"{root / split / name} is not a class folder; images go to {root / split}/<class>/")
        if not listing(root / split / name):
            raise UserError(f"{root / split / name} is empty: a class needs at least one image")
    if not names:
        raise UserError(f"{root / split} is empty; put its images at {root / split}/<class>/*")
    return names


def listing(folder: Path) -> list[str]:
    """The entries of a folder but for what systems leave there; in order of names, or of numbers if all are such."""
    try:
        names = sorted(filter(is_wanted, os.listdir(folder)))
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from error
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else names


def subfolders(folder: Path) -> list[str]:
    """The folders in a folder, in the order of `listing`: classes, beside which files such as a README may lie."""
    return [name for name in listing(folder) if (folder / name).is_dir()]


def is_wanted(name: str) -> bool:
    """Whether a name is not that of a hidden file or of another that a system leaves among images."""
    return not name.startswith(".") and name.lower() not in LEFT


def tell_skipped(folders: Sequence[Path], wanted: Callable[[str], bool] = is_wanted) -> None:
    """Say how many files of these folders are not read."""
    skipped = [folder / name for folder in folders for name in os.listdir(folder) if not wanted(name)]
    if skipped:
        print(f"left out {len(skipped)} files that are no images, such as {min(skipped)}", file=sys.stderr)


def side(folder: str, side: int = 32) -> int:
    """The images' side in pixels."""
    return side


def sizes(folder: str, side: int = 32) -> tuple[int, int]:
    """How many training and test images there are."""
    check(folder, side)
    root = expanded(folder)
    train, test = (sum(len(listing(root / split / name)) for name in _classes(root, split)) for split in SPLITS)
    return train, test


def classes(folder: str, side: int = 32) -> list[str] | None:
    """The classes' names; None where the images are gone."""
    root = Path(folder).expanduser()
    return _classes(root, "train") if (root / "train").is_dir() else None


def digest(folder: str, side: int = 32) -> str | None:
    """A digest of the images' names and contents, by which changes show; None where they are gone."""
    root = expanded(folder)
    if not all((root / split).is_dir() for split in SPLITS):
        return None
    return of_contents(contents(folder, side), _folders(root))


def contents(folder: str, side: int = 32) -> dict[str, str]:
    """A digest of each image's file, by its name below `folder`."""
    root = expanded(folder)
    return each(root, _folders(root), is_wanted)


def _folders(root: Path) -> list[str]:
    return [f"{split}/{name}" for split in SPLITS for name in _classes(root, split)]


def load(folder: str, side: int = 32) -> Arrays:
    """All images, each decoded when it is asked for; one that cannot be is a `UserError` then, which names it."""
    check(folder, side)
    root = expanded(folder)
    classes = _classes(root, "train")
    (train_images, train_labels), (test_images, test_labels) = (_load(root, s, classes, side) for s in SPLITS)
    return Arrays(train_images, train_labels, test_images, test_labels, classes)


def _load(root: Path, split: str, classes: list[str], side: int) -> tuple[Streamed, np.ndarray]:
    files = [
        (root / split / name / file, label)
        for label, name in enumerate(classes)
        for file in listing(root / split / name)
    ]
    tell_skipped([root / split, *(root / split / name for name in classes)])
    return decoded([file for file, _ in files], side), np.array([label for _, label in files], np.int64)


def decoded(files: Sequence[Path], side: int, border: int = 0) -> Streamed:
    """The images of a split, each as `decode` makes it when it is asked for: uint8 (N, side, side, 3)."""
    return Streamed(
        len(files), lambda i: decode(files[i], side, border)[None], side, workers=min(4, os.cpu_count() or 1)
    )


def decode(file: Path, side: int, border: int = 0) -> np.ndarray:
    """The central square of one image, without a border of so many pixels, scaled: uint8 (side, side, 3)."""
    image = ImageOps.crop(photograph(file), border)
    if image.size != (side, side):
        image = ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)
    return np.asarray(image)


def photograph(file: Path) -> Image.Image:
    """An image file as RGB, turned as its EXIF orientation says; `UserError` when it cannot be decoded."""
    with decoding(file), Image.open(file) as opened:
        return as_rgb(ImageOps.exif_transpose(opened))
