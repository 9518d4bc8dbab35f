"""The compute of the trainings, and the front of what it buys."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from reports.compute import draw_compute, front
from reports.loaded import load
from tests.reports.synthetic import Synthetic

NUMBERS = st.integers(0, 5)


@given(st.dictionaries(st.text(max_size=2), st.tuples(NUMBERS, NUMBERS), max_size=8))
def test_the_front_is_what_nothing_beats(points: dict[str, tuple[int, int]]) -> None:
    found = front(points)
    values = [points[name] for name in found]
    assert values == sorted(values)
    beaten = {
        one for one in points.values() if any(o != one and o[0] <= one[0] and o[1] <= one[1] for o in points.values())
    }
    assert set(values) == set(points.values()) - beaten


def test_points_are_means_of_compute_and_of_the_mce(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    synthetic.run_changes = {row: {"train_cpu_seconds": 10.0 + row} for row in range(6)}
    results = load(synthetic.write(), synthetic.data)
    [drawing] = draw_compute(results, tmp_path, "digits")
    [ax] = drawn[drawing.name].axes
    shown = [
        np.asarray(line.get_xydata(), float).tolist()[0] for line in ax.lines if line.get_marker() not in ("None", "")
    ]
    expected = []
    for i, method in enumerate(("standard", "augmix", "no_jsd")):
        values = [
            100 * synthetic.value(method=method, seed=seed, shift="mCE", severity="", metric="error") for seed in (0, 1)
        ]
        expected.append([10.5 + 2 * i, pytest.approx(sum(values) / 2)])
    assert shown == expected
    assert "CPU time of a training (s)" in ax.get_xlabel()
    assert drawing.caption.endswith("On it, from the cheapest, lie Standard training and AugMix.")


@pytest.mark.parametrize("changes", [{"train_cpu_seconds": ""}, {"device": "NVIDIA H100", "train_seconds": ""}])
def test_without_compute_there_is_no_figure(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure], changes: dict[str, str]
) -> None:
    synthetic.run_changes = dict.fromkeys(range(6), changes)
    assert not list(draw_compute(load(synthetic.write(), synthetic.data), tmp_path, "digits"))


def test_a_gpu_and_a_processor_are_not_compared(synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]) -> None:
    synthetic.run_changes = {0: {"device": "NVIDIA H100"}}
    assert not list(draw_compute(load(synthetic.write(), synthetic.data), tmp_path, "digits"))
