"""The sheet of an image: its views, its corruptions, and what a net says of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from matplotlib.figure import Figure
from PIL import Image

from augmix import models
from augmix.corruptions import CORRUPTIONS, corrupt
from augmix.suite.cli import main
from augmix.suite.data import datasets


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The titles of the sheets that are written from here on; the images of the last one are below `titles[1]`."""
    found: list[list[str]] = []
    write = Figure.savefig

    def keep(self: Figure, *arguments: Any, **options: Any) -> None:
        found.append([ax.get_title() for ax in self.axes])
        for ax in self.axes:
            for shown in ax.images:
                assert np.asarray(shown.get_array()).dtype == np.uint8
        write(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return found


def test_a_sheet_of_views_and_corruptions(picture: Path, tmp_path: Path, titles: list[list[str]]) -> None:
    sheets = [tmp_path / name for name in ("a.png", "b.png")]
    for sheet in sheets:
        assert main(["demo", str(picture), "--output", str(sheet)]) == 0
    assert sheets[0].read_bytes() == sheets[1].read_bytes()
    assert titles[0][0] == "the image"
    assert titles[0][1:8] == [f"AugMix {i}" for i in range(1, 8)]
    assert titles[0][8:] == [*(name.replace("_", " ") for name in CORRUPTIONS), ""]


def test_a_net_says_what_it_sees(
    picture: Path, tmp_path: Path, small_digits: Path, titles: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump({"data": str(small_digits), "architecture": "smallnet"}))
    record = datasets.record(small_digits)
    torch.manual_seed(0)
    net = models.Normalised(models.build("smallnet", 10), *record["normalisation"]).eval()
    torch.save(net.net.state_dict(), run / "model.pt")
    assert (
        main(["demo", str(picture), "--output", str(tmp_path / "a.png"), "--model", str(run), "--severity", "5"]) == 0
    )
    side = datasets.read_images(small_digits, "test").shape[1]
    image = np.asarray(Image.open(picture).convert("RGB").crop((4, 0, 36, 32)).resize((side, side), 3))
    fog = corrupt(image[None], "fog", 5)
    with torch.inference_mode():
        confidence, predicted = net(torch.from_numpy(fog).permute(0, 3, 1, 2)).softmax(1).max(1)
    title = next(title for title in titles[0] if title.startswith("fog"))
    assert title == f"fog\n{record['classes'][int(predicted)]}, {100 * float(confidence):.0f} %"
    (run / "model.pt").unlink()
    assert main(["demo", str(picture), "--output", str(tmp_path / "b.png"), "--model", str(run)]) == 2
    assert "model.pt is missing: train this run first" in capsys.readouterr().err
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere.png"], "nowhere.png is no file; name an image"),
        (["{picture}", "--output", "a.pdf"], "--output is a.pdf; the sheet is a PNG"),
        (["{picture}", "--model", "nowhere"], "nowhere is no run: it has no config.yaml"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], line: str, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *(argument.format(picture=picture) for argument in arguments)]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_a_run_whose_data_are_gone_says_what_makes_them(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"data": str(tmp_path / "gone"), "architecture": "smallnet"}))
    assert main(["demo", str(picture), "--model", str(tmp_path)]) == 2
    said = f"{tmp_path}/gone/test_images.npy is missing: run `augmix prepare --config …` for the run's experiment first"
    assert capsys.readouterr().err == f"augmix demo: error: {said}\n"
