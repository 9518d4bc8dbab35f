"""The numbers that a report notes of each image and run lie in files, and not in memory."""

import os
import tempfile
import tracemalloc
from typing import Any

import numpy as np
import pytest

from reports import shelf
from reports.archives import answers_of
from reports.evidence import evidence
from reports.loaded import load
from reports.quantities import CLEAN_ERROR, Place
from reports.shelf import shelved
from tests.reports.synthetic import Synthetic


def test_of_images_a_report_holds_no_number_of_each_run(synthetic: Synthetic) -> None:
    """Each figure's table has one of each image and run, and so have the scores that it is made of."""
    synthetic.images, synthetic.seeds = 2000, (0, 1, 2)
    synthetic.testsets = {name: entry for name, entry in synthetic.testsets.items() if name == "clean"}
    synthetic.write()
    results = load(synthetic.folder, synthetic.data)
    tracemalloc.start()
    try:
        known = evidence(results, "digits", "smallnet", CLEAN_ERROR)
        testset = results.testsets("digits")[0]
        wrong = [one.wrong for one in answers_of(results, Place("digits", "smallnet", "augmix"), testset)]
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert known is not None
    assert known.sample.scores is not None
    assert held < known.sample.scores.nbytes
    assert np.array_equal(known.sample.scores.T[3:6], wrong)


def test_a_fork_writes_beside_its_parent() -> None:
    before = shelved(np.zeros(3))
    child = os.fork()
    if not child:
        os._exit(0 if shelved(np.ones(5)).sum() == 5 and not before.any() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    after = shelved(np.full(5, 7.0))
    assert [before.tolist(), after.tolist()] == [[0.0] * 3, [7.0] * 5]


def test_a_large_array_has_a_file_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "PART", 256)
    monkeypatch.setattr(shelf, "_part", (0, b"", 0))
    given = [np.arange(size, dtype=dtype).reshape(2, -1) for size, dtype in ((10, int), (16, float), (200, "<f4"))]
    assert all(map(np.array_equal, map(shelved, given), given))


def test_without_room_for_a_file_it_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        return open("/dev/full", "wb")

    monkeypatch.setattr(shelf, "_part", (0, b"", 0))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    array = np.arange(3)
    assert shelved(array) is array
