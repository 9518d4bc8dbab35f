"""A training method is a composition: views (what each image becomes) × mix (the batch) × loss.

Each module of this package, `baselines/` and `ablations/` defines one function `method(**parameters)` that
returns a `Method`. Images come as uint8 (B, C, H, W) on the training device, cropped and flipped already; a
view is uint8 or float in [0, 255]. The net takes such images as they are: it normalises them itself.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from augmix.errors import UserError
from augmix.registry import method_module, method_parts

Views = Callable[[Tensor, Tensor, nn.Module, np.random.Generator], list[Tensor]]
"""(images (B, C, H, W) uint8, labels (B,) int64, net, generator) -> views, the clean one first."""
Mix = Callable[[list[Tensor], Tensor, np.random.Generator], tuple[list[Tensor], Tensor]]
"""(views, targets (B, K), generator) -> the same, mixed across the batch."""
Loss = Callable[[list[Tensor], Tensor], Tensor]
"""(logits (B, K) of each view, targets (B, K)) -> scalar."""


def clean(images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator) -> list[Tensor]:
    """The images as they are: one view."""
    return [images]


def unmixed(views: list[Tensor], targets: Tensor, rng: np.random.Generator) -> tuple[list[Tensor], Tensor]:
    """The batch as it is."""
    return views, targets


class Method(NamedTuple):
    """What a method does in a training step."""

    views: Views
    mix: Mix
    loss: Loss


def build(settings: Mapping[str, Any], packages: Sequence[str]) -> Method:
    """The `Method` of a configuration's entry: a preset with parameters, or parts taken from several.

    Raises `UserError` naming the method and the parameter when a value is out of range.
    """
    parts: dict[str, Any] = {}
    for part, (name, parameters) in method_parts(settings).items():
        module = importlib.import_module(method_module(name, packages))
        try:
            parts[part] = getattr(module.method(**parameters), part)
        except (TypeError, ValueError) as error:
            raise UserError(f"method '{settings['name']}': {name}: {error}") from error
    return Method(**parts)
