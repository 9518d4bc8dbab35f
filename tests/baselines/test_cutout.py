"""Cutout: holes of the right shape and expected area, filled with grey, the rest untouched."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augmix import methods
from augmix.models import Normalised
from augmix.suite.io.configuration import read
from baselines import cutout

NET = nn.Identity()
CPU = torch.device("cpu")
CONFIG = Path(__file__).parents[2] / "config"


def expected_length(side: int, length: int) -> float:
    """The mean number of pixels within [0, length) of an interval of `side` pixels around each pixel in turn."""
    return float(
        np.mean([len(set(range(c - side // 2, c - side // 2 + side)) & set(range(length))) for c in range(length)])
    )


def test_the_expectation_itself() -> None:
    assert expected_length(1, 32) == 1
    assert expected_length(16, 32) == 14


@pytest.mark.parametrize(("side", "size"), [(16, (32, 32)), (15, (32, 32)), (32, (32, 32)), (10, (20, 48))])
def test_area_at_borders_is_the_expected_one(side: int, size: tuple[int, int]) -> None:
    holes = cutout.squares(np.full(20_000, side), size, np.random.default_rng(0), CPU)
    areas = holes.sum((1, 2, 3)).double()
    expected = expected_length(side, size[0]) * expected_length(side, size[1])
    assert areas.mean().item() == pytest.approx(expected, abs=4 * areas.std().item() / np.sqrt(len(areas)))
    assert areas.max() == side * min(side, *size)
    assert areas.min() == ((side + 1) // 2) ** 2


def test_every_centre_is_equally_likely() -> None:
    holes = cutout.squares(np.ones(32_000, int), (8, 4), np.random.default_rng(0), CPU)
    counts = holes.sum((0, 1)).double()
    assert counts.sum() == 32_000
    assert (counts - 1000).abs().max() < 4.5 * np.sqrt(1000)


def test_holes_are_grey_rectangles_and_the_rest_stays(images: Tensor, labels: Tensor) -> None:
    method = cutout.method()
    [view] = method.views(images, labels, NET, np.random.default_rng(1))
    holes = cutout.squares(np.full(64, 16), (32, 32), np.random.default_rng(1), CPU)
    assert view.dtype == torch.float32
    assert torch.equal(view, torch.where(holes, torch.tensor(127.5), images.float()))
    for hole in holes[:, 0]:
        rows, columns = hole.any(1), hole.any(0)
        assert torch.equal(hole, rows[:, None] & columns)
    assert len({tuple(hole.flatten().tolist()) for hole in holes}) > 50


def test_holes_are_zero_after_normalising(images: Tensor, labels: Tensor) -> None:
    """With ImageNet's mean and standard deviation, as with any."""
    net = Normalised(nn.Identity(), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    [view] = cutout.method().views(images, labels, net, np.random.default_rng(1))
    holes = cutout.squares(np.full(64, 16), (32, 32), np.random.default_rng(1), CPU).expand_as(view)
    assert net(view)[holes].abs().max() < 1e-6
    assert torch.equal(view[~holes], images[~holes].float())


def test_the_side_follows_the_image(labels: Tensor) -> None:
    [view] = cutout.method(size=0.25).views(
        torch.zeros(64, 3, 40, 64, dtype=torch.uint8), labels, NET, np.random.default_rng(0)
    )
    assert (view == 127.5).sum((2, 3)).max() == 100


@pytest.mark.parametrize("size", [0, -0.5, 1.5, float("nan")])
def test_refuses_sizes_out_of_range(size: float) -> None:
    with pytest.raises(ValueError, match=r"size must be in \(0, 1\]"):
        cutout.method(size=size)


@pytest.mark.parametrize(("experiment", "side"), [("cifar10", 16), ("cifar100", 8)])
def test_the_experiments_have_the_sides_of_cutouts_authors(
    experiment: str, side: int, images: Tensor, labels: Tensor
) -> None:
    [settings] = [entry for entry in configured(experiment) if entry["name"] == "cutout"]
    [view] = methods.build(settings, ["baselines"]).views(images * 0, labels, NET, np.random.default_rng(0))
    assert (view[:, 0] != 0).any(1).sum(1).max() == side


def test_cifar100_has_cifar10s_methods_but_for_cutout() -> None:
    ten, hundred = configured("cifar10"), configured("cifar100")
    assert [entry["name"] for entry in ten] == [entry["name"] for entry in hundred]
    assert [a["name"] for a, b in zip(ten, hundred, strict=True) if a != b] == ["cutout"]


def configured(experiment: str) -> list[dict[str, Any]]:
    settings, _ = read(CONFIG / f"{experiment}.yaml")
    return [{"name": entry, "preset": entry} if isinstance(entry, str) else entry for entry in settings["methods"]]
