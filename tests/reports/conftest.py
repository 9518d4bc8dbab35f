"""Fixtures of the report's tests."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from reports import make, style
from tests.reports.synthetic import Synthetic


@pytest.fixture
def synthetic(tmp_path: Path) -> Synthetic:
    """An experiment on one data set with three methods and two seeds, yet to be written."""
    return Synthetic(tmp_path)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """The figures that are drawn from here on, laid out but not written, by name."""
    kept: dict[str, Figure] = {}
    original = style.saved

    @contextmanager
    def kept_only(folder: Path, name: str, width: float, height: float) -> Iterator[Figure]:
        with style.styled():
            kept[name] = Figure(figsize=(width, height), layout="constrained")
            yield kept[name]
            kept[name].draw_without_rendering()

    for name, module in list(sys.modules.items()):
        if name.startswith(f"{make.__package__}.") and getattr(module, "saved", None) is original:
            monkeypatch.setattr(module, "saved", kept_only)
    return kept
