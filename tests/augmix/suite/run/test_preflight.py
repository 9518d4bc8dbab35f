import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from augmix.corruptions import weather
from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.io.digests import code
from augmix.suite.plan import forecast
from augmix.suite.run import preflight

Write = Callable[..., Path]


@pytest.mark.parametrize("cores", ["0", "-1", "two", "1.5", "", "²"])
def test_cores_are_all_or_a_positive_number(cores: str) -> None:
    with pytest.raises(UserError, match=f"--cores is '{cores}'; `all` or a whole number from 1 is needed"):
        preflight.check_cores(cores)


def test_good_cores_pass() -> None:
    for cores in ("all", "1", "64"):
        preflight.check_cores(cores)


def test_an_unknown_profile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workflow/profiles/slurm").mkdir(parents=True)
    (tmp_path / "workflow/profiles/slurm/config.yaml").write_text("executor: slurm\n")
    preflight.check_profile("slurm")
    with pytest.raises(UserError, match="unknown profile 'slum'; did you mean 'slurm'"):
        preflight.check_profile("slum")


def test_results_that_cannot_be_written_are_refused(write_config: Write, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=r"the results folder .*/results/small cannot be written: .*Not a directory"):
        preflight.check_folders(load(write_config()))


def test_data_may_be_read_only_when_all_of_it_is_there(write_config: Write, tmp_path: Path) -> None:
    # /proc is what even root cannot write.
    experiment = load(write_config(folders={"data": "/proc/data", "results": str(tmp_path)}))
    with pytest.raises(UserError, match="the data folder /proc/data/digits cannot be written"):
        preflight.check_folders(experiment)
    there = load(write_config())
    for path in preflight._data_files(there):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert len(list(preflight._data_files(there))) == 5 + 4 * 4
    data = tmp_path / "data"
    shutil.move(data, tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    preflight.check_folders(there)


def test_a_disk_without_room_for_the_data_is_refused(
    write_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load(write_config())
    images = 96 + 40 + 40 * 2 * 5 + 10 * 2 * 31  # of two corruptions five severities, of two perturbations 31 frames
    left = SimpleNamespace(total=10**9, free=images * 3 * 32**2)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: left)
    preflight.check_room(experiment)
    left.free -= 1
    with pytest.raises(UserError, match=rf"of the data of small needs 3\.55 MB in {tmp_path}, where 3\.55 MB are free"):
        preflight.check(experiment)
    left.total = left.free = 0  # as a file system says that does not know
    preflight.check_room(experiment)
    left.total = 10**9
    for making in experiment.makings():
        making.folder.mkdir(parents=True, exist_ok=True)
        for path in {path for shift in making.shifts for path in making.testset.files(shift)}:
            path.write_bytes(bytes(10**5))
    # Nothing says what made these files: they are made again, and each shift takes the place of three.
    with pytest.raises(UserError, match=r"needs 2\.35 MB"):
        preflight.check_room(experiment)


def test_a_disk_without_room_for_the_predictions_is_refused(
    write_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "disk" / "results"
    results.mkdir(parents=True)
    folders = {"data": str(tmp_path / "data"), "results": str(results)}
    experiment = load(write_config(folders=folders, methods=["standard", "augmix"], validation=0.25))
    shifts = len(experiment.validation_testsets("digits")[1].shifts)
    images = 40 + 40 * 2 * 5 + 10 * 2 * 31 + forecast.sizes(experiment, "digits-validation")[1] * (1 + 5 * shifts)
    left = SimpleNamespace(total=10**9, free=2 * images * 20)
    ample = SimpleNamespace(total=10**9, free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: left if path == results else ample)
    preflight.check_room(experiment)
    left.free -= 1
    with pytest.raises(UserError, match=rf"what is still to be predicted of small needs .* in {results}, where"):
        preflight.check_room(experiment)
    for run in experiment.runs[:1]:
        (experiment.folder / run.path).mkdir(parents=True)
        for name in ("predictions.json", "validation.json"):
            (experiment.folder / run.path / name).touch()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: ample if path == tmp_path else left)
    left.free = images * 20
    preflight.check_room(experiment)


@pytest.fixture
def folder_experiment(write_config: Write, tmp_path: Path) -> Callable[[], Experiment]:
    """An experiment on an image folder whose files are empty: good enough before any job."""
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            (tmp_path / "images" / split / name / "1.png").touch()
    options = {"folder": str(tmp_path / "images")}
    return lambda: load(write_config(datasets={"pets": {"loader": "image_folder", "options": options}}))


def test_a_good_image_folder_passes(folder_experiment: Callable[[], Experiment]) -> None:
    preflight.check(folder_experiment())


@pytest.mark.parametrize(
    ("removed", "complaint"),
    [
        ([""], r"small\.yaml:\d+: image folder .*images does not exist"),
        (["test"], "images/test does not exist"),
        (["train/cat", "train/dog"], "images/train is empty"),
        (["train/cat", "test/cat"], "only one class \\('dog'\\)"),
        (["train/cat"], "class 'cat' is in test/ but not in train/"),
        (["test/dog/1.png"], "images/test/dog is empty"),
    ],
)
def test_a_faulty_image_folder_is_refused_before_any_job(
    folder_experiment: Callable[[], Experiment], tmp_path: Path, removed: list[str], complaint: str
) -> None:
    for name in removed:
        path = tmp_path / "images" / name
        path.unlink() if path.is_file() else shutil.rmtree(path)
    with pytest.raises(UserError, match=complaint):
        preflight.check(folder_experiment())


def test_links_to_nowhere_and_names_that_are_no_utf8_are_refused(
    folder_experiment: Callable[[], Experiment], tmp_path: Path
) -> None:
    (tmp_path / "images/train/cat/2.png").symlink_to("/nowhere/2.png")
    with pytest.raises(UserError, match=r"images/train/cat/2\.png cannot be read: No such file or directory"):
        preflight.check(folder_experiment())
    (tmp_path / "images/train/cat/2.png").unlink()
    for split in ("train", "test"):
        (tmp_path / "images" / split / "cat").rename(
            os.fsdecode(os.fsencode(tmp_path / f"images/{split}/caf") + b"\xe9")
        )
    with pytest.raises(UserError, match=r"name of the class folder '.*/train/caf\\udce9' is not UTF-8; rename it"):
        preflight.check(folder_experiment())


def test_a_prepared_data_set_needs_its_source_no_more(
    folder_experiment: Callable[[], Experiment], tmp_path: Path
) -> None:
    experiment = folder_experiment()
    shutil.rmtree(tmp_path / "images")
    folder = experiment.data / "pets"
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        for kind in ("images", "labels"):
            np.save(folder / f"{split}_{kind}.npy", np.zeros(0))
    noted: dict[str, Any] = {"classes": [], "sha256": {}, **experiment.preparation("pets").made_of()}
    (folder / "dataset.json").write_text(json.dumps(noted))
    preflight.check(experiment)
    (folder / "dataset.json").write_text(json.dumps({**noted, "subset": {"train": 5, "test": 5}}))
    with pytest.raises(UserError, match="does not exist"):
        preflight.check(experiment)


def test_images_that_change_make_the_data_anew(folder_experiment: Callable[[], Experiment], tmp_path: Path) -> None:
    experiment = folder_experiment()
    settings = [experiment.preparation("pets")]
    assert experiment.preparation("pets") == settings[0]
    for name, content in (("train/cat/2.png", ""), ("train/cat/2.png", "other"), ("test/dog/.DS_Store", "")):
        (tmp_path / "images" / name).write_text(content)
        settings.append(experiment.preparation("pets"))
    assert settings[0] != settings[1] != settings[2] == settings[3]
    noted = {"classes": [], "sha256": {}, **settings[3].made_of()}
    (experiment.data / "pets").mkdir(parents=True)
    (experiment.data / "pets" / "dataset.json").write_text(json.dumps(noted))
    shutil.rmtree(tmp_path / "images")
    assert experiment.preparation("pets") == settings[3]


def test_missing_frost_photographs_are_refused(write_config: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load(write_config(testsets={"C": {"shifts": ["frost"]}, "P": None}))
    preflight.check_data(experiment)
    monkeypatch.setattr(weather, "_FROST_FILES", ("absent.png",))
    weather._frost_photographs.cache_clear()
    with pytest.raises(UserError, match=r"photograph absent\.png that frost needs is not installed"):
        preflight.check_data(experiment)
    weather._frost_photographs.cache_clear()
    preflight.check_data(load(write_config()))


def test_a_method_parameter_out_of_range_is_refused(write_config: Write) -> None:
    wide = {"name": "wide", "preset": "augmix", "parameters": {"width": 0}}
    path = write_config(methods=["standard", wide])
    line = path.read_text().splitlines().index("- name: wide") + 1
    with pytest.raises(UserError, match=rf"small\.yaml:{line}: method 'wide': augmix: .*width"):
        preflight.check(load(path))
    composed = {"name": "mix", "views": {"augmix": {"severity": 99}}, "mix": {"standard": {}}, "loss": {"standard": {}}}
    with pytest.raises(UserError, match=r"method 'mix': augmix: .*severity"):
        preflight.check(load(write_config(methods=[composed])))


@pytest.mark.parametrize(
    ("views", "loss", "complaint"),
    [
        ({"cutout": {}}, "augmix", "jensen_shannon compares at least two views, got 1"),
        ([{"augmix": {}}, {"cutout": {}}], "standard", "views 1 of 2 in a row give uint8, float32, float32"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(write_config: Write, views: Any, loss: str, complaint: str) -> None:
    composed = {"name": "odd", "views": views, "mix": {"mixup": {}}, "loss": {loss: {}}}
    with pytest.raises(UserError, match=f"method 'odd' cannot take a step: {complaint}"):
        preflight.check(load(write_config(methods=[composed])))


@pytest.mark.parametrize("row", [False, True])
def test_stylised_images_of_another_number_of_classes_are_refused(
    write_config: Write, tmp_path: Path, row: bool
) -> None:
    for name in range(9):
        (tmp_path / "styles" / "train" / str(name)).mkdir(parents=True)
        (tmp_path / "styles" / "train" / str(name) / "0.png").touch()
    given = {"folder": str(tmp_path / "styles")}
    part = {"views": [{"stylized_imagenet": given}, {"augmix": {}}], "mix": {"standard": {}}, "loss": {"augmix": {}}}
    method = {"name": "styled", **(part if row else {"preset": "stylized_imagenet", "parameters": given})}
    with pytest.raises(
        UserError, match="method 'styled': its images are of 9 classes and those of data set 'digits' of 10"
    ):
        preflight.check_methods(load(write_config(methods=[method])))


@pytest.mark.parametrize(("norms", "others"), [("shared", "split"), ("split", "shared")])
def test_a_method_that_was_trained_with_is_not_built_again(write_config: Write, norms: str, others: str) -> None:
    wide = {"name": "wide", "preset": "augmix", "parameters": {"width": 0}}
    experiment = load(write_config(methods=[wide], training={"batch_norm": norms}))
    run = experiment.runs[0]
    folder = experiment.folder / run.path
    folder.mkdir(parents=True)
    (folder / "model.pt").touch()
    (folder / "config.yaml").write_text(yaml.safe_dump(run.training.as_json()))
    (folder / "provenance.json").write_text(json.dumps({"code": {"digest": code(run.training.roots()).digest}}))
    preflight.check_methods(experiment)
    with pytest.raises(UserError, match="width"):
        preflight.check_methods(load(write_config(methods=[wide], training={"batch_norm": others})))


METHOD = """
from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed

def views(images, labels, net, rng):
    return {views}

def method():
    return {made}
"""
MADE = "Method(views, unmixed, cross_entropy)"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            METHOD.format(views="[images]", made="None"),
            r"`method` in .*mine\.py gives a NoneType; a Method is expected",
        ),
        (METHOD.format(views="images", made=MADE), "cannot take a step: its views are a Tensor; a list of tensors"),
        (
            METHOD.format(views="[images[:1]]", made=MADE),
            r"its views are \(1, 3, 32, 32\) for 2 images; \(2, C, H, W\)",
        ),
        (METHOD.format(views="[imagse]", made=MADE), r"step: NameError: name 'imagse' is not .* \(.*/mine\.py:6\)$"),
        (
            METHOD.format(views="[images]", made="Mehtod"),
            r"NameError: name 'Mehtod' is not defined.* \(.*/mine\.py:9\)$",
        ),
        (METHOD.format(views="[images / 0 * 0]", made=MADE), "its views have values that are not finite"),
        (
            METHOD.format(views="[images]", made="Method(views, unmixed, lambda z, t: 0)"),
            "its loss is int; a tensor of",
        ),
        (
            METHOD.format(views="[images]", made="Method(views, unmixed, lambda z, t: z[0].detach().sum())"),
            "does not require grad",
        ),
        (
            f"import no_such_package\n{METHOD}",
            r"mine\.py cannot be imported: No module named 'no_such_package'; install it, or mend .* \(.*mine\.py:1\)$",
        ),
    ],
)
def test_a_method_of_others_is_tried(
    write_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    file = tmp_path / "their_methods" / "mine.py"
    file.parent.mkdir()
    file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        with pytest.raises(UserError, match=complaint) as caught:
            preflight.check_methods(load(write_config(methods=["mine"], method_packages=["their_methods"])))
    finally:
        for name in ("their_methods.mine", "their_methods"):
            sys.modules.pop(name, None)
    assert "\n" not in str(caught.value)
    assert re.match(r".*small\.yaml:\d+: method 'mine'", str(caught.value))


def test_our_methods_are_tried_where_they_are_not_as_committed(
    write_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, tried = load(write_config(methods=["augmix", "mixup"])), []
    monkeypatch.setattr("augmix.methods.try_out", lambda method, name, splits: tried.append(name))
    for dirty in (False, True, None):
        monkeypatch.setattr("augmix.suite.io.provenance.commit", lambda _, dirty=dirty: ("abc", dirty))
        preflight.check_methods(experiment)
    assert tried == ["augmix", "mixup"] * 2


def test_a_device_that_is_not_there_is_refused(write_config: Write) -> None:
    import torch

    if torch.backends.mps.is_available():
        pytest.skip("this machine has the device")
    experiment = load(write_config(training={"device": "mps"}))
    with pytest.raises(UserError, match=r"small\.yaml:\d+: device 'mps' is not available here"):
        preflight.check(experiment)


@pytest.mark.parametrize(
    ("architecture", "side", "complaint"),
    [
        ("vit_b16", 32, "vit_b16 does not take images of 32×32 pixels: Wrong image height! Expected 224 but got 32!"),
        (
            "resnet50_maxblur",
            32,
            "resnet50_maxblur does not take images of 32×32 pixels: .*Padding size should be less",
        ),
        ("allconv", 16, "allconv does not take images of 16×16 pixels: Given input size"),
        ("vit", 30, "vit does not take images of 30×30 pixels: its patches have 4 pixels, of which both sides must be"),
    ],
)
def test_a_net_that_does_not_take_the_images_is_one_line(
    write_config: Write, tmp_path: Path, architecture: str, side: int, complaint: str
) -> None:
    datasets = {"pets": pets(tmp_path, side)}
    with pytest.raises(UserError, match=f"data set 'pets': {complaint}") as caught:
        preflight.check_nets(load(write_config(architectures=["smallnet", architecture], datasets=datasets)))
    assert "\n" not in str(caught.value)


def pets(folder: Path, side: int, images: int = 1) -> dict[str, Any]:
    """A data set of two classes, whose images are empty files."""
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (folder / "images" / split / name).mkdir(parents=True, exist_ok=True)
            for i in range(images):
                (folder / "images" / split / name / f"{i}.png").touch()
    return {"loader": "image_folder", "options": {"folder": str(folder / "images"), "side": side}}


NETS = '''
from torch import nn

def normed(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4), nn.BatchNorm1d(4), nn.Linear(4, num_classes))

def of_ten(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))

class Counting(nn.Module):
    """It asks for values, which the meta device has none of."""

    def __init__(self, num_classes):
        super().__init__()
        self.classes = num_classes

    def forward(self, images):
        return images.mean((1, 2, 3))[:, None].expand(-1, self.classes) + float(images.sum())
'''


def test_nets_of_others_are_tried(write_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their").mkdir()
    (tmp_path / "their" / "nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    data = {"pets": pets(tmp_path, 32, images=5)}

    def check(name: str, **changes: Any) -> None:
        preflight.check_nets(load(write_config(architectures=[f"their.nets:{name}"], datasets=data, **changes)))

    check("Counting")
    check("normed")
    with pytest.raises(UserError, match=r"their.nets:of_ten gives \(2, 10\) for 2 images; \(2, 2\) is expected"):
        check("of_ten")
    for size in (9, 3):  # of ten images the last batch is of one
        with pytest.raises(
            UserError, match=r"cannot be trained on a batch of one image, .*; change training.batch_size"
        ):
            check("normed", training={"batch_size": size})
    check("normed", training={"batch_size": 4})
    adapted = {"C": {"shifts": ["fog"]}, "x": {"kind": "adapted", "of": "C"}}
    check("normed", testsets=adapted)
    with pytest.raises(
        UserError, match=r"their.nets:Counting has no batch norm that keeps statistics: there is nothing"
    ):
        check("Counting", testsets=adapted)


def test_a_net_that_a_run_has_shown_to_work_is_not_tried(
    write_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load(write_config(architectures=["vit_b16"], testsets={"C": None, "P": None}))
    run = experiment.runs[0]
    folder = experiment.folder / run.path
    (folder / "predictions").mkdir(parents=True)
    for name in ("model.pt", "predictions/clean.npz"):
        (folder / name).touch()
    now, settings = code(run.training.roots()).digest, run.training.as_json()
    for digest, norms, shown in ((now, "shared", True), ("of before", "shared", False), (now, "split", False)):
        trained = {**settings, "training": {**settings["training"], "batch_norm": norms}}
        (folder / "config.yaml").write_text(yaml.safe_dump(trained))
        (folder / "provenance.json").write_text(json.dumps({"code": {"digest": digest}}))
        with nullcontext() if shown else pytest.raises(UserError, match="vit_b16 does not take"):
            preflight.check_nets(experiment)
