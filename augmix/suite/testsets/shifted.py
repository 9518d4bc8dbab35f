"""Test sets made of a data set's own test images: generated here, or published and checked."""

import os
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data import datasets
from augmix.suite.data.datasets import Split
from augmix.suite.io import contents, digests
from augmix.suite.io.files import expanded, read_array, read_mapping, write_json
from augmix.suite.testsets import published
from augmix.suite.testsets.base import IMAGES, SEED, Making, Origin, Part, TestSet

DOWNLOAD = "download"
ARRAY_JOBS = 3
"""Jobs that share the shifts of one test set of arrays."""


@dataclass(frozen=True)
class Shifted(TestSet):
    """Shifts of the data set's own test images, generated or published."""

    names: tuple[str, ...]
    """Its shifts."""
    where: str
    """The folder of its files."""
    published: str | None
    """`download` or a folder, where the published files are taken; None where they are generated."""
    resize: bool
    """Whether published photographs are scaled and cropped, as its authors do, rather than taken as they are."""
    images: int | None
    """At most so many test images are used, evenly spaced."""
    preset: str
    """The parameter set: cifar, tiny or imagenet."""
    seed: int
    streamed: bool
    """Whether its files are photographs or videos, and no arrays."""

    schema: ClassVar[Mapping[str, Any]] = {
        "shifts": {
            "description": "Names of its shifts; null: those that enter the mean.",
            "type": ["array", "null"],
            "uniqueItems": True,
            "items": {"type": "string"},
            "default": None,
        },
        "images": IMAGES,
        "seed": SEED,
        "published": {
            "description": "A folder of published files, or `download`, in place of generated ones.",
            "type": ["string", "null"],
            "minLength": 1,
            "default": None,
        },
        "resize": {
            "description": "Scale and crop ImageNet-C's photographs, as its authors do.",
            "type": "boolean",
            "default": False,
        },
    }
    bytes_a_pixel: ClassVar[float]
    """Bytes of a pixel on disk, where its files are photographs or videos."""
    downloads: ClassVar[Mapping[str, str]] = {}
    """The published set that `download` means, by loader."""

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        known = cls.known(origin.preset)
        if odd := [shift for shift in entry["shifts"] or () if shift not in known]:
            raise UserError(f"unknown {cls.noun} '{odd[0]}'; {nearest(odd[0], known)}")
        where = origin.root / f"{origin.dataset}-{name}"
        if entry["published"] == DOWNLOAD:
            if origin.loader not in cls.downloads:
                valid = f"published -C sets for the loaders {', '.join(published.DOWNLOADED)}"
                raise UserError(f"only {valid} can be downloaded; name a folder with the files")
            where = origin.downloads / cls.downloads[origin.loader]
        elif entry["published"] is not None:
            where = expanded(entry["published"])
        names = cls.default(origin.preset) if entry["shifts"] is None else tuple(entry["shifts"])
        others = {"where": str(where), "preset": origin.preset, "streamed": origin.streamed}
        return cls.of_fields(name, entry, origin, names=names, **others)

    @classmethod
    @abstractmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        """Every name that a shift may have."""

    @classmethod
    def default(cls, preset: str) -> tuple[str, ...]:
        """The shifts that enter the mean."""
        return cls.known(preset)

    @property
    def shifts(self) -> tuple[str, ...]:
        return self.names

    @property
    def entering(self) -> tuple[str, ...]:
        return self.default(self.preset)

    @property
    def title(self) -> str:
        return f"-{super().title}"

    def size(self, count: int | None) -> int | None:
        return self.images if count is None else min(self.images or count, count)

    @property
    def folder(self) -> Path:
        return Path(self.where)

    @abstractmethod
    def write(self, shift: str, test: Split) -> None:
        """Generate a shift's file."""

    @abstractmethod
    def repeats(self, shift: str) -> int:
        """How many images a shift has of each test image: severities, or frames."""

    def _test(self) -> Split:
        return datasets.read(Path(self.data), "test")

    def jobs(self) -> list[Making]:
        if not self.names:
            return []
        if self.published is not None:
            return [Making(self, self.names, 1, local=True)]
        # A photograph takes long enough for a job a shift; for arrays, starting the jobs would take longest.
        parts = len(self.names) if self.streamed else min(ARRAY_JOBS, len(self.names))
        return [Making(self, self.names[i::parts], i + 1, local=False) for i in range(parts)]

    def make(self, shifts: Sequence[str]) -> None:
        if self.published is not None:
            self._check_published(shifts)
            return
        code = digests.code_of(self.roots()).as_json()
        images, test = self.data_digest(), self._test()
        self._forget_other_sizes()
        for shift in shifts:
            self.stamp(shift).unlink(missing_ok=True)
            self.write(shift, test)
            noted = {"settings": self.made_of(shift), "data": images, "code": code, "content": self._content(shift)}
            write_json(self.stamp(shift), noted)

    def _forget_other_sizes(self) -> None:
        """Delete the shifts of another number of images, made by another experiment: one file has the labels of all."""
        for path in self.folder.glob("*.json"):
            with suppress(UserError):  # another job of this test set was faster
                noted = read_mapping(path, {})
                if isinstance(noted.get("settings"), dict) and noted["settings"].get("images") != self.images:
                    path.unlink(missing_ok=True)
                    path.with_suffix(".npy").unlink(missing_ok=True)

    def _content(self, shift: str) -> str:
        """A digest of a shift's arrays; photographs and videos are known by the list of them."""
        return contents.glimpsed(path for path in self.files(shift) if path.suffix == ".npy")

    def verify(self, shift: str) -> None:
        stamp = self.stamp(shift)
        if self.published is not None and stamp.exists():
            noted = read_mapping(stamp, {"settings": dict})["settings"].get("files")
            if noted not in (None, self._published_content):
                raise UserError(f"{self.folder} holds other files than were checked; run `augmix generate` again")
        elif self.published is None:
            # Some have no stamp: they were made before there were any, or elsewhere.
            noted = read_mapping(stamp, {}).get("content") if stamp.exists() else None
            if noted not in (None, self._content(shift)):
                path = self.folder / f"{shift}.npy"
                raise UserError(f"{path} is not as it was made; delete {stamp} to have it made again")

    def _check_published(self, shifts: Sequence[str]) -> None:
        images, record = self.data_digest(), datasets.record(Path(self.data))
        if self.published == DOWNLOAD:
            published.download(self.folder.name, self.folder.parent, shifts)
        opened = self.open(self._test(), record["classes"])
        opened.check(shifts)
        code = digests.code_of(self.roots()).as_json()
        write_json(
            self.stamp(""),
            # The files as they are by now: perhaps they were downloaded just before.
            {"source": opened.source, "settings": replace(self).made_of(""), "data": images, "code": code},
        )

    def made_of(self, shift: str) -> dict[str, Any]:
        if self.published is not None:
            files = self._published_content
            return {"published": self.folder.name, "shifts": list(self.names), "resize": self.resize, "files": files}
        return {"shift": shift, "images": self.images, "preset": self.preset, "seed": self.seed}

    def stamp(self, shift: str) -> Path:
        if self.published is not None:
            # The published files may lie in a folder that is not ours to write to.
            return Path(self.data) / f"published-{self.name}.json"
        return self.folder / f"{shift}.json"

    def marker(self, number: int) -> Path:
        if self.published is not None:
            return Path(self.data) / f"made-{self.name}-{number}.json"
        return super().marker(number)

    def files(self, shift: str) -> list[Path]:
        if self.published is not None:
            return []
        # Without its `source.json` a folder would be taken for a published one.
        beside = ("source.json",) if self.streamed else ("source.json", "labels.npy")
        return [self.folder / name for name in (f"{shift}.npy", *beside)]

    def identity(self) -> str:
        if self.published is None:
            return digests.json_digest([self._made_with(shift) for shift in self.names])
        # The code that checks published files does not decide what is in them.
        noted = read_mapping(self.stamp(""), {"settings": dict, "data": str})
        return digests.json_digest([[noted["settings"], noted["data"]]])

    def _made_with(self, shift: str) -> list[Any]:
        """The facts that tell a shift's files from others; files without a stamp may be kept ones."""
        stamp = self.stamp(shift)
        if not stamp.exists() and all(path.exists() for path in self.files(shift)):
            return ["unknown", self._content(shift)]
        noted = read_mapping(stamp, {"settings": dict, "data": str})
        return [noted["settings"], noted["data"], (noted.get("code") or {}).get("digest")]

    @cached_property
    def _published_content(self) -> str | None:
        """A digest of the published files, by sizes and both ends; once they are gone, the one that the stamp notes."""
        if not self.folder.is_dir():
            noted = read_mapping(self.stamp(""), {"settings": dict}) if self.stamp("").exists() else {"settings": {}}
            found: str | None = noted["settings"].get("files")
            return found
        if self.streamed:
            places = sorted(place for shift in self.names for place, _, files in os.walk(self.folder / shift) if files)
            folders = [os.path.relpath(place, self.folder) for place in places]
            return contents.digest(self.folder, folders, lambda name: not name.startswith("."), ends=contents.ENDS)
        names = {f"{shift}.npy" for shift in (*self.names, "labels")}
        return contents.digest(self.folder.parent, [self.folder.name], names.__contains__, ends=contents.ENDS)

    def evaluated_with(self) -> dict[str, Any]:
        # It has to show without the images that others are asked for: they may be gone.
        own = {"preset": self.preset, "seed": self.seed} if self.published is None else {"resize": self.resize}
        return {**super().evaluated_with(), "images": self.images, "published": self.published is not None, **own}

    def roots(self) -> tuple[str, ...]:
        if self.published is not None:
            return ("augmix.suite.testsets.published",)
        return super().roots()

    def check(self, classes: Sequence[str] | None = None) -> None:
        if self.published in (None, DOWNLOAD):
            return
        for name in self.names if self.streamed or self.sequence else (*self.names, "labels"):
            path = self.folder / (name if self.streamed else f"{name}.npy")
            if not path.exists():
                raise UserError(
                    f"{path} is missing; the folder should hold the published {'-P' if self.sequence else '-C'} files, "
                    "or leave 'published' out of the configuration to have them generated"
                )

    def parts(self, count: int, again: Collection[str] = ()) -> Iterator[Part]:
        used = min(self.images or count, count)
        for shift in self.names:
            there = shift not in again and all(path.exists() for path in self.files(shift))
            made = self.published is None and not there
            pixel = self.bytes_a_pixel if self.streamed else 3.0
            yield Part(shift, used * self.repeats(shift), made, pixel)

    def samples(self, count: int) -> Iterator[tuple[str, np.ndarray]]:
        test = self._test()
        if not self.folder.is_dir():
            return
        if self.streamed:
            one, classes = replace(self, images=1), datasets.record(Path(self.data))["classes"]
            for shift in self.names:
                if (self.folder / shift).is_dir():
                    shown = one.open(test, classes).read(shift).images
                    yield shift, shown[np.linspace(0, len(shown) - 1, count).round().astype(int)]
            return
        for shift in self.names:
            path = self.folder / f"{shift}.npy"
            if path.is_file():
                yield shift, self._of_array(read_array(path, np.uint8), count)

    @abstractmethod
    def _of_array(self, array: np.ndarray, count: int) -> np.ndarray: ...
