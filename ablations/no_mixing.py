"""No mixing (AugMix, Table 4): JSD over views of one chain each.

There is no Dirichlet mixing and no skip connection: a view is what one of AugMix's chains makes of the image.

Departures:
    - The script has no such method: it is our reading of the paper's row "Random AutoAugment* + JSD".
"""

from augmix.methods import Method
from augmix.methods.augmix import augmented, consistent
from augmix.mixing import apply_chain


def method(
    *, depth: int = -1, severity: float = 3, all_ops: bool = False, views: int = 2, weight: float = 12.0
) -> Method:
    """The clean image and `views` chains' results; AugMix's loss.

    Args:
        depth, severity, all_ops, views, weight: As in `augmix`.
    """
    chains = augmented(views, apply_chain, width=1, depth=depth, severity=severity, all_ops=all_ops)
    return consistent(chains, weight)
