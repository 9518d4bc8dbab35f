"""Chains of steps of several kinds, mixed as AugMix mixes its own: what IPMix and PRIME have in common."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from augmix.operations.transfer import to_device

Change = Callable[[Tensor, Tensor, np.random.Generator], Tensor]
"""(images (n, C, H, W), their places int64 (n,) among all chains, generator) -> the images after one step."""


def mixed_chains(
    images: Tensor,
    kinds: np.ndarray,
    depths: np.ndarray,
    changes: Sequence[Change],
    rng: np.random.Generator,
) -> Tensor:
    """Images (B, C, H, W) mixed with K chains of steps each, by AugMix's weights at α = 1: float32.

    `kinds` (B·K, D) say which of the `changes` each step of a chain is, `depths` (B·K,) how many steps are taken; the
    chains of an image stand together.
    """
    batch, width = len(images), len(kinds) // len(images)
    chains = images.repeat_interleave(width, 0)
    for i in range(kinds.shape[1]):
        for kind, change in enumerate(changes):
            which = np.flatnonzero((kinds[:, i] == kind) & (depths > i))
            if which.size:
                here = to_device(images.device, which)
                chains[here] = change(chains[here], here, rng)
    share = rng.beta(1, 1, (batch, 1))
    weights = np.concatenate([1 - share, share * rng.dirichlet(np.ones(width), batch)], 1).astype(np.float32)
    given = torch.cat([images[:, None], chains.unflatten(0, (batch, width))], 1).to(torch.float32)
    return torch.einsum("bk,bkchw->bchw", to_device(images.device, weights), given)
