"""Split batch norm: the clean view has batch norms of its own, and all other views share others.

They are AdvProp's auxiliary batch norms (Xie et al., "Adversarial examples improve image recognition", CVPR 2020).
Outside of `in_views`, as in evaluation, everything goes through the clean view's, which alone a trained net keeps.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from augmix.errors import UserError


class _Split(nn.Module):
    """`split` puts it before a batch norm's class."""

    others: nn.Module
    """The batch norm of the views after the first."""
    views = 1
    """How many views a batch has, one after the other."""

    def forward(self, images: Tensor) -> Tensor:
        clean = len(images) // self.views
        normalised: Tensor = super().forward(images[:clean])
        return normalised if self.views == 1 else torch.cat([normalised, self.others(images[clean:])])


def split(net: nn.Module, title: str) -> None:
    """Give every batch norm of a net, of whatever kind, another one that begins as a copy of it.

    Raises `UserError`, with the net's `title`, where there is none.
    """
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        raise UserError(f"{title} has no batch norm that could be split; leave out training.batch_norm")
    for norm in norms:
        others = copy.deepcopy(norm)
        norm.__class__ = type(f"Split{type(norm).__name__}", (_Split, type(norm)), {})
        norm.add_module("others", others)


@contextmanager
def in_views(net: nn.Module, count: int) -> Iterator[None]:
    """Have the split batch norms of a net take batches of `count` views, the clean one first, within the block.

    Raises `UserError` where there are such norms and no other view.
    """
    norms = [module for module in net.modules() if isinstance(module, _Split)]
    if norms and count == 1:
        raise UserError("training.batch_norm is split, and there is one view alone; leave it out")
    for norm in norms:
        norm.views = count
    try:
        yield
    finally:
        for norm in norms:
            norm.views = 1


def without_others(net: nn.Module) -> dict[str, Tensor]:
    """A net's state dict without what `split` has added: that of the net as it is evaluated."""
    added = tuple(f"{name}.others." for name, module in net.named_modules() if isinstance(module, _Split))
    return {name: value for name, value in net.state_dict().items() if not name.startswith(added)}
