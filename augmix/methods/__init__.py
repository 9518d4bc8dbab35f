"""A training method is a composition: views (what each image becomes) × mix (the batch) × loss.

Each module of this package, `baselines/` and `ablations/` defines one function `method(**parameters)` that
returns a `Method`. Images come as uint8 (B, C, H, W) on the training device, cropped and flipped already; a
view is uint8 or float in [0, 255]. The net takes such images as they are: it normalises them itself. Views that read
images of classes have those as their `classes`: there have to be as many as in the data set.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmix.errors import UserError
from augmix.operations.transfer import to_device
from augmix.registry import method_file, method_module, method_parts
from augmix.split_norm import in_views, split

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


def partners(batch: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """A random permutation of the batch, int64 (B,): which image each image is mixed with."""
    return to_device(device, rng.permutation(batch))


def uniform(shape: Sequence[int], rng: np.random.Generator, device: torch.device) -> Tensor:
    """Numbers from U(0, 1), float32, drawn on the device itself with a seed from `rng`."""
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
    return torch.rand(tuple(shape), generator=generator, device=device)


def soft_targets(targets: Tensor, partner: Tensor, share: float) -> Tensor:
    """`share` of each image's own target and the rest of its partner's: (B, K) probabilities."""
    return share * targets + (1 - share) * targets[partner]


class Method(NamedTuple):
    """A training method: its views, its mix and its loss."""

    views: Views
    mix: Mix
    loss: Loss


def build(settings: Mapping[str, Any], packages: Sequence[str]) -> Method:
    """The `Method` of a configuration's entry: a preset with parameters, or parts taken from several.

    Raises `UserError` naming the method and the parameter when a value is out of range.
    """
    parts = {
        part: [getattr(_method(settings["name"], *source, packages), part) for source in sources]
        for part, sources in method_parts(settings).items()
    }
    [mix], [loss] = parts["mix"], parts["loss"]
    views = parts["views"]
    return Method(views[0] if len(views) == 1 else partial(in_turn, stages=views), mix, loss)


def try_out(method: Method, title: str, splits: bool = False) -> None:
    """Take one step of a method on two images of noise, 32 × 32 pixels; `splits` batch norms.

    Raises `UserError` where the method, or one of its parts, cannot: a loss that compares views and one view, say. Its
    cause is what a part raised.
    """
    labels, rng = torch.arange(2), np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(256, size=(2, 3, 32, 32), dtype=np.uint8))
    with torch.random.fork_rng(devices=[]):
        net = nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    if splits:
        split(net, title)
    try:
        views = _checked(method.views(images, labels, net, rng), "views", len(images))
        mixed, targets = method.mix(views, F.one_hot(labels).float(), rng)
        with in_views(net, len(_checked(mixed, "mixed views", len(images)))):
            loss = method.loss(net(torch.cat([view.float() for view in mixed])).chunk(len(mixed)), targets)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            given = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise UserError(f"its loss is {given}; a tensor of one number is expected")
        if not loss.isfinite():
            raise UserError(f"its loss is {float(loss)}")
        loss.backward()
    except Exception as error:  # somebody's method can raise anything
        kind = "" if isinstance(error, UserError | ValueError) else f"{type(error).__name__}: "
        raise UserError(f"method '{title}' cannot take a step: {kind}{error}") from error


def _checked(views: Any, what: str, count: int) -> Any:
    """The views, where they are a list of finite images, (count, C, H, W) each."""
    if not isinstance(views, list | tuple) or not all(isinstance(view, Tensor) for view in views) or not views:
        raise UserError(f"its {what} are a {type(views).__name__}; a list of tensors is expected")
    for view in views:
        if view.ndim != 4 or len(view) != count:
            raise UserError(f"its {what} are {tuple(view.shape)} for {count} images; ({count}, C, H, W) is expected")
        if not view.float().isfinite().all():
            raise UserError(f"its {what} have values that are not finite (NaN or infinity)")
    return views


def _method(title: str, name: str, parameters: Mapping[str, Any], packages: Sequence[str]) -> Method:
    try:
        module = importlib.import_module(method_module(name, packages))
    except ImportError as error:
        file = method_file(name, packages)
        raise UserError(
            f"method '{title}': {file} cannot be imported: {error}; install it, or mend the name"
        ) from error
    try:
        method = module.method(**parameters)
    except (TypeError, ValueError) as error:
        raise UserError(f"method '{title}': {name}: {error}") from error
    if not isinstance(method, Method):
        raise UserError(
            f"method '{title}': `method` in {module.__file__} gives a {type(method).__name__}; a Method is expected"
        )
    return method


def in_turn(
    images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator, *, stages: Sequence[Views]
) -> list[Tensor]:
    """The last stage's views of what the others made of the images, one after the other.

    Raises `UserError` when one before the last gives several views, or one that is not uint8.
    """
    for i, stage in enumerate(stages[:-1]):
        views = stage(images, labels, net, rng)
        if len(views) != 1 or views[0].dtype != torch.uint8:
            kinds = ", ".join(str(view.dtype).removeprefix("torch.") for view in views)
            raise UserError(f"views {i + 1} of {len(stages)} in a row give {kinds}; all but the last give one uint8")
        images = views[0]
    return stages[-1](images, labels, net, rng)
