"""Single chain: AugMix with width 1, its skip connection and its JSD kept.

It shows what several chains are worth.

Departures:
    - None: the script does the same with `--mixture-width 1`.
"""

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
    """AugMix's views of one chain each, mixed with the image by a Beta-distributed weight.

    Args:
        depth, alpha, severity, all_ops, views, weight: As in `augmix`.
    """
    return augmix.method(
        width=1, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops, views=views, weight=weight
    )
