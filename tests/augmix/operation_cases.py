"""Cases for the operations' tests: images, parameters, and executors beside the compiled kernels."""

from itertools import product
from typing import Any

import numpy as np
import torch

from augmix import AugMix
from augmix.operations import IDS, compiled

FACTORS = np.concatenate([[0, 0.1, 0.64, 1, 1.9], np.linspace(-0.5, 2.5, 31)])
SHEARS = np.concatenate([[0, 0.25, -0.5], np.linspace(-1.1, 1.1, 37)])
SHIFTS = np.concatenate([np.arange(-40, 41, 3), [0.5, -3.25, 7.77, -1e-3, 31.999]])


def parameters_of(name: str) -> np.ndarray:
    """The operation's whole range, and some way beyond."""
    match name:
        case "posterize":
            return np.arange(1.0, 9.0)
        case "rotate":
            return np.concatenate([np.arange(-30, 31), [45, 90, -90, 180, 270, 360, 725.5, 0.1, -29.99, 133.7]])
        case "solarize":
            return np.concatenate([np.arange(0, 260, 8), [1, 127.5, 255, 256, -3]])
        case "shear_x" | "shear_y":
            return SHEARS
        case "translate_x" | "translate_y":
            return SHIFTS
        case "color" | "contrast" | "brightness" | "sharpness":
            return FACTORS
    return np.zeros(24)


def synthetic(count: int, channels: int, height: int, width: int) -> np.ndarray:
    """Noise, smooth images, low contrast, few levels and constant images, in turn."""
    rng = np.random.default_rng(height * width + channels)
    images = rng.integers(0, 256, (count, channels, height, width))
    waves = np.sin(np.linspace(0, 7, height)[:, None] + np.linspace(0, 5, width) * rng.uniform(0.2, 3, (count, 1, 1)))
    smooth = 128 + 120 * waves[:, None] * rng.uniform(0.1, 1, (count, channels, 1, 1))
    images[1::5] = smooth[1::5]
    images[2::5] = images[2::5] // 16 + rng.integers(0, 240, (len(images[2::5]), channels, 1, 1))
    images[3::5] = images[3::5] // 100 * 127
    images[4::5] = rng.integers(0, 256, (len(images[4::5]), channels, 1, 1))
    return images.astype(np.uint8)


def wrong_parameters(executor: Any, name: str, channels: int, size: tuple[int, int], count: int) -> list[float]:
    """Those of `count` parameters at which an executor's `chain` has other bits than the compiled kernels."""
    every = parameters_of(name)
    parameters = every[np.linspace(0, len(every) - 1, count).astype(int)][:, None]
    images = torch.from_numpy(synthetic(count, channels, *size))
    ids = np.full(parameters.shape, IDS[name])
    differ = executor.chain(images, ids, parameters, 128) != compiled.chain(images, ids, parameters, 128)
    return parameters[differ.flatten(1).any(1).numpy(), 0].tolist()


def wrong_values(executor: Any, channels: int, size: tuple[int, int], count: int, width: int, depth: int) -> int:
    """In how many values an executor's `mix`, of all operations, differs from that of the compiled kernels."""
    augmix, rng = AugMix(width=width, depth=depth, severity=10, all_ops=True), np.random.default_rng(count + depth)
    images, plan = torch.from_numpy(synthetic(count, channels, *size)), augmix.sample(count, size, rng)
    weights = np.concatenate([1 - plan.m[:, None], plan.m[:, None] * plan.weights], axis=1).astype(np.float32)
    mixed = (there.mix(images, plan.operations, plan.parameters, weights) for there in (executor, compiled))
    return int(torch.ne(*mixed).sum())


def wrong(executor: Any) -> dict[str, Any]:
    """The differing values of an executor, of a little of everything."""
    small, tiles = [(1, 5), (8, 8), (37, 41)], [(66, 65)]
    chains = {
        f"{name} {channels} {size}": wrong_parameters(executor, name, channels, size, 2 if size in tiles else 3)
        for name, channels, size in product(IDS, (1, 3), small + tiles)
        if (channels == 1) == (size in tiles) or size == (8, 8)
    }
    mixes = {
        f"mix {channels} {size} {width}×{depth}": wrong_values(executor, channels, size, count, width, depth)
        for channels, size, count, width, depth in (
            (3, (32, 32), 12, 3, -1),
            (1, (32, 32), 6, 4, 2),
            (3, (64, 64), 2, 1, 1),
            (1, (70, 67), 2, 2, 4),
            (3, (70, 67), 2, 3, -1),
        )
    }
    return {case: found for case, found in {**chains, **mixes}.items() if found}
