"""Label smoothing (Szegedy et al., 2016): cross-entropy with a part of each target spread over all classes.

The images stay as they are: it is a loss alone.

Departures:
    - None: it is PyTorch's own.
"""

from functools import partial

from augmix.checks import check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, clean, unmixed


def method(*, smoothing: float = 0.1) -> Method:
    """The images as they are.

    Args:
        smoothing: The share of each target that is spread evenly over all classes. Source: the authors' on ImageNet.
    """
    check_number("smoothing", smoothing, 0, 1)
    return Method(clean, unmixed, partial(cross_entropy, label_smoothing=smoothing))
