"""Adversarial training (Madry et al., 2018): the batch perturbed by PGD against the net as it is.

ℓ∞ within ε, from a random start; the perturbed images alone are trained on. Parameters get no gradients from the
attack, and batch norm's running statistics come from the trained batch alone: those of the attack's ten forward passes
never enter them.

Departures:
    - The AugMix paper does not print its settings: these are the common ones.
"""

from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from augmix.attacks import pgd
from augmix.checks import check_choice, check_integer, check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed


def method(*, epsilon: float = 8 / 255, step: float = 2 / 255, steps: int = 10, mode: str = "train") -> Method:
    """The images, perturbed.

    Args:
        epsilon: The largest change of a value, over the range of values. Source: ours, the usual one on CIFAR.
        step: The change of a step, over the range of values. Source: ours, the usual one on CIFAR.
        steps: The number of steps. Source: ours, a usual one.
        mode: In `train` the attack normalises by its own batch's statistics, as the update will, and dropout is on; in
            `eval` it sees the net as it would be evaluated. Source: ours.
    """
    check_number("epsilon", epsilon, 0, 1, above=True)
    check_number("step", step, 0, 1, above=True)
    check_integer("steps", steps, 1)
    check_choice("mode", mode, ("train", "eval"))
    return Method(partial(attack, epsilon=epsilon, step=step, steps=steps, mode=mode), unmixed, cross_entropy)


def attack(images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator, **parameters: Any) -> list[Tensor]:
    """The images perturbed by `augmix.attacks.pgd` with these `parameters`: float32."""
    return [pgd(images, labels, net, rng, **parameters)]
