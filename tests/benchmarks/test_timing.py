"""Candidates take turns, and a turn gives the seconds of one call of each."""

import time
from functools import partial

from benchmarks.timing import interleaved


def test_a_row_is_a_turn_and_a_column_a_candidate() -> None:
    order: list[str] = []

    def call(name: str, seconds: float) -> None:
        order.append(name)
        time.sleep(seconds)

    candidates = {"short": partial(call, "short", 0.001), "long": partial(call, "long", 0.05)}
    turns = interleaved(candidates, turns=3, seconds=0.02, patience=0)
    assert turns.shape == (3, 2)
    assert ((turns["short"] >= 0.001) & (turns["short"] < turns["long"]) & (turns["long"] >= 0.05)).all()
    changes = [name for name, before in zip(order[2:], [None, *order[2:]], strict=False) if name != before]
    assert changes == ["short", "long"] * 3
