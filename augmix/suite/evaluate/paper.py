"""The published figures of `paper_results.yaml`: the papers' tables, RobustBench's, and AlexNet's errors."""

from functools import cache
from importlib import resources
from typing import Any

import yaml


@cache
def paper_results() -> dict[str, Any]:
    """The published figures, in percent unless the file says otherwise."""
    text = resources.files("augmix.suite.evaluate").joinpath("paper_results.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded
