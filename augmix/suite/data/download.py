"""Fetch files that are known to the byte: resumed, verified, safely unpacked, once for all who share a folder."""

import hashlib
import http.client
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from augmix import __version__
from augmix.errors import UserError
from augmix.suite.io.locks import locked
from augmix.suite.io.progress import bar

BLOCK = 2**20
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds to wait before each new attempt, while none of them brings a byte."""


class Source(NamedTuple):
    """A file on the web, known to the byte."""

    url: str
    size: int
    """In bytes."""
    checksum: str
    """`md5:…` or `sha256:…`."""
    unpacked: int = 0
    """The most bytes that an archive's files may take."""

    @property
    def name(self) -> str:
        """The file's name, the last part of the URL."""
        return urlsplit(self.url).path.rpartition("/")[2]


class _BrokenError(Exception):
    """The connection failed or ended early; another attempt may succeed."""


def fetch(source: Source, folder: Path, otherwise: str = "") -> Path:
    """Have a file in `folder` under its own name, whole and verified; returns its path.

    A file of that name that is there already is verified and used. What an interrupted download received stays as
    `<name>.part` and is continued. A second process that wants the same file waits for the first. Raises
    `UserError` when the file cannot be had; `otherwise` ends the message, with what else can be done.
    """
    with _alone(folder, source):
        return _fetch(source, folder, otherwise)


def obtain(source: Source, folder: Path, wanted: Sequence[Path], otherwise: str = "") -> None:
    """Have the `wanted` files of an archive in `folder`: download and unpack it unless all of them are there.

    An archive that this call downloaded is deleted when it is unpacked. Raises `UserError` as `fetch` and `unpack`.
    """
    if all(path.exists() for path in wanted):
        return
    with _alone(folder, source):
        if all(path.exists() for path in wanted):
            return
        found = (folder / source.name).exists()
        archive = _fetch(source, folder, otherwise)
        unpack(archive, folder, source.unpacked)
        if missing := [path for path in wanted if not path.exists()]:
            raise UserError(f"{archive} does not hold {missing[0].relative_to(folder)}")
        if not found:
            archive.unlink()


def _alone(folder: Path, source: Source) -> AbstractContextManager[int]:
    """Wait until no other process is fetching the same file."""
    return locked(folder / f".{source.name}.lock", f"the download of {source.name}", wait=True)


def _fetch(source: Source, folder: Path, otherwise: str) -> Path:
    path, partial = folder / source.name, folder / f"{source.name}.part"
    if path.exists():
        if not _is_whole(path, source):
            raise UserError(f"{path} does not have its published checksum ({source.checksum}); delete it and try again")
        return path
    if partial.exists() and partial.stat().st_size > source.size:
        partial.unlink()
    check_space(folder, source.size - (partial.stat().st_size if partial.exists() else 0), source.name)
    try:
        with partial.open("ab") as file:
            _download(source, file, otherwise)
            file.flush()
            os.fsync(file.fileno())
        if not _is_whole(partial, source):
            partial.unlink()
            raise UserError(
                f"what {source.url} sent does not have the published checksum ({source.checksum}) and was deleted; "
                f"try again, or put the right file at {path}{otherwise}"
            )
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"cannot write {partial}: {error.strerror or error}") from error
    return path


def _is_whole(path: Path, source: Source) -> bool:
    algorithm, _, digest = source.checksum.partition(":")
    if path.stat().st_size != source.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == digest


def check_space(folder: Path, size: float, what: str) -> None:
    """Raise `UserError` unless `size` bytes are free where `folder` is."""
    disk = shutil.disk_usage(folder)
    if disk.free < size and disk.total:  # some file systems do not know their size
        raise UserError(f"{what} needs {_bytes(size)} in {folder}, where {_bytes(disk.free)} are free")


def _bytes(count: float) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _download(source: Source, file: BinaryIO, otherwise: str) -> None:
    """Append what is missing to `file`, in as many attempts as bring it on."""
    began = file.tell()
    with bar(desc=source.name, total=source.size, initial=began, unit="B", unit_scale=True) as shown:
        failures = 0
        while (have := file.tell()) < source.size:
            try:
                for block in _receive(source, file):
                    file.write(block)
                    shown.update(len(block))
            except _BrokenError as error:
                failures = 0 if file.tell() > have else failures + 1
                if file.tell() == 0:
                    raise UserError(
                        f"{source.name} ({_bytes(source.size)}) is not in {Path(file.name).parent} and cannot be "
                        f"downloaded: {error}; fetch {source.url} elsewhere and put it there{otherwise}"
                    ) from error
                if failures > len(PAUSES) or file.tell() == began:
                    raise UserError(
                        f"the download of {source.name} broke off after {_bytes(file.tell())} of "
                        f"{_bytes(source.size)}: {error}; start again to continue it{otherwise}"
                    ) from error
                time.sleep(PAUSES[max(failures - 1, 0)])
            shown.n = file.tell()


def _receive(source: Source, file: BinaryIO) -> Iterator[bytes]:
    """Yield the blocks that follow on what `file` holds; it is emptied first where the server only sends all."""
    with _open(source, file.tell()) as response:
        offered = response.headers.get("Content-Range", response.headers.get("Content-Length", "")).rpartition("/")[2]
        if offered.isdigit() and int(offered) != source.size:
            raise UserError(f"{source.url} offers {offered} bytes, not the {source.size} of the published file")
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            file.truncate(0)
            file.seek(0)
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {file.tell()}-"):
            raise _BrokenError("the server sent another part than the one asked for")
        while True:
            try:
                block = response.read(BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise _BrokenError(_reason(error)) from error
            if not block:
                break
            if file.tell() + len(block) > source.size:
                file.truncate(0)
                raise UserError(f"{source.url} sends more than the {source.size} bytes of the published file")
            yield block
    if file.tell() < source.size:
        raise _BrokenError("the server closed the connection")


def _open(source: Source, start: int) -> Any:
    headers = {"User-Agent": f"augmix/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(source.url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        answer = f"{urlsplit(source.url).netloc} answers {error.code} {error.reason}"
        if error.code >= 500 or error.code in (408, 429):
            raise _BrokenError(answer) from error
        raise UserError(f"{source.url} cannot be downloaded: {answer}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"{urlsplit(source.url).netloc} cannot be reached ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


def unpack(archive: Path, folder: Path, limit: int) -> None:
    """Unpack the files of a tar archive (compressed or not) into `folder`.

    Everything is unpacked beside `folder`'s files first, then moved: nothing appears under its final name unless
    the whole archive was sound. Raises `UserError` for a damaged archive, for more than `limit` bytes, and for a
    member that is no plain file or folder, or whose path is absolute or leads out of the folder.
    """
    temporary = folder / f".{archive.name}.unpacking"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        check_space(folder, limit, f"unpacking {archive.name}")
        _unpack(archive, temporary, limit)
        os.sync()
        for entry in sorted(temporary.iterdir()):
            _move(entry, folder / entry.name)
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise UserError(f"{archive} is not a whole archive ({reason}); delete it and try again") from error
    except OSError as error:
        raise UserError(f"cannot unpack {archive} into {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack(archive: Path, folder: Path, limit: int) -> None:
    with tarfile.open(archive) as tar, bar(desc=f"unpacking {archive.name}", unit="B", unit_scale=True) as shown:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # 750,000 of them would take a gigabyte
            limit -= member.size
            _check_member(member, archive, limit)
            if member.isfile():
                write_member(tar, member, folder / member.name)
                shown.update(member.size)


def _check_member(member: tarfile.TarInfo, archive: Path, left: int) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{archive} holds '{member.name}', a path out of its folder: it was not unpacked")
    if not (member.isfile() or member.isdir()):
        raise UserError(f"{archive} holds '{member.name}', which is no plain file: it was not unpacked")
    if left < 0:
        raise UserError(f"{archive} holds more than it should ('{member.name}' is too much): it was not unpacked")


def write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Write the content of a plain file of an archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file, BLOCK)


def _move(entry: Path, target: Path) -> None:
    """Rename a file or a folder to `target`; into a folder that is there already, file by file."""
    if entry.is_dir() and target.is_dir():
        for child in sorted(entry.iterdir()):
            _move(child, target / child.name)
    else:
        os.replace(entry, target)
