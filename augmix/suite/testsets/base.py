"""Test sets: images that a trained net is evaluated on, known by their settings before any is read.

A kind of test sets is one module of `augmix.suite.testsets.kinds`, found by its file name, with a subclass of `TestSet`
called `KIND`. Everything else in the suite loops over an experiment's test sets and asks them; nothing here or there
imports torch.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from augmix.suite.data import datasets
from augmix.suite.data.datasets import Split
from augmix.suite.data.streaming import Lazy
from augmix.suite.io import changes, digests
from augmix.suite.io.changes import Difference
from augmix.suite.io.files import read_mapping, write_json

MISSING = "missing"
"""Why files have to be made that are not there."""
IMAGES = {
    "description": "At most so many test images, evenly spaced; null: all.",
    "type": ["integer", "null"],
    "minimum": 1,
    "default": None,
}
SEED = {"type": "integer", "minimum": 0, "maximum": 4294967295, "default": 0}
"""The schema of two settings that many kinds have."""


class Adaptation(NamedTuple):
    """How a net is adapted to the images of a shift before it predicts them: see `augmix.adaptation`."""

    batch_size: int
    """At most so many images, drawn from the whole shift, are adapted to at a time."""
    prior: float
    """How many images the statistics of training count as."""
    seed: int
    """The seed of the order in which images make batches."""


class Shift(NamedTuple):
    """The images of one shift of a test set, in the order of their labels."""

    images: np.ndarray | Lazy
    """uint8 (A·B, H, W, 3): an array, a memory map, or decoded from many files."""
    labels: np.ndarray
    """int64 (A·B,)."""
    shape: tuple[int, ...]
    """The shape of the predictions: (N,), (levels, N), or (N, frames) of a sequence."""
    classes: np.ndarray | None = None
    """The classes among which a net predicts, int64 (K,), where these are not all of them."""
    attack: Callable[[Any, Any, Any], Any] | None = None
    """(images (B, C, H, W) uint8, labels (B,), net) -> what that net is shown in their place, of torch."""
    counted_as: np.ndarray | None = None
    """The class that each of `classes` counts as, int64 (K,), where several make one; None: itself."""
    merged_by: Literal["greatest", "mean"] = "greatest"
    """The greatest logit stands for several that make one, or the mean probability."""
    adaptation: Adaptation | None = None


class Images(ABC):
    """An opened test set."""

    source: str
    """The images' source: a column of metrics.csv."""

    labels: np.ndarray
    """int64, in the order of the images: (N,), or (levels · N,)."""
    cues: np.ndarray | None = None
    """The class of the texture of each image that has the shape of its label, int64 (N,); None of other images."""

    @abstractmethod
    def read(self, shift: str) -> Shift:
        """Open one shift; raises `UserError` when its file is missing, cut short, or does not fit."""

    def check(self, shifts: Sequence[str]) -> None:  # noqa: B027 - most kinds have nothing to check
        """Raise `UserError` unless the files of these shifts can be those of the data set."""


class OneShift(Images):
    """The images of a test set that has one shift alone."""

    def __init__(self, source: str, shift: Shift) -> None:
        self.source, self.labels, self._shift = source, shift.labels, shift

    def read(self, shift: str) -> Shift:
        return self._shift


class Part(NamedTuple):
    """One file of a test set, as a forecast counts it."""

    shift: str
    images: int
    """How many images a net predicts: all severities, or frames."""
    made: bool
    """Whether it has to be made: it is neither there nor published."""
    bytes_a_pixel: float
    """Bytes that it takes on disk for each pixel of each image."""


class Making(NamedTuple):
    """A job that makes files of a test set."""

    testset: "TestSet"
    shifts: tuple[str, ...]
    number: int
    """Its number among the jobs of the test set, from 1."""
    local: bool
    """Whether it runs where the workflow was started: it downloads, or only looks."""

    @property
    def folder(self) -> Path:
        """The folder that it writes to."""
        return self.testset.folder

    @property
    def marker(self) -> Path:
        """The file that it writes last."""
        return self.testset.marker(self.number)

    @property
    def title(self) -> str:
        """The job in a progress line: `digits-C 2`."""
        return f"{Path(self.testset.data).name}-{self.testset.name} {self.number}"

    @property
    def id(self) -> str:
        """The job's name in the workflow: letters, digits and underscores."""
        return re.sub(r"\W", "_", self.title)

    def settings(self) -> dict[str, Any]:
        """The settings of `augmix generate`, JSON-able."""
        return {"testset": self.testset.settings(), "shifts": list(self.shifts), "number": self.number}


@dataclass(frozen=True)
class TestSet(ABC):
    """One test set of one data set. Its fields are the settings of the jobs that make it and evaluate on it."""

    __test__: ClassVar[bool] = False  # pytest takes classes of this name for tests

    name: str
    """The experiment's name for it: `clean`, `C`; a column of metrics.csv."""
    data: str
    """The folder of the prepared data set whose classes are predicted."""

    kind: ClassVar[str]
    """Its module's name."""
    schema: ClassVar[Mapping[str, Any]] = {}
    """JSON Schema of what the YAML may say about a test set of this kind, by key, with defaults."""
    levels: ClassVar[int] = 1
    """Severities of each shift."""
    sequence: ClassVar[bool] = False
    """Whether a shift is a sequence of frames of each image."""
    adapts: ClassVar[bool] = False
    """Whether a net is adapted to its images before it predicts them."""
    of_net: ClassVar[bool] = False
    """Whether its images are made against each net."""
    outside: ClassVar[bool] = False
    """Whether its images are of none of the data set's classes: a net is to tell them from the clean ones."""
    independent: ClassVar[tuple[str, ...]] = ()
    """The sequences whose frames are independent draws: each is compared with the first, not with the one before."""
    mean: ClassVar[str] = "mean"
    """The name of the headline's mean over shifts: mCE, mFP."""
    mean_title: ClassVar[str] = "mean"
    """That name spelt out, as it is printed within a sentence."""
    noun: ClassVar[str] = "shift"
    """The word for one shift."""
    adjective: ClassVar[str] = ""
    """The word that is printed before a measure on it: `clean` error."""
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The headings under which tables print its shifts; the others stand under none."""
    question: ClassVar[str] = ""
    """The question that the report answers with it, if any: `texture`, `natural` or `adaptation`."""

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: "Origin") -> Self:
        """Build it from its entry in an experiment's YAML; raises `UserError` where that cannot be."""
        return cls.of_fields(name, entry, origin)

    @classmethod
    def of_fields(cls, name: str, entry: Mapping[str, Any], origin: "Origin", **others: Any) -> Self:
        """Build it of the fields that an entry has by their names, but for the `others`."""
        found = {field.name: entry[field.name] for field in fields(cls) if field.name in entry}
        return cls(**{"name": name, "data": str(origin.folder), **found, **others})

    @property
    @abstractmethod
    def shifts(self) -> tuple[str, ...]:
        """The names of its shifts, in the order in which they are printed."""

    @property
    def top5(self) -> bool:
        """Whether the five likeliest classes of each image are kept."""
        return False

    @property
    def beside(self) -> str:
        """The name of the test set of the same images to which nets are not adapted; else empty."""
        return ""

    @property
    def cues(self) -> bool:
        """Whether images have the shape of one class, by which they count, and the texture of another."""
        return False

    @property
    def title(self) -> str:
        """Its name in print, by itself: `writers`, `-C`."""
        return self.name.replace("_", " ")

    def title_on(self, dataset: str) -> str:
        """Its name in print with the title of its data set: `Digits-writers`, `Digits-C`."""
        return f"{dataset}-{self.name.replace('_', ' ')}"

    def size(self, count: int | None) -> int | None:
        """The number of images of a shift at each severity, of a data set with `count` test images; None: unknown."""
        return count

    @property
    def folder(self) -> Path:
        """The folder of its own files."""
        return Path(self.data)

    @property
    def entering(self) -> tuple[str, ...]:
        """The shifts that enter the headline's mean, whether it has them or not; empty where there is no such mean."""
        return ()

    @property
    def cells(self) -> Mapping[tuple[int, int], str]:
        """The shift at each row and column of a map, from the top left, where they are drawn as one; else nothing."""
        return {}

    @abstractmethod
    def open(self, test: Split, classes: Sequence[str]) -> Images:
        """Open it beside the data set's own test images; raises `UserError` where it does not fit them."""

    def jobs(self) -> list[Making]:
        """The jobs that make it, with every file they may have to write."""
        return []

    def make(self, shifts: Sequence[str]) -> None:
        """Make the files of these shifts, each anew; raises `UserError` for a fault of the source."""
        raise NotImplementedError(f"{self.kind} is not made")

    def trial(self, shift: str, images: np.ndarray) -> int:
        """Make a shift of some images in memory, for a forecast to time; returns how many images that makes.

        `images` are uint8 (N, H, W, 3). A kind that only reads or copies its images makes none.
        """
        return 0

    def made_of(self, shift: str) -> dict[str, Any]:
        """Everything that decides the content of a shift's file but code and the data set's images: JSON-able."""
        return {}

    def data_digest(self) -> str:
        """A digest of everything of the data set that decides the content of its files."""
        return datasets.test_images_digest(Path(self.data))

    def stamp(self, shift: str) -> Path:
        """The file that says what a shift that was made was made with."""
        return self.folder / f"{shift}.json"

    def marker(self, number: int) -> Path:
        """The file that a job of its own writes last."""
        return self.folder / f"made-{number}.json"

    def files(self, shift: str) -> list[Path]:
        """The files of a shift that are made, by which it is known to be there."""
        return []

    def identity(self) -> str:
        """A digest of its images as they are now; raises `UserError` where they are missing."""
        return datasets.test_images_digest(Path(self.data))

    def verify(self, shift: str) -> None:
        """Refuse a shift whose files are not what their stamp says, as far as an instant tells; raises `UserError`."""
        folder = Path(self.data)
        datasets.verify(folder, datasets.record(folder), "test")

    def readers(self) -> tuple[str, ...]:
        """The modules whose code decides what `open` gives."""
        return (f"augmix.suite.testsets.kinds.{self.kind}",)

    def roots(self) -> tuple[str, ...]:
        """The modules whose code decides what `make` writes."""
        return (f"augmix.suite.testsets.kinds.{self.kind}",)

    def check(self, classes: Sequence[str] | None = None) -> None:  # noqa: B027 - most kinds have nothing to check
        """Look before any job whether what it is read from is there, and fits; raises `UserError`.

        `classes` are the data set's, where they are known.
        """

    def parts(self, count: int, again: Collection[str] = ()) -> Iterator[Part]:
        """Count its images, for a data set of `count` test images; the shifts `again` are made although they exist."""
        for shift in self.shifts:
            yield Part(shift, self.size(count) or count, False, 0.0)

    def settings(self) -> dict[str, Any]:
        """Its kind and fields, JSON-able: `of_settings` is the way back."""
        return {"kind": self.kind, **asdict(self)}

    def evaluated_with(self) -> dict[str, Any]:
        """The settings that decide which of its images are predicted, JSON-able: no folders, which may be moved."""
        return {"kind": self.kind, "shifts": list(self.shifts)}

    def samples(self, count: int) -> Iterator[tuple[str, np.ndarray]]:
        """For each shift, up to `count` of its images: uint8 (K, H, W, 3); nothing where none is made."""
        yield from ()


@dataclass(frozen=True)
class Origin:
    """A prepared data set whose test images test sets are made of, and where things lie."""

    root: Path
    """The folder of all data."""
    dataset: str
    """Its folder below `root`."""
    loader: str
    options: Mapping[str, Any]
    preset: str
    """The parameter set of generated shifts: cifar, tiny or imagenet."""
    testsets: Mapping[str, Any]
    """The resolved entries of the data set's test sets, by name: one can be made of another."""

    @property
    def folder(self) -> Path:
        return self.root / self.dataset

    @property
    def downloads(self) -> Path:
        """The folder to which data sets and published test sets are downloaded."""
        return self.root / "downloads"

    @property
    def side(self) -> int:
        """The images' side in pixels."""
        side: int = datasets.loader_module(self.loader).side(**self.options)
        return side

    @property
    def streamed(self) -> bool:
        """Whether the images stay in their files."""
        return bool(getattr(datasets.loader_module(self.loader), "STREAMED", False))


def make(testset: TestSet, shifts: Sequence[str], number: int) -> None:
    """Make those of the shifts that are not there as they should be, and write the job's marker."""
    missing = [shift for shift in shifts if not is_made(testset, shift)]
    if missing:
        testset.make(missing)
    write_json(testset.marker(number), {"shifts": list(shifts)})


def is_made(testset: TestSet, shift: str) -> bool:
    """Whether a shift's files are there, made with the settings, code and data of now."""
    return difference(testset, shift) is None


def difference(testset: TestSet, shift: str) -> Difference | None:
    """The difference between a shift's files and what is asked for now; None where all is right."""
    stamp, files = testset.stamp(shift), testset.files(shift)
    if missing := [file for file in files or [stamp] if not file.exists()]:
        return Difference(MISSING, (f"{missing[0].name} is missing",))
    code = digests.code(testset.roots())
    if not stamp.exists():
        asked = digests.json_digest([testset.made_of(shift), code.digest])
        return Difference("unknown", ("it does not say what it was made with",), asked)
    noted = read_mapping(stamp, {"settings": dict, "data": str})
    differing = changes.differing(noted["settings"], testset.made_of(shift))
    # The data set may be gone, and its test sets still be there.
    if not differing and (Path(testset.data) / "dataset.json").exists() and noted["data"] != testset.data_digest():
        differing = ["other images of the data set"]
    return changes.difference(differing, noted.get("code"), code)
