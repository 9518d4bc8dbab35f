"""-C: every corruption at severities 1 to 5 (Hendrycks & Dietterich, ICLR 2019), generated or published."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from augmix import corruptions
from augmix.suite.testsets import published
from augmix.suite.testsets.severities import Severities


class Corruptions(Severities):
    """A -C of the data set's test images."""

    kind = "corruptions"
    mean = "mCE"
    mean_title = "mean corruption error"
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        archive.title(): names for archive, names in published.ARCHIVED.items() if archive != "extra"
    }
    downloads = published.DOWNLOADED
    corrupt = staticmethod(corruptions.corrupt)

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return corruptions.NAMES

    @classmethod
    def default(cls, preset: str) -> tuple[str, ...]:
        return corruptions.CORRUPTIONS

    def check(self, classes: Sequence[str] | None = None) -> None:
        super().check(classes)
        missing = self.published is None and not (self.folder / "frost.npy").exists()
        if "frost" in self.names and missing:
            # Frost is made with photographs of a package of their own, which may not be installed.
            corruptions.corrupt(np.zeros((1, 32, 32, 3), np.uint8), "frost", severity=1)


KIND = Corruptions
