"""Test images alone, as `<folder>/<class>/*`: a published test set in that layout, or your own.

Where `published` names one of `PUBLISHED`, they are in a folder of that name below `folder`, and are downloaded there
where their hosts and licences permit it. Photographs stay in their files where `streamed`, are scaled so that their
shorter side is 256/224 of `side` and cut at the centre; other images are loaded, as `image_folder` does. A `border` of
so many pixels is cut off first. Of a class the files that match a `pattern` are taken. Folders named by whole numbers
are in the order of these.
"""

import fnmatch
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data.datasets import Arrays, files
from augmix.suite.data.download import Source, obtain
from augmix.suite.data.loaders.image_folder import decoded, is_wanted, listing, subfolders, tell_skipped
from augmix.suite.io.contents import ENDS, each, of_contents
from augmix.suite.io.files import expanded

DOWNLOADS = True
TESTS_ONLY = True
IMAGENET_V2 = "https://huggingface.co/datasets/vaishaal/ImageNetV2"


class Published(NamedTuple):
    """The place from which a published test set is to be had."""

    address: str
    source: Source | None = None
    """Its archive; None where it is not downloaded."""


def _of_berkeley(name: str, size: int, checksum: str) -> Published:
    url = f"https://people.eecs.berkeley.edu/~hendrycks/{name}.tar"
    return Published(url, Source(url, size, f"sha256:{checksum}", unpacked=size))


def _of_imagenet_v2(name: str, size: int, checksum: str) -> Published:
    url = f"{IMAGENET_V2}/resolve/main/{name}.tar.gz"
    return Published(IMAGENET_V2, Source(url, size, f"sha256:{checksum}", unpacked=2 * size))


PUBLISHED: Mapping[str, Published] = {
    "imagenet-r": _of_berkeley(
        "imagenet-r", 2_191_079_936, "18c6bf493b39a0d975d48e587437f562caab9c52ae6327dcfa9dd8eb54aa1b52"
    ),
    "imagenet-a": _of_berkeley(
        "imagenet-a", 687_552_512, "3bb3632277e6ba6392ea64c02ddbf4dd2266c9caffd6bc09c9656d28f012589e"
    ),
    "imagenetv2-matched-frequency-format-val": _of_imagenet_v2(
        "imagenetv2-matched-frequency",
        1_264_079_360,
        "f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
    ),
    "imagenetv2-threshold0.7-format-val": _of_imagenet_v2(
        "imagenetv2-threshold0.7", 1_249_906_176, "32142bfe998f9cfa4141be691f6a80eeb1e27b24bd532a668eb08c26d98897a2"
    ),
    "imagenetv2-top-images-format-val": _of_imagenet_v2(
        "imagenetv2-top-images", 1_245_927_936, "85e4ace30f3f0d660152062254b8759dda66267b27f7ec0fd8d5768f1073a04b"
    ),
    "sketch": Published("https://github.com/HaohanWang/ImageNet-Sketch"),
    "objectnet-1.0/images": Published("https://objectnet.dev"),
    **dict.fromkeys(("cue-conflict", "edge", "silhouette"), Published("https://github.com/bethgelab/model-vs-human")),
    **{
        f"CINIC-10/{split}": Published("https://datashare.ed.ac.uk/handle/10283/3192")
        for split in ("train", "valid", "test")
    },
}
"""Published test sets in this layout, by their folders. The checksums are those of TensorFlow Datasets."""


class _Options(NamedTuple):
    folder: str
    published: str | None = None
    side: int = 32
    streamed: bool = False
    border: int = 0
    pattern: str = "*"

    @property
    def root(self) -> Path:
        """The folder that holds the class folders."""
        return expanded(self.folder) / (self.published or "")

    def is_wanted(self, name: str) -> bool:
        return is_wanted(name) and fnmatch.fnmatchcase(name, self.pattern)

    def classes(self) -> list[str]:
        return subfolders(self.root)

    def images(self, name: str) -> list[str]:
        """The images of a class."""
        return [entry for entry in listing(self.root / name) if self.is_wanted(entry)]


def check(**options: Any) -> None:
    """Refuse a folder that is absent and not downloaded, or in which images are not right below class folders."""
    asked = _Options(**options)
    if asked.published is not None and asked.published not in PUBLISHED:
        raise UserError(
            f"class_folders: unknown published set '{asked.published}'; {nearest(asked.published, PUBLISHED)}"
        )
    if not 8 <= asked.side <= 1024:
        raise UserError(f"class_folders: side is {asked.side}; 8 to 1024 pixels are accepted")
    if asked.border < 0:
        raise UserError(f"class_folders: border is {asked.border}; 0 or more pixels are accepted")
    if not asked.root.is_dir():
        _refuse_absent(asked)
        return
    names = asked.classes()
    if len(names) < 2:
        many = f"one class folder ('{names[0]}')" if names else "no class folders"
        raise UserError(f"{asked.root} holds {many}; images are expected at {asked.root}/<class>/*")
    for name in names:
        inside = asked.images(name)
        if not inside:
            raise UserError(f"{asked.root / name} holds no image ({asked.pattern}); a class needs at least one")
        if (asked.root / name / inside[0]).is_dir():
            raise UserError(f"{asked.root / name} holds folders; name as 'folder' what lies right above class folders")


def _refuse_absent(asked: _Options) -> None:
    """Refuse an absent folder unless it is downloaded."""
    if asked.published is None:
        raise UserError(f"{asked.root} is not a folder; it should hold <class>/*")
    address, source = PUBLISHED[asked.published]
    if source is None:
        raise UserError(
            f"{asked.root} does not exist; get {asked.published} from {address} and put it there, or name the folder "
            "that holds it by 'folder'"
        )


def side(**options: Any) -> int:
    """The images' side in pixels."""
    return _Options(**options).side


def sizes(**options: Any) -> tuple[int, int]:
    """How many training images there are, which is none, and test images; of a set yet to be downloaded, 10,000."""
    check(**options)
    asked = _Options(**options)
    return 0, sum(len(asked.images(name)) for name in asked.classes()) if asked.root.is_dir() else 10_000


def classes(**options: Any) -> list[str] | None:
    """The names of the class folders; None where they are absent."""
    asked = _Options(**options)
    return asked.classes() if asked.root.is_dir() else None


def contents(**options: Any) -> dict[str, str]:
    """A digest of each test image's file, by its name below `test/`."""
    asked = _Options(**options)
    found = each(asked.root, asked.classes(), asked.is_wanted, ENDS if asked.streamed else None)
    return {f"test/{name}": content for name, content in found.items()}


def digest(**options: Any) -> str | None:
    """A digest of the images' names and contents, of photographs their sizes and ends; None where they are absent."""
    return of_contents(contents(**options)) if _Options(**options).root.is_dir() else None


def load(
    folder: str,
    published: str | None = None,
    side: int = 32,
    streamed: bool = False,
    border: int = 0,
    pattern: str = "*",
) -> Arrays:
    """All images as the test split, after downloading them if need be; the training split is empty."""
    options = locals()
    check(**options)
    asked = _Options(**options)
    if published is not None and not asked.root.is_dir():
        source = PUBLISHED[published].source
        assert source is not None
        obtain(source, expanded(folder), [asked.root])
        check(**options)  # what was unpacked
    names = asked.classes()
    listed = [(f"{name}/{file}", label) for label, name in enumerate(names) for file in asked.images(name)]
    tell_skipped([asked.root / name for name in names], asked.is_wanted)
    labels, none = np.array([label for _, label in listed], np.int64), np.empty(0, np.int64)
    if streamed:
        entries = files(
            [os.fsencode(file) for file, _ in listed], [(asked.root / file).stat().st_size for file, _ in listed]
        )
        where = {"root": str(asked.root.absolute()), "side": side, "border": border}
        return Arrays(entries[:0], none, entries, labels, names, where)
    images = decoded([asked.root / file for file, _ in listed], side, border)
    return Arrays(images[:0], none, images, labels, names)
