"""The provenance of a result: commit, versions, machine."""

import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from augmix.suite.io import machine

PACKAGES = ("torch", "torchvision", "numpy", "numba", "pillow", "opencv-python-headless", "scipy", "snakemake")


def versions() -> dict[str, str]:
    """The installed version of each package that matters."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def commit() -> tuple[str, bool]:
    """The checkout's commit and whether its tree differs from it; ("unknown", False) outside of git.

    Configurations do not count: each run's is beside its results.
    """
    folder = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", ":/", ":(top,exclude)config"))
    except (OSError, subprocess.SubprocessError):
        return "unknown", False


def describe() -> Mapping[str, Any]:
    """The part of `provenance.json` that any run of this checkout on this machine shares."""
    revision, dirty = commit()
    return {
        "augmix": version("augmix"),
        "commit": revision,
        "dirty": dirty,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": machine.cpu(),
        "packages": versions(),
    }
