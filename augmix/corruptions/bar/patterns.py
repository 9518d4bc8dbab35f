"""Patterns laid over an image: noise of a given spectrum, gradient noise, plasma, waves."""

from functools import lru_cache

import numpy as np

from augmix.compilation import njit
from augmix.corruptions.noise import draw_uniform, uniforms


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
    noisy = np.clip(images + 6.4 * level * noise.transpose(0, 2, 3, 1), 0, 255)
    return noisy.astype(np.uint8)  # truncated: the published sets do not round


@njit(nogil=True, cache=True)
def _add_to(pixel: np.ndarray, amount: float) -> None:
    for c in range(3):
        pixel[c] = int(min(max(pixel[c] + amount, 0.0), 255.0))


@njit(nogil=True, cache=True)
def _single_frequency(images: np.ndarray, keys: np.ndarray, amplitude: float) -> None:
    count, side = images.shape[:2]
    for n in range(count):
        faster = np.pi * (2 * draw_uniform(keys[n], 0) - 1)
        slower = abs(faster) * (2 * draw_uniform(keys[n], 1) - 1)
        across, down = (faster, slower) if draw_uniform(keys[n], 2) < 0.5 else (slower, faster)
        phase = 2 * np.pi * draw_uniform(keys[n], 3)
        for y in range(side):
            for x in range(side):
                _add_to(images[n, y, x], amplitude * np.sin(across * x + down * y + phase))


def single_frequency_greyscale(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Add one plane wave to all channels."""
    _single_frequency(images, keys, 19.6 * level)
    return images


@njit(nogil=True, cache=True)
def _cocentric_sine_waves(images: np.ndarray, keys: np.ndarray, amplitude: float) -> None:
    count, side = images.shape[:2]
    for n in range(count):
        row, column = side * draw_uniform(keys[n], 0), side * draw_uniform(keys[n], 1)
        frequency = 10 * draw_uniform(keys[n], 2)
        # A draw is in [0, 1): a ring's width is not 0.
        reach, width = side / 10 * draw_uniform(keys[n], 3), side / 10 * (1 - draw_uniform(keys[n], 4))
        for y in range(side):
            for x in range(side):
                down, right = y - row, x - column
                distance = np.sqrt(down * down + right * right) + reach * np.sin(frequency * np.arctan2(right, down))
                _add_to(images[n, y, x], amplitude * (distance % width / width - 0.5))


def cocentric_sine_waves(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Add rings about a point, which wave with the angle and rise like a saw's teeth."""
    _cocentric_sine_waves(images, keys, 12.8 * level)
    return images


@njit(nogil=True, cache=True)
def _plasma_noise(images: np.ndarray, keys: np.ndarray, amplitude: float) -> None:
    count, side = images.shape[:2]
    for n in range(count):
        time = 6 * np.pi * draw_uniform(keys[n], 0)
        rounds = 4 + int(3 * draw_uniform(keys[n], 1))
        sharpness = 0.5 + 0.5 * draw_uniform(keys[n], 2)
        scale = (0.075 + 0.125 * draw_uniform(keys[n], 3)) * side
        for y in range(side):
            for x in range(side):
                a, b = x / scale, y / scale
                frequency = slowness = shrink = 1.0
                for _ in range(rounds):
                    u = np.cos(b * frequency + time / slowness) / shrink
                    v = np.sin(a * frequency + time / slowness) / shrink
                    a += u - 0.3 * v
                    b += v + 0.3 * u
                    frequency *= 1.93
                    slowness *= 1.15
                    shrink *= 2.25 - sharpness
                plasma = np.sin(a - time), np.sin((a + b + np.sin(time)) * 0.5), np.sin(b + time)
                for c in range(3):
                    mixed = (1 - amplitude / 255) * images[n, y, x, c] + amplitude * plasma[c]
                    images[n, y, x, c] = int(min(max(mixed, 0.0), 255.0))


def plasma_noise(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Mix with coloured plasma: sines of coordinates that sines have displaced, some times."""
    _plasma_noise(images, keys, 6.4 * level)
    return images


@njit(nogil=True, cache=True)
def _fill_lattice(key: np.uint64, order: np.ndarray, gradients: np.ndarray) -> None:
    """Draw a permutation (256,) and unit vectors (256, 2) of coordinates with 9 bits."""
    for i in range(256):
        order[i] = i
    for i in range(255, 0, -1):
        j = int((i + 1) * draw_uniform(key, 255 - i))
        order[i], order[j] = order[j], order[i]
    for i in range(256):
        y = np.floor(512 * draw_uniform(key, 255 + 2 * i)) - 256
        x = np.floor(512 * draw_uniform(key, 256 + 2 * i)) - 256
        length = np.sqrt(y * y + x * x)
        gradients[i, 0], gradients[i, 1] = (y / length, x / length) if length else (0.0, 0.0)


@njit(nogil=True, cache=True)
def _gradient_noise(y: float, x: float, order: np.ndarray, gradients: np.ndarray) -> float:
    """Return Perlin's noise at a point, of lattice points 1 apart."""
    top, left = int(y), int(x)
    down, right = y - top, x - left
    upper, lower = order[top & 255], order[(top + 1) & 255]
    a, b = gradients[order[(upper + left) & 255]], gradients[order[(upper + left + 1) & 255]]
    c, d = gradients[order[(lower + left) & 255]], gradients[order[(lower + left + 1) & 255]]
    ease = right * right * (3 - 2 * right)
    start, stop = a[0] * down + a[1] * right, b[0] * down + b[1] * (right - 1)
    above = start + ease * (stop - start)
    start, stop = c[0] * (down - 1) + c[1] * right, d[0] * (down - 1) + d[1] * (right - 1)
    below = start + ease * (stop - start)
    return above + down * down * (3 - 2 * down) * (below - above)


@njit(nogil=True, cache=True)
def _perlin_noise(images: np.ndarray, keys: np.ndarray, weight: float) -> None:
    count, side = images.shape[:2]
    order, gradients = np.empty(256, np.int64), np.empty((256, 2))
    spacing = 32 * side / 224
    kept = np.float32(1 - weight)  # in this precision, as published: white may lose one level
    for n in range(count):
        _fill_lattice(keys[n], order, gradients)
        for y in range(side):
            for x in range(side):
                total = 0.0
                for octave in (1, 2, 4, 8, 16):
                    noise = _gradient_noise(octave * y / spacing, octave * x / spacing, order, gradients)
                    total += abs(1.5 * noise) / octave
                grey = min(0.5 + 0.5 * total, 1.0)
                for c in range(3):
                    images[n, y, x, c] = int(kept * np.float32(images[n, y, x, c]) + 255 * weight * grey)


def perlin_noise(images: np.ndarray, keys: np.ndarray, level: float) -> np.ndarray:
    """Mix with Perlin's turbulence (An Image Synthesizer, SIGGRAPH 1985): five octaves of gradient noise."""
    _perlin_noise(images, keys, 0.05 * level)
    return images
