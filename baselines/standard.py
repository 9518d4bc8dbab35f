"""Standard training: random crop and flip only, cross-entropy."""

from augmix.losses import cross_entropy
from augmix.methods import Method, clean, unmixed


def method() -> Method:
    """The images as they come."""
    return Method(clean, unmixed, cross_entropy)
