"""Known test sets: what a configuration says when it names one, `testsets: {cifar10_1: {}}`, from `known.yaml`."""

from functools import cache
from pathlib import Path
from typing import Any

from augmix.suite.io.files import read_mapping


@cache
def sets() -> dict[str, dict[str, Any]]:
    """Every known test set by name: its `entry` in YAML, and its title, source, citation and licence."""
    return read_mapping(Path(__file__).with_name("known.yaml"), {})


def entry(name: str) -> dict[str, Any]:
    """The entry of the test set of that name; empty for a name that is not known."""
    return dict(sets().get(name, {}).get("entry", {}))
