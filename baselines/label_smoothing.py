"""Label smoothing (Szegedy et al., 2016): cross-entropy with a part of each target spread over all classes."""

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from augmix.checks import check_number
from augmix.methods import Method, clean, unmixed


def method(*, smoothing: float = 0.1) -> Method:
    """The images as they are; the share `smoothing` of each target is the same for all classes."""
    check_number("smoothing", smoothing, 0, 1)
    return Method(clean, unmixed, partial(smoothed, smoothing=smoothing))


def smoothed(logits: Sequence[Tensor], targets: Tensor, *, smoothing: float) -> Tensor:
    """Cross-entropy of the first view; `logits` and `targets` as in `augmix.losses.cross_entropy`."""
    return F.cross_entropy(logits[0], targets, label_smoothing=smoothing)
