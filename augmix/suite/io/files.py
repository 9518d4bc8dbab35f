"""Read and write whole files or none: each is written under a temporary name, flushed to disk and renamed."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from augmix.errors import UserError


def expanded(path: Path | str) -> Path:
    """The path with a leading `~` replaced by the home folder; a `UserError` where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: there is no home folder for the '~'; set HOME, or write the whole path") from None


def _sync(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success fsync it, rename it to `path` and fsync the folder.

    When the block raises, the temporary file is removed and `path` stays as it was. A full disk or a missing
    permission becomes a `UserError` that names the file.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: Path | str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_csv(path: Path | str, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a whole table with a header that names at least `columns`.

    Raises `UserError` naming the file when it is missing or no CSV, lacks a column, or was cut short.
    """
    try:
        text = Path(path).read_bytes().decode()
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is not a readable CSV file ({error})") from error
    if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
        raise UserError(f"{path} lacks the column {missing[0]}")
    if not text.endswith("\n") or any(None in row or None in row.values() for row in rows):
        raise UserError(f"{path} is cut short or has a row of another length")
    return rows


def read_json(path: Path | str) -> Any:
    """Read a JSON file; a missing or damaged one is a `UserError` that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not readable JSON ({error}); delete it to have it made again") from error


def read_mapping(path: Path, kinds: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """Read a JSON or YAML file that holds a mapping; `kinds` says which keys it has, with values of which types.

    Raises `UserError` naming the file when it is missing, damaged, or lacks one of them.
    """
    if path.suffix == ".json":
        value = read_json(path)
    else:
        try:
            value = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UserError(f"{path} is missing") from error
        except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"{path} is not readable YAML ({reason}); delete its folder to have it made again"
            ) from error
    if not isinstance(value, dict):
        raise UserError(f"{path} is damaged: it holds no mapping; delete it to have it made again")
    for key, kind in kinds.items():
        if not isinstance(value.get(key), kind):
            raise UserError(f"{path} is damaged: its '{key}' is missing or odd; delete it to have it made again")
    return value


def write_array(path: Path | str, array: np.ndarray) -> None:
    """Write a `.npy` file, whole or not at all."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


@contextmanager
def array_parts(path: Path | str, dtype: np.dtype, shape: tuple[int, ...]) -> Iterator[Callable[[np.ndarray], object]]:
    """Yield a function that appends a part to a `.npy` file of that shape, which is written whole or not at all.

    Memory stays flat in the array's length, and the file is not mapped: a full disk would kill the process then.
    """
    with atomic(path) as temporary, temporary.open("wb") as file:
        described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, described)
        yield lambda part: file.write(np.ascontiguousarray(part).data)


def read_array(path: Path | str, dtype: type | None = None, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
    """Memory-map a `.npy` file read-only and check it; `None` in `shape` accepts any length.

    Raises `UserError` naming the file when it is missing, cut short, or of another dtype or shape.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is missing")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:  # NumPy takes what is no array for a pickle, and advises to trust it
        raise UserError(f"{path} is not a whole .npy file: it is damaged; delete it to have it made again") from error
    if dtype is not None and array.dtype != dtype:
        raise UserError(f"{path} holds {array.dtype}, expected {np.dtype(dtype)}")
    if shape is not None and (
        array.ndim != len(shape) or any(e is not None and e != n for e, n in zip(shape, array.shape, strict=True))
    ):
        expected = "×".join("any" if e is None else str(e) for e in shape)
        raise UserError(f"{path} has shape {'×'.join(map(str, array.shape))}, expected {expected}")
    return array


def is_damaged_array(path: Path) -> bool:
    """Whether a `.npy` file that can be read is none, or shorter than its header says."""
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        return False
    except (ValueError, EOFError):
        return True
    return False
