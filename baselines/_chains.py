"""Chains of steps of several kinds, mixed as AugMix mixes its own: what IPMix and PRIME have in common."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from augmix.operations.compiled import in_pieces
from augmix.operations.transfer import to_device
from baselines import _kernels

Change = Callable[[Tensor, np.ndarray, np.random.Generator], None]
"""(images (N, C, H, W), the places (n,) of some of them, generator): change these, in place, by one step."""


def mixed_chains(
    images: Tensor,
    kinds: np.ndarray,
    depths: np.ndarray,
    changes: Sequence[Change],
    rng: np.random.Generator,
) -> Tensor:
    """Images (B, C, H, W) mixed with K chains of steps each, by AugMix's weights at α = 1: float32.

    `kinds` (B·K, D) say which of the `changes` each step of a chain is, `depths` (B·K,) how many steps are taken; the
    chains of an image stand together. The changes see them behind their image, at the places n·(K + 1) + 1 + k.
    """
    batch, width = len(images), len(kinds) // len(images)
    given = images.repeat_interleave(1 + width, 0).contiguous()
    places = np.arange(batch * width) + np.arange(batch * width) // width + 1
    for i in range(kinds.shape[1]):
        for kind, change in enumerate(changes):
            which = places[(kinds[:, i] == kind) & (depths > i)]
            if which.size:
                change(given, which, rng)
    share = rng.beta(1, 1, (batch, 1))
    weights = np.concatenate([1 - share, share * rng.dirichlet(np.ones(width), batch)], 1).astype(np.float32)
    if not given.is_cpu:
        chains = given.unflatten(0, (batch, 1 + width)).to(torch.float32)
        return torch.einsum("bk,bkchw->bchw", to_device(given.device, weights), chains)
    mixed = torch.empty(images.shape)
    values = given.numpy().reshape(batch, 1 + width, -1)
    in_pieces(_kernels.mix, batch, 1, values, weights, mixed.numpy().reshape(batch, -1))
    return mixed
