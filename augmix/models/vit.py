"""ViT (Dosovitskiy et al., ICLR 2021): a small one, 4×4 patches, about a quarter of a million parameters.

Plain but for two simplifications of Beyer et al. (2022): fixed sine and cosine positions, so that any image whose
sides are multiples of 4 fits, and the mean over patches in place of a class token. It wants another recipe than the
convolutional nets, AdamW with a warm-up and more epochs: `config/attention_digits.yaml` has one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH, WIDTH = 4, 96


class Block(nn.Module):
    """Self-attention, then a two-layer perceptron, each after a layer norm and around a shortcut."""

    def __init__(self, width: int, heads: int, hidden: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width, bias)
        self.attention_out = nn.Linear(width, width, bias)
        self.norm2 = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(nn.Linear(width, hidden, bias), nn.GELU(), nn.Linear(hidden, width, bias))

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        projected = self.attention_in(self.norm1(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind()
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, tokens, width)
        x = x + self.attention_out(attended)
        return x + self.perceptron(self.norm2(x))


class VisionTransformer(nn.Module):
    """Three blocks over the patches' embeddings."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.blocks = nn.Sequential(*(Block(WIDTH, heads=3, hidden=2 * WIDTH) for _ in range(3)))
        self.norm = nn.LayerNorm(WIDTH)
        self.classifier = nn.Linear(WIDTH, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % PATCH or x.shape[3] % PATCH:  # the convolution would leave out the rest without a word
            raise ValueError(f"its patches have {PATCH} pixels, of which both sides must be multiples")
        patches = self.embedding(x)
        width, rows, columns = patches.shape[1:]
        place = positions(width, rows, columns, patches.device).to(patches.dtype)
        tokens = patches.flatten(2).transpose(1, 2) + place
        logits: Tensor = self.classifier(self.norm(self.blocks(tokens)).mean(1))
        return logits


def positions(width: int, rows: int, columns: int, device: torch.device | None = None) -> Tensor:
    """Sines and cosines of a patch's row and column at `width` / 4 frequencies from 1 to 1/10,000: (patches, width)."""
    frequency = 1e4 ** -torch.linspace(0, 1, width // 4, device=device)
    angles = [torch.arange(count, device=device)[:, None] * frequency for count in (rows, columns)]
    row, column = (torch.cat([angle.sin(), angle.cos()], 1) for angle in angles)
    half = width // 2
    grid = torch.cat([row[:, None].expand(-1, columns, half), column[None].expand(rows, -1, half)], 2)
    return grid.reshape(rows * columns, width)


def build(num_classes: int) -> nn.Module:
    """The transformer for images of 32×32 or so; their sides are multiples of 4."""
    return VisionTransformer(num_classes)
