"""WideResNet (Zagoruyko & Komodakis, BMVC 2016): depth 40, width 2; 2,243,546 parameters at ten classes."""

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn

from augmix.models._initialisation import initialise


class Block(nn.Module):
    """Pre-activation residual block of two 3×3 convolutions."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        changes = stride != 1 or channels_in != channels
        self.convShortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        # The shortcut starts after the activation where the shape changes, as in the original.
        return y + (x if self.convShortcut is None else self.convShortcut(activated))


class WideResNet(nn.Module):
    """Three groups of six blocks with 32, 64 and 128 channels."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        # The modules have the names of the widely used public code: its checkpoints load.
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        channels_in = 16
        for group, channels in enumerate((32, 64, 128), 1):
            first = Block(channels_in, channels, 1 if group == 1 else 2)
            others = (Block(channels, channels, 1) for _ in range(5))
            self.add_module(f"block{group}", nn.Sequential(OrderedDict(layer=nn.Sequential(first, *others))))
            channels_in = channels
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.fc = nn.Linear(channels_in, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for group in (1, 2, 3):
            x = self.get_submodule(f"block{group}")(x)
        logits: Tensor = self.fc(F.relu(self.bn1(x)).mean((2, 3)))
        return logits


def build(num_classes: int) -> nn.Module:
    """WideResNet of depth 40 and widening factor 2, for 32×32 images."""
    return WideResNet(num_classes)
