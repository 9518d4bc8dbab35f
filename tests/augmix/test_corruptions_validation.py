"""The corruptions to choose by: severities lie between those of -C, and none is an image of -C."""

import numpy as np
import pytest

from augmix import corruptions
from augmix.corruptions import validation


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 190, (20, 32, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", ["gaussian_noise", "brightness", "contrast"])
def test_severities_lie_between_those_of_c(images: np.ndarray, name: str) -> None:
    def distance(corrupted: np.ndarray) -> float:
        return float(np.abs(corrupted.astype(float) - images).mean())

    published = [0.0] + [distance(corruptions.corrupt(images, name, severity)) for severity in range(1, 6)]
    ours = [distance(validation.corrupt(images, name, severity)) for severity in range(1, 6)]
    for below, here, above in zip(published, ours, published[1:], strict=False):
        assert below < here < above


@pytest.mark.parametrize("name", corruptions.EXTRA_CORRUPTIONS)
def test_those_held_out_are_as_published(images: np.ndarray, name: str) -> None:
    made = validation.corrupt(images, name, 3, seed=5, first=7)
    np.testing.assert_array_equal(made, corruptions.corrupt(images, name, 3, seed=5, first=7))


def test_others_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="fog"):
        validation.corrupt(images, "fog", 1)
    with pytest.raises(ValueError, match="severity"):
        validation.corrupt(images, "contrast", 6)
