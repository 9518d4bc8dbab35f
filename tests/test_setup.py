"""The set-up: one set of pins, and packages that import only what they may."""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import augmix
from tests.checkout import shipped

ROOT = Path(__file__).parents[1]
PYTHON = {"python_version": "3.11", "python_full_version": "3.11.9"}
# The rooms that each room may import (the table of the rooms in docs/design.md, from bottom to top).
ALLOWED = {
    "augmix": {"augmix"},
    "baselines": {"augmix", "baselines"},
    "ablations": {"augmix", "ablations"},
    "reports": {"augmix", "reports"},
}


def pins(text: str) -> dict[str, str]:
    """{package: version} of the lock's requirements that hold for Python 3.11 on this platform."""
    found: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        words, *hashes = re.split(r"\s--hash=", line)
        assert hashes, f"{words} has no hash"
        requirement = Requirement(words)
        if requirement.marker is None or requirement.marker.evaluate(PYTHON):
            [specifier] = requirement.specifier
            assert specifier.operator == "==", line
            found[canonicalize_name(requirement.name)] = specifier.version
    return found


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    return pins((ROOT / "requirements.lock").read_text())


@pytest.mark.parametrize(
    ("wanting", "line"),
    [
        ("version_info", "augmix needs Python 3.11 or newer; name one with PYTHON=python3.11"),
        ("disk_usage", r"\.venv takes 7 GB, and .*/checkout has less than 8 GB free"),
    ],
)
def test_a_machine_that_cannot_hold_the_environment_is_told_so(tmp_path: Path, wanting: str, line: str) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$2" in *{wanting}*) exit 1;; *sys.exit*) exit 0;; esac\nexit 3\n')
    python.chmod(0o755)
    made = subprocess.run(
        ["make", "test", f"PYTHON={python}"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert made.returncode == 2
    assert re.fullmatch(line, made.stderr.splitlines()[0])
    assert not (folder / ".venv").exists()


def test_an_experiment_is_named_by_name_or_by_file(tmp_path: Path) -> None:
    own = tmp_path / "config/quick.yaml"
    own.parent.mkdir()
    own.touch()
    for name in ("quick", "quick.yaml", "config/quick", "config/quick.yaml", str(own)):
        command = ["make", "-n", "-o", ".venv/.ready", "status", f"EXPERIMENT={name}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        [named] = re.findall(r'status --config "(.*)"', done.stdout)
        assert named.removeprefix(f"{tmp_path}/") == "config/quick.yaml"


def test_pip_installs_into_the_environment_whatever_its_user_prefers(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    fake = tmp_path / "python"
    fake.write_text(
        '#!/bin/sh\ncase "$*" in "-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin;; *pip*) env >> said;; esac\n'
    )
    fake.chmod(0o755)
    preferred = {"PIP_USER": "1", "PIP_TARGET": "/nowhere", "PIP_PREFIX": "/nowhere", "PIP_INDEX_URL": "https://mirror"}
    make = ["make", ".venv/.ready", "PYTHON=./python"]
    subprocess.run(make, cwd=tmp_path, env=os.environ | preferred, check=True, capture_output=True)
    said = (tmp_path / "said").read_text().splitlines()
    assert {line for line in said if line.partition("=")[0] in preferred} == {
        "PIP_USER=0",
        "PIP_INDEX_URL=https://mirror",
    }


def test_the_conda_environment_names_the_lock() -> None:
    text = (ROOT / "environment.yml").read_text()
    assert hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest() in text
    assert yaml.safe_load(text)["dependencies"] == ["python=3.11", "pip"]


def test_one_version_is_told_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert augmix.__version__ == version
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_lock_satisfies_the_project(lock: dict[str, str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in (
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ):
        requirement = Requirement(line)
        assert requirement.specifier.contains(lock[canonicalize_name(requirement.name)]), line


def imports(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    return {re.split(r"\.", module)[0] for module in modules}


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_point_one_way(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        commands = {"reports"} if path.parent == ROOT / "augmix/suite/cli" else set()
        assert imports(path) & set(ALLOWED) <= ALLOWED[room] | commands, path


def test_training_never_imports_mlflow_and_help_hardly_anything() -> None:
    code = (
        "import sys; from augmix.suite.cli.parser import build_parser; build_parser();"
        "assert not {'numpy', 'yaml', 'torch', 'mlflow'} & set(sys.modules);"
        "import augmix.suite.config.experiment;"
        "assert not {'torch', 'mlflow', 'matplotlib', 'sklearn'} & set(sys.modules);"
        "augmix.suite.config.experiment.load('config/digits.yaml').runs; assert 'torch' not in sys.modules;"
        "import augmix.suite.train.training, augmix.suite.evaluate.evaluation, augmix.methods.augmix;"
        "assert 'mlflow' not in sys.modules and 'snakemake' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_room_is_described() -> None:
    design = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    for room in (*ALLOWED, "config", "workflow", "benchmarks", "docs", "tests"):
        assert f"`{room}/`" in design


def test_the_library_imports_where_there_is_no_unix() -> None:
    code = """
import os, pkgutil, signal, sys, tempfile  # before what follows is missing to them
import cv2, numba, numpy, torch, torchvision.transforms.v2

class Absent:
    def find_spec(self, name, *_):
        if name in ("fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for name in ("fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules.pop(name, None)
for name in ("fork", "geteuid", "getuid", "sched_getaffinity", "register_at_fork"):
    delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGUSR1"):
    delattr(signal, name)
import augmix
for package in ("augmix", "augmix.corruptions", "augmix.methods", "augmix.models", "augmix.operations"):
    for module in pkgutil.iter_modules(__import__(package, fromlist=["x"]).__path__, f"{package}."):
        if module.name not in ("augmix.suite", "augmix.operations.fused", "augmix.operations.launch"):  # the GPU's
            __import__(module.name)
assert augmix.compilation.folders()[0]
images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
assert augmix.AugMix()(images).shape == images.shape
photographs = images.permute(0, 2, 3, 1).numpy()
assert augmix.corruptions.corrupt(photographs, "fog", 3).shape == photographs.shape
assert augmix.perturbations.perturb(photographs, "tilt").shape[2:] == (32, 32, 3)
from augmix.suite.cli import main
main(["--version"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("augmix ")


def test_both_containers_hold_the_same() -> None:
    """Tests run experiments in copies of it."""
    listed = re.findall(r"^    (\S+) /opt/augmix/(\S+)$", (ROOT / "containers/augmix.def").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted((name, name) for name in shipped())


def test_docstrings_are_sentences_with_a_subject() -> None:
    """None begins with a word that leaves the reader to guess what is spoken of."""
    begins = re.compile(r'^\s*"""(Of|What|Where|Who|Which|By what)\b')
    folders = ("augmix", "baselines", "ablations", "reports", "benchmarks", "tests")
    riddles = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for folder in folders
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if begins.match(line)
    ]
    assert not riddles
