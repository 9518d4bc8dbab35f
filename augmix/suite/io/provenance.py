"""The provenance of a result: commit, versions, machine."""

import os
import platform
import subprocess
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from augmix.suite.io import machine
from augmix.suite.io.digests import PROJECT, installed_version

PACKAGES = ("torch", "torchvision", "numpy", "numba", "pillow", "opencv-python-headless", "scipy", "snakemake")
CHECKOUT = Path(__file__).resolve().parents[3]
ROOMS = (*PROJECT, "workflow", "Snakefile")
"""The parts of the checkout that decide results."""


def commit(files: Collection[str] | None = None) -> tuple[str, bool | None]:
    """The checkout's commit and whether its tree differs from it; ("unknown", None) outside of git.

    Of the tree, what is imported or run counts: neither configurations, for each run's is beside its results, nor logs.
    Of sources that git does not know, those among `files` count alone, a result's own; all of them unless given.
    """
    revision, changed, new = _state()
    return revision, changed if changed is None else changed or bool(new if files is None else new & set(files))


@cache
def _state() -> tuple[str, bool | None, frozenset[str]]:
    """The commit, whether files that it has were changed, and the sources that it has not."""
    # Running this code is trusting the checkout, whoever owns it; a repository that git's hooks name is another one.
    git = ["git", "-C", str(CHECKOUT), "-c", f"safe.directory={CHECKOUT}"]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def ask(*arguments: str) -> str:
        done = subprocess.run([*git, *arguments], capture_output=True, text=True, check=True, timeout=20, env=ours)
        return done.stdout.strip()

    try:
        # An unpacked archive may lie inside another repository, which knows nothing of it.
        ask("ls-files", "--error-unmatch", str(Path(__file__).resolve()))
        changed = ask("status", "--porcelain", "--untracked-files=no", "--", *ROOMS)
        sources = (f":(glob){room}/**/*.py" for room in ROOMS)
        new = ask("ls-files", "-z", "--others", "--exclude-standard", "--", *sources)
        return ask("rev-parse", "HEAD"), bool(changed), frozenset(filter(None, new.split("\0")))
    except (OSError, subprocess.SubprocessError):
        return "unknown", None, frozenset()


def describe(files: Collection[str] | None = None) -> Mapping[str, Any]:
    """The part of `provenance.json` that any run of this checkout on this machine shares; `files` as of `commit`."""
    revision, dirty = commit(files)
    return {
        "augmix": version("augmix"),
        "commit": revision,
        "dirty": dirty,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": machine.processor(),
        "packages": {package: found for package in PACKAGES if (found := installed_version(package)) is not None},
    }
