"""Corruptions to choose by on validation images: those held out of -C's mean, and some of it at other severities."""

from augmix.corruptions import validation
from augmix.suite.testsets.severities import Severities


class CorruptionsValidation(Severities):
    """The corruptions that sweeps choose by."""

    kind = "corruptions_validation"
    mean = "mCE-validation"
    mean_title = "mean error of the corruptions to choose by"
    corrupt = staticmethod(validation.corrupt)

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return validation.VALIDATION_CORRUPTIONS


KIND = CorruptionsValidation
