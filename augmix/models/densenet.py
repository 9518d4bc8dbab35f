"""DenseNet (Huang et al., CVPR 2017): BC, 100 layers, growth rate 12; 769,162 parameters at ten classes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmix.models._initialisation import initialise

GROWTH = 12


class Layer(nn.Module):
    """Adds twelve channels to its input by a 3×3 convolution."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, GROWTH, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.conv1(F.relu(self.bn1(x)))), 1)


class Bottleneck(nn.Module):
    """Adds twelve channels to its input by a 1×1 convolution to four times as many and a 3×3 one."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, 4 * GROWTH, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * GROWTH)
        self.conv2 = nn.Conv2d(4 * GROWTH, GROWTH, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.bn1(x)))
        return torch.cat((x, self.conv2(F.relu(self.bn2(y)))), 1)


class Transition(nn.Module):
    """Halves the image's sides and changes the number of channels."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv1(F.relu(self.bn1(x))), 2)


class DenseNet(nn.Module):
    """Three dense blocks of `layers` layers; transitions keep the share `compression` of the channels."""

    def __init__(
        self, num_classes: int, layer: type[Layer] | type[Bottleneck], layers: int, compression: float
    ) -> None:
        super().__init__()
        # The modules have the names of the widely used public code: its checkpoints load.
        channels = 2 * GROWTH
        self.conv1 = nn.Conv2d(3, channels, 3, 1, 1, bias=False)
        for block in (1, 2, 3):
            dense = nn.Sequential(*(layer(channels + i * GROWTH) for i in range(layers)))
            self.add_module(f"dense{block}", dense)
            channels += layers * GROWTH
            if block < 3:
                kept = int(channels * compression)
                self.add_module(f"trans{block}", Transition(channels, kept))
                channels = kept
        self.bn1 = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for name in ("dense1", "trans1", "dense2", "trans2", "dense3"):
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(F.relu(self.bn1(x)).mean((2, 3)))
        return logits


def build(num_classes: int) -> nn.Module:
    """DenseNet-BC: bottlenecks, and transitions that halve the channels. For 32×32 images."""
    return DenseNet(num_classes, Bottleneck, layers=16, compression=0.5)
