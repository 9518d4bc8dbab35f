"""Digests by content: every change is seen, what did not change is not read again, and the cache may be lost."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augmix.errors import UserError
from augmix.suite.io import contents


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of three files each, which rested for long enough; the cache is below `<tmp_path>/cache`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(contents, "SMALL", (0, 0))
    monkeypatch.setattr(contents, "SETTLED", -(10**12))
    for folder in "ab":
        (tmp_path / "images" / folder).mkdir(parents=True)
        for name in "xyz":
            (tmp_path / "images" / folder / name).write_text(f"{folder}{name}" * 100)
    return tmp_path / "images"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read, by the end of their paths."""
    found: list[str] = []
    content = contents._content

    def watched(path: Path, ends: int | None) -> str:
        found.append("/".join(path.parts[-2:]))
        return content(path, ends)

    monkeypatch.setattr(contents, "_content", watched)
    return found


def digest(root: Path, ends: int | None = None) -> str:
    return contents.digest(root, ["a", "b"], lambda name: not name.startswith("."), ends)


def cache_files(root: Path) -> list[Path]:
    return sorted((root.parent / "cache" / "augmix").iterdir())


def test_what_did_not_change_is_not_read_again(root: Path, read: list[str]) -> None:
    first = digest(root)
    assert sorted(read) == [f"{folder}/{name}" for folder in "ab" for name in "xyz"]
    read.clear()
    assert digest(root) == first
    assert read == []
    (root / "b" / "y").write_text("by" * 99 + "bx")  # as many bytes
    changed = digest(root)
    assert changed != first
    assert read == ["b/y"]
    (root / "b" / "y").write_text("by" * 100)
    assert digest(root) == first, "the content counts, and no time"


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a" / "x").rename(root / "a" / "w"),
        lambda root: (root / "a" / "x").unlink(),
        lambda root: (root / "a" / "new").write_text(""),
        lambda root: os.replace(root / "a" / "x", root / "b" / "x"),
        lambda root: [(root / "a" / "x").write_text("ay" * 100), (root / "a" / "y").write_text("ax" * 100)],
    ],
)
def test_every_change_is_seen(root: Path, change: Callable[[Path], object]) -> None:
    first = digest(root)
    change(root)
    assert digest(root) != first


def test_times_that_were_set_back_do_not_hide_a_change(root: Path) -> None:
    first, path = digest(root), root / "a" / "x"
    before = path.stat()
    with path.open("r+") as file:  # the same inode
        file.write("XX")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert digest(root) != first


def test_hidden_files_do_not_count_and_folders_are_the_loaders_affair(root: Path) -> None:
    first = digest(root)
    (root / "a" / ".DS_Store").write_text("junk")
    (root / "a" / "more").mkdir()
    assert digest(root) == first


def test_a_file_that_changed_just_now_is_not_trusted(
    root: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "SETTLED", 10**12)
    first = digest(root)
    read.clear()
    assert digest(root) == first
    assert len(read) == 6


def damaged(path: Path) -> None:
    """A cache that calls every file's content the same."""
    checksum, text = path.read_text().split("\n")
    entries = {name: [*entry[:4], "0" * 32] for name, entry in json.loads(text).items()}
    path.write_text(f"{checksum}\n{json.dumps(entries)}")


@pytest.mark.parametrize(
    "loss", [Path.unlink, damaged, lambda path: path.write_bytes(b"\xff\x00"), lambda path: path.write_text("")]
)
def test_a_lost_or_damaged_cache_costs_time_alone(root: Path, read: list[str], loss: Callable[[Path], object]) -> None:
    first = digest(root)
    [path] = cache_files(root)
    loss(path)
    read.clear()
    assert digest(root) == first
    assert len(read) == 6
    read.clear()
    assert digest(root) == first
    assert read == []
    assert cache_files(root) == [path]


def test_where_the_usual_folder_cannot_be_written_the_temporary_one_is_taken(
    root: Path, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-folder").write_text("")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-folder"))
    monkeypatch.setattr(contents.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))  # type: ignore[attr-defined]
    first = digest(root)
    [folder] = (tmp_path / "temporary").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    read.clear()
    assert digest(root) == first
    assert read == []
    # A cache that others could write is worth nothing.
    folder.chmod(0o777)
    assert digest(root) == first
    assert len(read) == 6


def test_without_a_home_the_usual_folder_is_below_dot_cache(root: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the specification has ignored
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    digest(root)
    assert len(list((tmp_path / "home" / ".cache" / "augmix").iterdir())) == 1


def test_little_is_not_worth_a_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for small, kept in (((7, 2000), False), ((7, 1200), True), ((6, 2000), True)):
        monkeypatch.setattr(contents, "SMALL", small)
        digest(root)
        assert (root.parent / "cache").exists() is kept
        for path in cache_files(root) if kept else ():
            path.unlink()
        if kept:
            (root.parent / "cache" / "augmix").rmdir()
            (root.parent / "cache").rmdir()


def test_of_large_files_both_ends_and_the_size_count(root: Path) -> None:
    path = root / "a" / "x"
    path.write_bytes(bytes(100))
    seen = [digest(root, ends=10)]
    for at, noticed in ((0, True), (9, True), (10, False), (89, False), (90, True), (99, True)):
        path.write_bytes(bytes(at) + b"1" + bytes(99 - at))
        assert (digest(root, ends=10) != seen[0]) is noticed, at
    path.write_bytes(bytes(101))
    assert digest(root, ends=10) != seen[0]
    # Every byte counts where the ends meet.
    for length in (0, 5, 10, 15, 20):
        path.write_bytes(bytes(length))
        whole = digest(root, ends=10)
        for at in range(length):
            path.write_bytes(bytes(at) + b"1" + bytes(length - at - 1))
            assert digest(root, ends=10) != whole, (length, at)


def test_what_cannot_be_read_is_named(root: Path) -> None:
    (root / "b" / "dangling").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"b/dangling cannot be read: No such file or directory"):
        digest(root)
    with pytest.raises(UserError, match=r"images/c cannot be read: No such file or directory"):
        contents.digest(root, ["c"], bool)


def test_names_that_are_no_text_and_many_files(root: Path, read: list[str]) -> None:
    (root / "a" / os.fsdecode(b"\xff\xfe")).write_text("odd")
    for i in range(3 * contents.CHUNK):
        (root / "b" / f"{i}").write_text(str(i))
    first = digest(root)
    read.clear()
    began = time.monotonic()
    assert digest(root) == first
    assert read == []
    assert time.monotonic() - began < 5


def test_a_glimpse_tells_other_files_apart(tmp_path: Path) -> None:
    size = contents.BLOCKS * contents.BLOCK
    for length in (0, 1, size, size + 1, 3 * size):
        path = tmp_path / "array"
        path.write_bytes(bytes(length))
        first = contents.glimpsed([path])
        path.write_bytes(bytes(length) + b"x")
        assert contents.glimpsed([path]) != first
        for place in (0, length - 1):
            if length:
                path.write_bytes(bytes(place) + b"x" + bytes(length - place - 1))
                assert contents.glimpsed([path]) != first
        path.write_bytes(bytes(length))
        assert contents.glimpsed([path]) == first
    with pytest.raises(UserError, match="absent cannot be read"):
        contents.glimpsed([tmp_path / "absent"])
