"""Downloads from a server on this machine that breaks off, refuses, lies or sends hostile archives."""

import contextlib
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from augmix.errors import UserError
from augmix.suite.data import download
from augmix.suite.data.download import Source, fetch, obtain, unpack

CONTENT = bytes(range(256)) * 4000


class Server(ThreadingHTTPServer):
    """Serves `content` and notes each request's range; its attributes are what it does wrong."""

    content = CONTENT
    breaks_after: int | None = None
    """Bytes of each answer after which the connection is closed."""
    times = 10**9
    """How often that happens."""
    ranges = True
    status = 0
    lengths = True
    slow = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    def source(self, content: bytes = CONTENT, name: str = "file.tar", unpacked: int = 10**6) -> Source:
        url = f"http://127.0.0.1:{self.server_port}/{name}?download=1"
        return Source(url, len(content), f"md5:{hashlib.md5(content).hexdigest()}", unpacked)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        time.sleep(server.slow)
        if server.status:
            self.send_error(server.status)
            return
        body = server.content
        if asked and server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])  # type: ignore[index]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            body = body[start:]
        else:
            self.send_response(200)
        if server.lengths:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks_after is not None and server.times > 0:
            server.times -= 1
            body = body[: server.breaks_after]
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0))
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    path = fetch(server.source(), tmp_path / "new")
    assert path == tmp_path / "new" / "file.tar"
    assert path.read_bytes() == CONTENT
    assert fetch(server.source(), tmp_path / "new") == path
    assert server.asked == [None]
    assert names(tmp_path / "new") == ["file.tar"]


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_checksums(server: Server, tmp_path: Path, algorithm: str) -> None:
    digest = hashlib.new(algorithm, CONTENT).hexdigest()
    assert fetch(server.source()._replace(checksum=f"{algorithm}:{digest}"), tmp_path).exists()


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.breaks_after, server.times = 300_000, 3
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_an_interrupted_download_goes_on_at_the_next_start(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.tar.part").write_bytes(CONTENT[:1000])
    server.status = 503
    with pytest.raises(UserError, match=r"broke off after 1 kB of 1\.02 MB: .* answers 503 .*start again to continue"):
        fetch(server.source(), tmp_path)
    assert (tmp_path / "file.tar.part").read_bytes() == CONTENT[:1000]
    server.status = 0
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=1000-"
    assert names(tmp_path) == ["file.tar"]


def test_a_server_that_never_gets_far_is_given_up(server: Server, tmp_path: Path) -> None:
    server.breaks_after, server.ranges = 500, False
    with pytest.raises(UserError, match="broke off after 500 bytes"):
        fetch(server.source(), tmp_path)
    assert names(tmp_path) == ["file.tar.part"]


def test_without_ranges_it_starts_over(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "file.tar.part").write_bytes(b"x" * 1000)
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT


def test_what_is_complete_already_needs_no_server(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file.tar.part").write_bytes(CONTENT)
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_a_corrupted_download_is_deleted(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(UserError, match=r"does not have the published checksum .* and was deleted; try again"):
        fetch(server.source(), tmp_path)
    assert names(tmp_path) == []


def test_a_corrupted_file_of_the_users_is_named_and_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.tar").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"file\.tar does not have its published checksum .*; delete it"):
        fetch(server.source(), tmp_path)
    assert (tmp_path / "file.tar").read_bytes() == b"mine"


def test_a_file_of_another_size_is_refused_before_it_is_loaded(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT * 2
    with pytest.raises(UserError, match="offers 2048000 bytes, not the 1024000 of the published file"):
        fetch(server.source(), tmp_path)
    server.lengths = False
    with pytest.raises(UserError, match="sends more than the 1024000 bytes"):
        fetch(server.source(), tmp_path)
    assert (tmp_path / "file.tar.part").stat().st_size == 0


def test_a_missing_file_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(UserError, match=r"file\.tar\?download=1 cannot be downloaded: 127\.0\.0\.1:\d+ answers 404"):
        fetch(server.source(), tmp_path)
    assert len(server.asked) == 1


def test_offline_it_says_what_is_missing_where_and_what_else_to_do(tmp_path: Path, server: Server) -> None:
    source = server.source()
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError) as caught:
        fetch(source, tmp_path, ", or generate it")
    message = str(caught.value)
    for part in ("file.tar (1.02 MB) is not in", str(tmp_path), "refused", source.url, "put it there, or generate it"):
        assert part in message
    assert "\n" not in message


def test_a_full_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"file\.tar needs 1000000\.0 GB in .* are free"):
        fetch(server.source()._replace(size=10**15), tmp_path)

    def full(source: Source, file: io.BufferedIOBase) -> Iterator[bytes]:
        yield b"x"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_receive", full)
    with pytest.raises(UserError, match=r"cannot write .*file\.tar\.part: No space left on device"):
        fetch(server.source(), tmp_path)


def test_two_processes_fetch_a_file_once(server: Server, tmp_path: Path) -> None:
    server.slow = 1.0
    source = server.source()
    code = "from pathlib import Path; from augmix.suite.data.download import *; "
    code += f"fetch({source!r}, Path({str(tmp_path)!r}))"
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = "".join(process.communicate(timeout=60)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert server.asked == [None]
    assert "waiting: the download of file.tar is in use by process" in errors


# ---- archives


def archive(*members: tuple[str, bytes | tarfile.TarInfo], compression: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{compression}") as tar:  # type: ignore[call-overload]
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tuple[str, tarfile.TarInfo]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return name, info


SOUND = archive(("set/a.npy", b"a" * 1000), ("set/deep/b.npy", b"b"), special("set/empty", tarfile.DIRTYPE))


@pytest.mark.parametrize("compression", ["", "gz"])
def test_an_archive_is_fetched_and_unpacked_once(server: Server, tmp_path: Path, compression: str) -> None:
    server.content = archive(("./set/a.npy", b"a" * 1000), ("./set/deep/b.npy", b"b"), compression=compression)
    wanted = [tmp_path / "set" / "a.npy", tmp_path / "set" / "deep" / "b.npy"]
    for _ in range(2):
        obtain(server.source(server.content), tmp_path, wanted)
    assert [path.read_bytes() for path in wanted] == [b"a" * 1000, b"b"]
    assert server.asked == [None]
    assert names(tmp_path) == ["set"]


def test_an_archive_of_the_users_is_unpacked_and_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.tar").write_bytes(SOUND)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("kept")
    obtain(server.source(SOUND), tmp_path, [tmp_path / "set" / "a.npy"])
    assert server.asked == []
    assert names(tmp_path) == ["file.tar", "set"]
    assert names(tmp_path / "set") == ["a.npy", "deep", "mine"]


def test_an_archive_without_what_is_wanted(server: Server, tmp_path: Path) -> None:
    server.content = SOUND
    with pytest.raises(UserError, match=r"file\.tar does not hold set/c\.npy"):
        obtain(server.source(SOUND), tmp_path, [tmp_path / "set" / "c.npy"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (archive(("set/a", b"a"), ("../outside", b"x")), r"holds '\.\./outside', a path out of its folder"),
        (archive(("set/../../outside", b"x")), "a path out of its folder"),
        (archive(("/tmp/outside", b"x")), r"holds '/tmp/outside', a path out of its folder"),
        (archive(special("set/link", tarfile.SYMTYPE, "/etc"), ("set/link/x", b"x")), "is no plain file"),
        (archive(special("set/link", tarfile.LNKTYPE, "set/a")), "is no plain file"),
        (archive(special("set/device", tarfile.CHRTYPE)), "is no plain file"),
        (archive(special("set/pipe", tarfile.FIFOTYPE)), "is no plain file"),
        (archive(("set/a", b"a"), ("set/b", bytes(20_000)), compression="gz"), r"'set/b' is too much"),
        (archive(("set/a", b"a"), ("set/a/b", b"b")), "cannot unpack"),
        (SOUND[:1300], "is not a whole archive"),
        (archive(("set/a", os.urandom(9000)), compression="gz")[:5000], "is not a whole archive"),
        (b"junk" * 1000, "is not a whole archive"),
    ],
)
def test_hostile_and_damaged_archives_leave_nothing(tmp_path: Path, content: bytes, complaint: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "file.tar").write_bytes(content)
    with pytest.raises(UserError, match=complaint) as caught:
        unpack(folder / "file.tar", folder, limit=10_000)
    assert "\n" not in str(caught.value)
    assert names(folder) == ["file.tar"]
    assert names(tmp_path) == ["data"]


def test_what_a_killed_start_unpacked_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "file.tar").write_bytes(SOUND)
    (tmp_path / ".file.tar.unpacking" / "set").mkdir(parents=True)
    (tmp_path / ".file.tar.unpacking" / "set" / "half").write_text("x")
    unpack(tmp_path / "file.tar", tmp_path, 10_000)
    assert names(tmp_path / "set") == ["a.npy", "deep"]


def test_interrupting_keeps_what_arrived(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable = download._receive

    def interrupted(source: Source, file: io.BufferedIOBase) -> Iterator[bytes]:
        yield next(original(source, file))[:5000]
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(server.source(), tmp_path)
    assert (tmp_path / "file.tar.part").read_bytes() == CONTENT[:5000]
