"""AugMix (Hendrycks et al., ICLR 2020, section 3): sample a plan, apply it; `augmix.transform` does both.

Trainings need no more, and start without torchvision and torch's compiler, which its import brings along.
"""

from typing import NamedTuple

import numpy as np
import torch

from augmix import operations
from augmix.checks import check_flag, check_integer, check_number
from augmix.compilation import njit
from augmix.operations.executors import eager

_compiled = njit(cache=True, error_model="numpy")


class Plan(NamedTuple):
    """Everything random about AugMix on a batch of N images; K chains of at most D operations.

    `operations` (N, K, D): ids, `operations.IDENTITY` beyond a chain's depth. `parameters` (N, K, D): what
    `operations.apply` takes. `weights` (N, K): the chains' convex weights. `m` (N,): the weight of the chains
    together against the image itself. `size`: the images' (height, width), of which translations are fractions.
    """

    operations: np.ndarray
    parameters: np.ndarray
    weights: np.ndarray
    m: np.ndarray
    size: tuple[int, int]


@eager
def apply(images: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Return (1 − m)·x + m·Σ wᵢ·chainᵢ(x) for uint8 images (N, C, H, W): float32 in [0, 255], not rounded."""
    _check_size(images, plan)
    if plan.weights.ndim != 2 or plan.m.shape != plan.weights.shape[:1]:
        raise ValueError(f"weights must be (N, K) and m (N,), got shapes {plan.weights.shape} and {plan.m.shape}")
    weights = _with_image(plan.weights, plan.m)
    return operations.mix(images, plan.operations, plan.parameters, weights)


@eager
def apply_chain(images: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Return each image's first chain alone, without mixing: uint8 (N, C, H, W)."""
    _check_size(images, plan)
    return operations.chain(images, plan.operations[:, 0], plan.parameters[:, 0])


def _check_size(images: torch.Tensor, plan: Plan) -> None:
    if tuple(images.shape[-2:]) != tuple(plan.size):
        raise ValueError(f"the plan is for images of {plan.size}, got {tuple(images.shape[-2:])}: sample one for them")


@_compiled
def _with_image(weights: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Return the weights (N, K + 1) of the image, which comes first, and of its chains."""
    count, width = weights.shape
    result = np.empty((count, width + 1), np.float32)
    for n in range(count):
        result[n, 0] = 1 - m[n]
        for k in range(width):
            result[n, k + 1] = m[n] * weights[n, k]
    return result


@_compiled
def _finish(ids: np.ndarray, available: np.ndarray, depths: np.ndarray, weights: np.ndarray) -> None:
    """Make, in place, operations of indices into `available`, up to each chain's depth, and weights of Gammas."""
    batch, width, longest = ids.shape
    for n in range(batch):
        total = 0.0
        for k in range(width):
            for i in range(longest):
                ids[n, k, i] = available[ids[n, k, i]] if i < depths[n, k] else operations.IDENTITY
            total += weights[n, k]
        for k in range(width):
            weights[n, k] *= 1 / total


class Sampler:
    """Draws the plans of AugMix; its arguments are those of `augmix.AugMix`."""

    def __init__(
        self,
        width: int = 3,
        depth: int = -1,
        alpha: float = 1.0,
        severity: float = 3,
        all_ops: bool = False,
        geometry: bool = True,
    ) -> None:
        check_integer("width", width, 1)
        check_integer("depth", depth)
        if depth == 0 or depth < -1:
            raise ValueError(f"depth must be -1 (drawn from 1, 2, 3) or at least 1, not {depth}")
        check_number("alpha", alpha, 0, 1e6, above=True)
        check_number("severity", severity, 0, 10, above=True)
        check_flag("all_ops", all_ops)
        check_flag("geometry", geometry)
        self.width = width
        self.depth = depth
        self.alpha = alpha
        self.severity = severity
        self.all_ops = all_ops
        self.geometry = geometry

    @eager
    def sample(self, batch: int, size: tuple[int, int], rng: np.random.Generator) -> Plan:
        """Draw the plan of a batch of images of `size` (height, width)."""
        available = operations.ALL if self.all_ops else operations.AUGMIX
        if not self.geometry:
            available = np.setdiff1d(available, operations.GEOMETRIC)
        longest = 3 if self.depth == -1 else self.depth
        shape = (batch, self.width, longest)
        ids = rng.integers(len(available), size=shape)
        depths = rng.integers(1, 4, size=shape[:2]) if self.depth == -1 else np.full(shape[:2], longest)
        levels = rng.uniform(min(0.1, self.severity), self.severity, shape)
        signs = rng.integers(2, size=shape)
        if self.alpha < 0.1:  # Gammas this small underflow, which `dirichlet` allows for
            weights = rng.dirichlet(np.full(self.width, self.alpha), batch)
        else:
            weights = rng.standard_gamma(self.alpha, shape[:2])
        _finish(ids, available, depths, weights)
        parameters = operations.parameters(ids, levels, signs, size)
        return Plan(ids, parameters, weights, rng.beta(self.alpha, self.alpha, batch), size)
