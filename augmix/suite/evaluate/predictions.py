"""The predictions of a run on a test set, as they lie on disk."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from augmix.errors import UserError


def read_predictions(
    folder: Path, benchmark: str, names: list[str], output: str = "predictions", prefix: str = ""
) -> dict[str, np.ndarray]:
    """A run's predictions on one benchmark, those of the archive whose names begin with `prefix`.

    Raises `UserError` when the file is damaged or lacks a shift.
    """
    path = folder / output / f"{benchmark}.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            loaded = {key.removeprefix(prefix): archive[key] for key in archive.files if key.startswith(prefix)}
    except (OSError, ValueError, EOFError, LookupError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged ({error}); delete it to have it made again") from error
    if missing := [name for name in (*names, "labels", "source") if name not in loaded]:
        raise UserError(f"{path} lacks '{prefix}{missing[0]}'; delete it to have it made again")
    return loaded
