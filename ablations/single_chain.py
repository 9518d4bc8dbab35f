"""Single chain: AugMix with width 1, its skip connection and its JSD kept."""

from augmix.methods import Method, augmix


def method(
    *,
    depth: int = -1,
    alpha: float = 1.0,
    severity: float = 3,
    all_ops: bool = False,
    views: int = 2,
    weight: float = 12.0,
) -> Method:
    """AugMix's views of one chain each, mixed with the image by a Beta-distributed weight."""
    return augmix.method(
        width=1, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops, views=views, weight=weight
    )
