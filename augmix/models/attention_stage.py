"""Attention stage: a small net whose last stage is a block of self-attention, as large as `convolution_stage`.

A block has 4w² weights of attention and 2hw of its perceptron; with h = 7w they are the 18w² of two 3×3 convolutions,
and its two layer norms have the 4w parameters of two batch norms. Positions come from the trunk's padded convolutions.
"""

from torch import Tensor, nn

from augmix.models._stage import WIDTH, Staged
from augmix.models.vit import Block


class Attention(Block):
    """The block between all places of a map: (N, C, H, W) to the same."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = super().forward(x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(x.shape)


def build(num_classes: int) -> nn.Module:
    """The net for 28×28 to 64×64 colour images."""
    return Staged(num_classes, Attention(WIDTH, heads=4, hidden=7 * WIDTH, bias=False))
