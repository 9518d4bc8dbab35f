"""The commit that a result notes, as git knows it of this very code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

GIT = shutil.which("git") is not None and subprocess.run(["git", "--version"], capture_output=True).returncode == 0
pytestmark = pytest.mark.skipif(not GIT, reason="needs git")
ASK = (
    "import os; from augmix.suite.io import provenance; of = os.environ.get('OF');"
    "print(*provenance.commit(of.split() if of else None))"
)


def git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", folder, *named, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def noted(checkout: Path, **environment: str) -> str:
    ours = {**os.environ, "PYTHONPATH": str(checkout), **environment}
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=checkout, env=ours, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the little that `provenance` needs."""
    folder = tmp_path / "outer" / "checkout"
    for name in ("augmix/__init__.py", "augmix/suite/__init__.py", "augmix/suite/io/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in (
        "errors",
        "registry",
        *(f"suite/io/{name}" for name in ("provenance", "machine", "digests", "sources")),
    ):
        shutil.copy2(ROOT / f"augmix/{name}.py", folder / f"augmix/{name}.py")
    (folder / "README.md").touch()
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    return folder


def test_what_is_imported_counts_as_changed(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    for name in ("train.log", "augmix/train.log", "notebook.py", "README.md"):
        (checkout / name).write_text("# more\n")
    assert noted(checkout) == f"{head} False"
    (checkout / "augmix/new.py").touch()
    assert noted(checkout) == f"{head} True"
    assert noted(checkout, OF="augmix/registry.py") == f"{head} False"
    assert noted(checkout, OF="augmix/registry.py augmix/new.py") == f"{head} True"
    (checkout / "augmix/new.py").unlink()
    (checkout / "augmix/__init__.py").write_text("more = 1\n")
    assert noted(checkout) == f"{head} True"


def test_another_repository_lends_no_commit(checkout: Path, tmp_path: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    git(tmp_path, "init", "-q", "outer")
    git(tmp_path / "outer", "commit", "-q", "--allow-empty", "-m", "another")
    assert noted(checkout, GIT_DIR=str(tmp_path / "outer/.git")) == f"{head} False"
    shutil.rmtree(checkout / ".git")
    assert noted(checkout) == "unknown None"
    assert noted(checkout, PATH="") == "unknown None"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_checkout_of_another_user_is_known(checkout: Path) -> None:
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 12345, 12345)
    assert noted(checkout).endswith(" False")
