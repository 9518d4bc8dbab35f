"""Fixtures of the tests of faults."""

from pathlib import Path

import pytest

from augmix.suite.testsets.base import make
from augmix.suite.testsets.folder import of_folder


@pytest.fixture(scope="session")
def made_testsets(small_digits: Path) -> Path:
    """`small_digits` with the -C and -P that the small experiment asks for; its folder."""
    for kind, names, images in (("C", ("fog", "pixelate"), None), ("P", ("gaussian_noise", "tilt"), 10)):
        make(of_folder(kind, small_digits, small_digits.with_name(f"digits-{kind}"), names, images), names, 1)
    return small_digits.parent
