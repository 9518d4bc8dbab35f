"""Attention stage: a small net whose last stage is a block of self-attention, as large as `convolution_stage`.

A block has 4w² weights of attention and 2hw of its perceptron; with h = 7w they are the 18w² of two 3×3 convolutions,
and its two layer norms have the 4w parameters of two batch norms. Positions come from the trunk's padded convolutions.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from augmix.models._stage import WIDTH, Staged

HEADS = 4


class Attention(nn.Module):
    """Self-attention between all places, then a two-layer perceptron, each after a layer norm and around a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention_in = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attention_out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.perceptron = nn.Sequential(
            nn.Linear(WIDTH, 7 * WIDTH, bias=False), nn.GELU(), nn.Linear(7 * WIDTH, WIDTH, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, width, rows, columns = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        projected = self.attention_in(self.norm1(tokens)).view(batch, -1, 3, HEADS, width // HEADS)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind()
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(tokens.shape)
        tokens = tokens + self.attention_out(attended)
        tokens = tokens + self.perceptron(self.norm2(tokens))
        return tokens.transpose(1, 2).reshape(batch, width, rows, columns)


def build(num_classes: int) -> nn.Module:
    """The net for 28×28 to 64×64 colour images."""
    return Staged(num_classes, Attention())
