"""The published -C files: where they are downloaded from, and the record that a folder of them was checked.

The checksums are those that Zenodo publishes with the records 2535967, 3555552 and 2235448.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data.download import Source, obtain

DOWNLOADED = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C", "imagenet": "ImageNet-C"}
"""The published set that `published: download` means, by loader."""


ARCHIVED = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    "extra": ("speckle_noise", "gaussian_blur", "spatter", "saturate"),
}
"""The corruptions that the published archives hold, by ImageNet-C's archive; CIFAR's hold all of them."""
FIFTEEN = tuple(name for archive, names in ARCHIVED.items() if archive != "extra" for name in names)
"""Those that enter the mCE. Nothing of `augmix.corruptions` decides what a published file is."""


class Archive(NamedTuple):
    """One archive of a set."""

    source: Source
    files: dict[str, str]
    """By shift: its file or folder below the set's."""
    bare: bool = False
    """Whether the archive lacks the set's own folder."""


def _source(record: int, name: str, size: int, checksum: str) -> Source:
    return Source(f"https://zenodo.org/records/{record}/files/{name}?download=1", size, checksum, unpacked=size)


def _arrays(source: Source) -> tuple[Archive]:
    return (Archive(source, {name: f"{name}.npy" for names in ARCHIVED.values() for name in names}),)


def _images(name: str, size: int, md5: str, *shifts: str) -> Archive:
    return Archive(_source(2235448, name, size, f"md5:{md5}"), {shift: shift for shift in shifts}, bare=True)


ARCHIVES: dict[str, tuple[Archive, ...]] = {
    "CIFAR-10-C": _arrays(_source(2535967, "CIFAR-10-C.tar", 2_918_471_680, "md5:56bf5dcef84df0e2308c6dcbcbbd8499")),
    "CIFAR-100-C": _arrays(_source(3555552, "CIFAR-100-C.tar", 2_918_473_216, "md5:11f0ed0f1191edbf9fa23466ae6021d3")),
    "ImageNet-C": (
        _images("noise.tar", 22_565_673_785, "e80562d7f6c3f8834afb1ecf27252745", *ARCHIVED["noise"]),
        _images("blur.tar", 7_112_704_951, "2d8e81fdd8e07fef67b9334fa635e45c", *ARCHIVED["blur"]),
        _images("weather.tar", 12_797_438_995, "33ffea4db4d93fe4a428c40a6ce0c25d", *ARCHIVED["weather"]),
        _images("digital.tar", 7_757_510_705, "89157860d7b10d5797849337ca2e5c03", *ARCHIVED["digital"]),
        _images("extra.tar", 15_789_490_144, "d492dfba5fc162d8ec2c3cd8ee672984", *ARCHIVED["extra"]),
    ),
}


def download(name: str, folder: Path, shifts: Sequence[str] = FIFTEEN) -> Path:
    """Have the files of a published set below `folder`, downloading the archives that hold `shifts`; returns theirs.

    `name` is one of `ARCHIVES`. Raises `UserError` when a file is missing and cannot be downloaded.
    """
    if name not in ARCHIVES:
        raise UserError(f"unknown published set '{name}'; {nearest(name, ARCHIVES)}")
    where = folder / name
    for archive in ARCHIVES[name]:
        wanted = [where / archive.files[shift] for shift in shifts if shift in archive.files]
        if wanted and not archive.bare:
            wanted.append(where / "labels.npy")
        hint = f", or leave 'published' out of the configuration to have {name} generated"
        obtain(archive.source, where if archive.bare else folder, wanted, hint)
    return where
