"""IPMix: its patches and operations beside what they should be; chains that are mixed as AugMix mixes."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from augmix import operations
from baselines import _chains, ipmix
from baselines.ipmix import operated, patched, rectangles
from baselines.pixmix import mixing_weights
from tests.baselines.conftest import Elsewhere


def inside_of(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """The pixels in each rectangle: bool (count, H, W)."""
    top, bottom, left, right = rectangles(count, size, rng).T[..., None, None]
    row, column = np.mgrid[: size[0], : size[1]]
    return (row >= top) & (row < bottom) & (column >= left) & (column < right)


def test_rectangles_have_the_sizes_they_should() -> None:
    inside = inside_of(20_000, (32, 32), np.random.default_rng(0))
    rows, columns = inside.any(2).sum(1), inside.any(1).sum(1)
    assert np.array_equal(inside.sum((1, 2)), rows * columns)
    squares = rows == columns
    for side in (4, 8, 16, 32):
        # One half are squares of one of four sides; the others are squares too by chance, of each side from 2 on.
        chance = sum(1 / 8 / (longest - 1) ** 2 for longest in (4, 8, 16, 32) if longest >= side)
        assert abs((squares & (rows == side)).mean() - 1 / 8 - chance) < 0.013
    assert rows.min() == columns.min() == 2
    first = inside.any(2).argmax(1)
    assert set(first[(rows == 4) & squares]) == set(range(29))
    assert inside_of(500, (24, 40), np.random.default_rng(0)).any(1).sum(1).max() == 24
    large = inside_of(500, (224, 224), np.random.default_rng(0)).any(2).sum(1)
    assert large.max() == 224
    assert 64 in large
    assert inside_of(50, (1, 3), np.random.default_rng(0)).sum((1, 2)).tolist() == [1] * 50


def test_a_patch_is_mixed_with_the_picture_at_the_same_place(images: Tensor) -> None:
    """Each result is one of four: some values of the picture, or the image and the picture weighted."""
    pictures, mixed = images.flip(0), images.clone()
    patched(mixed, np.arange(64), np.random.default_rng(0), pictures=pictures, beta=3, wrap=False)
    inside = torch.from_numpy(inside_of(64, (32, 32), np.random.default_rng(0)))[:, None]
    assert mixed.dtype == torch.uint8
    assert torch.equal(mixed.where(~inside, 0), images.where(~inside, 0))
    taken = (mixed == images) | (mixed == pictures)
    rng = np.random.default_rng(0)
    rectangles(64, (32, 32), rng)
    ways = torch.from_numpy(rng.integers(4, size=64))
    assert taken[ways >= 2].all()
    assert not taken[ways < 2].flatten(1).all(1).any()
    pixels = ((mixed == images).all(1) | (mixed == pictures).all(1)).flatten(1).all(1)
    assert pixels[ways == 2].all()
    assert not pixels[ways == 3].all()


@pytest.mark.parametrize("wrap", [False, True])
def test_weighted_patches_are_a_plain_readings(images: Tensor, wrap: bool) -> None:
    rng = np.random.default_rng(3)
    mixed = images.clone()
    patched(mixed, np.arange(64), np.random.default_rng(3), pictures=images.flip(0), beta=3, wrap=wrap)
    inside, ways = inside_of(64, (32, 32), rng)[:, None], rng.integers(4, size=64)
    a, b = torch.from_numpy(mixing_weights(64, 3, rng))[..., None, None, None]
    x, y = images.double() / 255, images.flip(0).double() / 255
    sums = (a * (2 * x - 1) + b * (2 * y - 1) + 1) / 2
    products = (2 * x) ** a * (2 * y).clamp(min=1e-37) ** b / 2
    checked = 0
    for i in np.flatnonzero(ways < 2):
        values = 255 * (sums if ways[i] == 0 else products)[i].numpy()
        found, place = mixed[i].numpy(), np.broadcast_to(inside[i], values.shape)
        if wrap:
            expected = np.trunc(values[place & (abs(values) < 1e5)]) % 256
            off = (expected - found[place & (abs(values) < 1e5)]) % 256
            assert (np.minimum(off, 256 - off) <= 1).all()
            assert (off == 0).mean() > 0.98 or off.size < 100
        else:
            assert (abs(np.clip(values[place], 0, 255) - found[place] - 0.5) <= 0.501).all()
        checked += place.sum()
    assert checked > 10_000


def test_operations_are_pillows(images: Tensor) -> None:
    rng = np.random.default_rng(0)
    changed = images.clone()
    operated(changed, np.arange(64), np.random.default_rng(0), severity=3)
    drawn = ipmix.OPERATIONS[rng.integers(10, size=(64, 1))][:, 0]
    assert set(drawn) == {*range(2, 10), 14, -1}
    names = list(operations.IDS)
    for image, result, i in zip(images, changed, drawn, strict=True):
        pixels = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        name = "mirror" if i == -1 else names[i]
        if name in ("mirror", "invert", "equalize"):
            assert np.array_equal(result.permute(1, 2, 0).numpy(), np.asarray(getattr(ImageOps, name)(pixels)))
        else:
            assert not torch.equal(result, image) or name in ("rotate", "translate_x", "translate_y", "solarize")


def test_chains_are_mixed_with_augmixs_weights() -> None:
    """A change that writes each step's number into its chain tells which steps were taken and how they are weighted."""
    images = torch.zeros(50, 1, 2, 2)
    kinds, depths = np.random.default_rng(1).integers(2, size=(150, 3)), np.random.default_rng(2).integers(4, size=150)
    seen: dict[int, list[int]] = {i: [] for i in range(150)}

    def change(kind: int) -> Any:
        def changed(given: Tensor, which: np.ndarray, rng: np.random.Generator) -> None:
            for place in which.tolist():
                seen[place - place // 4 - 1].append(kind)  # an image and three chains
            given[which] += 1 + kind

        return changed

    rng = np.random.default_rng(0)
    mixed = _chains.mixed_chains(images, kinds, depths, (change(0), change(1)), np.random.default_rng(0))
    assert {i: row[: depths[i]].tolist() for i, row in enumerate(kinds)} == seen
    share, weights = rng.beta(1, 1, (50, 1)), rng.dirichlet(np.ones(3), 50)
    totals = np.array([sum(1 + kind for kind in seen[i]) for i in range(150)]).reshape(50, 3)
    expected = (share * weights * totals).sum(1)
    np.testing.assert_allclose(mixed[:, 0, 0, 0], expected, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:the image operations run on the CPU")
@pytest.mark.parametrize("wrap", [False, True])
def test_devices_without_the_compiled_steps_have_the_same(images: Tensor, labels: Tensor, wrap: bool) -> None:
    expected, found = (
        ipmix.method(pictures=50, wrap=wrap).views(given, labels, nn.Identity(), np.random.default_rng(0))
        for given in (images, images.as_subclass(Elsewhere))
    )
    for one, other in zip(found, expected, strict=True):
        assert (one.as_subclass(Tensor) - other.float()).abs().gt(1e-3).float().mean() < 1e-4  # a value was truncated


def test_all_views_have_the_same_picture(images: Tensor, labels: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Tensor] = []

    def kept(given: Tensor, which: Any, rng: Any, *, pictures: Tensor, beta: float, wrap: bool) -> None:
        asked.append(pictures)

    monkeypatch.setattr(ipmix, "patched", kept)
    views = ipmix.method(pictures=10, views=3).views(images, labels, nn.Identity(), np.random.default_rng(0))
    assert len(views) == 4
    assert torch.equal(views[0], images)
    assert all(view.dtype == torch.float32 for view in views[1:])
    assert len(asked) == 3
    assert all(torch.equal(one, asked[0]) for one in asked)
    assert all(torch.equal(one, asked[0][:64]) for one in asked[0].chunk(3))


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"width": 0}, "width must be at least 1"),
        ({"depth": 0}, "depth must be at least 1"),
        ({"views": 0}, "views must be at least 1"),
        ({"beta": -1}, "beta must be in"),
        ({"severity": 0}, "severity must be in"),
        ({"weight": -1}, "weight must be in"),
    ],
)
def test_refuses_parameters_out_of_range(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ipmix.method(**parameters)
