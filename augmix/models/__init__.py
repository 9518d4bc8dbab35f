"""Architectures, one module each with a function `build(num_classes)`; they take normalised (B, 3, H, W)."""

import importlib
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from augmix.errors import UserError
from augmix.registry import architecture_module, module_names, nearest

if TYPE_CHECKING:
    from augmix.models._released import load as load


def __getattr__(name: str) -> Any:
    """Import `load` on first use: the released nets have no part in the digests of trainings."""
    if name == "load":
        return importlib.import_module("augmix.models._released").load
    raise AttributeError(f"module 'augmix.models' has no attribute {name!r}")


def build(name: str, num_classes: int) -> nn.Module:
    """The architecture `name` with freshly initialised weights, drawn from torch's global generator.

    It is one of ours, or what `package.module:function` gives for the number of classes. Raises ValueError for an
    unknown name or fewer than two classes, and `UserError` where a function of others builds no net.
    """
    valid = module_names("augmix.models")
    if ":" not in name and name not in valid:
        raise ValueError(f"unknown architecture '{name}'; {nearest(name, valid)}")
    if num_classes < 2:
        raise ValueError(f"num_classes is {num_classes}; it must be at least 2")
    if ":" in name:
        return _of_others(name, num_classes)
    net: nn.Module = importlib.import_module(architecture_module(name)).build(num_classes)
    return net


def _of_others(name: str, num_classes: int) -> nn.Module:
    try:
        made = getattr(importlib.import_module(architecture_module(name)), name.partition(":")[2])
        inspect.signature(made).bind(num_classes)
        net = made(num_classes)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UserError(f"'{name}' is no function that builds a net of {num_classes} classes: {error}") from error
    if not isinstance(net, nn.Module):
        raise UserError(f"'{name}' gives a {type(net).__name__}; a torch.nn.Module is expected")
    return net


class Normalised(nn.Module):
    """A net that takes images in [0, 255], uint8 or float, and normalises them itself.

    `mean` and `std` are those of each channel, as shares of 255: 0.5 as in the paper's CIFAR code, unless the data
    set has others. Being affine, this commutes with convex mixing, so views can be mixed before it. It trains in
    `precision` by autocast; its weights and its logits, and evaluation, are in single precision.
    """

    scale: Tensor
    offset: Tensor
    zero: Tensor
    """The pixel values that become 0: (3, 1, 1)."""

    def __init__(
        self,
        net: nn.Module,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.net = net
        self.precision = precision
        shares = torch.tensor([mean, std], dtype=torch.float64)[..., None, None]
        self.register_buffer("scale", (1 / (255 * shares[1])).float(), persistent=False)
        self.register_buffer("offset", (shares[0] / shares[1]).float(), persistent=False)
        self.register_buffer("zero", (255 * shares[0]).float(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        lower = self.training and self.precision != torch.float32
        with torch.autocast(images.device.type, self.precision, enabled=lower):
            logits: Tensor = self.net(images.to(torch.float32) * self.scale - self.offset)
        return logits.to(torch.float32)
