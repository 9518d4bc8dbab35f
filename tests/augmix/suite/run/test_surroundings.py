"""The user's environment, home, temporary folder and clocks: a start gets along with them, or says so in a line."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from augmix.errors import UserError
from augmix.suite.config.experiment import load
from augmix.suite.io import contents
from augmix.suite.io.files import expanded
from augmix.suite.run import surroundings

Write = Callable[..., Path]


@pytest.mark.parametrize("home", [None, "/no/such/home", "/proc", "own"])
def test_caches_find_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TRITON_CACHE_DIR", "LOGNAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    if home is not None:
        monkeypatch.setenv("HOME", str(own) if home == "own" else home)

    def nobody(_: int) -> None:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(surroundings.pwd, "getpwuid", nobody)  # type: ignore[attr-defined]
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(("/proc", "/root")))
    surroundings.find_home(tmp_path / "results")
    caches = tmp_path / "results/.cache"
    assert caches.is_dir() == (home != "own")
    found = {name: os.environ.get(name) for name in ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR")}
    if home == "own":
        assert found == {"HOME": str(own), "XDG_CACHE_HOME": None, "MPLCONFIGDIR": None}
    elif home == "/proc":  # keys and settings there stay in use
        assert found == {"HOME": home, "XDG_CACHE_HOME": str(caches), "MPLCONFIGDIR": str(caches / "config")}
    else:
        assert found == {"HOME": str(caches), "XDG_CACHE_HOME": None, "MPLCONFIGDIR": None}
    assert os.environ["LOGNAME"]


def test_a_home_that_is_not_there_is_no_folder_in_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert contents._cache_file(tmp_path, None) is not None
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"~/data: there is no home folder for the '~'; set HOME, or write the whole"):
        expanded("~/data")


def test_a_full_temporary_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings.check_temporary()
    full = partial(open, "/dev/full", "wb")
    monkeypatch.setattr(surroundings.tempfile, "TemporaryFile", full)  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"the temporary folder /.* has no room for 8 MB: make some, or set TMPDIR"):
        surroundings.check_temporary()


def test_results_of_the_future_are_seen(write_config: Write) -> None:
    experiment = load(write_config())
    assert not list(surroundings.check_dates(experiment, None))
    path = experiment.folder / "metrics.csv"
    path.parent.mkdir(parents=True)
    path.touch()
    assert not list(surroundings.check_dates(experiment, "slurm"))
    os.utime(path, (time.time() + 300.4,) * 2)
    [line] = surroundings.check_dates(experiment, None)
    assert line.startswith(f"{path} is dated 5 min 0 s in the future")
    with pytest.raises(UserError, match="is dated 5 min 0 s in the future"):
        list(surroundings.check_dates(experiment, "slurm"))


def test_records_lie_beside_the_logs_of_a_checkout_that_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_config: Write
) -> None:
    monkeypatch.chdir(tmp_path)
    assert surroundings.records(tmp_path / "logs") == tmp_path / ".snakemake"
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    assert surroundings.records(tmp_path / "logs") == tmp_path / "logs/snakemake"
    with pytest.raises(UserError, match="cannot be written: jobs on other machines are handed over in it"):
        list(surroundings.check(load(write_config()), "slurm"))


def test_a_path_with_braces_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_config: Write) -> None:
    (tmp_path / "{a}").mkdir()
    monkeypatch.chdir(tmp_path / "{a}")
    with pytest.raises(UserError, match=r"the checkout's path .*/{a} has braces, .*; move it"):
        list(surroundings.check(load(write_config()), None))
    with pytest.raises(UserError, match=r"the folder r{b} has braces, which Snakemake takes for wildcards"):
        load(write_config(folders={"data": "data", "results": "r{b}"}))


def test_the_interpreter_may_lie_below_any_path(tmp_path: Path) -> None:
    code = (
        "import sys, types; from augmix.suite.run import events; sys.executable = sys.argv[1]\n"
        "events.quote_interpreter(events.RemoteExecutor)\n"
        "usage = types.SimpleNamespace(shared_fs_usage=events_usage)\n"
        "self = types.SimpleNamespace(workflow=types.SimpleNamespace(storage_settings=usage))\n"
        "print(events.RemoteExecutor.get_python_executable(self))"
    )
    code = "from snakemake_interface_executor_plugins.settings import SharedFSUsage\n" + code.replace(
        "events_usage", "SharedFSUsage.all()"
    )
    name = str(tmp_path / "it's a b/bin/python")
    done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, check=True)
    listed = subprocess.run(["sh", "-c", f"printf %s {done.stdout}"], capture_output=True, text=True, check=True)
    assert listed.stdout == name
