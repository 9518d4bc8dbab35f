"""Stylized-ImageNet: images of the right class, as often as asked, read from the user's folder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from augmix import methods
from augmix.errors import UserError
from baselines import stylized_imagenet

CLASSES = ["n01", "n02", "n10"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of two images each: class k's have the values 60 + 20 k and 61 + 20 k."""
    for k, name in enumerate(CLASSES):
        (tmp_path / "train" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (50, 40), (60 + 20 * k + i,) * 3).save(tmp_path / "train" / name / f"{i}.png")
    (tmp_path / "train" / "notes.txt").write_text("not a class")
    return tmp_path


LABELS = torch.arange(300) % 3
BLACK = torch.zeros(300, 3, 16, 16, dtype=torch.uint8)


def stylised(folder: Path, labels: Tensor = LABELS, **parameters: float) -> Tensor:
    method = stylized_imagenet.method(folder=str(folder), **parameters)
    [view] = method.views(BLACK[: len(labels)], labels, nn.Identity(), np.random.default_rng(0))
    return view


def test_replaces_with_images_of_the_same_class(folder: Path) -> None:
    view = stylised(folder, probability=1.0)
    assert view.dtype == torch.uint8
    assert view.shape == BLACK.shape
    values = view[:, 0, 0, 0]
    assert torch.equal(view, values.view(-1, 1, 1, 1).expand_as(view))
    assert torch.equal((values.long() - 60) // 20, LABELS)
    assert set(values.tolist()) == {60, 61, 80, 81, 100, 101}


def test_replaces_half_of_the_images(folder: Path) -> None:
    replaced = (stylised(folder) > 0).flatten(1).any(1).sum().item()
    assert abs(replaced - 150) < 4.5 * np.sqrt(75)
    assert torch.equal(stylised(folder, probability=0.0), BLACK)
    assert torch.equal(stylised(folder), stylised(folder))
    assert BLACK.max() == 0


def test_goes_before_augmix(folder: Path) -> None:
    settings = {
        "name": "both",
        "views": [{"stylized_imagenet": {"folder": str(folder), "probability": 1.0}}, {"augmix": {}}],
        "mix": {"standard": {}}, "loss": {"augmix": {}},
    }  # fmt: skip
    views = methods.build(settings, ["baselines"]).views(BLACK, LABELS, nn.Identity(), np.random.default_rng(0))
    assert len(views) == 3
    assert torch.equal((views[0][:, 0, 0, 0].long() - 60) // 20, LABELS)


def test_faults_are_the_users_to_mend(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="folder must hold train/<class>"):
        stylised(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"probability must be in \[0, 1\]"):
        stylised(folder, probability=2)
    with pytest.raises(UserError, match="has 3 class folders; the data set has class number 3"):
        stylised(folder, labels=torch.tensor([3]), probability=1.0)
    (folder / "train" / "n02" / "0.png").write_text("not an image")
    with pytest.raises(UserError, match=r"n02/0\.png is not an image"):
        stylised(folder, probability=1.0)
    (folder / "train" / "n03").mkdir()
    (folder / "train" / "n03" / ".DS_Store").write_text("")
    with pytest.raises(ValueError, match="n03 is empty: a class needs at least one image"):
        stylized_imagenet.method(folder=str(folder))
