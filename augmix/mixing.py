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
from augmix.operations.table import fill

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
    weights = with_image(plan.weights, plan.m)
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
def with_image(weights: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Return the weights (N, K + 1) of the image, which comes first, and of its chains."""
    count, width = weights.shape
    result = np.empty((count, width + 1), np.float32)
    for n in range(count):
        result[n, 0] = 1 - m[n]
        for k in range(width):
            result[n, k + 1] = m[n] * weights[n, k]
    return result


@_compiled
def _finish(
    ids: np.ndarray,
    available: np.ndarray,
    depths: np.ndarray,
    levels: np.ndarray,
    signs: np.ndarray,
    weights: np.ndarray,
    height: int,
    width: int,
) -> None:
    """Make, in place, ids of indices into `available`, up to each chain's depth, parameters of levels, and weights."""
    batch, chains, longest = ids.shape
    for n in range(batch):
        total = 0.0
        for k in range(chains):
            for i in range(longest):
                ids[n, k, i] = available[ids[n, k, i]] if i < depths[n, k] else operations.IDENTITY
            total += weights[n, k]
        for k in range(chains):
            weights[n, k] *= 1 / total
    fill(ids.ravel(), levels.ravel(), signs.ravel(), height, width, levels.ravel())


@_compiled
def _decode(
    words: np.ndarray,
    available: np.ndarray,
    random_depths: bool,
    low: float,
    span: float,
    ids: np.ndarray,
    levels: np.ndarray,
    weights: np.ndarray,
    height: int,
    width: int,
) -> bool:
    """Finish what `Sampler.sample` draws for one image, from PCG64's first 64-bit words; False: it takes others.

    A level takes a word, an integer half of one, the lower first, of which it is the product's upper half (Lemire,
    2019). Once in 10⁸ such a product is refused, and all that follows shifts.
    """
    chains, longest = ids.shape[1:]
    before = ids.size + chains * random_depths  # integers that precede the levels
    first, halves = (before + 1) // 2, words.view(np.uint32)
    depths, signs = np.full((1, chains), longest), np.empty(ids.shape, np.int64)
    for i in range(before):
        number = available.size if i < ids.size else 3
        product = np.int64(halves[i]) * number
        if (product & 0xFFFFFFFF) < 2**32 % number:
            return False
        if i < ids.size:
            ids.ravel()[i] = product >> 32
        else:
            depths[0, i - ids.size] = 1 + (product >> 32)
    for i in range(ids.size):
        levels.ravel()[i] = low + span * (np.int64(words[first + i] >> np.uint64(11)) * 2.0**-53)
        place = before + i
        signs.ravel()[i] = np.int64(halves[place if place < 2 * first else place + 2 * ids.size]) >> 31
    _finish(ids, available, depths, levels, signs, weights, height, width)
    return True


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
        available = operations.ALL if all_ops else operations.AUGMIX
        self._available = available if geometry else np.setdiff1d(available, operations.GEOMETRIC)
        self._longest = 3 if depth == -1 else depth
        self._least = min(0.1, severity)

    @eager
    def sample(self, batch: int, size: tuple[int, int], rng: np.random.Generator) -> Plan:
        """Draw the plan of a batch of images of `size` (height, width)."""
        longest = self._longest
        shape = (batch, self.width, longest)
        ids = rng.integers(len(self._available), size=shape)
        depths = rng.integers(1, 4, size=shape[:2]) if self.depth == -1 else np.full(shape[:2], longest)
        levels = rng.uniform(self._least, self.severity, shape)
        signs = rng.integers(2, size=shape)
        weights = self._draw_weights(batch, rng)
        _finish(ids, self._available, depths, levels, signs, weights, *size)
        return Plan(ids, levels, weights, rng.beta(self.alpha, self.alpha, batch), size)

    def _sample_one(self, size: tuple[int, int], seed: int) -> Plan:
        """Draw what `sample(1, size, np.random.default_rng(seed))` does, in half the time.

        NumPy takes a few microseconds for each array of integers, and for a view that is half of all.
        """
        rng, random_depths = np.random.Generator(np.random.PCG64(seed)), self.depth == -1
        ids = np.empty((1, self.width, self._longest), np.int64)
        levels = np.empty(ids.shape)
        integers = 2 * ids.size + self.width * random_depths
        words = rng.bit_generator.random_raw(ids.size + (integers + 1) // 2)
        weights, m = self._draw_weights(1, rng), rng.beta(self.alpha, self.alpha, 1)
        scale = self._least, self.severity - self._least
        if _decode(words, self._available, random_depths, *scale, ids, levels, weights, *size):
            return Plan(ids, levels, weights, m, size)
        return self.sample(1, size, np.random.default_rng(seed))

    def _draw_weights(self, batch: int, rng: np.random.Generator) -> np.ndarray:
        if self.alpha < 0.1:  # Gammas this small underflow, which `dirichlet` allows for
            return rng.dirichlet(np.full(self.width, self.alpha), batch)
        return rng.standard_gamma(self.alpha, (batch, self.width))
