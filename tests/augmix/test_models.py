"""The architectures: published parameter counts, shapes, and normalisation."""

import pytest
import torch

from augmix import models
from augmix.registry import module_names

PARAMETERS = {"smallnet": 112_938, "wideresnet": 2_243_546}


def test_every_architecture_is_listed_here() -> None:
    assert sorted(PARAMETERS) == sorted(module_names("augmix.models"))


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_and_shapes(name: str) -> None:
    torch.manual_seed(0)
    net = models.build(name, 10).eval()
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS[name]
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert models.build(name, 100)(torch.zeros(2, 3, 32, 32)).shape == (2, 100)


def test_normalised_takes_pixels() -> None:
    net = models.Normalised(torch.nn.Identity())
    pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    assert net(pixels).flatten().tolist() == [-1, 1]
    assert net(pixels.float()).flatten().tolist() == [-1, 1]


def test_unknown_names_and_class_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'wideresnet'"):
        models.build("widresnet", 10)
    with pytest.raises(ValueError, match="num_classes is 1"):
        models.build("smallnet", 1)
