"""Archives of predictions: written whole, read back, and another version or a lost field told from what is right."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.predictions import NUMBERS, OutdatedError, Predictions

SHIFTS = ("fog", "snow")
STAMP = {"settings": {"shifts": SHIFTS}, "run": "f"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    arrays = {name: np.arange(12).astype(NUMBERS).reshape(3, 4) for name in SHIFTS}
    found = predictions.path_of(tmp_path / "run", "predictions", "C")
    predictions.write(found, Predictions(arrays, np.arange(12), "made up"), STAMP)
    return found


def test_what_is_written_is_read(path: Path) -> None:
    found = predictions.read(path, SHIFTS)
    assert found.source == "made up"
    assert np.array_equal(found.labels, np.arange(12))
    assert found.shifts["snow"]["prediction"].tolist() == np.arange(12).reshape(3, 4).tolist()
    assert list(predictions.read(path, ("snow",)).shifts) == ["snow"]
    assert predictions.read_stamp(path, SHIFTS) == predictions.stamped(STAMP)
    assert predictions.is_whole(path, SHIFTS, STAMP)
    assert not predictions.is_whole(path, SHIFTS, {**STAMP, "run": "g"})


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)


def without_squares(arrays: dict[str, Any]) -> None:
    fields = ["prediction", "confidence", "true_probability"]
    arrays["fog"] = np.zeros((3, 4), [(name, NUMBERS[name]) for name in fields])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda arrays: arrays.pop("stamp"), "C.npz lacks a stamp of what it was made with"),
        (lambda arrays: arrays.update(stamp=np.array('{"version": 1}')), "C.npz is of another version"),
        (lambda arrays: arrays.update(stamp=np.array("[2]")), "C.npz is of another version"),
        (lambda arrays: arrays.update(stamp=np.array("no JSON")), "C.npz is of another version"),
        (lambda arrays: arrays.pop("snow"), "C.npz lacks 'snow'"),
        (lambda arrays: arrays.pop("labels"), "C.npz lacks 'labels'"),
        (lambda arrays: arrays.pop("source"), "C.npz lacks 'source'"),
    ],
)
def test_what_is_missing_is_told_without_reading_the_numbers(
    path: Path, change: Callable[[dict[str, Any]], None], fault: str
) -> None:
    rewritten(path, change)
    for read in (predictions.read, predictions.read_stamp):
        with pytest.raises(OutdatedError) as caught:
            read(path, SHIFTS)
        assert caught.value.fault == fault
        assert str(caught.value) == f"{path.parent}/{fault}; it has to be evaluated again"
    assert not predictions.is_whole(path, SHIFTS, STAMP)


@pytest.mark.parametrize("change", [without_squares, lambda arrays: arrays.update(fog=np.zeros((3, 4)))])
def test_numbers_of_before_are_evaluated_again(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    rewritten(path, change)
    with pytest.raises(OutdatedError, match=r"C\.npz lacks a number of each image; it has to be evaluated again"):
        predictions.read(path, SHIFTS)
    assert not predictions.is_whole(path, SHIFTS, STAMP)


def test_every_damage_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in (0, 40, *rng.integers(0, len(whole), 60).tolist()):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]):
            path.write_bytes(data)
            with suppress(OutdatedError):  # some bytes of the container say nothing
                found = predictions.read(path, SHIFTS)
                assert found.shifts["snow"]["prediction"].tolist() == np.arange(12).reshape(3, 4).tolist()
    path.unlink()
    with pytest.raises(OutdatedError, match=r"C\.npz is missing"):
        predictions.read(path, SHIFTS)
