"""Architectures, one module each with a function `build(num_classes)`; they take normalised (B, 3, H, W)."""

import importlib

import torch
from torch import Tensor, nn

from augmix.configuration import nearest
from augmix.registry import module_names


def build(name: str, num_classes: int) -> nn.Module:
    """The architecture `name` with freshly initialised weights, drawn from torch's global generator.

    Raises ValueError for an unknown name or fewer than two classes.
    """
    valid = module_names("augmix.models")
    if name not in valid:
        raise ValueError(f"unknown architecture '{name}'; {nearest(name, valid)}")
    if num_classes < 2:
        raise ValueError(f"num_classes is {num_classes}; it must be at least 2")
    net: nn.Module = importlib.import_module(f"augmix.models.{name}").build(num_classes)
    return net


class Normalised(nn.Module):
    """A net that takes images in [0, 255], uint8 or float, and scales them to [-1, 1].

    Mean and standard deviation are 0.5 per channel on every data set, as in the paper's CIFAR code. Being affine,
    it commutes with convex mixing, so views can be mixed before it.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images.to(torch.float32) / 127.5 - 1)
        return logits
