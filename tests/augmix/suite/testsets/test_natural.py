"""Naturally shifted test sets: other writers' digits, mapped classes, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from scipy.special import softmax
from torch import nn

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.data import datasets
from augmix.suite.data.datasets import Preparation, evenly
from augmix.suite.data.loaders import digits
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.evaluation import write_predictions
from augmix.suite.evaluate.results import scores
from augmix.suite.run import preflight
from augmix.suite.testsets import base, folder
from augmix.suite.testsets.base import TestSet

WriteConfig = Callable[..., Path]
CPU = torch.device("cpu")
SEEN = {"loader": "digits", "options": {"split": "seen_writers"}, "subset": {"train": 96, "test": 40}, "flip": False}
UNSEEN = {"kind": "natural", "loader": "digits", "options": {"split": "unseen_writers"}}


def write_images(root: Path, names: tuple[str, ...], level: int = 0, splits: Any = ("train", "test")) -> Path:
    """A folder of two images a class, told by their grey level: `level`, plus 20 a class, plus 1."""
    for split in splits:
        for label, name in enumerate(names):
            (root / split / name).mkdir(parents=True)
            for i in range(2):
                grey = np.full((32, 32, 3), level + 20 * label + i, np.uint8)
                Image.fromarray(grey).save(root / split / name / f"{i}.png")
    return root


@pytest.fixture
def experiment(write_config: WriteConfig) -> Callable[..., Experiment]:
    """An experiment with a test set `mine`, its data prepared."""

    def make(mine: dict[str, Any], dataset: dict[str, Any] = SEEN) -> Experiment:
        found = load(write_config(datasets={"own": dataset}, testsets={"C": None, "P": None, "mine": mine}))
        if not (found.data / "own" / "dataset.json").exists():
            datasets.prepare(found.preparation("own"), found.data / "own")
        return found

    return make


def made(experiment: Experiment) -> TestSet:
    [_, testset] = experiment.testsets("own")
    base.make(testset, testset.shifts, 1)
    return testset


def test_other_writers_digits_by_the_same_names(experiment: Callable[..., Experiment]) -> None:
    testset = made(experiment(UNSEEN))
    source = digits.load("unseen_writers")
    opened = testset.open(datasets.read(Path(testset.data), "test"), source.classes)
    shift = opened.read("mine")
    assert testset.shifts == ("mine",)
    assert shift.shape == (360,)
    assert shift.classes is None
    assert np.array_equal(shift.images[:], source.test_images)
    assert np.array_equal(shift.labels, source.test_labels)
    assert np.array_equal(opened.labels, source.test_labels)
    assert opened.source == "digits (split unseen_writers)"
    [making] = testset.jobs()
    assert making.local
    assert json.loads(making.marker.read_text()) == {"shifts": ["mine"]}
    [part] = testset.parts(40)
    assert (part.images, part.made) == (360, False)


def test_it_is_found_beside_its_data_set(experiment: Callable[..., Experiment]) -> None:
    testset = made(experiment({**UNSEEN, "classes": ["3", "5"]}))
    *_, found = folder.beside(Path(testset.data))
    assert (found.name, found.kind, found.identity()) == ("mine", "natural", testset.identity())
    assert found.evaluated_with() == testset.evaluated_with()
    opened = found.open(datasets.read(Path(testset.data), "test"), [str(digit) for digit in range(10)])
    assert opened.read("mine").classes is not None


def test_beside_its_data_set_classes_are_merged_as_it_is_configured_now(experiment: Callable[..., Experiment]) -> None:
    testset = made(experiment({**UNSEEN, "classes": ["3", "5"]}))
    changed = made(experiment({**UNSEEN, "classes": ["3", "5"], "merged_by": "mean"}))
    *_, found = folder.beside(Path(testset.data))
    assert found.evaluated_with() == changed.evaluated_with() != testset.evaluated_with()
    assert found.identity() == testset.identity()


def test_some_of_its_images_are_evenly_spaced(experiment: Callable[..., Experiment]) -> None:
    testset = made(experiment({**UNSEEN, "images": 30}))
    images = np.load(testset.folder / "test_images.npy")
    assert np.array_equal(images, digits.load("unseen_writers").test_images[evenly(360, 30)])


class Levels(nn.Module):
    """Logits that fall with the class: the first class is always predicted, where it may be."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean((1, 2, 3))[:, None] / 100 - torch.arange(4.0)


def test_a_map_to_some_of_the_classes(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    own = write_images(tmp_path / "own-images", ("ant", "bee", "cat", "dog"))
    theirs = write_images(tmp_path / "theirs", ("chien", "chat", "pigeon", "Katze"), 100)
    dataset = {"loader": "image_folder", "options": {"folder": str(own)}}
    classes = {"chien": "dog", "chat": "cat", "Katze": "cat", "pigeon": None}
    mine = {"kind": "natural", "loader": "image_folder", "options": {"folder": str(theirs)}, "classes": classes}
    found = experiment(mine, dataset)
    testset = made(found)
    data = Path(testset.data)
    shift = testset.open(datasets.read(data, "test"), ["ant", "bee", "cat", "dog"]).read("mine")
    # Their classes are numbered by name: Katze, chat, chien, pigeon. The images keep their order; pigeons are left out.
    assert shift.labels.tolist() == [2, 2, 2, 2, 3, 3]
    assert shift.images[:][:, 0, 0, 0].tolist() == [160, 161, 120, 121, 100, 101]
    assert shift.classes is not None
    assert shift.classes.tolist() == [2, 3]
    # The net would say "ant"; among cats and dogs it says "cat", and its probabilities are those of the two.
    write_predictions(
        Levels(), {"mine": (testset, {}), "clean": (found.testsets("own")[0], {})}, data, tmp_path / "p", CPU
    )
    archive = predictions.read(tmp_path / "p" / "mine.npz", ("mine",))
    p = softmax(np.array([-2.0, -3.0]))
    numbers = archive.shifts["mine"]
    assert numbers["prediction"].tolist() == [2] * 6
    np.testing.assert_allclose(numbers["confidence"], p[0], rtol=1e-6)
    np.testing.assert_allclose(numbers["true_probability"], [p[0]] * 4 + [p[1]] * 2, rtol=1e-6)
    np.testing.assert_allclose(numbers["squared_sum"], (p**2).sum(), rtol=1e-6)
    assert predictions.read(tmp_path / "p" / "clean.npz", ("clean",)).shifts["clean"]["prediction"].tolist() == [0] * 8
    rows = {(shift, metric): value for shift, _, metric, value in scores(testset, archive)}
    assert rows["mine", "error"] == pytest.approx(2 / 6)
    assert {shift for shift, _ in rows} == {"mine"}


@pytest.mark.parametrize(
    ("names", "classes", "complaint"),
    [
        (
            ("ant", "bear"),
            None,
            "the class 'bear' is none of the data set's; say which class it is, or leave it out, by",
        ),
        (("ant", "bee"), {"bee": "bea", "ant": None}, "the class 'bea' is none of the data set's; did you mean 'bee'?"),
        (("ant", "bee"), {"be": "bee"}, "'classes' names 'be', which it has not; did you mean 'bee'?"),
        (
            ("ant", "bee", "cow"),
            {"bee": "bee"},
            "'classes' does not say which class 'ant' is, of 2 that it lacks; write 'ant: null' to leave it out, or "
            "'\"*\": null' for all of them",
        ),
        (("ant", "bee"), {"ant": ["ant", "cat"], "bee": ["cat", "bee"]}, "'cat' in two different groups"),
        (
            ("ant", "bee"),
            "numbered",
            "it has 2 classes, from 'ant' to 'bee'; 'classes: numbered' asks for the numbers 0",
        ),
        (("0", "1"), "numbered", "it has 2 classes, from '0' to '1'; 'classes: numbered' asks for the numbers 0 to 2"),
        (("ant", "bee"), None, "it lacks the class 'cat'; name the classes that it has by 'classes'"),
        (
            ("ant", "bee"),
            {"*": None},
            "'classes' leaves out all that it has, such as 'ant'; say which",
        ),
    ],
)
def test_classes_that_do_not_fit_are_one_line(
    experiment: Callable[..., Experiment], tmp_path: Path, names: tuple[str, ...], classes: Any, complaint: str
) -> None:
    own = write_images(tmp_path / "own-images", ("ant", "bee", "cat"))
    options = {"folder": str(write_images(tmp_path / "theirs", names, 100))}
    mine = {"kind": "natural", "loader": "image_folder", "options": options, "classes": classes}
    with pytest.raises(UserError) as caught:
        made(experiment(mine, {"loader": "image_folder", "options": {"folder": str(own)}}))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("mine: ")
    assert not (tmp_path / "data" / "own-mine" / "dataset.json").exists()


def test_a_map_without_a_name_is_refused(write_config: WriteConfig) -> None:
    with pytest.raises(UserError, match=r"testsets\.mine\.classes is empty; give at least 1"):
        load(write_config(testsets={"mine": {**UNSEEN, "classes": {}}}))


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [
        ({"1": "1", "*": "2"}, "'classes' has '*: 2'; null alone can stand there: it leaves others out"),
        (
            "imagenet_x",
            "'classes' is 'imagenet_x', which is neither a file nor one of numbered, imagenet_16, imagenet_a",
        ),
        ("{folder}/map.yaml", "map.yaml should hold a list of classes, or a map of theirs to the data set's"),
        ("{folder}/torn.json", "torn.json cannot be read (while scanning"),
    ],
)
def test_maps_that_are_none_are_refused(
    write_config: WriteConfig, tmp_path: Path, classes: Any, complaint: str
) -> None:
    (tmp_path / "map.yaml").write_text("cat: [dog, 3]\n")
    (tmp_path / "torn.json").write_text('{"cat": "do')
    classes = classes.replace("{folder}", str(tmp_path)) if isinstance(classes, str) else classes
    with pytest.raises(UserError) as caught:
        load(write_config(testsets={"mine": {**UNSEEN, "classes": classes}}))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_test_set_itself_is_refused(write_config: WriteConfig) -> None:
    itself = {"kind": "natural", "loader": "digits", "options": {"split": "random"}}
    with pytest.raises(
        UserError, match="its loader and options are those of digits: it is the test set itself, and no"
    ):
        load(write_config(testsets={"mine": itself}))
    with pytest.raises(UserError, match="it is made of the training images, and no shift"):
        load(write_config(testsets={"mine": {**itself, "split": "train"}}))


@pytest.mark.parametrize(("split", "what"), [("train", "training"), ("test", "test")])
def test_files_of_the_data_set_are_refused_before_any_job(
    write_config: WriteConfig, tmp_path: Path, split: str, what: str
) -> None:
    own = write_images(tmp_path / "own-images", ("ant", "bee"), splits=("train",))
    write_images(own, ("ant", "bee"), 80, splits=("test",))
    theirs = write_images(tmp_path / "theirs", ("ant", "bee"), 160, splits=("train", "test"))
    shutil.copyfile(own / split / "bee" / "1.png", theirs / "test" / "ant" / "copy.png")
    entries = {"loader": "image_folder", "options": {"folder": str(own)}}
    mine = {"kind": "natural", "loader": "image_folder", "options": {"folder": str(theirs)}}
    found = load(write_config(datasets={"own": entries}, testsets={"C": None, "P": None, "mine": mine}))
    with pytest.raises(UserError, match=f"mine: 1 of its 5 images are {what} images of own; .*take others"):
        preflight.check_data(found)
    (theirs / "test" / "ant" / "copy.png").unlink()
    preflight.check_data(load(write_config(datasets={"own": entries}, testsets={"C": None, "P": None, "mine": mine})))


def test_test_images_of_the_data_set_are_refused(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    # Another format: only the pixels are the same.
    own = write_images(tmp_path / "own-images", ("ant", "bee"), splits=("train",))
    write_images(own, ("ant", "bee"), 80, splits=("test",))
    theirs = write_images(tmp_path / "theirs", ("ant", "bee"), 160)
    Image.open(own / "test" / "bee" / "1.png").save(theirs / "test" / "bee" / "copy.bmp")
    mine = {"kind": "natural", "loader": "image_folder", "options": {"folder": str(theirs)}}
    found = experiment(mine, {"loader": "image_folder", "options": {"folder": str(own)}})
    preflight.check_data(found)
    with pytest.raises(UserError, match="mine: 1 of its 5 images are test images of own; take others"):
        made(found)
    assert not (found.data / "own-mine").exists()


def test_images_of_another_side_are_refused(write_config: WriteConfig, tmp_path: Path) -> None:
    options = {"folder": str(tmp_path), "side": 64}
    with pytest.raises(UserError, match="its images have a side of 64 pixels, those of digits 32") as caught:
        load(write_config(testsets={"mine": {"kind": "natural", "loader": "image_folder", "options": options}}))
    assert str(tmp_path / "small.yaml:") in str(caught.value)


def test_images_that_the_nets_are_trained_on_are_refused(experiment: Callable[..., Experiment]) -> None:
    # The random split's test images are of all writers: some of them are training images of the seen writers.
    found = experiment({**UNSEEN, "options": {"split": "random"}})
    [_, testset] = found.testsets("own")
    trained = {image.tobytes() for image in np.load(found.data / "own" / "train_images.npy")}
    count = sum(image.tobytes() in trained for image in digits.load().test_images)
    assert 0 < count < 96
    with pytest.raises(UserError, match=f"mine: {count} of its 360 images are training images of own; train on others"):
        base.make(testset, ("mine",), 1)
    assert not testset.folder.exists()


def test_other_training_images_are_looked_through_again(experiment: Callable[..., Experiment]) -> None:
    testset = made(experiment({**UNSEEN, "split": "train", "images": 20}, {**SEEN, "subset": {"train": 1, "test": 40}}))
    assert base.is_made(testset, "mine")
    datasets.prepare(Preparation("digits", {"split": "seen_writers"}, {"train": None, "test": 40}), Path(testset.data))
    assert not base.is_made(testset, "mine")
    with pytest.raises(UserError, match="are training images of own"):
        base.make(testset, ("mine",), 1)


def test_once_prepared_it_needs_its_source_no_more(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    own = write_images(tmp_path / "own-images", ("ant", "bee"))
    theirs = write_images(tmp_path / "theirs", ("ant", "bee"), 100)
    options = {"folder": str(theirs)}
    entries = {"loader": "image_folder", "options": {"folder": str(own)}}
    mine = {"kind": "natural", "loader": "image_folder", "options": options}
    testset = made(experiment(mine, entries))
    identity, record = testset.identity(), (testset.folder / "dataset.json").read_bytes()
    assert testset.open(datasets.read(Path(testset.data), "test"), ["ant", "bee"]).source == "image_folder"
    shutil.rmtree(theirs)
    again = made(experiment(mine, entries))
    again.check()
    assert base.is_made(again, "mine")
    assert (again.folder / "dataset.json").read_bytes() == record
    assert again.identity() == identity
    assert next(iter(again.parts(4))).made is False
    # Another image under the same name, of the same size in bytes, is another test set.
    write_images(tmp_path / "theirs", ("ant", "bee"), 102)
    other = made(experiment(mine, entries))
    assert other.identity() != identity
    assert other.settings() != again.settings()
    (other.folder / "test_labels.npy").unlink()
    shutil.rmtree(theirs)
    with pytest.raises(UserError, match="theirs does not exist"):
        other.check()


def other_photographs(sample: Path, root: Path) -> Path:
    """The sample's photographs mirrored: other files, of the same classes."""
    for file in sorted(sample.glob("val/*/*")):
        for split in ("train", "val"):
            (root / split / file.parent.name).mkdir(parents=True)
            ImageOps.mirror(Image.open(file).resize((96, 80))).save(root / split / file.parent.name / file.name)
    return root


def test_photographs_stay_in_their_files(
    experiment: Callable[..., Experiment], imagenet_sample: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in (imagenet_sample / "val").iterdir())
    options = {"folder": str(imagenet_sample), "side": 64}
    theirs = other_photographs(imagenet_sample, tmp_path / "theirs")
    mine = {"kind": "natural", "loader": "imagenet", "options": {"folder": str(theirs)}, "classes": names[3:9]}
    entry = {"loader": "imagenet", "options": options, "subset": {"train": 8, "test": 6}}
    testset = made(experiment(mine, entry))
    shift = testset.open(datasets.read(Path(testset.data), "test"), names).read("mine")
    assert shift.images.shape == (6, 64, 64, 3)
    assert shift.labels.tolist() == list(range(3, 9))
    assert sum(path.stat().st_size for path in testset.folder.iterdir()) < 10_000
    [(name, shown)] = testset.samples(4)
    assert (name, shown.shape) == ("mine", (4, 64, 64, 3))


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [
        ({"bee": "bea", "ant": None}, "mine: the class 'bea' is none of the data set's; did you mean 'bee'?"),
        ({"be": "bee"}, "mine: 'classes' names 'be', which it has not; did you mean 'bee'?"),
        (None, "mine: it lacks the class 'cat'; name the classes that it has by 'classes'"),
    ],
)
def test_classes_that_are_known_are_compared_before_any_job(
    write_config: WriteConfig, tmp_path: Path, classes: Any, complaint: str
) -> None:
    folders = [write_images(tmp_path / str(len(names)), names) for names in (("ant", "bee", "cat"), ("ant", "bee"))]
    own, theirs = ({"loader": "image_folder", "options": {"folder": str(folder)}} for folder in folders)
    mine = {"kind": "natural", **theirs, "classes": classes}
    path = write_config(datasets={"own": own}, testsets={"C": None, "P": None, "mine": mine})
    line = path.read_text(encoding="utf-8").splitlines().index("  mine:") + 1
    with pytest.raises(UserError) as caught:
        preflight.check_data(load(path))
    assert str(caught.value) == f"{path}:{line}: {complaint}"


def test_a_loaders_classes_are_those_that_it_loads(tmp_path: Path) -> None:
    folder = str(write_images(tmp_path / "pets", ("cat", "dog")))
    for loader, options in (
        ("digits", {}), ("digits", {"split": "seen_writers"}), ("fashion_small", {}),
        ("image_folder", {"folder": folder}),
        ("imagenet", {"folder": str(write_images(tmp_path / "many", ("cat", "dog"), splits=("train", "val")))}),
    ):  # fmt: skip
        assert datasets.classes(loader, options) == datasets.loader_module(loader).load(**options).classes
    for loader in ("cifar10", "cifar100", "image_folder", "imagenet"):
        assert datasets.classes(loader, {"folder": str(tmp_path / "absent")}) is None
