"""The README's Python runs as it stands, given the images, the net and the loader that it speaks of."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

import augmix
from augmix import models
from tests.reports.synthetic import Synthetic

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    """The README's one block in a language that contains some text."""
    [found] = [code for code in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in code]
    return found


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def test_the_library_in_brief(images: np.ndarray) -> None:
    given: dict[str, Any] = {"images": images}
    exec(block("python", "import augmix\n"), given)
    assert len(given["views"](v2.functional.to_pil_image(images[0]))) == 3
    assert given["corrupted"].shape == given["rippled"].shape == images.shape
    assert given["sequence"].shape[::2] == (4, 32, 3)


def test_any_net_is_scored(images: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 4))
    exec(block("python", "augmix.evaluate"), {"augmix": augmix, "net": net, "images": images, "labels": range(4)})
    assert "mFP" in capsys.readouterr().out


def test_results_in_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = Synthetic(tmp_path)
    made.write().rename(tmp_path / "results" / "fashion")
    monkeypatch.chdir(tmp_path)
    exec(block("python", "augmix.load"), {"augmix": augmix})
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[2:]] == ["augmix", "no_jsd", "standard"]


def test_a_compose(images: np.ndarray) -> None:
    given: dict[str, Any] = {"augmix": augmix}
    exec(block("python", "v2.Compose"), given)
    result = given["train"](v2.functional.to_pil_image(images[0]))
    assert result.shape == (3, 32, 32)
    assert result.dtype == torch.float32
    assert -1 <= result.min() < 0 < result.max() <= 1


def test_a_step_with_the_consistency_loss(images: np.ndarray) -> None:
    net = models.build("smallnet", 10)
    before = [parameter.clone() for parameter in net.parameters()]
    data = TensorDataset(torch.from_numpy(images).permute(0, 3, 1, 2), torch.arange(4))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    code = block("python", "jensen_shannon")
    assert len(code.splitlines()) <= 15
    given: dict[str, Any] = {"torch": torch, "loader": DataLoader(data, 2), "net": net, "optimizer": optimizer}
    exec(code, given)
    assert given["loss"].isfinite()
    assert not any(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


def test_in_place_of_torchvisions_transform(images: np.ndarray) -> None:
    picture = v2.functional.to_pil_image(images[0])
    theirs, ours = (
        eval(re.findall(rf"^{re.escape(sign)} (.*)$", block("diff", "v2.AugMix"), re.MULTILINE)[0])(picture)
        for sign in "-+"
    )
    assert (ours.mode, ours.size) == (theirs.mode, theirs.size)


def test_a_method_of_ones_own(images: np.ndarray) -> None:
    given: dict[str, Any] = {}
    exec(block("python", "def method("), given)
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    [view] = given["method"]().views(batch, torch.arange(4), torch.nn.Identity(), np.random.default_rng(0))
    assert torch.equal(view, 255 - batch)
