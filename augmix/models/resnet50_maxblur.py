"""ResNet-50 MaxBlur (Zhang, ICML 2019): MaxBlur pooling, as its author released it, with the bin-5 filter.

The stem's convolution keeps its stride of 2, at which a blur would cost most, and a 2×2 max-pool at stride 1 follows
it. Every later subsampling runs at stride 1 and is then blurred: the max-pool, the strided convolutions and the
shortcuts. The parameters are ResNet-50's, the arithmetic a quarter more.

Parameters and filters have the released code's names. So the released weights with 5 taps (`resnet50_lpf5`, top-1
77.04 %: the net of the AugMix paper's row) fit as they are, and those with 2, 3 or 4 taps are refused by the shape of
their filters. Weights of a net whose stem is blurred too have no such filters, and are refused as well.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import ResNet, resnet50


class Blur(nn.Module):
    """The binomial filter (1, 4, 6, 4, 1) / 16 along both axes, at stride 2, borders reflected."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        kernel = torch.outer(row, row).repeat(channels, 1, 1, 1)
        self.register_buffer("filt", kernel)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (2, 2, 2, 2), "reflect"), self.filt, stride=2, groups=x.shape[1])


def build(num_classes: int) -> nn.Module:
    """The net for images of 224×224; at 64×64 its last maps are 2×2, and images of 32×32 it refuses."""
    net: ResNet = resnet50(weights=None, num_classes=num_classes)
    net.maxpool = nn.Sequential(nn.MaxPool2d(2, 1), Blur(64))
    # A block's blur follows the activation, which is the module before conv3.
    for group in (net.layer2, net.layer3, net.layer4):
        block = group[0]
        block.conv2.stride = (1, 1)
        block.conv3 = nn.Sequential(Blur(block.conv2.out_channels), block.conv3)
        shortcut = block.downsample[0]
        shortcut.stride = (1, 1)
        block.downsample.insert(0, Blur(shortcut.in_channels))
    return net
