"""Two experiments at once on one data folder."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augmix.errors import RunError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.run.claims import claimed

SUBSET = {"train": 96, "test": 20}


@pytest.fixture
def experiment(write_config: Callable[..., Path]) -> Callable[..., Experiment]:
    def make(**changes: Any) -> Experiment:
        found = load(write_config(**changes))
        found.data.mkdir(exist_ok=True)
        return found

    return make


def test_what_is_made_alike_is_shared(experiment: Callable[..., Experiment]) -> None:
    first = experiment(experiment="first")
    second = experiment(experiment="second", testsets={"C": {"shifts": ["contrast"]}, "P": None})
    with claimed(first), claimed(second), claimed(first):
        pass


@pytest.mark.parametrize(
    ("changes", "odd"),
    [
        ({"datasets": {"digits": {"loader": "digits", "flip": False, "subset": SUBSET}}}, "digits"),
        ({"testsets": {"C": {"shifts": ["fog"], "images": 3}}}, "digits-C fog"),
        ({"testsets": {"C": {"shifts": ["contrast"], "images": 3}}}, "digits-C labels"),
    ],
)
def test_what_each_would_make_otherwise_is_refused(
    experiment: Callable[..., Experiment], changes: dict[str, Any], odd: str
) -> None:
    first, other = experiment(experiment="first"), experiment(experiment="other", **changes)
    said = re.escape(f"{other.data}: {odd} is in use by the experiment 'first', which runs now")
    with claimed(first):
        for _ in range(2):  # a refused start leaves no claim
            with pytest.raises(RunError, match=said), claimed(other):
                pass
    with claimed(other), pytest.raises(RunError, match="in use by the experiment 'other'"), claimed(first):
        pass


def test_data_that_cannot_be_written_are_nobodys_to_make(
    experiment: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = experiment()
    (first.data / ".in-use.lock").mkdir()  # even root cannot open it for writing
    with claimed(first):
        assert os.listdir(first.data) == [".in-use.lock"]
