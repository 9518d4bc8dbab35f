"""Patterns laid over an image: noise of a given spectrum."""

from functools import lru_cache

import numpy as np

from augmix.corruptions.noise import uniforms


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Clip floats in [0, 255] and truncate them to uint8 (the published sets do not round)."""
    return np.clip(values, 0, 255).astype(np.uint8)


@lru_cache(8)
def _squared_frequencies(side: int) -> np.ndarray:
    """Return the squared distance of each frequency from zero, which comes first as in a transform."""
    axis = np.roll(np.arange(side) - side / 2, side // 2) ** 2
    return axis[:, None] + axis


def _spectral_noise(keys: np.ndarray, amplitudes: np.ndarray, channels: int) -> np.ndarray:
    """Draw noise of these amplitudes and of unit variance: float64 (N, channels, S, S).

    The right half's phases are the left half's turned by 180°, of the same sign: the spectrum is not Hermitian,
    and the real part is taken.
    """
    from scipy import fft

    side = len(amplitudes)
    shape = (len(keys), channels, side, (side + 1) // 2)
    phases = 2 * np.pi * uniforms(keys, int(np.prod(shape[1:]))).reshape(shape)
    left = np.empty(shape, np.complex128)
    np.cos(phases, out=left.real)
    np.sin(phases, out=left.imag)
    spectrum = np.concatenate([left, left[..., ::-1, ::-1][..., side % 2 :]], axis=-1)
    spectrum = np.roll(spectrum, side // 2, axis=(-2, -1))
    spectrum *= amplitudes
    noise: np.ndarray = fft.ifft2(spectrum, overwrite_x=True).real
    return noise / noise.std(axis=(-2, -1), keepdims=True)


def blue_noise_sample(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Blacken the pixels where blue noise, with amplitudes in proportion to the frequency, is low."""
    noise = _spectral_noise(keys, np.sqrt(_squared_frequencies(images.shape[1])), 1)
    return images * (noise[:, 0, ..., None] > 0.3 * level - 2.5)


def brownish_noise(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Add to each channel noise whose amplitudes fall with the squared frequency; its mean is random too."""
    noise = _spectral_noise(keys, 1 / (_squared_frequencies(images.shape[1]) + 1), 3)
    return to_uint8(images + 6.4 * level * noise.transpose(0, 2, 3, 1))
