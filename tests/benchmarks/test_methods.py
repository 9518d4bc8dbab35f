"""The costs of record name every method, with the passes that are counted."""

from pathlib import Path

import pytest

from augmix.registry import method_names
from augmix.suite.io.files import read_csv
from benchmarks import methods


def costs() -> dict[str, tuple[float, int]]:
    rows = read_csv(methods.STEPS, ("method", "step", "passes"))
    return {row["method"]: (float(row["step"]), int(row["passes"])) for row in rows}


def test_costs_are_of_methods_and_in_keeping_with_their_passes() -> None:
    assert set(costs()) <= set(method_names(methods.PACKAGES))
    assert all(0.5 < step / passes < 2.5 for step, passes in costs().values())


def test_passes_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ["standard", "augmix", "no_jsd", "adversarial", "augmax"]
    monkeypatch.setattr(methods, "method_names", lambda packages: names)
    monkeypatch.setattr(methods, "BATCH", 2)
    _, passes = methods.steps(tmp_path)
    assert passes == {name: costs()[name][1] for name in names}
