"""Published corruptions in folders of classes, such as Tiny-ImageNet-C, on photographs in their layout."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch import nn

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.data import datasets
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.evaluation import write_predictions
from augmix.suite.evaluate.results import scores
from augmix.suite.run import preflight
from augmix.suite.testsets import base

WriteConfig = Callable[..., Path]
SHIFTS = ("brightness", "fog")
CLASSES = ("n01440764", "n01532829", "n01644373")


@pytest.fixture
def own(imagenet_sample: Path, tmp_path: Path) -> dict[str, Any]:
    """A data set of three classes at 64 pixels, in arrays."""
    for split in ("train", "test"):
        for i, wnid in enumerate(CLASSES):
            [file] = (imagenet_sample / "val" / wnid).iterdir()
            (tmp_path / "own" / split / wnid).mkdir(parents=True)
            image = Image.open(file).convert("RGB").resize((64, 64)).rotate(90 * (split == "train"))
            image.save(tmp_path / "own" / split / wnid / f"{i}.png")
    return {"loader": "image_folder", "options": {"folder": str(tmp_path / "own"), "side": 64}}


@pytest.fixture
def folder(own: dict[str, Any], tmp_path: Path) -> Path:
    """Two shifts of two images of each class; the files' names are none of the data set's."""
    root = tmp_path / "Tiny-ImageNet-C"
    for shift in SHIFTS:
        for severity in range(1, 6):
            for file in sorted((tmp_path / "own").glob("*/*/*")):
                target = root / shift / str(severity) / file.parent.name / f"{file.parts[-3]}.JPEG"
                target.parent.mkdir(parents=True, exist_ok=True)
                ImageEnhance.Brightness(Image.open(file)).enhance(1 + severity / 5).save(target)
    return root


@pytest.fixture
def experiment(write_config: WriteConfig, own: dict[str, Any], folder: Path) -> Callable[..., Experiment]:
    def make(name: str = "tiny_imagenet_c", **entry: Any) -> Experiment:
        entry = {"folder": str(folder), "shifts": list(SHIFTS), **entry}
        return load(write_config(datasets={"own": own}, testsets={"C": None, "P": None, name: entry}))

    return make


class Brightness(nn.Module):
    """Predicts the first class of dark images and the last one of bright ones."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        level = images.float().mean((1, 2, 3)) / 255
        return torch.stack([1 - level, torch.zeros_like(level), level], 1)


@pytest.mark.parametrize("name", ["tiny_imagenet_c", "imagenet_3dcc"])
def test_labels_are_the_folders(experiment: Callable[..., Experiment], tmp_path: Path, name: str) -> None:
    found = experiment(name)
    preflight.check_data(found)
    datasets.prepare(found.preparation("own"), found.data / "own")
    [_, testset] = found.testsets("own")
    [making] = testset.jobs()
    base.make(testset, making.shifts, 1)
    assert base.is_made(testset, "fog")
    opened = testset.open(datasets.read(Path(testset.data), "test"), CLASSES)
    assert opened.labels.reshape(5, 6).tolist() == [[0, 0, 1, 1, 2, 2]] * 5
    shift = opened.read("fog")
    assert shift.shape == (5, 6)
    third = np.asarray(Image.open(testset.folder / "fog" / "3" / CLASSES[1] / "train.JPEG"))
    assert np.array_equal(shift.images[2 * 6 + 3], third)
    levels = shift.images[:].reshape(5, -1).mean(1)
    assert (np.diff(levels) > 3).all()
    write_predictions(Brightness(), {name: (testset, {})}, Path(testset.data), tmp_path / "p", torch.device("cpu"))
    archive = predictions.read(tmp_path / "p" / f"{name}.npz", SHIFTS)
    rows = {(s, severity): value for s, severity, metric, value in scores(testset, archive) if metric == "error"}
    wrong = (archive.shifts["fog"]["prediction"] != [0, 0, 1, 1, 2, 2]).mean(1)
    assert [rows["fog", severity] for severity in range(1, 6)] == pytest.approx(wrong.tolist())
    assert rows["mCE", ""] == pytest.approx((rows["fog", ""] + rows["brightness", ""]) / 2)
    assert {title: shown.shape for title, shown in testset.samples(5)} == dict.fromkeys(SHIFTS, (5, 64, 64, 3))
    # The other files' content tells them apart, also after they are gone.
    identity = testset.identity()
    shutil.copyfile(
        testset.folder / "fog/1" / CLASSES[0] / "test.JPEG", testset.folder / "fog/1" / CLASSES[1] / "test.JPEG"
    )
    assert not base.is_made(experiment(name).testsets("own")[1], "fog")
    shutil.rmtree(testset.folder)
    assert experiment(name).testsets("own")[1].identity() == identity


def test_some_of_the_images_are_evenly_spaced(experiment: Callable[..., Experiment]) -> None:
    found = experiment(images=3)
    datasets.prepare(found.preparation("own"), found.data / "own")
    [_, testset] = found.testsets("own")
    opened = testset.open(datasets.read(Path(testset.data), "test"), CLASSES)
    assert opened.labels.tolist() == [0, 1, 2] * 5


def test_files_of_another_size_are_resized_where_that_is_asked(
    experiment: Callable[..., Experiment], folder: Path
) -> None:
    for file in folder.glob("fog/*/*/*"):
        Image.open(file).resize((80, 100)).save(file)
    for resize in (False, True):
        found = experiment(resize=resize)
        preflight.check_data(found)
        datasets.prepare(found.preparation("own"), found.data / "own")
        [_, testset] = found.testsets("own")
        if resize:
            base.make(testset, testset.shifts, 1)
            opened = testset.open(datasets.read(Path(testset.data), "test"), CLASSES)
            assert opened.source == "published, resized to 73 and cropped"
            assert opened.read("fog").images[:2].shape == (2, 64, 64, 3)
        else:
            with pytest.raises(UserError, match=r"JPEG is 80×100; 64×64 is expected: set `resize`"):
                base.make(testset, testset.shifts, 1)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda root: shutil.rmtree(root / "fog"), "fog does not exist; get it from https://zenodo.org/records/2536630"),
        (lambda root: shutil.rmtree(root / "fog" / "3"), "fog should hold five severities, named 1 to 5 or by levels"),
        (lambda root: (root / "fog/1" / CLASSES[0]).rename(root / "fog/1/n01440765"), "n01440765 is none of"),
        (lambda root: (root / "fog/1").rename(root / "aside") and (root / "fog/1").mkdir(), "fog/1 holds no images"),
        (lambda root: shutil.rmtree(root / "fog/1" / CLASSES[0]), "fog has other images a class than brightness"),
    ],
)  # fmt: skip
def test_another_layout_is_refused_before_any_job(
    experiment: Callable[..., Experiment], folder: Path, change: Callable[[Path], object], complaint: str
) -> None:
    change(folder)
    with pytest.raises(UserError, match=complaint) as caught:
        preflight.check_data(experiment())
    assert "\n" not in str(caught.value)


def test_a_severity_without_an_image_is_refused(experiment: Callable[..., Experiment], folder: Path) -> None:
    (folder / "fog/4" / CLASSES[2] / "test.JPEG").unlink()
    found = experiment()
    datasets.prepare(found.preparation("own"), found.data / "own")
    with pytest.raises(UserError, match=r"fog: n01644373/test\.JPEG is not there at every severity"):
        base.make(found.testsets("own")[1], SHIFTS, 1)


def test_its_shifts_and_folder_are_asked_for(write_config: WriteConfig) -> None:
    with pytest.raises(UserError, match="a test set of the kind severity_folders needs 'shifts', and a 'folder'"):
        load(write_config(testsets={"mine": {"kind": "severity_folders", "folder": "/nowhere"}}))
