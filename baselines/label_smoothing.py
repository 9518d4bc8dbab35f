"""Label smoothing (Szegedy et al., 2016): cross-entropy with a part of each target spread over all classes."""

from functools import partial

from augmix.checks import check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, clean, unmixed


def method(*, smoothing: float = 0.1) -> Method:
    """The images as they are; the share `smoothing` of each target is the same for all classes."""
    check_number("smoothing", smoothing, 0, 1)
    return Method(clean, unmixed, partial(cross_entropy, label_smoothing=smoothing))
