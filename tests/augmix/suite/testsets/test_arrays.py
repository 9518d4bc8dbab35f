"""Test sets on disk: the published layout, of all or some of the test images, and faults that name the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augmix.errors import UserError
from augmix.perturbations import perturb
from augmix.suite.config.experiment import load
from augmix.suite.data import datasets
from augmix.suite.data.datasets import Split, evenly
from augmix.suite.testsets.arrays import ShiftArrays
from augmix.suite.testsets.folder import of_folder
from augmix.suite.testsets.kinds.perturbations import Sequences

COUNT = 12
RNG = np.random.default_rng(0)
TEST = Split(RNG.integers(0, 256, (COUNT, 32, 32, 3), np.uint8), np.arange(COUNT) % 10)


@pytest.fixture
def published(tmp_path: Path) -> dict[str, Path]:
    """A published -C and -P of `TEST`, in small; every image of fog tells its severity and its index."""
    folders = {kind: tmp_path / f"published-{kind}" for kind in ("C", "P")}
    for folder in folders.values():
        folder.mkdir()
    fog = np.empty((5 * COUNT, 32, 32, 3), np.uint8)
    fog[:] = (np.repeat(np.arange(1, 6), COUNT) * 20 + np.tile(np.arange(COUNT), 5))[:, None, None, None]
    np.save(folders["C"] / "fog.npy", fog)
    np.save(folders["C"] / "labels.npy", np.tile(TEST.labels, 5).astype(np.uint8))
    for name in ("gaussian_noise", "tilt"):
        np.save(folders["P"] / f"{name}.npy", perturb(np.asarray(TEST.images), name))
    return folders


def opened(folder: Path, kind: str, test: Split, images: int | None = None) -> ShiftArrays:
    """A -C or -P of ten classes."""
    cls = {"C": ShiftArrays, "P": Sequences}[kind]
    return cls(folder, kind == "P", test, 10, images)


def some(count: int) -> Split:
    """The test set as it is when it is prepared with some of its images."""
    chosen = evenly(COUNT, count)
    return Split(TEST.images[chosen], TEST.labels[chosen])


@pytest.mark.parametrize(("subset", "images", "used"), [(12, None, range(12)), (4, None, (0, 3, 6, 9)), (6, 2, (0, 6))])
def test_published_corruptions_of_the_images_that_are_used(
    published: dict[str, Path], subset: int, images: int | None, used: Any
) -> None:
    testset = opened(published["C"], "C", some(subset), images)
    testset.check(["fog"])
    shift = testset.read("fog")
    assert testset.source == "published"
    assert shift.shape == (5, len(used))
    expected = [20 * severity + index for severity in range(1, 6) for index in used]
    assert shift.images[:][:, 0, 0, 0].tolist() == expected
    assert shift.labels.tolist() == [index % 10 for index in used] * 5
    assert testset.labels.tolist() == shift.labels.tolist()


@pytest.mark.parametrize(("subset", "images", "used"), [(12, None, range(12)), (4, None, (0, 3, 6, 9)), (6, 2, (0, 6))])
def test_published_perturbations_take_the_test_labels(
    published: dict[str, Path], subset: int, images: int | None, used: Any
) -> None:
    testset = opened(published["P"], "P", some(subset), images)
    testset.check(["gaussian_noise", "tilt"])
    shift = testset.read("gaussian_noise")
    assert shift.shape == (len(used), 31)
    assert np.array_equal(shift.images[::31], np.asarray(TEST.images)[list(used)])
    assert shift.labels.tolist() == np.repeat([index % 10 for index in used], 31).tolist()
    assert testset.labels.tolist() == [index % 10 for index in used]


def test_whole_files_are_not_copied(published: dict[str, Path]) -> None:
    for kind, name in (("C", "fog"), ("P", "tilt")):
        images = opened(published[kind], kind, TEST).read(name).images
        assert isinstance(images, np.memmap)
        assert not images.flags.owndata


def test_generated_ones_may_be_of_some_images(small_digits: Path, tmp_path: Path) -> None:
    of_folder("C", small_digits, tmp_path, ["fog"], images=8).make(["fog"])
    testset = opened(tmp_path, "C", datasets.read(small_digits, "test"))
    assert testset.source.startswith("generated (augmix ")
    assert testset.read("fog").shape == (5, 8)
    assert np.array_equal(testset.labels, np.load(tmp_path / "labels.npy"))
    few = opened(tmp_path, "C", datasets.read(small_digits, "test"), images=2).read("fog")
    assert np.array_equal(few.images[2:4], np.load(tmp_path / "fog.npy")[[8, 12]])


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("kind", "damage", "complaint"),
    [
        ("C", lambda root: (root / "labels.npy").unlink(), r"labels\.npy is missing"),
        ("C", lambda root: np.save(root / "labels.npy", np.zeros(60)), r"holds float64 \(or nothing\); integer"),
        ("C", lambda root: np.save(root / "labels.npy", np.full(60, 11)), "labels outside 0 … 9"),
        ("C", lambda root: np.save(root / "labels.npy", np.zeros(59, int)), "has 59 labels, no multiple of the 5"),
        ("C", lambda root: np.save(root / "labels.npy", np.zeros(60, int)), "not have the labels of the data set's"),
        ("C", lambda root: np.save(root / "labels.npy", np.tile(TEST.labels[:6], 5)), "not have the labels"),
        ("C", lambda root: (root / "fog.npy").unlink(), r"fog\.npy is missing"),
        ("C", lambda root: shortened(root / "fog.npy"), r"fog\.npy is not a whole \.npy file"),
        ("C", lambda root: np.save(root / "fog.npy", np.zeros((60, 32, 32, 3))), "holds float64, expected uint8"),
        ("C", lambda root: np.save(root / "fog.npy", np.zeros((59, 32, 32, 3), np.uint8)), "has shape 59×32×32×3"),
        ("C", lambda root: np.save(root / "fog.npy", np.zeros((60, 64, 64, 3), np.uint8)), "has shape 60×64×64×3"),
        ("P", lambda root: (root / "tilt.npy").unlink(), r"tilt\.npy is missing"),
        ("P", lambda root: shortened(root / "tilt.npy"), r"tilt\.npy is not a whole \.npy file"),
        ("P", lambda root: np.save(root / "tilt.npy", np.zeros((12, 32, 32, 3), np.uint8)), "expected any×any×32×32×3"),
        ("P", lambda root: np.save(root / "tilt.npy", np.zeros((9, 31, 32, 32, 3), np.uint8)), "is of 9 images, the"),
        ("P", lambda root: np.save(root / "tilt.npy", np.zeros((12, 16, 32, 32, 3), np.uint8)), "has 16 frames an im"),
        (
            "P",
            lambda root: np.save(root / "gaussian_noise.npy", np.load(root / "gaussian_noise.npy")[::-1]),
            r"gaussian_noise\.npy does not show the data set's test images",
        ),
    ],
)
def test_files_that_do_not_fit_are_named(
    published: dict[str, Path], kind: str, damage: Callable[[Path], None], complaint: str
) -> None:
    damage(published[kind])
    with pytest.raises(UserError, match=complaint) as caught:
        opened(published[kind], kind, TEST).check(["fog"] if kind == "C" else ["gaussian_noise", "tilt"])
    assert str(published[kind]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders(write_config: Callable[..., Path], tmp_path: Path) -> None:
    data = tmp_path / "data"
    mine = {"loader": "cifar10", "testsets": {"C": {"published": "download"}, "P": {"published": "/elsewhere/P"}}}
    _, corruptions, perturbations = load(write_config(datasets={"mine": mine}, testsets={})).testsets("mine")
    assert corruptions.folder == data / "downloads" / "CIFAR-10-C"
    assert perturbations.folder == Path("/elsewhere/P")
    # The published files may lie where nobody may write.
    assert {making.marker.parent for t in (corruptions, perturbations) for making in t.jobs()} == {data / "mine"}
    _, corruptions, _ = load(write_config(datasets={"mine": {"loader": "cifar10"}})).testsets("mine")
    assert corruptions.folder == data / "mine-C"
    assert {making.marker.parent for making in corruptions.jobs()} == {data / "mine-C"}
