"""Where a result comes from: code, versions, machine, data; and the fingerprint that decides whether to resume."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from augmix.registry import find_package

PACKAGES = ("torch", "torchvision", "numpy", "numba", "pillow", "opencv-python-headless", "scipy", "snakemake")
# What decides a training's or an evaluation's numbers; the rest of the library may change freely.
SOURCES = ("operations", "mixing", "losses", "methods", "models", "training", "batches", "evaluation")


def source_hash(method_packages: Sequence[str]) -> str:
    """The first 16 hex digits of a sha256 over the sources that decide a run's numbers."""
    digest = hashlib.sha256()
    for package in (*(f"augmix.{name}" for name in SOURCES), *method_packages):
        spec = find_package(package)
        folders = spec.submodule_search_locations if spec else None
        files = (
            [file for folder in folders for file in sorted(Path(folder).glob("**/*.py"))]
            if folders
            else [Path(spec.origin)]
            if spec and spec.origin
            else []
        )
        for file in files:
            digest.update(f"{package}/{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def fingerprint(*parts: Any) -> str:
    """A sha256 of JSON-able values: equal exactly when the values are."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


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


def describe(method_packages: Sequence[str]) -> Mapping[str, Any]:
    """The part of `provenance.json` that any run of this checkout on this machine shares."""
    revision, dirty = commit()
    return {
        "augmix": version("augmix"),
        "commit": revision,
        "dirty": dirty,
        "source_hash": source_hash(method_packages),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions(),
    }
