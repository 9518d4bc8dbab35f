"""The provenance of a result: commit, versions, machine."""

import os
import platform
import subprocess
from collections.abc import Mapping
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


@cache
def commit() -> tuple[str, bool | None]:
    """The checkout's commit and whether its tree differs from it; ("unknown", None) outside of git.

    Of the tree, what is imported or run counts: neither configurations, for each run's is beside its results, nor logs.
    """
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
        new = ask("ls-files", "--others", "--exclude-standard", "--", *(f":(glob){room}/**/*.py" for room in ROOMS))
        return ask("rev-parse", "HEAD"), bool(changed or new)
    except (OSError, subprocess.SubprocessError):
        return "unknown", None


def describe() -> Mapping[str, Any]:
    """The part of `provenance.json` that any run of this checkout on this machine shares."""
    revision, dirty = commit()
    return {
        "augmix": version("augmix"),
        "commit": revision,
        "dirty": dirty,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": machine.processor(),
        "packages": {package: found for package in PACKAGES if (found := installed_version(package)) is not None},
    }
