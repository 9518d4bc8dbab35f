"""Every data set with every architecture: two epochs, evaluation, report, on a few real images in each format."""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from augmix.registry import module_names
from augmix.suite.config.experiment import load
from augmix.suite.data import datasets
from augmix.suite.data.loaders import cifar10, cifar100, digits, fashion_mnist
from augmix.suite.evaluate import evaluation
from augmix.suite.evaluate.results import collect
from augmix.suite.testsets.base import make
from augmix.suite.train import training
from reports.make import build_report
from tests.augmix.suite.data.test_datasets_cifar import pickled
from tests.augmix.suite.data.test_datasets_fashion_mnist import idx

TRAIN, TEST = 4, 2
# ImageNet's own nets. ViT-B/16 takes 224×224 only, and as long as all the others together.
LARGE, LARGEST = ["resnet50", "resnet50_maxblur"], ["vit_b16"]
SMALL = sorted(set(module_names("augmix.models")) - {*LARGE, *LARGEST})
# Of the others some have test images alone, and Tiny-ImageNet's 64 pixels are as many as ImageNet's here.
TRAINED_ON = ["cifar10", "cifar100", "digits", "fashion_mnist", "fashion_small", "image_folder", "imagenet"]


def write_cifar(module: ModuleType, root: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR's pickles: the test images once, as many again in each training file."""
    layout = module.LAYOUT
    folder = root / layout.folder
    folder.mkdir()
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    content = pickled({"data": rows, layout.labels_key: [i % 2 for i in range(len(rows))]})
    for name in (*layout.train, *layout.test):
        (folder / name).write_bytes(content)
    (folder / layout.names).write_bytes(pickled({layout.names_key: ["even", "odd", "neither"]}))
    md5 = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in layout.md5}
    monkeypatch.setattr(layout, "md5", md5)


def write_fashion_mnist(root: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.ascontiguousarray(images[:, 2:-2, 2:-2, 0])
    labels = (np.arange(len(grey)) % 10).astype(np.uint8)
    contents = {name: idx(grey if "images" in name else labels) for name in fashion_mnist.MD5}
    for name, content in contents.items():
        (root / name).write_bytes(content)
    monkeypatch.setattr(fashion_mnist, "MD5", {name: hashlib.md5(c).hexdigest() for name, c in contents.items()})


def write_folders(root: Path, splits: tuple[str, str], images: np.ndarray, suffix: str) -> None:
    for split in splits:
        for i, image in enumerate(images):
            folder = root / split / ("even", "odd")[i % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).resize((72, 64)).save(folder / f"{i}.{suffix}")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    """The options of every loader, for files with scikit-learn's digits."""
    images = digits.load().train_images[:TRAIN]
    shipped = ("digits", "fashion_small")
    roots = {name: tmp_path / name for name in TRAINED_ON if name not in shipped}
    for root in roots.values():
        root.mkdir()
    write_cifar(cifar10, roots["cifar10"], images, monkeypatch)
    write_cifar(cifar100, roots["cifar100"], images, monkeypatch)
    write_fashion_mnist(roots["fashion_mnist"], images, monkeypatch)
    write_folders(roots["image_folder"], ("train", "test"), images, "png")
    write_folders(roots["imagenet"], ("train", "val"), images, "JPEG")
    options: dict[str, dict[str, object]] = {name: {"folder": str(root)} for name, root in roots.items()}
    return {**{name: {} for name in shipped}, **options}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loaders", "architectures", "side"),
    [
        pytest.param(TRAINED_ON, ["smallnet"], 32, id="loaders"),
        pytest.param(["fashion_small"], SMALL, 32, id="architectures"),
        pytest.param(TRAINED_ON, SMALL, 32, id="small", marks=pytest.mark.nightly),
        pytest.param(["imagenet"], LARGE, 64, id="large", marks=pytest.mark.nightly),
        pytest.param(["imagenet"], LARGEST, 224, id="largest", marks=pytest.mark.nightly),
    ],
)
def test_every_pair_passes_from_training_to_the_report(
    write_config: Callable[..., Path],
    sources: dict[str, dict[str, object]],
    loaders: list[str],
    architectures: list[str],
    side: int,
) -> None:
    sources["imagenet"]["side"] = side
    subset = {"train": TRAIN, "test": TEST}
    entries = {name: {"loader": name, "options": sources[name], "subset": subset} for name in loaders}
    experiment = load(
        write_config(
            datasets=entries,
            architectures=architectures,
            training={"epochs": 2, "batch_size": TRAIN, "learning_rate": 0.01, "device": "cpu"},
            testsets={"C": {"shifts": ["contrast"]}, "P": {"shifts": ["translate"], "images": 1}},
        )
    )
    for name in loaders:
        datasets.prepare(experiment.preparation(name), experiment.data / name)
    for making in experiment.makings():
        make(making.testset, making.shifts, making.number)
    for run in experiment.runs:
        training.train(run.training, experiment.folder / run.path)
        evaluation.evaluate(run.evaluation, experiment.folder / run.path)
    assert collect(experiment) == []
    with (experiment.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = {(loader, architecture) for loader in loaders for architecture in architectures}
    for shift in ("clean", "contrast", "translate"):
        assert {(row["dataset"], row["arch"]) for row in rows if row["shift"] == shift} == expected
    bounded = [row for row in rows if row["metric"] != "nll"]
    assert all(0 <= float(row["value"]) <= 2 for row in bounded)
    assert all(0 <= float(row["value"]) <= 104 for row in rows)
    assert build_report(experiment.folder, experiment.data).read_bytes().startswith(b"%PDF")
