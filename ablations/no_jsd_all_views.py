"""No JSD, all views: AugMix's three views, cross-entropy on each of them.

It computes all that AugMix does but for its loss: against `no_jsd` it shows what the two further views are worth,
against `augmix` what JSD is.

Departures:
    - It is a control of ours; the paper has none.
"""

from augmix.losses import cross_entropy_all
from augmix.methods import Method, unmixed
from augmix.methods.augmix import augmented, with_clean


def method(
    *, width: int = 3, depth: int = -1, alpha: float = 1.0, severity: float = 3, all_ops: bool = False, views: int = 2
) -> Method:
    """The clean image and `views` augmixed ones; the mean of their cross-entropies.

    Args:
        width, depth, alpha, severity, all_ops, views: As in `augmix`.
    """
    mixed = augmented(views, width=width, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops)
    return Method(with_clean(mixed), unmixed, cross_entropy_all)
