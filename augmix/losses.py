"""Losses on the logits of several views of a batch, the clean view first."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Cross-entropy of the first view, averaged over the batch.

    `logits` are (B, K) float tensors, one a view; `targets` are (B,) int64 labels or (B, K) probabilities.
    """
    return F.cross_entropy(logits[0], targets)


def jensen_shannon(logits: Sequence[Tensor], weight: float = 12.0) -> Tensor:
    """`weight` times the Jensen–Shannon divergence of the views' predictions, in nats.

    JS = mean over views of KL(p_view ‖ M) with M the mean prediction, clamped to [1e-7, 1] before its logarithm
    as the paper's code does; summed over classes, averaged over the batch (AugMix, Section 3, Equation 2).
    `logits` are (B, K) float tensors, one a view. Returns a scalar; raises ValueError for fewer than two views.
    """
    if len(logits) < 2:
        raise ValueError(f"jensen_shannon compares at least two views, got {len(logits)}")
    log_p = torch.stack([F.log_softmax(view, dim=1) for view in logits])
    p = log_p.exp()
    log_mean = p.mean(0).clamp(1e-7, 1.0).log()
    return weight * (p * (log_p - log_mean)).sum(-1).mean()


def augmix(logits: Sequence[Tensor], targets: Tensor, weight: float = 12.0) -> Tensor:
    """AugMix's training loss: cross-entropy of the clean view plus the weighted Jensen–Shannon divergence."""
    return cross_entropy(logits, targets) + jensen_shannon(logits, weight)
