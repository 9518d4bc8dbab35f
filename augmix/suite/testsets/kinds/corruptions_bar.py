"""-C̄: ten corruptions chosen to be unlike those of -C (Mintun, Kirillov & Xie, NeurIPS 2021), at severities 1 to 5."""

from dataclasses import dataclass
from typing import ClassVar

from augmix.corruptions import bar
from augmix.suite.testsets.severities import Severities


@dataclass(frozen=True)
class CorruptionsBar(Severities):
    """A -C̄ of the data set's test images."""

    kind: ClassVar[str] = "corruptions_bar"
    mean: ClassVar[str] = "mCBE"
    mean_title: ClassVar[str] = "mean C̄ error"
    corrupt = staticmethod(bar.corrupt)

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return bar.corruptions_of(preset)


KIND = CorruptionsBar
