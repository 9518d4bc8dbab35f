"""-C̄: ten corruptions chosen to be unlike those of -C (Mintun, Kirillov & Xie, NeurIPS 2021), at severities 1 to 5."""

from augmix.corruptions import bar
from augmix.suite.testsets.severities import Severities


class CorruptionsBar(Severities):
    """A -C̄ of the data set's test images."""

    kind = "corruptions_bar"
    mean = "mCBE"
    mean_title = "mean C̄ error"
    corrupt = staticmethod(bar.corrupt)

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return bar.corruptions_of(preset)


KIND = CorruptionsBar
