"""The facts that a result notes of its code."""

import subprocess
from collections.abc import Iterator

import pytest

from augmix.suite.io import provenance


@pytest.fixture
def no_git(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def run(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", run)
    provenance._state.cache_clear()
    yield
    provenance._state.cache_clear()


@pytest.mark.usefixtures("no_git")
def test_outside_of_git_nobody_knows_whether_the_code_is_changed() -> None:
    described = provenance.describe()
    assert (described["commit"], described["dirty"]) == ("unknown", None)
