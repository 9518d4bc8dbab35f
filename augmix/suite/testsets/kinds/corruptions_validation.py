"""Corruptions to choose by on validation images: those held out of -C's mean, and some of it at other severities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from augmix.corruptions import validation
from augmix.suite.testsets.kinds.corruptions import Corruptions


@dataclass(frozen=True)
class CorruptionsValidation(Corruptions):
    """The corruptions that sweeps choose by."""

    kind: ClassVar[str] = "corruptions_validation"
    mean: ClassVar[str] = "mCE-validation"
    mean_title: ClassVar[str] = "mean error of the corruptions to choose by"
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    corrupt = staticmethod(validation.corrupt)

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return validation.VALIDATION_CORRUPTIONS

    @classmethod
    def default(cls, preset: str) -> tuple[str, ...]:
        return validation.VALIDATION_CORRUPTIONS


KIND = CorruptionsValidation
