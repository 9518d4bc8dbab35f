"""Fixtures of the report's tests."""

from pathlib import Path

import pytest

from tests.reports.synthetic import Synthetic


@pytest.fixture
def synthetic(tmp_path: Path) -> Synthetic:
    """An experiment on one data set with three methods and two seeds, yet to be written."""
    return Synthetic(tmp_path)
