"""Images that keep an object's texture and lose its shape, or the other way round, and noise of a single frequency.

`textures.corrupt(images, "patch_shuffle", severity=3)` has the arguments of `augmix.corruptions.corrupt`. Patches are
shuffled as by Zhang & Zhu (ICML 2019); low- and high-pass filters cut in the Fourier domain as by Yin, Gontijo Lopes,
Shlens, Cubuk & Gilmer (NeurIPS 2019), whose Fourier basis noise is here as well. Silhouettes and conflicts of cues are
after Geirhos et al. (ICLR 2019), whose own were made by hand and by style transfer: here a threshold makes the one, and
phases and amplitudes of two images the other.
"""

import numpy as np

from augmix.checks import check_choice, check_square
from augmix.corruptions.chunks import Corruption, corrupt_in_chunks

__all__ = ["TEXTURES", "corrupt", "cue_conflict", "fourier_basis", "fourier_noise", "silhouette"]


def corrupt(
    images: np.ndarray, name: str, severity: int, seed: int = 0, preset: str | None = None, first: int = 0
) -> np.ndarray:
    """Corrupt square images: uint8 (N, S, S, 3) RGB to the same shape and dtype.

    `name` is one of `TEXTURES`; what each does does not depend on a `preset`. The other arguments, the randomness and
    the errors are those of `augmix.corruptions.corrupt`.
    """
    check_square(images)
    check_choice("name", name, TEXTURES)
    return corrupt_in_chunks(_FUNCTIONS[name], _PARAMETERS[name], images, name, severity, seed, first)


def _patch_shuffle(images: np.ndarray, keys: np.ndarray, grid: int) -> np.ndarray:
    """Cut each image into grid × grid patches and shuffle them; what is left over at the right and below stays."""
    count, side = images.shape[:2]
    patch = max(side // grid, 1)
    grid = min(grid, side // patch)
    used = images[:, : grid * patch, : grid * patch]
    patches = used.reshape(count, grid, patch, grid, patch, 3).swapaxes(2, 3).reshape(count, grid**2, patch, patch, 3)
    order = np.stack([np.random.default_rng(int(key)).permutation(grid**2) for key in keys])
    shuffled = np.take_along_axis(patches, order[:, :, None, None, None], axis=1)
    rows = shuffled.reshape(count, grid, grid, patch, patch, 3).swapaxes(2, 3)
    images[:, : grid * patch, : grid * patch] = rows.reshape(used.shape)
    return images


def _low_pass(images: np.ndarray, keys: np.ndarray, cutoff: float) -> np.ndarray:
    """Keep the frequencies up to a share of the greatest."""
    return _filtered(images, _radius(images.shape[1]) <= cutoff)


def _high_pass(images: np.ndarray, keys: np.ndarray, cutoff: float) -> np.ndarray:
    """Keep the frequencies above a share of the greatest, around middle grey."""
    return _filtered(images, _radius(images.shape[1]) > cutoff, 127.5)


def _radius(side: int) -> np.ndarray:
    """The distance of each frequency of `rfft2` from zero, in shares of the greatest along an axis."""
    return 2 * np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])


def _filtered(images: np.ndarray, kept: np.ndarray, mean: float = 0.0) -> np.ndarray:
    spectra = np.fft.rfft2(images, axes=(1, 2)) * kept[None, :, :, None]
    return _to_bytes(mean + np.fft.irfft2(spectra, s=images.shape[1:3], axes=(1, 2)))


_FUNCTIONS: dict[str, Corruption] = {"patch_shuffle": _patch_shuffle, "low_pass": _low_pass, "high_pass": _high_pass}
# By severity: patches along a side, and shares of the greatest frequency along an axis.
_PARAMETERS: dict[str, tuple[float, ...]] = {
    "patch_shuffle": (2, 4, 8, 16, 32),
    "low_pass": (0.6, 0.45, 0.3, 0.2, 0.1),
    "high_pass": (0.1, 0.15, 0.2, 0.3, 0.4),
}
TEXTURES = tuple(_FUNCTIONS)
"""The corruptions that have severities."""


def silhouette(images: np.ndarray) -> np.ndarray:
    """Black shapes on white: uint8 (N, S, S, 3) to the same.

    Otsu's threshold of the grey levels (1979) parts each image in two; the shape is the part that has less of the rim.
    """
    check_square(images)
    grey = np.rint(images @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    above = grey > _otsu(grey)[:, None, None]
    rim = np.concatenate([above[:, 0], above[:, -1], above[:, :, 0], above[:, :, -1]], axis=1)
    shape = above ^ (rim.mean(axis=1) > 0.5)[:, None, None]
    return np.repeat(np.where(shape, 0, 255).astype(np.uint8)[..., None], 3, axis=3)


def _otsu(grey: np.ndarray) -> np.ndarray:
    """The threshold of each image with the greatest variance between its two parts: uint8 (N, H, W) -> (N,)."""
    histograms = np.stack([np.bincount(image.ravel(), minlength=256) for image in grey]).astype(float)
    below = histograms.cumsum(axis=1)
    sums = (histograms * np.arange(256)).cumsum(axis=1)
    count, total = below[:, -1:], sums[:, -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num((total * below - sums * count) ** 2 / (below * (count - below)), posinf=0.0)
    return np.asarray(between.argmax(axis=1))


def cue_conflict(shapes: np.ndarray, textures: np.ndarray) -> np.ndarray:
    """Images with the phases of `shapes` and the amplitudes of `textures`: uint8 (N, S, S, 3) each."""
    check_square(shapes)
    phases = np.angle(np.fft.rfft2(shapes, axes=(1, 2)))
    amplitudes = np.abs(np.fft.rfft2(textures, axes=(1, 2)))
    return _to_bytes(np.fft.irfft2(amplitudes * np.exp(1j * phases), s=shapes.shape[1:3], axes=(1, 2)))


def fourier_basis(side: int, i: int, j: int) -> np.ndarray:
    """The real image of the frequency i down the rows and j along the columns, of norm 1: float64 (S, S)."""
    rows, columns = np.mgrid[:side, :side]
    wave = np.cos(2 * np.pi * (i * rows + j * columns) / side)
    return np.asarray(wave / np.linalg.norm(wave))


def fourier_noise(images: np.ndarray, i: int, j: int, norm: float, signs: np.ndarray) -> np.ndarray:
    """Add a frequency of that norm, of values in [0, 1], to each channel: uint8 (N, S, S, 3) to the same.

    `signs` (N, 3) are ±1 for each image and channel. Values are cut off at both ends and rounded to 8 bits.
    """
    wave = (255 * norm * fourier_basis(images.shape[1], i, j)).astype(np.float32)
    return _to_bytes(images + wave[None, :, :, None] * signs[:, None, None, :].astype(np.float32))


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(values).clip(0, 255).astype(np.uint8))
