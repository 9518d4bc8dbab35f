"""Data sets, one module each; `prepare` turns any of them into the same four arrays, large ones into their index.

A module defines `load(**options) -> Arrays`, `side(**options) -> int` (the images' side in pixels),
`sizes(**options) -> (train, test)` (how many images there will be) and `check(**options)`, a quick look before any job
that raises `UserError`. None of them imports torch. A module with `DOWNLOADS = True` fetches what is absent to its
option `folder`, which experiments set to `<data>/downloads` unless they name another; one with `STREAMED = True` leaves
the images in their files. `digest(**options)`, where there is one, tells whether the source has changed since it was
prepared; it is None where the source is gone. `classes(**options)` gives the classes' names where they are known before
any job, and otherwise None. `limits(**options)`, where there is one, lists in words what limits the figures on its
images. `contents(**options)`, where there is one, is a digest of each image's file by its name below `train/` or
`test/`: equal files are equal images. One with `TESTS_ONLY = True` has no training images, and serves for test sets
alone. `NORMALISATION` is the mean and the standard deviation that nets see its images with, `NORMALISED` where a
module has none.
"""

import hashlib
import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any, NamedTuple, get_args

import numpy as np

from augmix.errors import UserError
from augmix.registry import find_module, module_names, nearest
from augmix.suite.data import photographs
from augmix.suite.data.photographs import Photographs
from augmix.suite.data.streaming import Streamed
from augmix.suite.io import digests
from augmix.suite.io.files import array_parts, read_array, read_json, write_json
from augmix.suite.io.progress import bar

SPLITS = ("train", "test")
FUNCTIONS = ("load", "side", "sizes", "check")
"""The functions that a loader has to define."""
KINDS = {str: "text", int: "a whole number", bool: "true or false", NoneType: "null"}
"""The types of loaders' options, in words."""
NORMALISED = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""As in the paper's code for CIFAR: to [-1, 1]."""
PART_BYTES = 2**24
"""How much of an array is held in memory at a time while it is written."""


class Arrays(NamedTuple):
    """A whole data set: uint8 (N, H, W, 3) images, int64 (N,) labels, and the classes' names.

    Images are arrays, or `Streamed`, which index like arrays and are decoded when they are asked for. Where `streamed`
    is given, they are entries (N,) of `files` in its place.
    """

    train_images: Any
    train_labels: np.ndarray
    test_images: Any
    test_labels: np.ndarray
    classes: list[str]
    streamed: Mapping[str, Any] | None = None
    """`root`, the folder below which the files lie, `side`, that of the images, and perhaps their `border`."""


def files(names: list[bytes], sizes: list[int]) -> np.ndarray:
    """The images of a streamed data set: file names below its root, and sizes in bytes, by which changes show."""
    longest = max(map(len, names))
    return np.array(list(zip(names, sizes, strict=True)), [("name", f"S{longest}"), ("size", "<i8")])


class Split(NamedTuple):
    """One split as it lies on disk."""

    images: np.ndarray | Photographs
    """uint8 (N, H, W, 3), memory-mapped or decoded from files."""
    labels: np.ndarray
    """int64 (N,)."""


def padded(images: np.ndarray) -> np.ndarray:
    """Grey images, uint8 (N, 28, 28), in CIFAR's shape: uint8 (N, 32, 32, 3) with a black frame of two pixels."""
    return np.repeat(np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None], 3, axis=3)


def evenly(count: int, wanted: int | None) -> np.ndarray:
    """Indices of at most `wanted` of `count` images, evenly spaced: balanced also when sorted by class."""
    return np.arange(count) if wanted is None or wanted >= count else np.arange(wanted) * count // wanted


def loader_path(name: str) -> str:
    """The dotted name of a loader's module: one of `augmix.suite.data.loaders`, or `package.module` of others."""
    return name if "." in name else f"augmix.suite.data.loaders.{name}"


def loader_module(name: str) -> ModuleType:
    """A data set's module."""
    return importlib.import_module(loader_path(name))


def check_loader(name: str) -> None:
    """Refuse a name that leads to no loader, and a module that lacks one of a loader's functions."""
    if "." not in name:
        if name not in (known := loader_names()):
            raise UserError(f"unknown data set loader '{name}'; {nearest(name, known)}")
        return
    if not find_module(name):
        raise UserError(f"no Python module '{name}' (looked along PYTHONPATH)")
    try:
        module = loader_module(name)
    except (ImportError, SyntaxError) as error:
        raise UserError(f"the loader {name} cannot be imported: {error}") from error
    for function in FUNCTIONS:
        if not callable(getattr(module, function, None)):
            raise UserError(f"the loader {name} defines no function '{function}'; a loader has {', '.join(FUNCTIONS)}")


def loader_names() -> list[str]:
    """The names of all loaders."""
    return module_names("augmix.suite.data.loaders")


def with_downloads(loader: str, options: Mapping[str, Any], downloads: Path) -> dict[str, Any]:
    """A loader's options with the folder to which it downloads, where it does and they name none."""
    wanted = getattr(loader_module(loader), "DOWNLOADS", False)
    return {"folder": str(downloads), **options} if wanted else dict(options)


def with_defaults(loader: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """A loader's options, and those that are not given by their defaults."""
    bound = inspect.signature(loader_module(loader).load).bind(**options)
    bound.apply_defaults()
    return bound.arguments


def classes(loader: str, options: Mapping[str, Any]) -> list[str] | None:
    """The names of a data set's classes, where they are known without loading it."""
    known = getattr(loader_module(loader), "classes", None)
    found: list[str] | None = known(**options) if known else None
    return found


def check_options(loader: str, options: Mapping[str, Any]) -> None:
    """Refuse options that a loader does not take, of another type, or missing; the error names the option first."""
    parameters = inspect.signature(loader_module(loader).load).parameters
    for option, value in options.items():
        if option not in parameters:
            raise OptionError(option, f"unknown option '{option}'; {nearest(option, parameters)}")
        annotation = parameters[option].annotation
        kinds = get_args(annotation) or (annotation,)
        if type(value) not in kinds and set(kinds) <= set(KINDS):
            wanted = " or ".join(KINDS[kind] for kind in kinds)
            raise OptionError(option, f"option '{option}' is {value!r}; {wanted} is expected")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options:
            raise OptionError("", f"this loader needs the option '{name}'")


class OptionError(UserError):
    """An option that a loader refuses, by its name."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True)
class Preparation:
    """The settings of `augmix prepare`: everything that decides a prepared data set but code."""

    loader: str
    options: Mapping[str, Any]
    subset: Mapping[str, int | None]
    """At most so many images of train and test."""
    validation: float | None = None
    """The share of the training images that takes the test images' place."""
    source: str | None = None
    """The digest of the source's files, where the loader has one."""

    def roots(self) -> tuple[str, ...]:
        """The modules whose code decides the result."""
        return (__name__, loader_path(self.loader))

    def made_of(self) -> dict[str, Any]:
        """The settings as `dataset.json` notes them."""
        return asdict(self)


def files_of(folder: Path) -> list[Path]:
    """The files of a prepared data set."""
    names = [f"{split}_{kind}.npy" for split in SPLITS for kind in ("images", "labels")]
    return [folder / name for name in (*names, "dataset.json")]


def prepare(settings: Preparation, folder: Path) -> None:
    """Load a data set and write `<folder>/{train,test}_{images,labels}.npy` and, last, `dataset.json`.

    Nothing is written when anything is wrong with the source.
    """
    module = loader_module(settings.loader)
    data: Arrays = module.load(**settings.options)
    splits = {"train": (data.train_images, data.train_labels), "test": (data.test_images, data.test_labels)}
    rows = {split: np.arange(len(labels)) for split, (_, labels) in splits.items()}
    if settings.validation is not None:
        from sklearn.model_selection import train_test_split

        splits["test"], labels = splits["train"], data.train_labels
        kept, held = train_test_split(rows["train"], test_size=settings.validation, stratify=labels, random_state=0)
        rows = {"train": kept, "test": held}
    rows = {split: chosen[evenly(len(chosen), settings.subset[split])] for split, chosen in rows.items()}
    if data.streamed is not None:
        for split, (images, _) in splits.items():
            photographs.verify(Path(data.streamed["root"]), images[rows[split]]["name"])
    # A source that was downloaded or unpacked just now had no digest to ask for.
    settings = replace(settings, source=settings.source or source_digest(settings.loader, settings.options))
    normalisation = getattr(module, "NORMALISATION", NORMALISED)
    record: dict[str, Any] = {
        "classes": data.classes, **settings.made_of(), "normalisation": normalisation, "sha256": {},
        "code": digests.code_of(settings.roots()).as_json(),
    }  # fmt: skip
    if data.streamed is not None:
        record["streamed"] = dict(data.streamed)
    with ExitStack() as whole:
        for split, (images, labels) in splits.items():
            for kind, array in (("images", images), ("labels", labels.astype(np.int64))):
                path = folder / f"{split}_{kind}.npy"
                record["sha256"][path.stem] = write_rows(path, array, rows[split], whole)
        # A record of other settings must not stand beside half of the new arrays, should this be interrupted.
        (folder / "dataset.json").unlink(missing_ok=True)
    write_json(folder / "dataset.json", record)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # it is not empty, or was never made
        folder.rmdir()


def write_rows(
    path: Path,
    array: np.ndarray | Streamed,
    rows: np.ndarray,
    whole: ExitStack,
    look: Callable[[np.ndarray], Any] = len,
) -> str:
    """Write these rows of an array as a `.npy` file, which takes its place when `whole` is left without an error.

    They are read part by part, each of which `look` is shown. Returns the sha256 of the content. After an error the
    folder goes as well, where nothing else is in it.
    """
    whole.callback(_remove_empty, path.parent)
    write = whole.enter_context(array_parts(path, array.dtype, (len(rows), *array.shape[1:])))
    content = hashlib.sha256()
    step = max(1, PART_BYTES // (array.dtype.itemsize * math.prod(array.shape[1:])))
    with bar(desc=path.stem.replace("_", " "), total=len(rows), unit="image", leave=False) as shown:
        for start in range(0, len(rows), step):
            part = np.ascontiguousarray(array[rows[start : start + step]])
            look(part)
            write(part)
            content.update(part.tobytes())
            shown.update(len(part))
    return content.hexdigest()


def read(folder: Path, split: str, workers: int = 1) -> Split:
    """Open a prepared split and check that its files belong together; so many threads decode streamed images."""
    images = read_images(folder, split, workers)
    labels = read_array(folder / f"{split}_labels.npy", np.int64, (len(images),))
    return Split(images, np.asarray(labels))


def verify(folder: Path, noted: Mapping[str, Any], split: str) -> None:
    """Refuse a split whose arrays are not those that were prepared, by the checksums of its record."""
    for kind in ("images", "labels"):
        path = folder / f"{split}_{kind}.npy"
        wanted = noted["sha256"].get(f"{split}_{kind}")
        content = np.ascontiguousarray(read_array(path)).reshape(-1).view(np.uint8)  # still a map of the file
        if wanted not in (None, hashlib.sha256(content.data).hexdigest()):
            raise UserError(f"{path} is not as it was prepared; delete {folder / 'dataset.json'} to have it made again")


def read_images(folder: Path, split: str, workers: int = 1) -> np.ndarray | Photographs:
    """A prepared split's images alone."""
    path = folder / f"{split}_images.npy"
    entries = read_array(path)
    if entries.dtype.names:
        streamed = record(folder)["streamed"]
        border = streamed.get("border", 0)
        return Photographs(Path(streamed["root"]), entries["name"], streamed["side"], workers, border)
    return read_array(path, np.uint8, (None, None, None, 3))


def source_digest(loader: str, options: Mapping[str, Any], folder: Path | None = None) -> str | None:
    """A digest of a data set's files, by content; once they are gone, the one that `folder`'s record notes."""
    digest = getattr(loader_module(loader), "digest", None)
    if digest is None:
        return None
    found: str | None = digest(**options)
    if found is None and folder is not None and (folder / "dataset.json").exists():
        return record(folder).get("source")
    return found


def test_images_digest(folder: Path) -> str:
    """A digest of a prepared data set's test images and labels."""
    noted = record(folder)["sha256"]
    if not isinstance(noted, dict) or not {"test_images", "test_labels"} <= set(noted):
        raise UserError(f"{folder / 'dataset.json'} lacks its checksums; delete it to have it made again")
    return digests.json_digest([noted["test_images"], noted["test_labels"]])


def record(folder: Path) -> dict[str, Any]:
    """The record that `prepare` wrote of a data set: its classes, settings and checksums."""
    if not (folder / "dataset.json").exists():
        raise UserError(f"{folder / 'dataset.json'} is missing: prepare the data set first, with `augmix prepare`")
    noted = read_json(folder / "dataset.json")
    if not isinstance(noted, dict) or not {"classes", "loader", "sha256"} <= set(noted):
        raise UserError(f"{folder / 'dataset.json'} is not a data set's record; run `augmix prepare` again")
    return noted
