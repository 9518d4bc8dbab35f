"""Architectures and data sets of packages elsewhere, by import path: built, trained, known by their code, refused."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from augmix import models
from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.config.runs import code_of_evaluation
from augmix.suite.data import datasets
from augmix.suite.evaluate import stages, summaries
from augmix.suite.evaluate.evaluation import evaluate
from augmix.suite.io import digests
from augmix.suite.plan import forecast
from augmix.suite.testsets import base
from augmix.suite.train.training import train
from reports.names import architecture_title

WriteConfig = Callable[..., Path]
NETS = '''
"""Nets of somebody."""
from torch import nn
from own_package.layers import head

def small(num_classes):
    first = nn.Conv2d(3, 4, 3, 2)
    return nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), *head(num_classes))

def no_net(num_classes):
    return num_classes

def too_many(num_classes, width):
    return None
'''
LAYERS = """
from torch import nn

def head(num_classes):
    return nn.Flatten(), nn.Linear(4, num_classes)
"""
IMAGES = """
from augmix.suite.data.loaders import digits

def load(*, many: int = 48):
    found = digits.load()
    return found._replace(train_images=found.train_images[:many], train_labels=found.train_labels[:many])

def sizes(*, many: int = 48):
    return many, 360

def check(*, many: int = 48):
    pass

side = digits.side
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of nets and data sets on the path; its `__init__` must not be needed before a job."""
    folder = tmp_path / "elsewhere" / "own_package"
    folder.mkdir(parents=True)
    for name, text in (("__init__", ""), ("nets", NETS), ("layers", LAYERS), ("images", IMAGES)):
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder.parent))
    yield folder
    for name in [name for name in sys.modules if name.startswith("own_package")]:
        del sys.modules[name]


def own(write_config: WriteConfig, **changes: Any) -> Experiment:
    entry = {"datasets": {"mine": {"loader": "own_package.images", "subset": {"train": 32, "test": 20}}}}
    architectures = ["own_package.nets:small"]
    testsets = {"C": None, "P": None}
    return load(write_config(**{**entry, "architectures": architectures, "testsets": testsets, **changes}))


def test_a_net_and_a_data_set_by_path_are_trained_and_known(package: Path, write_config: WriteConfig) -> None:
    experiment = own(write_config)
    assert experiment.config["architectures"] == [
        {"name": "small", "build": "own_package.nets:small", "training": {}},
    ]
    assert Experiment(experiment.config).config == experiment.config
    run = experiment.runs[0]
    assert run.path == "mine/small/standard/seed0"
    assert forecast.sizes(experiment, "mine") == (32, 20)
    assert architecture_title("small") == "small"
    assert {"own_package/nets.py", "own_package/layers.py"} <= set(digests.code_of(run.training.roots()).files)
    assert "own_package/nets.py" in code_of_evaluation(run.training.architecture, run.testsets[0]).files
    assert "own_package/images.py" in digests.code_of(experiment.preparation("mine").roots()).files
    datasets.prepare(experiment.preparation("mine"), experiment.data / "mine")
    folder = experiment.folder / run.path
    train(run.training, folder)
    evaluate(run.evaluation, folder)
    assert stages.run_state(experiment, run).status == "done"
    summaries.note(experiment, "report")
    assert summaries.is_current(experiment, "report")
    # Another head is another net, and other images are others: both are made again, and say which file it was.
    (package / "layers.py").write_text(LAYERS + "\n\ndef other():\n    return 1\n")
    (package / "images.py").write_text(IMAGES.replace("48", "49"))
    digests.code.cache_clear()
    found = {change.stage: change for change in stages.changes(experiment)}
    assert set(found) == {"prepare", "train", "evaluate"}
    assert "own_package/layers.py" in found["train"].details
    assert "own_package/images.py" in found["prepare"].details


def test_a_comment_is_no_change(package: Path, write_config: WriteConfig) -> None:
    roots = own(write_config).runs[0].training.roots()
    before = digests.code_of(roots).digest
    (package / "nets.py").write_text(NETS + "# a remark\n")
    assert digests.code_of(roots).digest == before


def test_a_natural_test_set_by_path(package: Path, write_config: WriteConfig) -> None:
    natural = {"kind": "outside", "loader": "own_package.images", "images": 10}
    experiment = own(write_config, testsets={"C": None, "P": None, "o": natural}, datasets={"d": {"loader": "digits"}})
    [making] = experiment.makings()
    assert "own_package.images" in making.testset.roots()
    assert base.difference(making.testset, "o") is not None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"architectures": ["own_package.nett:small"]},
            "no Python module 'own_package.nett' (looked along PYTHONPATH)",
        ),
        ({"architectures": ["own_packag.nets:small"]}, "no Python module 'own_packag.nets'"),
        (
            {"architectures": ["own_package.nets:small()"]},
            "architectures[0].build is 'own_package.nets:small()'; package.module:function is expected",
        ),
        (
            {"architectures": [{"name": "x", "build": "own_package.nets"}]},
            "architectures[0].build is 'own_package.nets'; package.module:function is expected",
        ),
        (
            {"architectures": [{"name": "resnext", "build": "own_package.nets:small"}]},
            "augmix has an architecture 'resnext'; give own_package.nets:small another 'name'",
        ),
        (
            {"architectures": ["own_package.nets:small", "own_package.layers:small"]},
            "architectures lists the name 'small' twice",
        ),
        ({"datasets": {"d": {"loader": "own_package.pictures"}}}, "no Python module 'own_package.pictures'"),
        ({"datasets": {"d": {"loader": "own_package.nets"}}}, "the loader own_package.nets defines no function 'load'"),
        (
            {"datasets": {"d": {"loader": "own_package.images", "options": {"more": 1}}}},
            "unknown option 'more'; valid: many",
        ),
    ],
)
def test_paths_that_lead_nowhere_are_one_line(
    package: Path, write_config: WriteConfig, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UserError) as caught:
        own(write_config, **changes)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_are_looked_for_without_importing_the_package(
    package: Path, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    experiment = own(write_config, datasets={"d": {"loader": "digits"}})
    assert digests.code_of(experiment.runs[0].training.roots())


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        ("large", "'own_package.nets:large' is no function that builds a net of 3 classes: .*no attribute 'large'"),
        ("too_many", "'own_package.nets:too_many' is no function that builds a net of 3 classes: missing a required"),
        ("no_net", "'own_package.nets:no_net' gives a int; a torch.nn.Module is expected"),
    ],
)
def test_what_builds_no_net_is_one_line(package: Path, function: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        models.build(f"own_package.nets:{function}", 3)
    assert models.build("own_package.nets:small", 3)(torch.zeros(1, 3, 8, 8)).shape == (1, 3)
