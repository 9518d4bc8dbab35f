"""The method cards name every method, and the command that measures puts its figures where they belong."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import methods

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", methods.CARDS)
def test_every_method_has_a_row_with_its_cost(package: str) -> None:
    card = (CHECKOUT / package / "README.md").read_text(encoding="utf-8")
    costs = dict(re.findall(r"(?m)^\| `(\w+)` \|.*\| \d+\.\d\d× \((\d+)×\) \|$", card))
    assert set(costs) == set(methods.CARDS[package])
    assert {"adversarial": "11", "augmix": "3"}.items() & costs.items()
    picture = CHECKOUT / package / "methods.png"
    assert 10_000 < picture.stat().st_size < 200_000


def test_costs_are_filled_in_twice_alike(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("| method | step |\n|---|---|\n| `mixup` | λ (`alpha`) | |\n| other | |\n")
    for measured in (1.044, 1.236):
        methods.fill_in(card, {"mixup": (measured, 1.0)})
    assert card.read_text() == "| method | step |\n|---|---|\n| `mixup` | λ (`alpha`) | 1.24× (1×) |\n| other | |\n"


def test_the_pictures_show_what_the_net_sees() -> None:
    originals = methods.photographs(methods.TILES, methods.TILE)
    assert np.array_equal(methods.seen("standard"), originals)
    augmix = methods.seen("augmix")
    assert np.array_equal(augmix[[0, 3]], originals[:2])
    assert (methods.seen("mixup") != originals).mean() > 0.5
