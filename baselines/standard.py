"""Standard training: random crop and flip only, cross-entropy.

Every other method begins with the same crop and flip.

Departures:
    - None: it is the baseline of the AugMix paper.
"""

from augmix.losses import cross_entropy
from augmix.methods import Method, clean, unmixed


def method() -> Method:
    """The images as they come."""
    return Method(clean, unmixed, cross_entropy)
