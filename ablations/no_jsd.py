"""No JSD (AugMix, Table 4): AugMix without its loss, cross-entropy on one mixed view.

One forward pass an image, so a third of AugMix's step.
"""

from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from augmix.methods.augmix import augmented


def method(
    *, width: int = 3, depth: int = -1, alpha: float = 1.0, severity: float = 3, all_ops: bool = False
) -> Method:
    """One augmixed view in place of the image."""
    views = augmented(1, width=width, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops)
    return Method(views, unmixed, cross_entropy)
