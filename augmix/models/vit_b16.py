"""ViT-B/16 (Dosovitskiy et al., ICLR 2021): as torchvision builds it, 86,567,656 parameters at a thousand classes."""

from torch import nn
from torchvision.models import vit_b_16


def build(num_classes: int) -> nn.Module:
    """The transformer for images of 224×224, and of that size only; weights as torchvision draws them."""
    net: nn.Module = vit_b_16(weights=None, num_classes=num_classes)
    return net
