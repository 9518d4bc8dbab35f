"""A run's predictions on a test set as they lie on disk: one writer, one reader, one version.

An archive `<output>/<test set>.npz` holds for each shift an array of `NUMBERS`, beside it `labels`, `source`, of images
of two cues the labels of textures, and a stamp that says what it was made with. An archive of another version, or
without a field, is evaluated again.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from augmix.errors import UserError
from augmix.suite.io.files import atomic

VERSION = 3
NUMBERS = np.dtype(
    [
        ("prediction", "<i4"),
        ("confidence", "<f4"),
        ("true_probability", "<f4"),
        ("squared_sum", "<f4"),
        ("log_sum", "<f4"),
    ]
)
"""The numbers of one image: the predicted class, its probability, the true class's, Σ_k p_k², and ln Σ_k exp(logit)."""
RANKED = np.dtype([*NUMBERS.descr, ("top5", "<i4", (5,))])
"""The same with the five likeliest classes, the likeliest first."""
STAMP = "stamp"
CUES = "labels of textures"
"""Its place in an archive: no shift has such a name."""


class Predictions(NamedTuple):
    """The predictions on one test set."""

    shifts: Mapping[str, np.ndarray]
    """By shift, an array of `NUMBERS`, or of `RANKED`: (N,), (levels, N), or (N, frames)."""
    labels: np.ndarray
    """int64 (N,), or (levels · N,)."""
    source: str
    """The images' source, in words."""
    cues: np.ndarray | None = None
    """The class of the texture of each image, int64 (N,), where its label is that of its shape alone."""


class OutdatedError(UserError):
    """An archive that has to be made again: of another version, damaged, or without what is asked for."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(f"{path} {fault}; it has to be evaluated again")
        self.path, self.fault = path, f"{path.name} {fault}"


def path_of(folder: Path, output: str, testset: str) -> Path:
    """The file of the predictions of the run in `folder`."""
    return folder / output / f"{testset}.npz"


def write(path: Path, predictions: Predictions, stamp: Mapping[str, Any]) -> None:
    """Write an archive, whole or not at all; `stamp` is JSON-able."""
    arrays = {**predictions.shifts, "labels": predictions.labels, "source": np.array(predictions.source)}
    if predictions.cues is not None:
        arrays[CUES] = predictions.cues
    noted = np.array(json.dumps(stamped(stamp), sort_keys=True))
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{**arrays, STAMP: noted})  # type: ignore[arg-type]


def stamped(stamp: Mapping[str, Any]) -> dict[str, Any]:
    """A stamp as it is read back from an archive of this version."""
    noted: dict[str, Any] = json.loads(json.dumps({"version": VERSION, **stamp}))
    return noted


def read(path: Path, shifts: tuple[str, ...], top5: bool = False, cues: bool = False) -> Predictions:
    """Read an archive with these shifts; raises `OutdatedError` when it is damaged, lacks one, or is too old.

    With `top5` it has to have the five likeliest classes as well, with `cues` the classes of textures.
    """
    fields = set((RANKED if top5 else NUMBERS).names or ())
    arrays = _load(path, (*shifts, "labels", "source", STAMP, *([CUES] if cues else [])))
    stamp_of_arrays(path, arrays)
    for shift in shifts:
        if not fields <= set(arrays[shift].dtype.names or ()):
            raise OutdatedError(path, "lacks a number of each image")
    found = {shift: arrays[shift] for shift in shifts}
    return Predictions(found, arrays["labels"], str(arrays["source"]), arrays.get(CUES))


def read_clean(folder: Path) -> np.ndarray:
    """The `NUMBERS` (N,) of the clean images, whose archive lies in a folder; raises `OutdatedError` as `read`."""
    return read(folder / "clean.npz", ("clean",)).shifts["clean"]


def read_stamp(path: Path, shifts: tuple[str, ...] = ()) -> dict[str, Any]:
    """The stamp of an archive with these shifts, whose numbers are not looked at; raises `OutdatedError` as `read`."""
    return stamp_of_arrays(path, _load(path, (STAMP,), beside=(*shifts, "labels", "source")))


def is_whole(path: Path, shifts: tuple[str, ...], stamp: Mapping[str, Any]) -> bool:
    """Whether an archive has this stamp and can be read to its last number."""
    try:
        read(path, shifts)
        return read_stamp(path) == stamped(stamp)
    except OutdatedError:
        return False


def stamp_of_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The stamp among an archive's arrays; raises `OutdatedError` unless it is of this version."""
    try:
        stamp = json.loads(str(arrays[STAMP]))
    except ValueError:
        stamp = None
    if not isinstance(stamp, dict) or stamp.get("version") != VERSION:
        raise OutdatedError(path, "is of another version")
    return stamp


def _load(path: Path, names: tuple[str, ...], beside: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The arrays of these names; those `beside` have to be there as well."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if missing := [name for name in (*names, *beside) if name not in archive.files]:
                what = "a stamp of what it was made with" if missing[0] == STAMP else f"'{missing[0]}'"
                raise OutdatedError(path, f"lacks {what}")
            return {name: archive[name] for name in names}
    except FileNotFoundError as error:
        raise OutdatedError(path, "is missing") from error
    except (OSError, ValueError, EOFError, LookupError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise OutdatedError(path, f"is damaged ({error})") from error
