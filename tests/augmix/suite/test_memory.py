"""Memory stays flat in the number of images: none of the stages holds all of them, nor keeps what each batch leaves."""

import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from augmix.suite.data import datasets
from augmix.suite.data.datasets import Preparation, Split
from augmix.suite.evaluate import evaluation
from augmix.suite.io.files import read_array, write_array
from augmix.suite.testsets import generation
from augmix.suite.testsets.arrays import ShiftArrays
from augmix.suite.testsets.base import Shift
from augmix.suite.testsets.kinds.silhouettes import Silhouettes
from augmix.suite.train.batches import Batches

COUNT, SIDE = 200, 64
IMAGES = COUNT * SIDE * SIDE * 3
"""Bytes of all images, 2.5 MB: what is traced within the blocks is less."""
CPU = torch.device("cpu")


@contextmanager
def little() -> Iterator[None]:
    """Fail when Python and NumPy hold most of the images at once within the block."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 3 * IMAGES / 4
    finally:
        tracemalloc.stop()


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Test images and labels, mapped from files as prepared ones are."""
    folder = tmp_path / "prepared"
    write_array(folder / "test_images.npy", np.zeros((COUNT, SIDE, SIDE, 3), np.uint8))
    write_array(folder / "test_labels.npy", np.zeros(COUNT, np.int64))
    return datasets.read(folder, "test")


def test_images_are_prepared_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "PART_BYTES", IMAGES // 20)
    for number, folder in enumerate(("train/a", "train/b", "test/a", "test/b")):
        (tmp_path / folder).mkdir(parents=True)
        image = Image.new("RGB", (SIDE, SIDE), (number, 0, 0))
        for i in range(COUNT // 2):
            image.save(tmp_path / folder / f"{i}.bmp")
    settings = Preparation("image_folder", {"folder": str(tmp_path), "side": SIDE}, {"train": None, "test": COUNT // 4})
    datasets.prepare(settings, tmp_path / "prepared")  # what is imported and remembered is there from here on
    with little():
        datasets.prepare(settings, tmp_path / "prepared")
        for name in datasets.SPLITS:
            datasets.verify(tmp_path / "prepared", datasets.record(tmp_path / "prepared"), name)
    train, test = (np.load(tmp_path / "prepared" / f"{name}_images.npy") for name in datasets.SPLITS)
    assert np.array_equal(train[:, 0, 0, 0], np.repeat([0, 1], COUNT // 2))
    assert np.array_equal(test[:, 5, 5, 0], np.repeat([2, 3], COUNT // 8))


def test_shifts_are_generated_part_by_part(split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "CHUNK_BYTES", IMAGES // 5)

    def brighter(images: np.ndarray, name: str, severity: int, *_: object, first: int) -> np.ndarray:
        return images + np.uint8(severity)

    with little():
        generation.write_severities(split, tmp_path, "fog", brighter, None, "tiny", 0)
    made = read_array(tmp_path / "fog.npy", np.uint8, (5 * COUNT, SIDE, SIDE, 3))
    assert np.array_equal(made[:: COUNT // 2, 3, 3, 1], np.repeat(range(1, 6), 2))


def test_some_of_the_images_are_read_batch_by_batch(split: Split, tmp_path: Path) -> None:
    write_array(tmp_path / "tilt.npy", np.broadcast_to(np.zeros(1, np.uint8), (COUNT, 2, SIDE, SIDE, 3)))
    some = ShiftArrays(tmp_path, True, split, 10, COUNT - 1).read("tilt")
    derived = Silhouettes("silhouettes", str(tmp_path), COUNT - 1, 0)
    (tmp_path / "dataset.json").write_text('{"classes": [], "loader": "x", "sha256": {}}')
    with little():
        for shift in (some, derived.open(split, []).read("silhouettes")):
            assert len(shift.images) == len(shift.labels) >= COUNT - 1
            for start in range(0, len(shift.images), 10):
                assert shift.images[start : start + 10].shape[1:] == (SIDE, SIDE, 3)
        batches = Batches(split, 0, 10, True, CPU)
        assert {batches(0, step).images.shape for step in range(batches.steps)} == {(10, 3, SIDE, SIDE)}


def test_a_batchs_own_numbers_do_not_outlive_it(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tensors that stay between the large ones of each batch keep these from being used again."""
    made: list[weakref.ref[torch.Tensor]] = []

    def noted(key: object, function: Callable[..., Any], *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        assert sum(value() is not None for value in made) <= 5  # those of the batch before
        found: tuple[torch.Tensor, ...] = function(*inputs)
        made.extend(map(weakref.ref, found))
        return found

    monkeypatch.setattr(evaluation, "replayed", noted)
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    images = np.zeros((COUNT, 8, 8, 3), np.float32)
    monkeypatch.setattr(evaluation, "in_order", lambda *_, **__: torch.from_numpy(images).mT.split(40))
    assert len(evaluation.numbers(net, Shift(images, split.labels, (COUNT,)), CPU)) == COUNT
    assert len(made) == 5 * COUNT // 40
