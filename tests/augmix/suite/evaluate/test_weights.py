"""Weights from elsewhere: every way people save them, a telling refusal of what does not fit, and the numbers."""

import csv
from argparse import Namespace
from collections.abc import Callable
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
from augmix.suite.evaluate import weights
from augmix.suite.evaluate.paper import paper_results
from augmix.suite.evaluate.results import Row
from augmix.suite.testsets.generation import write_corruption, write_perturbation


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


def state(architecture: str = "smallnet", classes: int = 10) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return dict(models.build(architecture, classes).state_dict())


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


def test_the_numbers_are_those_of_the_net_and_of_the_benchmarks_that_are_there(
    small_digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data" / "digits"
    data.parent.mkdir()
    data.symlink_to(small_digits)
    write_corruption(data, data.with_name("digits-C"), "contrast")
    write_perturbation(data, data.with_name("digits-P"), "tilt", images=4)
    path = saved(tmp_path / "mine.pt", state())
    options = ["--dataset-folder", str(data), "--output", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["evaluate", "--checkpoint", str(path), "--arch", "smallnet", *options]) == 0
    shown = capsys.readouterr().out.splitlines()
    net = models.Normalised(models.build("smallnet", 10)).eval()
    net.net.load_state_dict(state())
    images = torch.from_numpy(np.load(data / "test_images.npy")).permute(0, 3, 1, 2)
    wrong = (net(images).argmax(1).numpy() != np.load(data / "test_labels.npy")).mean()
    assert shown[0].split() == ["clean", "error", f"{wrong:.2%}"]
    assert shown[1].startswith("mCE            needs the 15 corruptions")
    assert shown[2].startswith("mFP            needs the 10 perturbations")
    with (tmp_path / "out" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["benchmark"], row["shift"]) for row in rows} >= {("C", "contrast"), ("P", "tilt")}
    assert {(row["dataset"], row["arch"], row["method"]) for row in rows} == {("digits", "smallnet", "mine")}


def test_complete_benchmarks_give_the_papers_two_means(small_digits: Path, tmp_path: Path) -> None:
    data = tmp_path / "digits"
    data.symlink_to(small_digits)
    for name in CORRUPTIONS:
        if name != "frost":
            write_corruption(data, tmp_path / "digits-C", name, images=4)
    (tmp_path / "digits-C" / "frost.npy").symlink_to(tmp_path / "digits-C" / "snow.npy")
    for name in PERTURBATIONS:
        write_perturbation(data, tmp_path / "digits-P", name, images=2)
    path = saved(tmp_path / "mine.pt", state())
    found = weights.evaluate_checkpoint(path, "smallnet", data, tmp_path / "out", "cpu")
    assert found.keys() == {"clean", "mCE", "mFP"}
    with np.load(tmp_path / "out" / "predictions" / "C.npz") as archive:
        labels = archive["labels"].reshape(5, -1)
        mean = np.mean([archive[name]["prediction"] != labels for name in CORRUPTIONS])
    assert found["mCE"] == pytest.approx(mean)


def test_imagenet_is_also_measured_in_alexnets_errors() -> None:
    rows: list[Row] = [("C", "published", name, "", "error", 0.5) for name in CORRUPTIONS]
    rows += [("C", "published", name, 3, "error", 0.9) for name in CORRUPTIONS]
    rows.append(("C", "published", "mCE", "", "error", 0.5))
    alexnet = paper_results()["alexnet_imagenetc_error"]
    expected = np.mean([0.5 / alexnet[name] for name in CORRUPTIONS])
    assert weights.headline(rows, "imagenet") == {"mCE": 0.5, "mCE / AlexNet": pytest.approx(expected)}
    assert weights.headline(rows, "cifar") == {"mCE": 0.5}
