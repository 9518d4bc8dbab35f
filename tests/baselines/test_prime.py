"""PRIME: each of its three steps beside another computation of it; strengths that span what they should."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy import fft, ndimage
from torch import Tensor, nn

from baselines import _kernels, prime
from baselines.prime import coloured, displaced, displacement, filtered
from tests.baselines.conftest import Elsewhere


@pytest.fixture
def values(images: Tensor) -> Tensor:
    return images[:8, :, :24] / 255


def after(change: Callable[..., None], values: Tensor, seed: int, **parameters: Any) -> Tensor:
    """Some of the images after one step, which leaves the others alone."""
    images = torch.cat([values.flip(0), values])
    change(images, np.arange(8, 16), np.random.default_rng(seed), **parameters)
    assert torch.equal(images[:8], values.flip(0))
    return images[8:]


def test_filters_are_scipys(values: Tensor) -> None:
    found = after(filtered, values, 0, sigma=0.3).numpy()
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 0.3) * rng.standard_normal((8, 1, 3, 3), np.float32)
    for image, result, kernel in zip(values.numpy(), found, noise[:, 0], strict=True):
        kernel = kernel + np.pad([[1.0]], 1)
        for plane, made in zip(image, result, strict=True):
            expected = ndimage.correlate(plane, kernel, mode="constant").clip(0, 1)
            np.testing.assert_allclose(made, expected, atol=1e-5)
    assert torch.equal(after(filtered, values, 0, sigma=0), values)


@pytest.mark.parametrize("band", [None, 5])
def test_colour_maps_are_sums_of_sines(values: Tensor, band: int | None) -> None:
    """They are as exact as single precision for values of 8 bits; for others the table errs a little."""
    between = values.roll(1) * 0.7 + values * 0.3
    lengths = set()
    for seed in range(20):
        given, error = (values, 1e-4) if seed % 2 else (between, 3e-3)
        found = after(coloured, given, seed, cut=100, temperature=0.01, band=band).numpy()
        rng = np.random.default_rng(seed)
        highest, strength = int(rng.integers(1, 101)), np.sqrt(rng.uniform(0, 0.01))
        lowest = 1 if band is None else int(rng.integers(1, highest + 1))
        k = np.arange(lowest, highest + 1)[:band]
        lengths.add(len(k))
        c = strength * rng.standard_normal((24, len(k)))
        v = given.double().numpy()
        waves = np.sin(np.pi * k[:, None, None, None, None] * v)
        expected = np.clip(v + np.einsum("bck,kbcyx->bcyx", c.reshape(8, 3, -1), waves), 0, 1)
        assert abs(found - expected).max() < error
    assert max(lengths) == (band or 100) or max(lengths) > 80


def test_displaced_images_are_scipys(values: Tensor) -> None:
    for seed in range(5):
        found = after(displaced, values, seed, cut=20).numpy()
        across, down = displacement((24, 32), 20, np.random.default_rng(seed))
        places = np.mgrid[:24, :32] - [down, across]
        for image, result in zip(values.double().numpy(), found, strict=True):
            for plane, made in zip(image, result, strict=True):
                expected = ndimage.map_coordinates(plane, places, order=1, mode="nearest")
                np.testing.assert_allclose(made, expected, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_a_side_of_one_pixel_is_not_displaced_and_nothing_beyond_it_is_read(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_kernels, "displace", _kernels.displace.py_func)  # which looks at every index
    values = torch.linspace(0, 1, 8 * 3 * size[0] * size[1]).view(8, 3, *size)
    assert torch.equal(after(displaced, values, 0, cut=20), values)
    assert torch.equal(after(displaced, values.as_subclass(Elsewhere), 0, cut=20).as_subclass(Tensor), values)


@pytest.mark.parametrize(
    "change",
    [
        partial(filtered, sigma=4.0),
        partial(coloured, cut=100, temperature=0.01, band=None),
        partial(displaced, cut=100),
    ],
)
def test_devices_without_the_compiled_steps_take_the_same(values: Tensor, change: Callable[..., None]) -> None:
    for seed in range(5):
        expected = after(change, values, seed)
        found = after(change, values.as_subclass(Elsewhere), seed)
        torch.testing.assert_close(found.as_subclass(Tensor), expected, atol=2e-4, rtol=0)


class Fixed(np.random.Generator):
    """Frequencies and temperatures at one end of what is allowed: the lower at 0, the upper at 1."""

    def __init__(self, value: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.value = value

    def beta(self, a: Any, b: Any, size: Any = None) -> Any:
        return self.value


def test_the_least_displacement_is_about_half_a_pixel_in_the_centre() -> None:
    """T₁ is chosen so that a sum of many waves, r < K + ½, has a deviation of ½ there; with K = 2 it is about that."""
    rng = Fixed(0.0)
    fields = np.stack([displacement((32, 32), 100, rng) for _ in range(2000)])
    assert 0.3 < fields[:, :, 15:17, 15:17].std() < 0.7
    # Edges stay where they are.
    assert abs(fields[:, 0, :, [0, -1]]).max() < 1e-12
    assert abs(fields[:, 1, [0, -1]]).max() < 1e-12


def test_the_greatest_frequency_is_the_cut() -> None:
    for field in displacement((32, 32), 3, Fixed(1.0)):
        waves = np.abs(fft.dstn(field[1:-1, 1:-1], type=1))
        assert np.argwhere(waves > 1e-9).max() + 1 == 3


def test_displacements_do_not_fold_the_image_much() -> None:
    rng = np.random.default_rng(0)
    fields = np.stack([displacement((32, 32), 100, rng) for _ in range(300)])
    steps = 1 - np.diff(fields[:, 0], axis=2)
    assert (steps < 0).mean() < 0.02
    assert 0.5 < abs(fields).max(axis=(1, 2, 3)).mean() < 6


def test_a_view_mixes_chains_of_all_three_kinds(
    images: Tensor, labels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"filtered": 0, "coloured": 0, "displaced": 0}
    for name in counts:
        step = getattr(prime, name)

        def counted(given: Tensor, which: Any, rng: Any, *, _of: Any = (name, step), **parameters: Any) -> None:
            counts[_of[0]] += len(which)
            _of[1](given, which, rng, **parameters)
            assert given.min() >= 0
            assert given.max() <= 1 + 1e-5

        monkeypatch.setattr(prime, name, counted)
    views = prime.method().views(images, labels, nn.Identity(), np.random.default_rng(0))
    assert len(views) == 3
    assert torch.equal(views[0], images)
    assert not torch.equal(views[1], views[2])
    # Of 2 views, 64 images, 3 chains and 2 steps on average.
    assert all(abs(count - 256) < 60 for count in counts.values())
    for view in views[1:]:
        assert view.dtype == torch.float32
        assert view.min() >= 0
        assert view.max() <= 255 + 1e-3


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"width": 0}, "width must be at least 1"),
        ({"sigma": -1}, "sigma must be in"),
        ({"cut": 2}, "cut must be 3 … 1000, not 2"),
        ({"temperature": -1}, "temperature must be in"),
        ({"band": 0}, "band must be at least 1"),
        ({"views": 0}, "views must be at least 1"),
    ],
)
def test_refuses_parameters_out_of_range(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        prime.method(**parameters)
