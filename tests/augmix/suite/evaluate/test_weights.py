"""Weights from elsewhere: every way people save them, a telling refusal of what does not fit, and the numbers."""

import csv
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from augmix import models
from augmix.corruptions import CORRUPTIONS
from augmix.errors import UserError
from augmix.perturbations import PERTURBATIONS
from augmix.suite.cli import main
from augmix.suite.evaluate import predictions, weights
from augmix.suite.evaluate.paper import paper_results
from augmix.suite.evaluate.results import Row
from augmix.suite.io import digests
from augmix.suite.testsets import kinds
from augmix.suite.testsets.base import TestSet
from augmix.suite.testsets.folder import of_folder


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


def state(architecture: str = "smallnet", classes: int = 10) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return dict(models.build(architecture, classes).state_dict())


def generate(name: str, data: Path, shifts: Sequence[str], images: int) -> None:
    """Generate shifts of the -C or -P beside a prepared data set."""
    testset = of_folder(name, data, data.with_name(f"{data.name}-{name}"), shifts, images)
    testset.make(testset.shifts)


def load(path: Path, architecture: str = "smallnet", classes: int = 10) -> dict[str, Tensor]:
    return weights.fit(weights.read(path), architecture, classes, path).state_dict()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {"epoch": 3, "model": "wrn", "state_dict": w, "best_acc": 0.9},
        lambda w: {"state_dict": w, "best_acc": np.float64(0.9), "seen": np.int64(7), "args": Namespace(lr=0.1)},
        lambda w: {"state_dict": {f"module.{name}": value for name, value in w.items()}},
        lambda w: {"model": {f"_orig_mod.module.{name}": value for name, value in w.items()}},
        lambda w: {"mu": torch.zeros(3), **{f"model.{name}": value for name, value in w.items()}},
        lambda w: {name: value for name, value in w.items() if not name.endswith("num_batches_tracked")},
    ],
)
def test_every_way_to_save_weights_is_read(tmp_path: Path, wrap: Callable[[dict[str, Tensor]], Any]) -> None:
    given = state()
    loaded = load(saved(tmp_path / "w.pt", wrap(given)))
    assert loaded.keys() == given.keys()
    assert all(torch.equal(loaded[name], given[name]) for name in given)


def without(weights: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (lambda: state("resnext"), "these are weights of resnext"),
        (lambda: state("densenet40", 100), "these are weights of densenet40"),
        (
            lambda: state(classes=7),
            "with 10 classes: it has 7; the data set and the weights must have the same classes",
        ),
        (lambda: without(state(), "features.0.weight"), "1 missing (features.0.weight)"),
        (lambda: {**state(), "head.0": torch.zeros(2), "head.1": torch.zeros(2)}, "2 unexpected (head.0, …)"),
        (
            lambda: {**state(), "features.0.weight": torch.zeros(8, 3, 3, 3)},
            "1 of another shape (features.0.weight: 8×3×3×3 in the file, 24×3×3×3 in the net)",
        ),
        (lambda: torch.zeros(3), "holds a Tensor; a state dict is expected"),
        (lambda: {"epoch": 3}, "holds no weights; its keys are epoch"),
        (lambda: models.build("smallnet", 10), "it holds more than tensors; save the net's state_dict() alone"),
    ],
)
def test_what_does_not_fit_is_one_telling_line(tmp_path: Path, value: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        load(saved(tmp_path / "w.pt", value()))
    assert complaint in str(caught.value)
    assert "w.pt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_none_and_unknown_architectures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path / "nowhere.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(UserError, match=r"text\.pt is not a file of weights"):
        load(tmp_path / "text.pt")
    with pytest.raises(UserError, match="unknown architecture 'smalnet'; did you mean 'smallnet'"):
        load(saved(tmp_path / "w.pt", state()), "smalnet")


def test_the_numbers_are_those_of_the_net_and_of_the_test_sets_that_are_there(
    small_digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data" / "digits"
    data.parent.mkdir()
    data.symlink_to(small_digits)
    generate("C", data, ["contrast"], 40)
    generate("P", data, ["tilt"], 4)
    path = saved(tmp_path / "mine.pt", state())
    options = ["--dataset-folder", str(data), "--output", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["evaluate", "--checkpoint", str(path), "--arch", "smallnet", *options]) == 0
    shown = capsys.readouterr().out.splitlines()
    net = models.Normalised(models.build("smallnet", 10)).eval()
    net.net.load_state_dict(state())
    images = torch.from_numpy(np.load(data / "test_images.npy")).permute(0, 3, 1, 2)
    wrong = (net(images).argmax(1).numpy() != np.load(data / "test_labels.npy")).mean()
    assert shown[0].split() == ["clean", "error", f"{wrong:.2%}"]
    assert shown[1] == f"mCE            needs the 15 corruptions in {data}-C: augmix corrupt {data}"
    assert shown[2] == f"mFP            needs the 10 perturbations in {data}-P: augmix perturb {data}"
    with (tmp_path / "out" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["testset"], row["shift"]) for row in rows} >= {("C", "contrast"), ("P", "tilt")}
    assert {(row["dataset"], row["arch"], row["method"]) for row in rows} == {("digits", "smallnet", "mine")}


def test_a_data_set_alone_is_evaluated_on_its_own_test_images(small_digits: Path, tmp_path: Path) -> None:
    data = tmp_path / "digits"
    data.symlink_to(small_digits)
    path = saved(tmp_path / "mine.pt", state())
    found = weights.evaluate_checkpoint(path, "smallnet", data, tmp_path / "out", "cpu")
    assert [(headline.title, headline.value is None) for headline in found] == [
        ("clean error", False), ("mCE", True), ("mFP", True),
    ]  # fmt: skip
    assert [file.name for file in (tmp_path / "out" / "predictions").iterdir()] == ["clean.npz"]
    stamp = predictions.read_stamp(tmp_path / "out" / "predictions" / "clean.npz")
    assert stamp is not None
    assert stamp["checkpoint"] == digests.file_digest(path)


def test_complete_test_sets_give_the_papers_two_means(small_digits: Path, tmp_path: Path) -> None:
    data = tmp_path / "digits"
    data.symlink_to(small_digits)
    generate("C", data, [name for name in CORRUPTIONS if name != "frost"], 4)
    (tmp_path / "digits-C" / "frost.npy").symlink_to(tmp_path / "digits-C" / "snow.npy")
    generate("P", data, PERTURBATIONS, 2)
    path = saved(tmp_path / "mine.pt", state())
    headlines = weights.evaluate_checkpoint(path, "smallnet", data, tmp_path / "out", "cpu")
    found = {headline.title: headline.value for headline in headlines}
    assert list(found) == ["clean error", "mCE", "mFP"]
    with np.load(tmp_path / "out" / "predictions" / "C.npz") as archive:
        labels = archive["labels"].reshape(5, -1)
        mean = np.mean([archive[name]["prediction"] != labels for name in CORRUPTIONS])
    assert found["mCE"] == pytest.approx(mean)


def test_imagenet_is_also_measured_in_alexnets_errors() -> None:
    rows: list[Row] = [("C", "published", name, "", "error", 0.5) for name in CORRUPTIONS]
    rows += [("C", "published", name, 3, "error", 0.9) for name in CORRUPTIONS]
    rows.append(("C", "published", "mCE", "", "error", 0.5))
    alexnet = paper_results()["alexnet_imagenetc_error"]
    rows.append(("P", "published", "mFP", "", "flip_probability", 0.1))
    expected = np.mean([0.5 / alexnet[name] for name in CORRUPTIONS])
    settings = {"name": "C", "data": "d", "where": "d-C", "names": CORRUPTIONS, "streamed": False, "seed": 0}
    settings |= {"published": None, "resize": False, "images": None}

    def headlines(preset: str) -> dict[str, float | None]:
        testset: TestSet = kinds.kind("corruptions")(**settings, preset=preset)
        return {headline.title: headline.value for headline in weights.headlines(testset, rows)}

    assert headlines("imagenet") == {"mCE": 0.5, "mCE / AlexNet": pytest.approx(expected)}
    assert headlines("cifar") == {"mCE": 0.5}
