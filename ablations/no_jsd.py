"""No JSD (AugMix, Table 4): AugMix without its loss, cross-entropy on one mixed view.

One forward pass an image, so a third of AugMix's step: it shows what the loss and two thirds of the compute are worth.

Departures:
    - None in what is computed: it is the script's `--no-jsd` on CIFAR. On ImageNet the script's flag never reaches its
      data set. What others measured for it is in `docs/quirks.md`.
"""

from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from augmix.methods.augmix import augmented


def method(
    *, width: int = 3, depth: int = -1, alpha: float = 1.0, severity: float = 3, all_ops: bool = False
) -> Method:
    """One augmixed view in place of the image.

    Args:
        width, depth, alpha, severity, all_ops: As in `augmix`.
    """
    views = augmented(1, width=width, depth=depth, alpha=alpha, severity=severity, all_ops=all_ops)
    return Method(views, unmixed, cross_entropy)
