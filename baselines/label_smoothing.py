"""Label smoothing (Szegedy et al., 2016): cross-entropy with a part of each target spread over all classes.

The images stay as they are: it is a loss alone.

Departures:
    - None: it is PyTorch's own.
"""

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from augmix.checks import check_number
from augmix.methods import Method, clean, unmixed


def method(*, smoothing: float = 0.1) -> Method:
    """The images as they are.

    Args:
        smoothing: The share of each target that is spread evenly over all classes. Source: the authors' on ImageNet.
    """
    check_number("smoothing", smoothing, 0, 1)
    return Method(clean, unmixed, partial(smoothed, smoothing=smoothing))


def smoothed(logits: Sequence[Tensor], targets: Tensor, *, smoothing: float) -> Tensor:
    """Cross-entropy of the first view; `logits` and `targets` as in `augmix.losses.cross_entropy`."""
    return F.cross_entropy(logits[0], targets, label_smoothing=smoothing)
