"""Optimizers, and the learning rate of each step."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def make_optimizer(net: nn.Module, recipe: Mapping[str, Any], replayed: bool = False) -> torch.optim.Optimizer:
    """SGD or AdamW with the recipe's settings; AdamW's momenta are PyTorch's, 0.9 and 0.999.

    Where steps are `replayed`, the rate is a tensor, so that they read what `set_rate` has written.
    """
    rate, decay, fused = recipe["learning_rate"], recipe["weight_decay"], None
    if replayed:
        rate, fused = torch.tensor(rate, device=next(net.parameters()).device), True
    if recipe["optimizer"] == "adamw":
        adamw = _uncompiled(torch.optim.AdamW)
        return adamw(net.parameters(), rate, weight_decay=decay, capturable=replayed, fused=fused)
    momentum = recipe["momentum"]
    nesterov = recipe["nesterov"] and momentum > 0
    sgd = _uncompiled(torch.optim.SGD)
    return sgd(net.parameters(), rate, momentum=momentum, weight_decay=decay, nesterov=nesterov, fused=fused)


def _uncompiled(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The optimizer without the wrappers by which `torch.compile` leaves it alone.

    They import the compiler at their first call, which takes as long as importing torch itself.
    """
    methods = ("add_param_group", "load_state_dict", "state_dict", "zero_grad", "step")
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in methods}
    return type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(plain["step"])})


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Have the optimizer's next steps use this learning rate."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def learning_rate(recipe: Mapping[str, Any], step: int, steps: int) -> float:
    """The rate of one of `steps` steps, which follows every batch.

    After a linear warm-up from nothing, `schedule: cosine` falls from `learning_rate` to `minimum_learning_rate`
    (AugMix, Section 4.1), `schedule: steps` by a factor of ten at each epoch of `milestones` (Goyal et al., 2017).
    """
    low, high = recipe["minimum_learning_rate"], recipe["learning_rate"]
    warmup = recipe["warmup_epochs"] * steps / recipe["epochs"]
    if step < warmup:
        return float(high * (step + 1) / warmup)
    if recipe["schedule"] == "steps":
        return float(high * 0.1 ** sum(step * recipe["epochs"] >= epoch * steps for epoch in recipe["milestones"]))
    return float(low + (high - low) / 2 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))))


def changed_tensors(net: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """All tensors that a step changes: weights, running statistics, momenta."""
    yield from net.parameters()
    yield from net.buffers()
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))
