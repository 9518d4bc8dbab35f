"""The four corruptions that -C's authors hold out for choosing (Hendrycks & Dietterich, ICLR 2019), as a test set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from augmix.corruptions import EXTRA_CORRUPTIONS
from augmix.suite.testsets.kinds.corruptions import Corruptions


@dataclass(frozen=True)
class CorruptionsExtra(Corruptions):
    """The extra corruptions of the data set's test images, generated or published as -C is."""

    kind: ClassVar[str] = "corruptions_extra"
    mean: ClassVar[str] = "mCE-extra"
    mean_title: ClassVar[str] = "mean error of the extra corruptions"
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return EXTRA_CORRUPTIONS

    @classmethod
    def default(cls, preset: str) -> tuple[str, ...]:
        return EXTRA_CORRUPTIONS


KIND = CorruptionsExtra
