"""The peers that speed is measured against do the same work: their images are ours, or of the same distribution."""

import numpy as np
import pytest

from augmix.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, corrupt

pytest.importorskip("skimage", reason="scikit-image is not installed")

from benchmarks import per_image_script
from benchmarks.plain_corruptions import RANDOM, deviation, photographs, statistics

NAMES = (*CORRUPTIONS, *EXTRA_CORRUPTIONS)


def test_every_corruption_has_a_peer() -> None:
    assert set(per_image_script.SCRIPT) == set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in RANDOM])
def test_deterministic_peers_give_our_pixels(name: str) -> None:
    images, rng = photographs(4, 32), np.random.default_rng(0)
    for severity in range(1, 6):
        theirs = np.stack([per_image_script.corrupt(image, name, severity, rng) for image in images])
        assert np.abs(corrupt(images, name, severity).astype(int) - theirs).max() <= 2


# The others are the plain constructions, which are compared in tests/augmix/test_corruptions_plain.py.
@pytest.mark.parametrize("name", ["impulse_noise", "glass_blur", "motion_blur", "snow"])
def test_random_peers_have_our_distribution(name: str) -> None:
    images, rng = np.tile(photographs(10, 32), (10, 1, 1, 1)), np.random.default_rng(0)
    np.random.seed(0)
    theirs = np.stack([per_image_script.corrupt(image, name, 4, rng) for image in images])
    difference, error = deviation(statistics(corrupt(images, name, 4), images), statistics(theirs, images))
    assert (difference <= 0.03 + 4 * error).all()
