"""The published figures of `paper_results.yaml`: the papers' tables, RobustBench's, and AlexNet's errors."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml
from numpy.typing import ArrayLike

from augmix.metrics import mean_corruption_error


@cache
def paper_results() -> dict[str, Any]:
    """The published figures, in percent unless the file says otherwise."""
    text = resources.files("augmix.suite.evaluate").joinpath("paper_results.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def normalised_mce(errors: Mapping[str, ArrayLike]) -> float:
    """ImageNet-C's mCE in units of AlexNet's, which has 1, from each corruption's errors as fractions.

    Raises ValueError where a corruption has no errors, or AlexNet's are not known.
    """
    return mean_corruption_error(errors, paper_results()["alexnet_imagenetc_error"])
