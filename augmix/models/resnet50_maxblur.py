"""ResNet-50 with MaxBlur pooling (Zhang, ICML 2019): every subsampling is preceded by a blur.

The max-pool and every strided convolution, the first one and the shortcuts' included, run at stride 1; the bin-5 filter
then blurs what it subsamples. The parameters are ResNet-50's, the arithmetic a third more.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import ResNet, resnet50


class Blur(nn.Module):
    """The binomial filter (1, 4, 6, 4, 1) / 16 along both axes, at stride 2, borders reflected."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        kernel = torch.outer(row, row).repeat(channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (2, 2, 2, 2), "reflect"), self.kernel, stride=2, groups=x.shape[1])


def build(num_classes: int) -> nn.Module:
    """The net for images of 224×224; at 64×64 its last maps are 2×2, and smaller images it refuses."""
    net: ResNet = resnet50(weights=None, num_classes=num_classes)
    net.conv1.stride = (1, 1)
    # A blur follows the activation: the stem's is the module before the max-pool, a block's the one before conv3.
    net.maxpool = nn.Sequential(Blur(64), nn.MaxPool2d(3, 1, 1), Blur(64))
    for group in (net.layer2, net.layer3, net.layer4):
        block = group[0]
        block.conv2.stride = (1, 1)
        block.conv3 = nn.Sequential(Blur(block.conv2.out_channels), block.conv3)
        shortcut = block.downsample[0]
        shortcut.stride = (1, 1)
        block.downsample.insert(0, Blur(shortcut.in_channels))
    return net
