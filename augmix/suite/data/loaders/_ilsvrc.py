"""The original archives of ILSVRC2012, unpacked into a folder for each class."""

import io
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from augmix.errors import UserError
from augmix.suite.data.download import write_member
from augmix.suite.io.files import expanded
from augmix.suite.io.progress import bar

ARCHIVES = {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"}
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
_WNID = re.compile(r"n\d{8}")
_MEMBERS = {"train": re.compile(r"(n\d{8})\.tar"), "val": re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")}
_PHOTOGRAPH = re.compile(r"n\d{8}_\d+\.JPEG")


def check(root: Path, split: str, val_labels: str | None) -> None:
    """Refuse a folder that lacks a split's archive, or what says the classes of its images."""
    if not (root / ARCHIVES[split]).is_file():
        raise UserError(
            f"{root / split} is missing, and so is {ARCHIVES[split]}, which it could be unpacked from; "
            f"put either there (image-net.org, after registering)"
        )
    if split == "val" and val_labels is None and not (root / DEVKIT).is_file():
        raise UserError(
            f"{root / ARCHIVES['val']} does not say its images' classes: put {DEVKIT} beside it, "
            f"or name a file with them as the option val_labels"
        )


def unpack(root: Path, split: str, val_labels: str | None) -> None:
    """Unpack a split's archive into `<root>/<split>/<wnid>/`, which appears when all of it is there.

    Only members named as ILSVRC2012's are written, each under that name in its class's folder.
    """
    archive, temporary = root / ARCHIVES[split], root / f".{split}.unpacking"
    try:
        if split == "train":
            _unpack_train(archive, temporary)
        else:
            _unpack_val(archive, temporary, _classes_of_val(root, val_labels))
        os.rename(temporary, root / split)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(f"{archive} is not a whole archive ({error}); get it again") from error
    except OSError as error:
        raise UserError(f"cannot unpack {archive} into {root / split}: {error.strerror or error}") from error


def _unpack_train(archive: Path, folder: Path) -> None:
    """An archive of one archive a class; a class that an earlier start has finished is not written again."""
    count = 0
    for class_name, outer, packed in _members(archive, "train"):
        count += 1
        target, part = folder / class_name, folder / f".{class_name}"
        if target.is_dir():
            continue
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        with tarfile.open(fileobj=outer.extractfile(packed), mode="r|") as tar:
            for member in tar:
                if member.isfile() and _PHOTOGRAPH.fullmatch(member.name):
                    write_member(tar, member, part / member.name)
        os.rename(part, target)
    if not count:
        raise UserError(f"{archive} holds no n<eight digits>.tar: it is not ILSVRC2012's archive of training images")


def _unpack_val(archive: Path, folder: Path, classes: list[str] | dict[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    count = 0
    for number, tar, member in _members(archive, "val"):
        name = f"ILSVRC2012_val_{number}.JPEG"
        try:
            class_name = classes[name] if isinstance(classes, dict) else classes[int(number) - 1]
        except LookupError:
            raise UserError(f"{archive} has {name}, whose class is not known: the labels are of other images") from None
        write_member(tar, member, folder / class_name / name)
        count += 1
    if count != len(classes):
        raise UserError(f"{archive} has {count} validation images, and the labels are of {len(classes)}")


def _members(archive: Path, split: str) -> Iterator[tuple[str, tarfile.TarFile, tarfile.TarInfo]]:
    """The part of its name that a pattern captures of each of a split's members, the open archive, and the member."""
    with tarfile.open(archive) as tar:
        for member in bar(tar, desc=archive.name, unit="file"):
            matched = _MEMBERS[split].fullmatch(Path(member.name).name)
            if member.isfile() and matched:
                yield matched[1], tar, member


def _classes_of_val(root: Path, val_labels: str | None) -> list[str] | dict[str, str]:
    """The class of each validation image, in order or by file name."""
    if val_labels is None:
        return _read_devkit(root / DEVKIT)
    path = expanded(val_labels)
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the option val_labels: cannot read {path}: {error}") from error
    for number, fields in enumerate(lines, 1):
        if len(fields) > 2 or len(fields) != len(lines[0]) or not _WNID.fullmatch(fields[-1]):
            raise UserError(f"{path}:{number}: a class such as n01440764 is expected, or a file name and a class")
    return [fields[0] for fields in lines] if lines and len(lines[0]) == 1 else {f[0]: f[1] for f in lines}


def _read_devkit(path: Path) -> list[str]:
    """The ground truth of the validation images, whose numbers `meta.mat` translates to WordNet's."""
    from scipy.io import loadmat

    try:
        with tarfile.open(path) as tar:
            files = {Path(member.name).name: member for member in tar if member.isfile()}
            meta, truth = (
                tar.extractfile(files[name]) for name in ("meta.mat", "ILSVRC2012_validation_ground_truth.txt")
            )
            assert meta is not None
            assert truth is not None
            synsets = loadmat(io.BytesIO(meta.read()), squeeze_me=True)["synsets"]
            names = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}
            return [names[int(line)] for line in truth.read().split()]
    except (tarfile.TarError, EOFError, zlib.error, LookupError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not ILSVRC2012's development kit ({error}); get it again") from error
