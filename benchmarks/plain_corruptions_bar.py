"""Every C̄ corruption in a plain construction, one image at a time, written from the definition of the sets.

They are what `augmix.corruptions.bar` is held against, with the same draws. Images are uint8 (S, S, 3), results are
floats in [0, 255] that remain to be truncated, or uint8.
"""

from collections.abc import Callable

import numpy as np
from scipy import fft, ndimage

from augmix.corruptions.noise import draw, normals, uniforms


class Draws:
    """The draws of one image, in their order."""

    def __init__(self, key: np.uint64) -> None:
        self._key, self._taken = key, 0

    def uniform(self, low: float = 0, high: float = 1, shape: tuple[int, ...] = ()) -> np.ndarray:
        count = int(np.prod(shape))
        found = uniforms(np.array([self._key]), self._taken + count)[0, self._taken :]
        self._taken += count
        return low + (high - low) * found.reshape(shape)

    def integer(self, low: int, high: int) -> int:
        """A number of low … high − 1."""
        return int(low + np.floor((high - low) * self.uniform()))

    def stream(self) -> np.uint64:
        """The key of a stream of its own."""
        self._taken += 1
        return np.uint64(draw(self._key, self._taken - 1))


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:size, :size]
    return y.astype(float), x.astype(float)


def bilinear(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values between pixels; beyond the image all is 0."""
    padded = np.pad(image.astype(float), ((1, 2), (1, 2), (0, 0)))
    rows, columns = np.floor(y), np.floor(x)
    top = np.clip(rows, -1, len(image)).astype(int) + 1
    left = np.clip(columns, -1, len(image)).astype(int) + 1
    near, far = (1 - x + columns)[..., None], (x - columns)[..., None]
    above = padded[top, left] * near + padded[top, left + 1] * far
    below = padded[top + 1, left] * near + padded[top + 1, left + 1] * far
    inside = ((rows >= -1) & (rows < len(image)) & (columns >= -1) & (columns < len(image)))[..., None]
    return np.where(inside, above * (1 - y + rows)[..., None] + below * (y - rows)[..., None], 0)


# ---- noise


def spectral_noise(amplitude: Callable[[np.ndarray], np.ndarray], size: int, draws: Draws) -> np.ndarray:
    y, x = grid(size)
    left = draws.uniform(0, 2 * np.pi, (size, size // 2))
    phases = np.concatenate([left, np.rot90(left, 2)], axis=1)
    spectrum = amplitude(np.hypot(y - size / 2, x - size / 2)) * np.exp(1j * phases)
    noise = fft.ifft2(np.roll(spectrum, (size // 2, size // 2), (0, 1))).real
    return noise / noise.std()


def blue_noise_sample(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    noise = spectral_noise(lambda r: r, len(image), draws)
    return np.where((noise > 0.3 * s - 2.5)[..., None], image, 0)


def brownish_noise(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    noises = [spectral_noise(lambda r: 1 / (r**2 + 1), len(image), draws) for _ in range(3)]
    return image + 6.4 * s * np.stack(noises, axis=-1)


def single_frequency_greyscale(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    one = float(draws.uniform(-np.pi, np.pi))
    other = float(draws.uniform(-abs(one), abs(one)))
    fx, fy = (one, other) if draws.uniform() < 0.5 else (other, one)
    y, x = grid(len(image))
    return image + 19.6 * s * np.sin(fx * x + fy * y + draws.uniform(0, 2 * np.pi))[..., None]


def cocentric_sine_waves(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    size, (y, x) = len(image), grid(len(image))
    row, column = draws.uniform(0, size, (2,))
    frequency, amplitude, width = draws.uniform(0, 10), draws.uniform(0, size / 10), draws.uniform(size / 10, 0)
    y, x = y - row, x - column
    distance = np.sqrt(y**2 + x**2) + amplitude * np.sin(frequency * np.arctan2(x, y))
    return image + (12.8 * s * (distance % width / width - 0.5))[..., None]


def plasma_noise(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    time, rounds, sharpness = draws.uniform(0, 6 * np.pi), draws.integer(4, 7), draws.uniform(0.5, 1)
    scale = draws.uniform(0.075, 0.2) * len(image)
    b, a = (axis / scale for axis in grid(len(image)))
    for m in range(rounds):
        i, j, k = 1.93**m, 1.15**m, (2.25 - sharpness) ** m
        u, v = np.cos(b * i + time / j) / k, np.sin(a * i + time / j) / k
        a, b = a + u - 0.3 * v, b + v + 0.3 * u
    colors = np.stack([np.sin(a - time), np.sin((a + b + np.sin(time)) / 2), np.sin(b + time)], axis=-1)
    return (1 - 6.4 * s / 255) * image + 6.4 * s * colors


def perlin_noise(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    order = np.arange(256)
    for i in range(255, 0, -1):
        j = draws.integer(0, i + 1)
        order[[i, j]] = order[[j, i]]
    vectors = np.floor(draws.uniform(0, 512, (256, 2))) - 256
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)
    total = np.zeros(image.shape[:2])
    for k in range(5):
        points = np.stack(grid(len(image))) * 2**k / (32 * len(image) / 224)
        corner = np.floor(points).astype(int)
        inside = points - corner
        ease_y, ease_x = 3 * inside**2 - 2 * inside**3
        values = {}
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
            gradient = vectors[order[(order[(corner[0] + dy) % 256] + corner[1] + dx) % 256]]
            values[dy, dx] = gradient[..., 0] * (inside[0] - dy) + gradient[..., 1] * (inside[1] - dx)
        above = values[0, 0] + ease_x * (values[0, 1] - values[0, 0])
        below = values[1, 0] + ease_x * (values[1, 1] - values[1, 0])
        total += np.abs(1.5 * (above + ease_y * (below - above))) / 2**k
    grey = np.clip(0.5 + 0.5 * total, 0, 1)[..., None]
    return (1 - 0.05 * s) * image.astype(np.float32) + 255 * (0.05 * s) * grey


# ---- what hides


def checkerboard_cutout(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    size = len(image)
    angle, cell = draws.uniform(0, 2 * np.pi), max(1.0, float(draws.uniform(0.1, 0.25)) * size)
    count = int(4 * size // cell)
    fields = draws.uniform(shape=(count, count)) < s / 10
    y, x = grid(size)
    u = (y * np.cos(angle) + x * np.sin(angle)) / cell
    v = (-y * np.sin(angle) + x * np.cos(angle)) / cell
    hidden = (np.floor(u % 2) == np.floor(v % 2)) & fields[np.trunc(u).astype(int), np.trunc(v).astype(int)]
    return np.where(hidden[..., None], 128, image)


def ray_weight(y: np.ndarray, x: np.ndarray, lengths: np.ndarray, exponent: float) -> np.ndarray:
    count = len(lengths)
    position = (np.arctan2(x, y) + np.pi) * count / (2 * np.pi)
    ray = np.floor(position).astype(int)
    fraction = position - ray
    length = lengths[ray % count] + fraction * (lengths[(ray + 1) % count] - lengths[ray % count])
    bright = (length**2 / (y**2 + x**2 + 1e-4)) ** exponent
    return np.clip((1 - (fraction - 0.5) ** 2) * bright, 0, 1)[..., None]


def inverse_sparkles(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    size = len(image)
    row, column = draws.uniform(0.25, 0.75, (2,)) * size
    count = draws.integer(50, 200)
    lengths = 0.25 * size * (1 + 0.25 * normals(np.array([draws.stream()]), (count,))[0])
    y, x = grid(size)
    return 255 + ray_weight(y - row, x - column, lengths, 0.13 * s) * (image - 255.0)


def sparkles(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    size = len(image)
    radius, (y, x), lit = 0.01 * s * size, grid(size), image.astype(float)
    for _ in range(5):
        row, column = draws.uniform(0, size, (2,))
        count = draws.integer(50, 200)
        lengths = np.maximum(1, radius * (1 + 0.25 * normals(np.array([draws.stream()]), (count,))[0]))
        lit = lit + ray_weight(y - row, x - column, lengths, 1) * (255 - lit)
    return lit


def lines(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    from skimage.draw import line_aa

    size, lined = len(image), image.copy()
    main, spread = draws.uniform(0, 2 * np.pi), draws.uniform(0.1, 1)
    for _ in range(int(s / 10 * size)):
        y, x = draws.uniform(0, size, (2,))
        angle = main + 2 * np.pi * spread * (draws.uniform() - 0.5)
        down, right = size * np.cos(angle), size * np.sin(angle)
        rows, columns, coverage = line_aa(int(y - down), int(x - right), int(y + down), int(x + right))
        inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
        rows, columns, coverage = rows[inside], columns[inside], coverage[inside, None]
        lined[rows, columns] = (1 - coverage) * lined[rows, columns] + coverage * 128
    return lined


# ---- what reads elsewhere


def circular_motion_blur(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    unit, total = image.astype(np.float32) / 255, np.zeros(image.shape, np.float32)
    times = np.linspace(-1, 1, 21)
    for time in times:
        total += np.exp(-2 * time**2) * ndimage.rotate(unit, 1.5 * s * time, reshape=False)
    return total / np.exp(-2 * times**2).sum() * 255


def pinch_and_twirl(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    size, warped = len(image), image.astype(np.float32)
    cells = 5 if size == 224 else 3
    cell = size // cells
    for left in range(0, cells * cell, cell):
        for top in range(0, cells * cell, cell):
            angle = np.pi * s / 20 if draws.uniform() < 0.5 else -np.pi * s / 20
            y, x = np.mgrid[:cell, :cell] - cell / 2
            distance = np.sqrt(y**2 + x**2)
            inside = (distance > 0) & (distance <= cell / 2)
            share = np.where(inside, distance / (cell / 2), 1)
            pinch = np.sin(np.pi * 0.5 * share) ** -(0.04 * s + 0.1)
            turn = angle * (1 - share) ** 2
            source_y = np.where(inside, y * pinch * np.cos(turn) - x * pinch * np.sin(turn), y)
            source_x = np.where(inside, y * pinch * np.sin(turn) + x * pinch * np.cos(turn), x)
            centre_y, centre_x = top + cell / 2, left + cell / 2
            there = bilinear(warped, centre_y + source_y, centre_x + source_x)
            warped[top : top + cell, left : left + cell] = there
    return warped


def ripple(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    size = len(image)
    lengths, phases = draws.uniform(0.1, 0.3, (2,)) * size, draws.uniform(0, 2 * np.pi, (2,))
    y, x = (
        p + 0.0025 * s * size * np.sin(2 * np.pi * p / length + phase)
        for p, length, phase in zip(grid(size), lengths, phases, strict=True)
    )
    return bilinear(image, y, x)


def transverse_chromatic_abberation(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    size, factors = len(image), (1, 1 + 0.025 * s, 1 + 0.05 * s)
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    channels = []
    for channel, which in zip(np.moveaxis(image, -1, 0), orders[draws.integer(0, 6)], strict=True):
        large = ndimage.zoom(channel, factors[which], prefilter=False)
        start = (len(large) - size) // 2
        channels.append(large[start : start + size, start : start + size])
    return np.stack(channels, axis=-1)


def caustic_refraction(image: np.ndarray, s: float, draws: Draws) -> np.ndarray:
    size, time = len(image), draws.uniform(0.5, 2)
    scale = draws.uniform(0.75, 1.25) * size
    start = 2 * np.pi * (np.stack(grid(size)) / scale % 1) - 250
    now, light = start, np.ones((size, size))
    for n in range(5):
        t = time * (1 - 3.5 / (n + 1))
        moved = np.cos(t - now[0]) + np.sin(t + now[1]), np.sin(t - now[1]) + np.cos(t + now[0])
        now = start + np.stack(moved)
        light += 200 / np.hypot(start[0] / np.sin(now[0] + t), start[1] / np.cos(now[1] + t))
    height = np.clip(np.abs(1.17 - (light / 5) ** 1.4) ** 8, 0, 1)
    height = np.pad(ndimage.gaussian_filter(height, 1), 1)
    gy, gx = height[2:, 1:-1] - height[:-2, 1:-1], height[1:-1, 2:] - height[1:-1, :-2]
    normal = np.stack([gy, gx, np.ones_like(gy)])
    normal /= np.linalg.norm(normal, axis=0)
    vertical = np.array([0, 0, 1])[:, None, None]
    aside = vertical - normal[2] * normal
    aside /= np.maximum(np.linalg.norm(aside, axis=0), 1e-12)
    angle = np.arcsin(np.sin(np.arccos(np.minimum(normal[2], 1))) / 4)
    ray = np.round((np.cos(angle) * normal + np.sin(angle) * aside) * 0.05 * s * size, 3)
    ray = np.where(normal[2] >= 0.999, 0, ray)
    y, x = grid(size)
    unit = bilinear(image.astype(np.float32) / 255, y + ray[0], x + ray[1])
    return np.clip(unit + (0.2 * s * (gy - gx))[..., None], 0, 1) * 255


# The levels of severities 1 … 5 of the CIFAR set and of the ImageNet set.
PLAIN: dict[Callable[[np.ndarray, float, Draws], np.ndarray], tuple[tuple | None, tuple | None]] = {
    blue_noise_sample: ((0.7, 1.4, 2.1, 3.5, 4.2), (0.8, 1.6, 2.4, 4, 5.6)),
    brownish_noise: ((2.5, 4, 5.5, 6.5, 7), (1, 2, 3, 4, 5)),
    caustic_refraction: (None, (2.35, 3.2, 4.9, 6.6, 9.15)),
    checkerboard_cutout: ((1, 2, 3, 4, 5), (2, 3, 4, 5, 6)),
    circular_motion_blur: ((2.8, 3.6, 4.4, 5.2, 6), None),
    cocentric_sine_waves: (None, (3, 5, 8, 9, 10)),
    inverse_sparkles: ((1, 1.5, 2.5, 4.5, 5), (1, 2, 4, 9, 10)),
    lines: ((0.5, 1, 1.5, 2, 2.5), None),
    perlin_noise: (None, (4.6, 5.2, 5.8, 7.6, 8.8)),
    pinch_and_twirl: ((5.5, 6, 6.5, 8.5, 10), None),
    plasma_noise: (None, (4.75, 7, 8.5, 9.25, 10)),
    ripple: ((5.5, 6, 6.5, 7.5, 8), None),
    single_frequency_greyscale: (None, (1, 1.5, 2, 4.5, 5)),
    sparkles: ((0.7, 3.5, 5.6, 6.3, 7), (1, 2, 3, 5, 6)),
    transverse_chromatic_abberation: ((1, 2, 5, 9, 10), None),
}


def corrupted(images: np.ndarray, plain: Callable, level: float, keys: np.ndarray) -> np.ndarray:
    """The corrupted images, uint8, with the draws of their keys."""
    values = np.stack([plain(image, level, Draws(key)) for image, key in zip(images, keys, strict=True)])
    return np.clip(values, 0, 255).astype(np.uint8)
