"""The published figures of `paper_results.yaml`: the papers' tables, RobustBench's, and AlexNet's errors."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from augmix.metrics import mean_corruption_error
from augmix.suite.io.files import read_mapping


@cache
def paper_results() -> dict[str, Any]:
    """The published figures, in percent unless the file says otherwise."""
    return read_mapping(Path(__file__).with_name("paper_results.yaml"), {})


def normalised_mce(errors: Mapping[str, ArrayLike]) -> float:
    """ImageNet-C's mCE in units of AlexNet's, which has 1, from each corruption's errors as fractions.

    Raises ValueError where a corruption has no errors, or AlexNet's are not known.
    """
    return mean_corruption_error(errors, paper_results()["alexnet_imagenetc_error"])
