"""PixMix: beside a reading of the paper that takes image by image, with the same draws."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from augmix.mixing import Sampler, apply_chain
from baselines import pixmix
from baselines._pictures import Pictures
from baselines.pixmix import mixing_weights
from tests.baselines.conftest import Elsewhere

CPU = torch.device("cpu")


def plainly(image: np.ndarray, start: np.ndarray, rounds: list[tuple[str, np.ndarray, float, float]]) -> np.ndarray:
    """One image in [0, 1] after its rounds of (how, with what, the two weights)."""
    mixed = start.copy()
    for how, other, a, b in rounds:
        if how == "add":
            mixed = (a * (mixed * 2 - 1) + b * (other * 2 - 1) + 1) / 2
        else:
            mixed = (mixed * 2) ** a * np.maximum(other * 2, 1e-37) ** b / 2
        mixed = np.clip(mixed, 0, 1)
    return mixed


def test_each_image_is_what_a_plain_reading_makes_of_it(images: Tensor, labels: Tensor) -> None:
    images = images[:, :, :24].clone()
    images[:, :, :3] = 0
    [view] = pixmix.method(pictures=50).views(images, labels, nn.Identity(), np.random.default_rng(1))
    assert view.dtype == torch.float32
    rng = np.random.default_rng(1)
    counts = rng.integers(5, size=64)
    augmented = rng.random((64, 5)) < 0.5
    pictures = Pictures(None, 50).draw(64, (24, 32), rng, CPU).numpy() / 255
    of, place = np.nonzero(augmented & (np.arange(5) <= counts[:, None]))
    sampler = Sampler(width=1, depth=1)
    made = apply_chain(images[of], sampler.sample(len(of), (24, 32), rng)).numpy() / 255
    copies = {(i, j): copy for i, j, copy in zip(of.tolist(), place.tolist(), made, strict=True)}
    multiplied = rng.random((64, 5)) < 0.5
    rounds: dict[int, list[Any]] = {i: [] for i in range(64)}
    for j in range(1, 5):
        for how, chosen in (("add", ~multiplied), ("multiply", multiplied)):
            which = np.flatnonzero(chosen[:, j] & (counts >= j)).tolist()
            a, b = mixing_weights(len(which), 3, rng).astype(np.float64)
            for i, first, second in zip(which, a, b, strict=True):
                rounds[i].append((how, copies.get((i, j), pictures[i]), first, second))
    assert {len(row) for row in rounds.values()} == {0, 1, 2, 3, 4}
    for i, image in enumerate(images.numpy() / 255):
        expected = plainly(image, copies.get((i, 0), image), rounds[i])
        np.testing.assert_allclose(view[i].numpy(), 255 * expected, atol=0.01)


@pytest.mark.filterwarnings("ignore:the image operations run on the CPU")
def test_devices_without_the_compiled_rounds_have_the_same(images: Tensor, labels: Tensor) -> None:
    expected, found = (
        pixmix.method(pictures=50).views(given, labels, nn.Identity(), np.random.default_rng(0))[0]
        for given in (images, images.as_subclass(Elsewhere))
    )
    torch.testing.assert_close(found.as_subclass(Tensor), expected, atol=1e-3, rtol=0)


def test_weights_are_beta_distributed() -> None:
    a, b = mixing_weights(20_000, 3, np.random.default_rng(0))
    within = b > 0
    assert abs(within.mean() - 0.5) < 0.016
    assert np.array_equal(within, a < 1)
    for found, law in (
        (a[within], stats.beta(3, 1)), (b[within], stats.beta(1, 3)),
        (a[~within] - 1, stats.beta(1, 3)), (-b[~within], stats.beta(1, 3)),
    ):  # fmt: skip
        assert stats.kstest(found, law.cdf).pvalue > 0.001


def test_without_rounds_half_of_the_images_stay(images: Tensor, labels: Tensor) -> None:
    [view] = pixmix.method(rounds=0, pictures=10).views(images, labels, nn.Identity(), np.random.default_rng(0))
    same = (view == images).flatten(1).all(1).sum().item()
    assert abs(same - 32) < 4.5 * 4 + 4


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"rounds": -1}, "rounds must be at least 0, not -1"),
        ({"beta": 0}, r"beta must be in \(0, 1e\+06\], not 0"),
        ({"severity": 11}, r"severity must be in \(0, 10\], not 11"),
    ],
)
def test_refuses_parameters_out_of_range(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        pixmix.method(**parameters)
