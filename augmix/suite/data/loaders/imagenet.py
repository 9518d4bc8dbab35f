"""ImageNet, or other large photographs in its layout: `<folder>/{train,val}/<class>/*`, streamed from the files.

Where the folder holds the original archives instead, they are unpacked there once: `ILSVRC2012_img_train.tar`,
`ILSVRC2012_img_val.tar`, and for the validation images' classes `ILSVRC2012_devkit_t12.tar.gz` or a text file
`val_labels` with a class a line (or a file name and a class). ImageNet is not downloaded: its licence asks everybody
to register at image-net.org. Classes are numbered in the order of their names, or of their numbers where all are such;
the published validation images are the test images. Each photograph is decoded once when they are prepared, so that
damage is found and named then.
"""

import os
from collections import Counter
from pathlib import Path

import numpy as np

from augmix.errors import UserError
from augmix.suite.data.datasets import Arrays, files
from augmix.suite.data.loaders import _ilsvrc
from augmix.suite.data.loaders.image_folder import is_wanted, listing, subfolders, tell_skipped
from augmix.suite.io.contents import ENDS, each, of_contents
from augmix.suite.io.files import expanded
from augmix.suite.io.progress import bar

STREAMED = True
FOLDERS = {"train": "train", "test": "val"}
SUFFIXES = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")
NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of each channel over the training images, as shares of 255."""


def check(folder: str, val_labels: str | None = None, side: int = 224) -> None:
    """Refuse a folder without the class folders or the archives they come from, or with other classes in each split."""
    if not isinstance(side, int) or isinstance(side, bool) or not 32 <= side <= 1024:
        raise UserError(f"imagenet: side is {side!r}; 32 to 1024 pixels are accepted")
    root = expanded(folder)
    if not root.is_dir():
        raise UserError(f"ImageNet's folder {root} does not exist; it should hold train/<class>/* and val/<class>/*")
    for name in FOLDERS.values():
        if not (root / name).is_dir():
            _ilsvrc.check(root, name, val_labels)
    classes = {name: subfolders(root / name) for name in FOLDERS.values() if (root / name).is_dir()}
    for name, found in classes.items():
        if len(found) < 2:
            many = f"one class folder ('{found[0]}')" if found else "no class folders"
            raise UserError(
                f"{root / name} has {many}; at least two are needed, with images at {root / name}/<class>/*"
            )
    if len(classes) == 2 and (odd := sorted(set(classes["train"]) ^ set(classes["val"]))):
        where = "train" if odd[0] in classes["train"] else "val"
        raise UserError(f"{root}: class '{odd[0]}' is in {where}/ alone; both splits need the same classes")


def side(folder: str, val_labels: str | None = None, side: int = 224) -> int:
    """The images' side in pixels."""
    return side


def sizes(folder: str, val_labels: str | None = None, side: int = 224) -> tuple[int, int]:
    """How many training and test images there are; ImageNet's own numbers while the archives are packed."""
    root = expanded(folder)
    if not all((root / name).is_dir() for name in FOLDERS.values()):
        return 1_281_167, 50_000
    train, test = (sum(len(listing(root / name / c)) for c in subfolders(root / name)) for name in FOLDERS.values())
    return train, test


def classes(folder: str, val_labels: str | None = None, side: int = 224) -> list[str] | None:
    """The classes' names; None where the photographs are packed or gone."""
    root = Path(folder).expanduser()
    return subfolders(root / "train") if (root / "train").is_dir() else None


def digest(folder: str, val_labels: str | None = None, side: int = 224) -> str | None:
    """A digest of the photographs' names, sizes and both ends of their contents; None where they are packed or gone."""
    root = expanded(folder)
    if not all((root / name).is_dir() for name in FOLDERS.values()):
        return None
    return of_contents(_contents(root), _folders(root))


def contents(folder: str, val_labels: str | None = None, side: int = 224) -> dict[str, str]:
    """A digest of each photograph's file, by its name below `train/` and `test/`."""
    root = expanded(folder)
    return {
        f"test{name.removeprefix('val')}" if name.startswith("val/") else name: content
        for name, content in _contents(root).items()
    }


def _contents(root: Path) -> dict[str, str]:
    return each(root, _folders(root), _is_image, ENDS)


def _folders(root: Path) -> list[str]:
    return [f"{split}/{name}" for split in FOLDERS.values() for name in subfolders(root / split)]


def load(folder: str, val_labels: str | None = None, side: int = 224) -> Arrays:
    """List the photographs, after unpacking the archives if need be; none is decoded here."""
    check(folder, val_labels, side)
    root = expanded(folder).absolute()
    for name in FOLDERS.values():
        if not (root / name).is_dir():
            _ilsvrc.unpack(root, name, val_labels)
    check(folder, val_labels, side)  # what was unpacked
    classes = subfolders(root / "train")
    (train_images, train_labels), (test_images, test_labels) = (
        _files(root, name, classes) for name in FOLDERS.values()
    )
    streamed = {"root": str(root), "side": side}
    return Arrays(train_images, train_labels, test_images, test_labels, classes, streamed)


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and is_wanted(name)


def _files(root: Path, split: str, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """A split's files and their labels (N,)."""
    names: list[bytes] = []
    labels: list[int] = []
    sizes: list[int] = []
    for label, name in enumerate(bar(classes, desc=f"{split} classes", unit="class")):
        folder = root / split / name
        found = [file for file in listing(folder) if _is_image(file)]
        if not found:
            raise UserError(f"{folder} holds no image ({', '.join(SUFFIXES)}); every class needs at least one")
        if twice := [stem for stem, count in Counter(Path(file).stem for file in found).items() if count > 1]:
            raise UserError(f"{folder} holds two images named '{twice[0]}', as their -C would be; rename one")
        names += [os.fsencode(f"{split}/{name}/{file}") for file in found]
        labels += [label] * len(found)
        sizes += [(folder / file).stat().st_size for file in found]
    tell_skipped([root / split / name for name in classes], _is_image)
    return files(names, sizes), np.array(labels, np.int64)
