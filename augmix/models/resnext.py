"""ResNeXt (Xie et al., CVPR 2017): 29 layers, cardinality 4, base width 32; 6,807,882 parameters at ten classes."""

import torch.nn.functional as F
from torch import Tensor, nn

from augmix.models._initialisation import initialise


class Block(nn.Module):
    """A residual bottleneck whose 3×3 convolution is in four groups; its output has twice as many channels."""

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        channels = 2 * width
        self.conv_reduce = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn_reduce = nn.BatchNorm2d(width)
        self.conv_conv = nn.Conv2d(width, width, 3, stride, 1, groups=4, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.conv_expand = nn.Conv2d(width, channels, 1, bias=False)
        self.bn_expand = nn.BatchNorm2d(channels)
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
            if stride != 1 or channels_in != channels
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn_reduce(self.conv_reduce(x)), inplace=True)
        y = F.relu(self.bn(self.conv_conv(y)), inplace=True)
        return F.relu(self.bn_expand(self.conv_expand(y)) + self.downsample(x), inplace=True)


class ResNeXt(nn.Module):
    """Three stages of three blocks with 256, 512 and 1024 channels."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        # The modules have the names of the widely used public code: its checkpoints load.
        self.conv_1_3x3 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn_1 = nn.BatchNorm2d(64)
        channels = 64
        for stage, width in enumerate((128, 256, 512), 1):
            first = Block(channels, width, 1 if stage == 1 else 2)
            channels = 2 * width
            others = (Block(channels, width, 1) for _ in range(2))
            self.add_module(f"stage_{stage}", nn.Sequential(first, *others))
        self.classifier = nn.Linear(channels, num_classes)
        initialise(self)
        nn.init.kaiming_normal_(self.classifier.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn_1(self.conv_1_3x3(x)), inplace=True)
        for stage in (1, 2, 3):
            x = self.get_submodule(f"stage_{stage}")(x)
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


def build(num_classes: int) -> nn.Module:
    """ResNeXt-29, 4×32d, for 32×32 images."""
    return ResNeXt(num_classes)
