"""No mixing (AugMix, Table 4): JSD over views of one chain each.

The paper's row "Random AutoAugment* + JSD": no Dirichlet mixing and no skip connection, a view is what one of AugMix's
chains makes of the image.
"""

from augmix.methods import Method
from augmix.methods.augmix import augmented, consistent
from augmix.mixing import apply_chain


def method(
    *, depth: int = -1, severity: float = 3, all_ops: bool = False, views: int = 2, weight: float = 12.0
) -> Method:
    """The clean image and `views` chains' results; AugMix's loss."""
    chains = augmented(views, apply_chain, width=1, depth=depth, severity=severity, all_ops=all_ops)
    return consistent(chains, weight)
