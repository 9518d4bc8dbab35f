"""A digest of many files by content, with a cache by which files that did not change are not read again.

The cache is one file a folder, below `$XDG_CACHE_HOME/augmix` or `~/.cache/augmix`, or in the temporary folder where
neither can be written. A file counts as unchanged by its size, inode and times; `ctime` is the kernel's own, which no
copying program sets back. To lose the cache costs time and nothing else.
"""

import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from augmix.errors import UserError
from augmix.suite.io.files import write_text
from augmix.suite.io.progress import bar

VERSION = 1
SETTLED = 2 * 10**9
"""Nanoseconds that a file must have rested for: two changes within a tick of the clock leave the same times."""
SMALL = (1000, 2**26)
"""The fewest files and bytes for which a cache is kept: less is read in an instant."""
THREADS = 8
CHUNK = 256
"""How many files a thread reads at a time."""
ENDS = 2**16
"""How many bytes at both ends of a photograph or a published file tell whether it has changed."""
BLOCKS, BLOCK = 64, 2**14
"""How many places of a large file are looked at where it has to be quick, and how many bytes at each."""


class _Known(NamedTuple):
    """A file's content, and how the file looked when it was read."""

    size: int
    mtime: int
    ctime: int
    inode: int
    content: str


def digest(root: Path, folders: Iterable[str], wanted: Callable[[str], bool], ends: int | None = None) -> str:
    """16 hex digits over the names and contents of `each` file right in some folders below `root`, in their order."""
    folders = list(folders)
    return of_contents(each(root, folders, wanted, ends), folders)


def of_contents(contents: Mapping[str, str], folders: Iterable[str] = ()) -> str:
    """16 hex digits over files' names and contents, and the names of folders, which may be empty."""
    total = hashlib.sha256("\n".join(folders).encode(errors="surrogateescape"))
    for name, content in contents.items():
        total.update(f"\n{name} {content}".encode(errors="surrogateescape"))
    return total.hexdigest()[:16]


def each(root: Path, folders: Sequence[str], wanted: Callable[[str], bool], ends: int | None = None) -> dict[str, str]:
    """A digest of the content of each file right in some folders below `root`, by `<folder>/<name>` in their order.

    `wanted` says by its name whether a file counts. Of large files it may suffice to read so many bytes at both `ends`,
    beside the size. Raises `UserError` naming the folder or file that cannot be read.
    """
    now = time.time_ns()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="list") as pool:  # a network's file system takes its time
        listed = pool.map(lambda folder: _listed(root / folder, wanted), folders)
        found = {
            f"{folder}/{name}": state for folder, files in zip(folders, listed, strict=True) for name, state in files
        }
    worth = len(found) >= SMALL[0] or sum(size for size, *_ in found.values()) >= SMALL[1]
    cache = _cache_file(root, ends) if worth else None
    known = _read_cache(cache)
    contents = {
        name: known[name].content for name, state in found.items() if name in known and known[name][:4] == state
    }
    unread = [name for name in found if name not in contents]
    contents |= _contents(root, unread, ends)
    if cache is not None and (unread or len(known) > len(found)):
        rested = {
            name: _Known(*state, contents[name]) for name, state in found.items() if max(state[1:3]) < now - SETTLED
        }
        if rested != known:
            text = json.dumps(rested, separators=(",", ":"))
            with suppress(UserError):  # a full disk, say
                write_text(cache, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
    return {name: contents[name] for name in found}


def glimpsed(paths: Iterable[Path]) -> str:
    """16 hex digits over files' sizes and contents, of large files at `BLOCKS` places from the first byte to the last.

    It takes a millisecond a file: other images show, a change of few bytes in a large file may not. Raises `UserError`
    naming the file that cannot be read.
    """
    total = hashlib.blake2b(digest_size=8)
    for path in paths:
        try:
            with path.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                total.update(f"{size}\n".encode())
                whole = size <= BLOCKS * BLOCK
                for i in range(1 if whole else BLOCKS):
                    file.seek(i * (size - BLOCK) // (BLOCKS - 1))
                    total.update(file.read(size if whole else BLOCK))
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    return total.hexdigest()


def _listed(folder: Path, wanted: Callable[[str], bool]) -> list[tuple[str, tuple[int, int, int, int]]]:
    """The files in a folder by name, with their sizes, times and inodes."""
    found = []
    place = str(folder)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if wanted(entry.name):
                    place = entry.path
                    state = entry.stat()
                    if not stat.S_ISDIR(state.st_mode):  # whoever loads the files complains about a folder among them
                        seen = (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
                        found.append((entry.name, seen))
    except OSError as error:
        raise UserError(f"{place} cannot be read: {error.strerror or error}") from error
    return sorted(found)


def _contents(root: Path, names: list[str], ends: int | None) -> dict[str, str]:
    """The contents' digests of these files."""
    found: dict[str, str] = {}
    if not names:
        return found
    parts = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    with (
        ThreadPoolExecutor(THREADS, thread_name_prefix="digest") as pool,
        bar(desc=f"looking through {root.name}", total=len(names), unit="file", leave=False) as shown,
    ):
        for chunk in pool.map(lambda part: {name: _content(root / name, ends) for name in part}, parts):
            found |= chunk
            shown.update(len(chunk))
    return found


def _content(path: Path, ends: int | None) -> str:
    try:
        with path.open("rb", buffering=0) as file:
            if ends is None:
                return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
            size = os.fstat(file.fileno()).st_size
            found = hashlib.blake2b(file.read(ends), digest_size=16)
            file.seek(max(ends, size - ends))
            found.update(file.read(ends))
            return f"{size} {found.hexdigest()}"
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _cache_file(root: Path, ends: int | None) -> Path | None:
    """The cache of a folder; None where no cache can be kept."""
    key = hashlib.sha256(f"{VERSION} {ends} {os.path.abspath(root)}".encode(errors="surrogateescape")).hexdigest()
    given = os.environ.get("XDG_CACHE_HOME", "")
    usual = Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~")) / ".cache"
    for folder in (usual / "augmix", Path(tempfile.gettempdir()) / f"augmix-{os.getuid()}"):
        if not folder.is_absolute():  # there is no home
            continue
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = folder.stat()
            # Nobody else may say what a file holds.
            if state.st_uid == os.getuid() and not state.st_mode & 0o022 and os.access(folder, os.W_OK):
                return folder / f"contents-{key[:16]}.json"
    return None


def _read_cache(path: Path | None) -> Mapping[str, _Known]:
    """The cached facts of the files; nothing where the cache is missing or damaged."""
    if path is None:
        return {}
    try:
        checksum, _, text = path.read_text(encoding="ascii").partition("\n")
        if checksum != hashlib.sha256(text.encode()).hexdigest():
            return {}
        return {name: _Known(*entry) for name, entry in json.loads(text).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
