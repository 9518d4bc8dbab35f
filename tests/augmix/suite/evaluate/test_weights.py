"""Weights from elsewhere: every way people save them, a telling refusal of what does not fit, and the numbers."""

import csv
import gzip
import re
import zipfile
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
from augmix.suite.evaluate import browse, checkpoint, predictions, weights
from augmix.suite.evaluate.paper import paper_results
from augmix.suite.evaluate.results import Row
from augmix.suite.io import digests
from augmix.suite.testsets import kinds
from augmix.suite.testsets.base import TestSet
from augmix.suite.testsets.folder import of_folder
from reports.compare import lines


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
        lambda w: {"model_state": {f"backbone.{name}": value for name, value in w.items()}, "epoch": 1},
        lambda w: {"checkpoint": {"params": {f"network.{name}": value for name, value in w.items()}}},
        lambda w: {"state_dict_ema": w, "weights": None},
        lambda w: {"averaged_net": w, "optimizer": {"state": {0: {"step": torch.zeros(3)}}}, "epoch": 4},
        lambda w: {"net": w, "args": Namespace(folder=Path("runs")), "losses": np.arange(3.0), "mean": None},
        lambda w: {"n_averaged": torch.tensor(9), **{f"module.{name}": value for name, value in w.items()}},
        lambda w: (
            {"0.mean": torch.full((1, 3, 1, 1), 0.4), "0.std": torch.full((1, 3, 1, 1), 0.2)}
            | {f"1.{name}": value for name, value in w.items()}
        ),
        lambda w: {  # Madry's robustness library: the net twice, its constants twice
            "model": {
                f"module.{copy}{name}": value for copy in ("model.", "attacker.model.") for name, value in w.items()
            }
            | {
                f"module.{where}.new_{what}": torch.full((3, 1, 1), 0.4)
                for where in ("normalizer", "attacker.normalize")
                for what in ("mean", "std")
            },
        },
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
        (
            lambda: {**state(), "features.0.weight": torch.full((24, 3, 3, 3), torch.nan)},
            "features.0.weight has values that are not finite",
        ),
        (lambda: torch.zeros(3), "holds a Tensor; a state dict is expected"),
        (lambda: {"epoch": 3}, "holds no weights of one net; its keys are epoch"),
        (
            lambda: {"teacher": state(), "student": state()},
            "holds no weights of one net; its keys are teacher, student",
        ),
        (lambda: models.build("smallnet", 10), "it holds more than tensors; save the net's state_dict() alone"),
    ],
)
def test_what_does_not_fit_is_one_telling_line(tmp_path: Path, value: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        load(saved(tmp_path / "w.pt", value()))
    assert complaint in str(caught.value)
    assert "w.pt" in str(caught.value)
    assert "\n" not in str(caught.value)


CONSTANTS = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in state().items()}


@pytest.mark.parametrize(
    "value",
    [
        {"mu": torch.tensor([0.1, 0.2, 0.3]), "sigma": torch.tensor([0.4, 0.5, 0.6]), **prefixed("model.")},
        {f"0.{name}": torch.tensor(value).reshape(1, 3, 1, 1) for name, value in CONSTANTS.items()} | prefixed("1."),
        {"state_dict": prefixed("module."), **{name: list(value) for name, value in CONSTANTS.items()}},
        {"net": state(), "normalisation": {name: np.array(value) for name, value in CONSTANTS.items()}},
        {"normalizer.new_mean": torch.tensor([25.5, 51, 76.5]), "normalizer.new_std": torch.tensor([102, 127.5, 153])}
        | prefixed("model."),
    ],
)
def test_constants_in_a_file_are_used_and_said(value: dict[str, Any], small_digits: Path, tmp_path: Path) -> None:
    data = tmp_path / "digits"
    data.symlink_to(small_digits)
    stored = saved(tmp_path / "stored.pt", value)
    used, [clean, *_] = checkpoint.evaluate_checkpoint(stored, "smallnet", data, tmp_path / "stored", "cpu")
    assert used.mean == pytest.approx(CONSTANTS["mean"])
    assert used.std == pytest.approx(CONSTANTS["std"])
    assert used.origin == "stored in the file"
    net = models.Normalised(models.build("smallnet", 10), CONSTANTS["mean"], CONSTANTS["std"]).eval()
    net.net.load_state_dict(state())
    images = torch.from_numpy(np.load(data / "test_images.npy")).permute(0, 3, 1, 2)
    assert clean.value == (net(images).argmax(1).numpy() != np.load(data / "test_labels.npy")).mean()


def test_given_constants_come_first_and_odd_ones_are_refused() -> None:
    net, path, half = models.build("smallnet", 10), Path("w.pt"), {"mu": torch.ones(3) / 2}
    stored = {**half, "sigma": torch.ones(1) / 4}
    found = weights.normalisation({**state(), **stored}, net, path)
    assert found is not None
    assert found[:2] == ((0.5,) * 3, (0.25,) * 3)
    given = weights.normalisation({**state(), **stored}, net, path, [0.1], [0.2])
    assert given == ((0.1,) * 3, (0.2,) * 3, "as given")
    named = weights.normalisation({**state(), **stored}, net, path, preset="imagenet")
    assert named == (*weights.PRESETS["imagenet"], "preset imagenet")
    assert weights.normalisation(state(), net, path) is None
    itself = torch.nn.Sequential(net)
    itself.register_buffer("mean", torch.zeros(3))
    own = weights.normalisation({"mean": torch.ones(3) / 2}, itself, path)
    assert own == (*weights.PRESETS["none"], "the net has its own")
    for arguments, complaint in (
        (({**half}, net, path), "w.pt holds half of a normalisation; give both parts by --mean and --std"),
        (({**stored, "a.mean": torch.ones(3), "a.std": torch.ones(3)}, net, path), "several normalisations"),
        (({}, net, path, [0.5]), "--mean and --std go together"),
        (({}, net, path, [0.5, 0.5], [0.5, 0.5]), "one or three numbers each"),
        (({}, net, path, [0.5], [0.5], "half"), "exclude each other"),
        (({}, net, path, None, None, "imagnet"), "did you mean 'imagenet'"),
    ):
        with pytest.raises(UserError, match=re.escape(complaint)):
            weights.normalisation(*arguments)


def test_anybodys_nets_are_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs_net.py").write_text(
        "from torch import nn\n"
        "def linear(classes): return nn.Sequential(nn.Flatten(), nn.Linear(3072, classes))\n"
        "def wide(classes): return nn.Linear(64, classes)\n"
        "def none(): return 3\n"
        "def text(classes): return 'net'\n"
    )
    monkeypatch.chdir(tmp_path)
    assert weights.build("theirs_net:linear", 7)[1].out_features == 7  # type: ignore[index]
    for name, complaint in (
        ("theirs_net:none", "too many positional arguments"),
        ("theirs_net:text", "gives a str"),
        ("theirs_net:nothing", "has no attribute 'nothing'"),
        ("no_such_module:net", "No module named 'no_such_module'"),
        ("smalnet", "did you mean 'smallnet'"),
    ):
        with pytest.raises(UserError, match=complaint):
            weights.build(name, 10)


def test_timms_nets_are_built() -> None:
    pytest.importorskip("timm")
    with torch.device("meta"):
        assert weights.build("resnet18", 10).num_classes == 10


def test_a_net_that_does_not_take_the_images_is_refused(
    small_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "narrow_net.py").write_text("from torch import nn\ndef narrow(n): return nn.Linear(64, n)\n")
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "w.pt", dict(torch.nn.Linear(64, 10).state_dict()))
    with pytest.raises(UserError, match="narrow_net:narrow does not take images of 32×32 pixels: mat1 and mat2"):
        checkpoint.evaluate_checkpoint(path, "narrow_net:narrow", small_digits, tmp_path / "out", "cpu")
    assert not (tmp_path / "out").exists()


def test_files_that_are_none_and_unknown_architectures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path / "nowhere.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(UserError, match=r"text\.pt is not a file of weights"):
        load(tmp_path / "text.pt")
    with pytest.raises(UserError, match="unknown architecture 'smalnet'; did you mean 'smallnet'"):
        load(saved(tmp_path / "w.pt", state()), "smalnet")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n<!DOCTYPE html><title>Google Drive - Quota exceeded</title>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "run `git lfs pull`"),
        (gzip.compress(b"weights"), "it is an archive; unpack it"),
        (bytes(257) + b"ustar" + bytes(250), "it is an archive; unpack it"),
        (b"404: Not Found", "torch.save has not written it"),
    ],
)
def test_what_comes_in_place_of_a_file_of_weights(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(reason)):
        weights.read(tmp_path / "w.pt")


def test_zipped_and_truncated_weights(tmp_path: Path) -> None:
    whole = saved(tmp_path / "w.pt", state())
    (tmp_path / "cut.pt").write_bytes(whole.read_bytes()[:20000])
    with zipfile.ZipFile(tmp_path / "zipped.pt", "w") as archive:
        archive.write(whole, "w.pt")
    for name, reason in (("cut", "it is cut short"), ("zipped", "it is an archive; unpack it")):
        with pytest.raises(UserError, match=reason):
            weights.read(tmp_path / f"{name}.pt")


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
    assert shown[0] == "normalisation  mean 0.5 0.5 0.5, std 0.5 0.5 0.5 (the data set's; the file holds none)"
    assert shown[1].split() == ["clean", "error", f"{wrong:.2%}"]
    assert shown[2] == f"mCE            needs the 15 corruptions in {data}-C: augmix corrupt {data}"
    assert shown[3] == f"mFP            needs the 10 perturbations in {data}-P: augmix perturb {data}"
    with (tmp_path / "out" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["testset"], row["shift"]) for row in rows} >= {("C", "contrast"), ("P", "tilt")}
    assert {(row["dataset"], row["arch"], row["method"]) for row in rows} == {("digits", "smallnet", "mine")}


def test_a_data_set_alone_is_evaluated_on_its_own_test_images(small_digits: Path, tmp_path: Path) -> None:
    data = tmp_path / "digits"
    data.symlink_to(small_digits)
    path = saved(tmp_path / "mine.pt", state())
    _, found = checkpoint.evaluate_checkpoint(path, "smallnet", data, tmp_path / "out", "cpu")
    frame = browse.load(tmp_path / "out")
    assert frame["seed"].isna().all()
    for by, row in (("method", "mine"), ("seed", "mine"), ("class", "0")):
        [shown] = browse.tables(tmp_path / "out", by, None, None)
        assert shown.rows[0][0] == row
    with pytest.raises(
        UserError, match=r"out has no experiment\.yaml: .* are shown by `augmix show .*out`; experiments"
    ):
        lines(tmp_path / "out", tmp_path / "out")
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
    _, headlines = checkpoint.evaluate_checkpoint(path, "smallnet", data, tmp_path / "out", "cpu")
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
        return {headline.title: headline.value for headline in checkpoint.headlines(testset, rows)}

    assert headlines("imagenet") == {"mCE": 0.5, "mCE / AlexNet": pytest.approx(expected)}
    assert headlines("cifar") == {"mCE": 0.5}
