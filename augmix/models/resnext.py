"""ResNeXt (Xie et al., CVPR 2017): 29 layers, cardinality 4, base width 32; 6,807,882 parameters at ten classes."""

import torch.nn.functional as F
from torch import Tensor, nn

from augmix.models._initialisation import initialise


class Block(nn.Module):
    """A residual bottleneck whose 3×3 convolution is in `cardinality` groups; its output has four times `planes`."""

    def __init__(self, channels_in: int, planes: int, stride: int, cardinality: int, base_width: int) -> None:
        super().__init__()
        width, channels = planes * base_width // 64 * cardinality, 4 * planes
        self.conv_reduce = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn_reduce = nn.BatchNorm2d(width)
        self.conv_conv = nn.Conv2d(width, width, 3, stride, 1, groups=cardinality, bias=False)
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
    """Three stages of `blocks` blocks with 256, 512 and 1024 channels: 9 × `blocks` + 2 layers."""

    def __init__(self, num_classes: int, blocks: int = 3, cardinality: int = 4, base_width: int = 32) -> None:
        super().__init__()
        # The modules have the names of the widely used public code: its checkpoints load.
        self.conv_1_3x3 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn_1 = nn.BatchNorm2d(64)
        channels = 64
        for stage, planes in enumerate((64, 128, 256), 1):
            stride = 1 if stage == 1 else 2
            first = Block(channels, planes, stride, cardinality, base_width)
            channels = 4 * planes
            others = (Block(channels, planes, 1, cardinality, base_width) for _ in range(blocks - 1))
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
