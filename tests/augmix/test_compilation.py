"""Compiled kernels: kept where something can be written, read where it was shipped, never shared or taken on trust."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import pytest

from augmix import compilation

ROOT = Path(__file__).parents[2]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Compile `twice` of a package in `<tmp_path>/package` as a new process would; all folders are below `tmp_path`."""
    package = tmp_path / "package"
    for folder in (package, tmp_path / "home", tmp_path / "temporary"):
        folder.mkdir()
    (package / "kernels.py").write_text("def twice(x):\n    return 2 * x  # compiled by njit\n")
    monkeypatch.setattr(compilation, "PACKAGE", package)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def forget() -> None:
        for remembered in (compilation.folders, compilation._cpu, compilation._stamp):
            remembered.cache_clear()

    def load() -> Any:
        forget()
        spec = importlib.util.spec_from_file_location("kernels", package / "kernels.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "kernels", module)  # numba imports it to read what it has kept
        spec.loader.exec_module(module)
        return compilation.njit(cache=True)(module.twice)

    yield load
    forget()


def test_every_kernel_of_the_package_is_kept_by_it() -> None:
    """Numba's own cache would fail where nothing can be written, and its stamp would miss a kernel's callees."""
    package, folders = ROOT / "augmix", ("augmix", "baselines", "ablations")
    sources = {file: file.read_text(encoding="utf-8") for name in folders for file in (ROOT / name).rglob("*.py")}
    assert [file.name for file, text in sources.items() if "import njit" in text and "numba import njit" in text] == []
    stamped = {file.resolve() for pattern in compilation.SOURCES for file in package.glob(pattern)}
    kernels = {file for file, text in sources.items() if "compilation import njit" in text}
    assert len(kernels) > 10
    assert kernels <= stamped


def hits(function: Any) -> int:
    return sum(function.stats.cache_hits.values())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("refused", range(3))
def test_kernels_are_kept_in_the_first_folder_that_can_be_written(
    load: Callable[[], Any], tmp_path: Path, refused: int
) -> None:
    places = [
        tmp_path / "package/__pycache__", tmp_path / "home/.cache", tmp_path / f"temporary/augmix-{os.getuid()}",
    ]  # fmt: skip
    for place in places[:refused]:
        place.write_text("")  # a file in the place of a folder stops root too
    assert load()(4) == 8
    assert list(places[refused].rglob("kernels.twice-*.nbi"))
    again = load()
    assert again(4) == 8
    assert hits(again) == 1


def test_where_nothing_can_be_written_they_are_compiled_each_time(load: Callable[[], Any], tmp_path: Path) -> None:
    for place in ("package/__pycache__", "home/.cache", f"temporary/augmix-{os.getuid()}"):
        (tmp_path / place).write_text("")
    with pytest.warns(UserWarning, match="compiles its kernels anew in each process: no folder .* NUMBA_CACHE_DIR"):
        compiled = load()
    assert compiled(4) == 8
    assert not list(tmp_path.rglob("*.nb?"))


def test_a_folder_that_others_may_write_is_not_used(load: Callable[[], Any], tmp_path: Path) -> None:
    for place in ("package/__pycache__", "home/.cache"):
        (tmp_path / place).write_text("")
    own = tmp_path / f"temporary/augmix-{os.getuid()}"
    own.mkdir()
    own.chmod(0o777)
    with pytest.warns(UserWarning, match="compiles its kernels anew"):
        load()


def test_what_was_shipped_is_read_where_it_cannot_be_written(
    load: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()(4)
    writable = compilation._is_writable
    monkeypatch.setattr(compilation, "_is_writable", lambda folder: "package" not in folder.parts and writable(folder))
    shipped = load()
    assert shipped(4) == 8
    assert hits(shipped) == 1
    assert shipped(4.5) == 9  # what was not shipped goes to the user's own cache
    assert hits(shipped) == 1
    assert len(list((tmp_path / "home/.cache/augmix").rglob("*.nbc"))) == 1
    again = load()
    assert (again(4), again(4.5), hits(again)) == (8, 9, 2)


def test_changed_kernels_are_compiled_anew(load: Callable[[], Any], tmp_path: Path) -> None:
    load()(4)
    (tmp_path / "package/constants.py").write_text("FOUR = 4  # used under njit by another file\n")
    assert hits(changed := load()) == 0
    assert changed(4) == 8
    assert hits(changed) == 0


def test_each_type_of_cpu_has_a_folder_of_its_own(load: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def folder() -> Path | None:
        compilation.folders.cache_clear()
        compilation._cpu.cache_clear()
        return compilation.folders()[0]

    found = [folder()]
    monkeypatch.setattr(numba.config, "CPU_NAME", "generic")
    found.append(folder())
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+sse4.2")
    found.append(folder())
    assert len(set(found)) == 3
    assert found[1] is not None
    assert found[1].name.startswith("kernels-generic-")


@pytest.mark.parametrize(("setting", "value"), [("OPT", 0), ("SLP_VECTORIZE", 1), ("BOUNDSCHECK", 1)])
def test_each_setting_of_the_compiler_has_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: int
) -> None:
    usual = compilation._cpu()
    monkeypatch.setattr(numba.config, setting, value)
    assert compilation._cpu.__wrapped__() != usual


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_damaged_files_are_replaced(load: Callable[[], Any], tmp_path: Path, kind: str) -> None:
    load()(4)
    [file] = tmp_path.rglob(f"*.{kind}")
    file.write_bytes(file.read_bytes()[:30])
    assert load()(4) == 8
    again = load()
    assert (again(4), hits(again)) == (8, 1)


def test_code_for_other_arguments_is_not_run(load: Callable[[], Any], tmp_path: Path) -> None:
    compiled = load()
    compiled(4)
    compiled(4.5)
    first, second = sorted(tmp_path.rglob("*.nbc"))
    shutil.copyfile(first, second)  # as two processes leave it that began at once
    again = load()
    assert (again(4.5), again(4)) == (9.0, 8)


def test_compiling_is_told_after_a_while_and_once(
    load: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(compilation, "_compiling", compilation._Compiling())
    compiled = load()
    compiled(4)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(compilation, "PATIENCE", 0)
    # Compiling takes long where the machine is busy, and a thread may start late.
    for argument in (4.5, 4j, True):
        compiled(argument)
        time.sleep(0.05)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"once: they are kept in {tmp_path / 'package/__pycache__'}" in said


def test_the_library_works_where_nothing_but_a_temporary_folder_can_be_written(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "augmix", tmp_path / "site/augmix", ignore=shutil.ignore_patterns("__pycache__", "suite"))
    for folder in ("site/augmix", "site/augmix/corruptions"):
        (tmp_path / folder / "__pycache__").write_text("")
    (tmp_path / "temporary").mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))},
        "HOME": "/dev/null", "TMPDIR": str(tmp_path / "temporary"), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    code = "from augmix.corruptions import noise; print(noise.uniforms(noise.image_keys(0, 'a', 0, 0, 2), 3).shape)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "site",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(2, 3)\n", done.stderr
    assert list((tmp_path / "temporary").rglob("noise.*.nbc"))
