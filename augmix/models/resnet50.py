"""ResNet-50 (He et al., CVPR 2016): as torchvision builds it, 25,557,032 parameters at a thousand classes."""

from torch import nn
from torchvision.models import resnet50


def build(num_classes: int) -> nn.Module:
    """The net for images of 224×224, its stride in the 3×3 convolutions; weights as torchvision draws them."""
    net: nn.Module = resnet50(weights=None, num_classes=num_classes)
    return net
