"""Random streams, one per image, and the noises as 256 → 256 transitions (Hendrycks & Dietterich, ICLR 2019).

A stream is a 64-bit key; its i-th draw is SplitMix64 (Steele et al., OOPSLA 2014) at position i. Nothing is
kept between draws, so an image's randomness depends on its key alone, and a key costs nanoseconds.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from augmix.compilation import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LAST_24_BITS = 2**24


@njit(nogil=True, cache=True)
def draw(key: np.uint64, position: int) -> np.uint64:
    """Return 64 random bits: draw number `position` of the stream `key` (called from compiled kernels)."""
    z = key + np.uint64(position + 1) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(nogil=True, cache=True)
def draw_uniform(key: np.uint64, position: int) -> float:
    """Return a float in [0, 1) with 53 random bits (called from compiled kernels)."""
    return np.float64(draw(key, position) >> np.uint64(11)) * 2.0**-53


@njit(nogil=True, cache=True)
def fill_normal(key: np.uint64, out: np.ndarray) -> None:
    """Fill the 1-D array `out` with standard normals (Box–Muller; called from compiled kernels)."""
    for i in range(0, out.size, 2):
        radius = np.sqrt(-2 * np.log(1 - draw_uniform(key, i)))
        angle = 2 * np.pi * draw_uniform(key, i + 1)
        out[i] = radius * np.cos(angle)
        if i + 1 < out.size:
            out[i + 1] = radius * np.sin(angle)


@njit(nogil=True, cache=True)
def _fill_keys(base: np.uint64, first: int, keys: np.ndarray) -> None:
    for i in range(keys.size):
        keys[i] = draw(base, first + i)


@njit(nogil=True, cache=True)
def _fill_uniforms(keys: np.ndarray, out: np.ndarray) -> None:
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[n, i] = draw_uniform(keys[n], i)


@njit(nogil=True, cache=True)
def _fill_normals(keys: np.ndarray, out: np.ndarray) -> None:
    for n in range(out.shape[0]):
        fill_normal(keys[n], out[n])


def image_keys(seed: int, name: str, step: int, first: int, count: int) -> np.ndarray:
    """Return the keys of the images first, …, first + count − 1, uint64 (count,).

    A key depends on the seed, the name of what is done, its step (a severity or a frame) and the image's
    index alone: any chunk of the images gets the keys that it has in the whole.
    """
    digest = blake2b(f"{seed}/{name}/{step}".encode(), digest_size=8).digest()
    keys = np.empty(count, np.uint64)
    _fill_keys(np.uint64(int.from_bytes(digest, "little")), first, keys)
    return keys


def uniforms(keys: np.ndarray, count: int) -> np.ndarray:
    """Return `count` floats in [0, 1) per key: float64 (N, count)."""
    out = np.empty((len(keys), count))
    _fill_uniforms(keys, out)
    return out


def normals(keys: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normals of the given shape per key: float64 (N, *shape)."""
    out = np.empty((len(keys), int(np.prod(shape))))
    _fill_normals(keys, out)
    return out.reshape(len(keys), *shape)


@njit(nogil=True, cache=True)
def _alias_table(probabilities: np.ndarray) -> np.ndarray:
    """Vose's alias method, one row per input: an entry is a 24-bit threshold and, below it, the 8-bit alias."""
    table = np.empty((256, 256), np.uint32)
    small, large = np.empty(256, np.int64), np.empty(256, np.int64)
    for row in range(256):
        share = probabilities[row] * 256
        smalls = larges = 0
        for i in range(256):
            table[row, i] = i  # threshold 0, alias itself: always i
            if share[i] < 1:
                small[smalls] = i
                smalls += 1
            else:
                large[larges] = i
                larges += 1
        while smalls and larges:
            smalls -= 1
            i, j = small[smalls], large[larges - 1]
            table[row, i] = (int(share[i] * _LAST_24_BITS) << 8) | j
            share[j] -= 1 - share[i]
            if share[j] < 1:
                larges -= 1
                small[smalls] = j
                smalls += 1
    return table


@njit(nogil=True, cache=True)
def _transition(values: np.ndarray, table: np.ndarray, keys: np.ndarray, out: np.ndarray) -> None:
    for n in range(values.shape[0]):
        for i in range(values.shape[1]):
            bits = draw(keys[n], i >> 1)
            half = np.uint32(bits >> np.uint64(32)) if i & 1 else np.uint32(bits)
            column = half & np.uint32(255)
            entry = table[values[n, i], column]
            out[n, i] = column if (half >> np.uint32(8)) < (entry >> np.uint32(8)) else entry & np.uint32(255)


def add_noise(images: np.ndarray, table: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Replace every value of uint8 images (N, …) by a draw from its row of a noise table, one key per image."""
    values = np.require(images, np.uint8, ["C", "W"]).reshape(len(images), -1)
    out = np.empty_like(values)
    _transition(values, table, keys, out)
    return out.reshape(images.shape)


def _from_distribution(cumulative: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Build the table of ⌊255·clip(y)⌋, where P(y < bound | x) is cumulative(x, bound)."""
    values = np.arange(256)[:, None] / 255
    below = cumulative(values, np.arange(1, 256) / 255)
    edges = np.concatenate([np.zeros((256, 1)), below, np.ones((256, 1))], axis=1)
    return _alias_table(np.diff(edges, axis=1))


@lru_cache(64)
def gaussian_noise_table(sigma: float) -> np.ndarray:
    """Return the table of x + N(0, sigma), for x in [0, 1]."""
    from scipy.special import ndtr

    return _from_distribution(lambda x, bound: ndtr((bound - x) / sigma))


@lru_cache(64)
def speckle_noise_table(sigma: float) -> np.ndarray:
    """Return the table of x + x·N(0, sigma), for x in [0, 1]; black stays black."""
    from scipy.special import ndtr

    return _from_distribution(lambda x, bound: ndtr((bound - x) / np.maximum(x * sigma, 1e-9)))


@lru_cache(64)
def shot_noise_table(photons: float) -> np.ndarray:
    """Return the table of Poisson(x·photons) / photons, for x in [0, 1]."""
    from scipy.special import gammaln, xlogy

    counts = np.arange(int(photons + 12 * np.sqrt(photons) + 20))
    rates = np.arange(256)[:, None] / 255 * photons
    mass = np.exp(xlogy(counts, rates) - rates - gammaln(counts + 1))
    results = (np.clip(counts / photons, 0, 1) * 255).astype(np.uint8)
    probabilities = mass @ (results[:, None] == np.arange(256))
    return _alias_table(probabilities / probabilities.sum(axis=1, keepdims=True))


@lru_cache(64)
def impulse_noise_table(amount: float) -> np.ndarray:
    """Return the table of salt and pepper: a value becomes 0 or 255, with probability amount / 2 each."""
    probabilities = np.eye(256) * (1 - amount)
    probabilities[:, [0, 255]] += amount / 2
    return _alias_table(probabilities)
