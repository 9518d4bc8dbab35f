"""AllConvNet (Springenberg et al., 2015): as the AugMix paper used the net, 1,409,674 parameters."""

import torch
from torch import Tensor, nn

from augmix.models._initialisation import initialise


class AllConv(nn.Module):
    """Nine convolutions of 96 and 192 channels with batch norm and GELU, max-pooling and dropout in between.

    The 1×1 convolutions are padded: the maps grow from 6×6 to 10×10, and the average is over the first 8×8 of them.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        channels, wide = 96, 192
        self.features = nn.Sequential(
            *_layer(3, channels, 3, 1),
            *_layer(channels, channels, 3, 1),
            *_layer(channels, channels, 3, 1),
            nn.MaxPool2d(2),
            nn.Dropout(0.5),
            *_layer(channels, wide, 3, 1),
            *_layer(wide, wide, 3, 1),
            *_layer(wide, wide, 3, 1),
            nn.MaxPool2d(2),
            nn.Dropout(0.5),
            *_layer(wide, wide, 3, 0),
            *_layer(wide, wide, 1, 1),
            *_layer(wide, wide, 1, 1),
            nn.AvgPool2d(8),
        )
        self.classifier = nn.Linear(wide, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


class SigmoidGELU(nn.Module):
    """The Gaussian error linear unit's approximation x·σ(1.702 x) (Hendrycks & Gimpel, 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


def _layer(channels_in: int, channels: int, size: int, padding: int) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, channels, size, padding=padding), nn.BatchNorm2d(channels), SigmoidGELU()]


def build(num_classes: int) -> nn.Module:
    """The net for 32×32 images."""
    return AllConv(num_classes)
