"""KL only: AugMix with KL(clean ‖ augmented) in place of JSD.

At equal λ it is stronger than JSD, by a factor that depends on the net and on the views (see `kullback_leibler`):
compare both over a range of λ.
"""

from augmix.losses import kullback_leibler
from augmix.methods import Method
from augmix.methods.augmix import augmented, consistent


def method(
    *,
    width: int = 3,
    depth: int = -1,
    alpha: float = 1.0,
    severity: float = 3,
    all_ops: bool = False,
    views: int = 2,
    weight: float = 12.0,
    label_smoothing: float = 0.0,
) -> Method:
    """AugMix's views; cross-entropy on the clean one plus `weight` (λ) times the mean of KL(p_clean ‖ p_view)."""
    mixed = augmented(views, width=width, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops)
    return consistent(mixed, weight, kullback_leibler, label_smoothing)
