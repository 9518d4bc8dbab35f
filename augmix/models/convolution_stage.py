"""Convolution stage: a small net whose last stage is a residual block of convolutions, as large as `attention_stage`.

The two share trunk, classifier, and the number of parameters of the last stage: the one question between them is what
attention does there. `config/attention.yaml` trains both by one recipe.
"""

from torch import Tensor, nn

from augmix.models._stage import WIDTH, Staged


class Convolutions(nn.Module):
    """Two 3×3 convolutions after batch norm and ReLU, around a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.Conv2d(WIDTH, WIDTH, 3, 1, 1, bias=False),
            nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.Conv2d(WIDTH, WIDTH, 3, 1, 1, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result


def build(num_classes: int) -> nn.Module:
    """The net for 28×28 to 64×64 colour images."""
    return Staged(num_classes, Convolutions())
