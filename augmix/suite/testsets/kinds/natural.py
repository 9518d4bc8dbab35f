"""Images of the same classes that were not made of the test images: other writers, other cameras, other years.

They are read by any data set's loader. Their classes are the data set's by name, or `class_map` says which class of
theirs is which of the data set's; where some of the data set's classes are not among them, a net predicts among the
others alone.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data import datasets, photographs
from augmix.suite.data.datasets import Arrays, Split, evenly, loader_module
from augmix.suite.data.photographs import Photographs
from augmix.suite.data.streaming import Streamed
from augmix.suite.io import digests
from augmix.suite.io.files import read_array, read_mapping, write_json
from augmix.suite.testsets import class_map
from augmix.suite.testsets.base import IMAGES, Images, Making, OneShift, Origin, Part, Shift, TestSet


@dataclass(frozen=True)
class Natural(TestSet):
    """A shifted test set of the data set's classes."""

    where: str
    """The folder of its prepared images."""
    loader: str
    options: Mapping[str, Any]
    split: str
    """The part of the loader's images that is taken: train or test."""
    classes: class_map.ClassMap
    """The data set's class of each of its classes."""
    images: int | None
    """At most so many images, evenly spaced."""
    source: str | None
    """The digest of its files, where the loader has one."""
    own: Mapping[str, Any]
    """The `loader` and `options` of the data set, with which its files are compared."""
    merged_by: Literal["greatest", "mean"] = "greatest"
    """The greatest logit or the mean probability stands for several classes that are one of theirs."""

    kind = "natural"
    question = "natural"
    schema: ClassVar[Mapping[str, Any]] = {
        "loader": {"type": "string", "description": "The loader of the images, as of a data set."},
        "options": {"type": "object", "default": {}, "description": "The loader's options, such as a folder."},
        "split": {"enum": ["train", "test"], "default": "test", "description": "The part that is taken."},
        "classes": class_map.SCHEMA,
        "merged_by": {
            "description": "Of several classes that count as one, what stands for them: logit or mean probability.",
            "enum": ["greatest", "mean"],
            "default": "greatest",
        },
        "images": {**IMAGES, "description": "At most so many images, evenly spaced; null: all."},
    }

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        if "loader" not in entry:
            raise UserError(f"a natural test set needs a 'loader'; {nearest('', datasets.loader_names())}")
        datasets.check_loader(entry["loader"])
        options = datasets.with_downloads(entry["loader"], entry["options"], origin.downloads)
        if "side" in signature(loader_module(entry["loader"]).load).parameters:
            options = {"side": origin.side, **options}
        datasets.check_options(entry["loader"], options)
        if (side := loader_module(entry["loader"]).side(**options)) != origin.side:
            raise UserError(f"its images have a side of {side} pixels, those of {origin.dataset} {origin.side}")
        same = entry["loader"] == origin.loader
        if same and datasets.with_defaults(origin.loader, options) == datasets.with_defaults(
            origin.loader, origin.options
        ):
            what = "is the test set itself" if entry["split"] == "test" else "is made of the training images"
            raise UserError(f"its loader and options are those of {origin.dataset}: it {what}, and no shift")
        where = origin.root / f"{origin.dataset}-{name}"
        return cls.of_fields(
            name,
            entry,
            origin,
            where=str(where),
            options=options,
            classes=class_map.resolved(entry["classes"]),
            source=datasets.source_digest(entry["loader"], options, where),
            own={"loader": origin.loader, "options": dict(origin.options)},
        )

    @property
    def shifts(self) -> tuple[str, ...]:
        return (self.name,)

    def size(self, count: int | None) -> int | None:
        labels = self.folder / "test_labels.npy"
        return len(read_array(labels, np.int64, (None,))) if labels.is_file() else None

    @property
    def folder(self) -> Path:
        return Path(self.where)

    def jobs(self) -> list[Making]:
        return [Making(self, self.shifts, 1, local=True)]

    def make(self, shifts: Sequence[str]) -> None:
        loaded: Arrays = loader_module(self.loader).load(**self.options)
        # A source that was downloaded or unpacked just now had no digest to ask for.
        source = self.source or datasets.source_digest(self.loader, self.options)
        images, labels = getattr(loaded, f"{self.split}_images"), getattr(loaded, f"{self.split}_labels")
        record, data_digest = datasets.record(Path(self.data)), self.data_digest()
        found = self._mapped(loaded.classes, record["classes"])
        labels = np.array(found.labels, np.int64)[labels]
        kept = np.flatnonzero(labels >= 0)
        kept = kept[evenly(len(kept), self.images)]
        if not len(kept):
            raise UserError(f"{self.name}: none of its images is of a class of the map")
        if loaded.streamed is not None:
            photographs.verify(Path(loaded.streamed["root"]), images[kept]["name"])
        known, common = self._own_images(images), Counter[str]()

        def compare(part: np.ndarray) -> None:
            for split, contents in known.items():
                common[split] += sum(content in contents for content in _digests(part))

        with ExitStack() as whole:
            written = {
                "test_images": datasets.write_rows(self.folder / "test_images.npy", images, kept, whole, compare),
                "test_labels": datasets.write_rows(self.folder / "test_labels.npy", labels, kept, whole),
            }
            for split in known:
                self._refuse_common(split, common[split], len(kept))
            self.stamp(self.name).unlink(missing_ok=True)  # it must not stand beside half of the new arrays
        noted: dict[str, Any] = {
            "described": self._described(),
            "kind": self.kind,
            "loader": self.loader,
            "source": source,
            "classes": found.taken,
            "counted_as": found.counted_as,
            "partial": len(set(found.counted_as)) < len(record["classes"]),
            "sha256": written,
        }
        if loaded.streamed is not None:
            noted["streamed"] = dict(loaded.streamed)
        code = digests.code_of(self.roots()).as_json()
        stamp = {"settings": replace(self, source=source).made_of(self.name), "data": data_digest, "code": code}
        write_json(self.stamp(self.name), {**noted, **stamp})

    def _described(self) -> str:
        """Its loader and options in words, but for the folder."""
        said = ", ".join(f"{key} {value}" for key, value in self.options.items() if key not in ("folder", "side"))
        return f"{self.loader} ({said})" if said else self.loader

    def _mapped(self, theirs: Sequence[str], ours: Sequence[str]) -> class_map.Found:
        try:
            return class_map.numbers(self.classes, theirs, ours)
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from None

    def _own_images(self, images: np.ndarray | Streamed) -> dict[str, set[bytes]]:
        """Digests of the images that nets are trained on or tested on already, by split: those would be no shift."""
        if images.ndim == 1:
            return {}  # photographs stay in their files, which are compared before any job
        own = {split: datasets.read_images(Path(self.data), split) for split in datasets.SPLITS}
        return {
            split: set(_digests(them))
            for split, them in own.items()
            if not isinstance(them, Photographs) and them.shape[1:] == images.shape[1:]
        }

    def _refuse_own_files(self) -> None:
        """Refuse files whose content is that of a file of the data set, as far as both are known by their files."""
        mine, own = _contents(self.loader, self.options), _contents(self.own["loader"], self.own["options"])
        theirs = [content for name, content in mine.items() if name.startswith(f"{self.split}/")]
        for split in datasets.SPLITS:
            known = {content for name, content in own.items() if name.startswith(f"{split}/")}
            self._refuse_common(split, sum(content in known for content in theirs), len(theirs))

    def _refuse_common(self, split: str, found: int, count: int) -> None:
        if found:
            what = "training" if split == "train" else "test"
            hint = "train on others, or take others" if split == "train" else "take others"
            raise UserError(
                f"{self.name}: {found} of its {count} images are {what} images of {Path(self.data).name}; {hint}"
            )

    def data_digest(self) -> str:
        # Training images are refused, and classes are found by their names.
        record = datasets.record(Path(self.data))
        return digests.json_digest([record["sha256"], record["classes"]])

    def made_of(self, shift: str) -> dict[str, Any]:
        left_out = ("name", "data", "where", "own")
        return {key: value for key, value in asdict(self).items() if key not in left_out}

    def evaluated_with(self) -> dict[str, Any]:
        merged = {} if self.merged_by == "greatest" else {"merged_by": self.merged_by}
        return {**super().evaluated_with(), **merged}

    def stamp(self, shift: str) -> Path:
        return self.folder / "dataset.json"

    def files(self, shift: str) -> list[Path]:
        return [self.folder / name for name in ("test_images.npy", "test_labels.npy", "dataset.json")]

    def identity(self) -> str:
        noted = read_mapping(self.stamp(self.name), {"sha256": dict, "classes": list, "counted_as": list})
        return digests.json_digest([noted["sha256"], noted["classes"], noted["counted_as"]])

    def verify(self, shift: str) -> None:
        datasets.verify(self.folder, read_mapping(self.stamp(shift), {"sha256": dict}), "test")

    def roots(self) -> tuple[str, ...]:
        return (*super().roots(), datasets.loader_path(self.loader))

    def check(self, classes: Sequence[str] | None = None) -> None:
        missing = not all(path.exists() for path in self.files(self.name))
        if missing:
            loader_module(self.loader).check(**self.options)
        theirs = datasets.classes(self.loader, self.options)
        if theirs is None and isinstance(self.classes, Mapping):  # they are yet to be downloaded, for these classes
            theirs = [name for name in self.classes if name != class_map.OTHERS]
        if theirs is not None and classes is not None:
            self._mapped(theirs, classes)
        if missing:
            self._refuse_own_files()

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        wanted = {"described": str, "classes": list, "counted_as": list, "partial": bool}
        noted = read_mapping(self.folder / "dataset.json", wanted)
        images, labels = datasets.read(self.folder, "test", getattr(test.images, "workers", 1))
        taken, counted_as = (
            np.array(noted[key], np.int64) if noted["partial"] else None for key in ("classes", "counted_as")
        )
        shift = Shift(images, labels, labels.shape, taken, counted_as=counted_as, merged_by=self.merged_by)
        return OneShift(noted["described"], shift)

    def parts(self, count: int, again: Collection[str] = ()) -> Iterator[Part]:
        try:
            there = loader_module(self.loader).sizes(**self.options)[self.split == "test"]
        except UserError:  # the source is gone, and the images are prepared
            there = count
        made = self.name in again or not all(path.exists() for path in self.files(self.name))
        streamed = getattr(loader_module(self.loader), "STREAMED", self.options.get("streamed", False))
        yield Part(self.name, min(self.images or there, there), made, 0.0 if streamed else 3.0)

    def samples(self, count: int) -> Iterator[tuple[str, np.ndarray]]:
        if self.files(self.name)[0].is_file():
            images = datasets.read_images(self.folder, "test")
            yield self.name, np.array(images[evenly(len(images), count)])


def _digests(images: np.ndarray) -> Iterator[bytes]:
    return (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)


def _contents(loader: str, options: Mapping[str, Any]) -> Mapping[str, str]:
    """The digests of a data set's files by their names; nothing where it has none, or they are absent."""
    contents = getattr(loader_module(loader), "contents", None)
    if contents is None or datasets.source_digest(loader, options) is None:
        return {}
    found: Mapping[str, str] = contents(**options)
    return found


KIND = Natural
