"""Random chains, all views: the clean image and two random chains, cross-entropy on each.

It computes all that `no_mixing` does but for its loss: together they show what JSD is worth without mixing.

Departures:
    - It is a control of ours; the paper has none.
"""

from augmix.losses import cross_entropy_all
from augmix.methods import Method, unmixed
from augmix.methods.augmix import augmented, with_clean
from augmix.mixing import apply_chain


def method(*, depth: int = -1, severity: float = 3, all_ops: bool = False, views: int = 2) -> Method:
    """The clean image and `views` chains' results; the mean of their cross-entropies.

    Args:
        depth, severity, all_ops, views: As in `augmix`.
    """
    chains = augmented(views, apply_chain, width=1, depth=depth, severity=severity, all_ops=all_ops)
    return Method(with_clean(chains), unmixed, cross_entropy_all)
