"""PixMix (Hendrycks et al., 2022): the image mixed, in some rounds, with fractals and augmented copies of itself.

It starts from the image or from the image after one operation. Each round adds to it or multiplies it by a picture or
the image after another operation, with random weights, and clips the result.

Departures:
    - The operations are AugMix's nine, which are bit-equal to Pillow's: the default of their code. The commands that
      they print have all thirteen, with those that overlap with -C: `all_ops: true`.
    - Their mixing set, 14,248 fractals and some visualised features, states no licence. Here a thousand fractals are
      made where a run begins, in two or three seconds and the same for all seeds. Or give a folder and how many
      pictures it has, subfolders too: `{folder: ~/fractals, pictures: 14248}`.
    - A picture of a folder is cut to its central square, whose sides become 9/8 of the image's. The authors scale the
      shorter side to 36 pixels for images of 32, to 256 for 224, and cut out of the whole picture.
    - With pictures of noise an image's mean change is 26.9 ± 0.3 grey levels here and 27.0 ± 0.3 by their code (100
      images of CIFAR-10, ± a standard error). Their errors were not reproduced: these need their nets and hours of a
      GPU.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from augmix.checks import check_integer, check_number
from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from augmix.mixing import Sampler, apply_chain
from augmix.operations.compiled import in_pieces
from augmix.operations.transfer import to_device
from baselines import _kernels
from baselines._pictures import Pictures


def method(
    *,
    rounds: int = 4,
    beta: float = 3.0,
    severity: float = 3,
    all_ops: bool = False,
    folder: str | None = None,
    pictures: int = 1000,
) -> Method:
    """The images, mixed.

    Args:
        rounds: The most rounds; each number from 0 on is as likely. Source: the authors'.
        beta: The parameter of the weights' distributions: a larger one leaves more of the image. Source: the authors'
            on CIFAR; on ImageNet they have 4.
        severity: The highest level of an operation, of 10. Source: the authors' on CIFAR; on ImageNet they have 1.
        all_ops: Whether the operations that overlap with -C are among them. Source: the default of the authors' code.
        folder: The folder of the pictures to mix with, or none for fractals that are made. Source: ours.
        pictures: The number of the pictures, made or in the folder. Source: ours.
    """
    check_integer("rounds", rounds, 0)
    check_number("beta", beta, 0, 1e6, above=True)
    sampler = Sampler(width=1, depth=1, severity=severity, all_ops=all_ops)
    source = Pictures(folder, pictures)
    views = partial(mixed, rounds=rounds, beta=beta, sampler=sampler, pictures=source)
    return Method(views, unmixed, cross_entropy)


def mixed(
    images: Tensor,
    labels: Tensor,
    net: nn.Module,
    rng: np.random.Generator,
    *,
    rounds: int,
    beta: float,
    sampler: Sampler,
    pictures: Pictures,
) -> list[Tensor]:
    """The one view of each image: float32 (B, C, H, W) in [0, 255]."""
    batch, _, height, width = images.shape
    size, device = (height, width), images.device
    counts = rng.integers(rounds + 1, size=batch)
    # Of each image's start (column 0) and rounds: whether it is the image after an operation.
    augmented = rng.random((batch, rounds + 1)) < 0.5
    of, place = np.nonzero(augmented & (np.arange(rounds + 1) <= counts[:, None]))
    pool = [images, pictures.draw(batch, size, rng, device)]
    if of.size:
        pool.append(apply_chain(images[to_device(device, of)], sampler.sample(len(of), size, rng)))
    sources = np.arange(batch)[:, None] + batch * (np.arange(rounds + 1) > 0)
    sources[of, place] = 2 * batch + np.arange(len(of))
    values = torch.cat(pool).contiguous()
    view = values[to_device(device, sources[:, 0])].to(torch.float32).div_(255)
    multiplied = rng.random((batch, rounds + 1)) < 0.5
    for i in range(1, rounds + 1):
        for chosen, way in ((~multiplied, ADD), (multiplied, MULTIPLY)):
            which = np.flatnonzero(chosen[:, i] & (counts >= i))
            if which.size:
                _mix(view, which, values, sources[which, i], mixing_weights(len(which), beta, rng), *way)
    return [view.mul_(255)]


def _mix(
    view: Tensor,
    which: np.ndarray,
    pool: Tensor,
    sources: np.ndarray,
    weights: np.ndarray,
    mix: Callable[..., Tensor],
    compiled: Callable[..., None],
    table: Tensor,
) -> None:
    """Mix some of the view's images in [0, 1] with some of the uint8 pool, in place, and clip them."""
    if view.is_cpu:
        rows, others = (images.numpy().reshape(len(images), -1) for images in (view, pool))
        in_pieces(compiled, len(which), 1, rows, which, others, sources, weights, table.numpy())
        return
    here, there, each = (to_device(view.device, array) for array in (which, sources, weights[..., None, None, None]))
    view[here] = mix(view[here], pool[there] / 255, *each).clamp_(0, 1)


def mixing_weights(count: int, beta: float, rng: np.random.Generator) -> np.ndarray:
    """The weights of `count` images and of what each is mixed with: float32 (2, count).

    One half are about 1 and 0, from Beta(β, 1) and Beta(1, β); the other half are above 1 and below 0 by Beta(1, β).
    """
    inner, small, excess = rng.beta(beta, 1, count), rng.beta(1, beta, count), rng.beta(1, beta, count)
    within = rng.random(count) < 0.5
    return np.where(within, [inner, small], [1 + excess, -small]).astype(np.float32)


def add(images: Tensor, others: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """The weighted sum of images in [0, 1] about mid-grey, not clipped."""
    return (first * (2 * images - 1) + second * (2 * others - 1) + 1) / 2


def multiply(images: Tensor, others: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """The product of images in [0, 1], twice them to the powers of their weights, not clipped; black stays black."""
    return torch.exp(first * (2 * images).log() + second * (2 * others).clamp(min=1e-37).log()) / 2


SHARES = torch.arange(256, dtype=torch.float32) / 255
LOGARITHMS = (2 * SHARES).clamp(min=1e-37).log()
"""The values of 8 bits as shares of 255, and the logarithms that `multiply` takes."""
ADD, MULTIPLY = (add, _kernels.add, SHARES), (multiply, _kernels.multiply, LOGARITHMS / math.log(2))
"""The ways of mixing: for tensors; compiled, in place; and what the latter reads of values of 8 bits."""
