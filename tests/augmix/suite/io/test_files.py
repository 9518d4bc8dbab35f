"""Whole files or none, and locks that die with their process."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augmix.errors import RunError, UserError
from augmix.suite.io.files import (
    atomic,
    read_array,
    read_csv,
    read_json,
    write_array,
    write_csv,
    write_json,
    write_text,
)  # fmt: skip
from augmix.suite.io.locks import holder, is_locked, locked
from augmix.suite.io.text import table


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        _ = temporary.write_text("half") / 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(UserError, match=r"cannot write .*a\.txt: No space left on device"), atomic(path):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(UserError, match="cannot write"):
        write_json(tmp_path / "results" / "x.json", {})


def test_arrays_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "images.npy"
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    write_array(path, array)
    assert np.array_equal(read_array(path, np.uint8, (None, 4, 3)), array)
    with pytest.raises(UserError, match="holds uint8, expected int64"):
        read_array(path, np.int64)
    with pytest.raises(UserError, match=r"has shape 2×4×3, expected any×5×3"):
        read_array(path, np.uint8, (None, 5, 3))
    with pytest.raises(UserError, match=r"missing\.npy is missing"):
        read_array(tmp_path / "missing.npy")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match="not a whole"):
        read_array(path)


def test_json_faults_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match=r"a\.json is not readable JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"b\.json is missing"):
        read_json(tmp_path / "b.json")


def test_a_table_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, ("name", "value"), [("a, b", 0.1), ("two\nlines", "")])
    assert path.read_bytes() == b'name,value\n"a, b",0.1\n"two\nlines",\n'
    assert read_csv(path, ("value",)) == [{"name": "a, b", "value": "0.1"}, {"name": "two\nlines", "value": ""}]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is missing"),
        (b"", "lacks the column name"),
        (b"name\na\n", "lacks the column value"),
        (b"name,value\na\n", "is cut short or has a row of another length"),
        (b"name,value\na,1,2\n", "is cut short or has a row of another length"),
        (b"name,value\na,1", "is cut short or has a row of another length"),
        (b"name,value\n\xff,1\n", "is not a readable CSV file"),
        (b'name,value\n"a,1\n', "is not a readable CSV file"),
    ],
)
def test_a_damaged_table_is_one_line(content: bytes | None, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.csv {complaint}") as caught:
        read_csv(path, ("name", "value"))
    assert "\n" not in str(caught.value)


def test_a_text_table() -> None:
    rows = [("a", "1", ""), ("bcd", "1e5", "a note")]
    assert table(("run", "n", ""), rows).splitlines() == ["run  n", "a    1", "bcd  1e5  a note"]
    assert table(("run", "n"), [row[:2] for row in rows], numbers=True).splitlines() == [
        "run    n",
        "a      1",
        "bcd  1e5",
    ]
    assert table(("run", "n"), []) == "run  n"


def test_a_second_process_waits_for_a_lock(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    code = "from pathlib import Path; from augmix.suite.io.locks import locked\n"
    code += f"with locked(Path({str(path)!r}), 'the store', wait=True): print('held', flush=True)"
    with locked(path, "the store"):
        other = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert other.stderr is not None
        assert other.stderr.readline() == f"waiting: the store is in use by {holder(path)}\n"
        assert other.poll() is None
    assert other.communicate(timeout=60)[0] == "held\n"


def test_a_lock_excludes_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / ".lock"
    code = "import sys, time; from pathlib import Path; from augmix.suite.io.locks import locked\n"
    code += f"with locked(Path({str(path)!r}), 'x'): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_locked(path)
        with (
            pytest.raises(RunError, match=rf"the run is in use by process {holder.pid} on "),
            locked(path, "the run"),
        ):
            pass
        holder.kill()
        holder.wait()
    assert not is_locked(path)
    with locked(path, "the run"):
        assert is_locked(path)


def test_a_file_system_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", unknown)
    with pytest.raises(UserError, match=r"cannot lock .*\.lock: Function not implemented; results need a file system"):
        locked(tmp_path / ".lock", "the run").__enter__()
    assert not is_locked(tmp_path / ".lock")
    with pytest.raises(UserError, match=r"cannot lock .*: Function not implemented"):
        locked(tmp_path / ".lock", "the run", wait=True).__enter__()
