"""Random AutoAugment (AugMix, Table 4): one random chain an image, cross-entropy on it.

It is AugMix's own chain of one to three operations at its severity, without mixing, skip connection, clean view or JSD.

Departures:
    - The paper does not define its row "Random AutoAugment*" further, and the script has no such method: this is our
      reading.
"""

from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from augmix.methods.augmix import augmented
from augmix.mixing import apply_chain


def method(*, depth: int = -1, severity: float = 3, all_ops: bool = False) -> Method:
    """One chain's result in place of the image.

    Args:
        depth, severity, all_ops: As in `augmix`.
    """
    chain = augmented(1, apply_chain, width=1, depth=depth, severity=severity, all_ops=all_ops)
    return Method(chain, unmixed, cross_entropy)
