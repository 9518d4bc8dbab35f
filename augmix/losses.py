"""Losses on the logits of several views of a batch, the clean view first."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Sequence[Tensor], targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the first view, averaged over the batch.

    `logits` are (B, K) float tensors, one a view; `targets` are (B,) int64 labels or (B, K) probabilities, of which the
    share `label_smoothing` is spread over all classes alike.
    """
    return F.cross_entropy(logits[0], targets, label_smoothing=label_smoothing)


def cross_entropy_all(logits: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Cross-entropy averaged over all views and the batch; arguments as in `cross_entropy`."""
    return torch.stack([F.cross_entropy(view, targets) for view in logits]).mean()


def jensen_shannon(logits: Sequence[Tensor], weight: float = 12.0) -> Tensor:
    """`weight` times the Jensen–Shannon divergence of the views' predictions, in nats.

    JS = mean over views of KL(p_view ‖ M) with M the mean prediction, clamped to [1e-7, 1] before its logarithm
    as the paper's code does; summed over classes, averaged over the batch (AugMix, Section 3, Equation 2).
    `logits` are (B, K) float tensors, one a view, or (B, K, H, W) of pixels, which are averaged over as well.
    Returns a scalar; raises ValueError for fewer than two views.
    """
    log_p = _log_predictions("jensen_shannon", logits)
    p = log_p.exp()
    log_mean = p.mean(0).clamp(1e-7, 1.0).log()
    return weight * (p * (log_p - log_mean)).sum(2).mean()


def kullback_leibler(logits: Sequence[Tensor], weight: float = 12.0, reverse: bool = False) -> Tensor:
    """`weight` times KL(p_clean ‖ p_view), or where `reverse` KL(p_view ‖ p_clean), in nats.

    Averaged over the views after the first, summed over classes, averaged over the batch; the gradient goes through
    both sides. Two views that differ little from the clean one, and independently, make it 2.25 times the
    Jensen–Shannon divergence of the three; opposite differences 1.5 times, equal ones 4.5. Large ones have no limit.
    `logits` are (B, K) float tensors, one a view, or (B, K, H, W). Returns a scalar; raises ValueError for fewer than
    two views.
    """
    log_p = _log_predictions("kullback_leibler", logits)
    clean, others = log_p[:1], log_p[1:]
    p, q = (others, clean) if reverse else (clean, others)
    return weight * (p.exp() * (p - q)).sum(2).mean()


def augmix(
    logits: Sequence[Tensor],
    targets: Tensor,
    weight: float = 12.0,
    divergence: Callable[[Sequence[Tensor], float], Tensor] = jensen_shannon,
    label_smoothing: float = 0.0,
) -> Tensor:
    """AugMix's training loss: cross-entropy of the clean view, as in `cross_entropy`, plus the weighted divergence."""
    return cross_entropy(logits, targets, label_smoothing) + divergence(logits, weight)


def _log_predictions(name: str, logits: Sequence[Tensor]) -> Tensor:
    """The logarithms of the views' predictions, (views, B, K, …); ValueError for fewer than two views."""
    if len(logits) < 2:
        raise ValueError(f"{name} compares at least two views, got {len(logits)}")
    log_p = torch.stack([F.log_softmax(view, dim=1) for view in logits])
    # A class that cannot be, of logit -inf, adds nothing: 0 · log 0 would be NaN.
    return log_p.clamp(min=torch.finfo(log_p.dtype).min)
