"""What the tests of faults share."""

from pathlib import Path

import pytest

from augmix.suite.testsets.generation import write_corruption, write_perturbation


@pytest.fixture(scope="session")
def benchmarks(small_digits: Path) -> Path:
    """`small_digits` with the -C and -P that the small experiment asks for; its folder."""
    for name in ("fog", "pixelate"):
        write_corruption(small_digits, small_digits.with_name("digits-C"), name)
    for name in ("gaussian_noise", "tilt"):
        write_perturbation(small_digits, small_digits.with_name("digits-P"), name, images=10)
    return small_digits.parent
