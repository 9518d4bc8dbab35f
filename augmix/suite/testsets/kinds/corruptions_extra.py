"""The four corruptions that -C's authors hold out for choosing (Hendrycks & Dietterich, ICLR 2019), as a test set."""

from augmix import corruptions
from augmix.suite.testsets import published
from augmix.suite.testsets.severities import Severities


class CorruptionsExtra(Severities):
    """The extra corruptions of the data set's test images, generated or published as -C is."""

    kind = "corruptions_extra"
    mean = "mCE-extra"
    mean_title = "mean error of the extra corruptions"
    downloads = published.DOWNLOADED
    corrupt = staticmethod(corruptions.corrupt)

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return corruptions.EXTRA_CORRUPTIONS


KIND = CorruptionsExtra
