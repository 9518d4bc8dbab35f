"""ResNet-50 and its variant with MaxBlur pooling: the published size, and a blur before every subsampling."""

import pytest
import torch
from torch import nn

from augmix import models
from augmix.models.resnet50_maxblur import Blur

NAMES = ["resnet50", "resnet50_maxblur"]


@pytest.mark.parametrize("name", NAMES)
def test_the_published_number_of_parameters(name: str) -> None:
    net = models.build(name, 1000)
    assert sum(p.numel() for p in net.parameters()) == 25_557_032
    assert net.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_no_pixel_is_skipped_unblurred() -> None:
    pools = nn.Conv2d | nn.MaxPool2d
    plain, blurred = (list(models.build(name, 10).modules()) for name in NAMES)
    assert {m.stride for m in blurred if isinstance(m, pools)} == {1, (1, 1)}
    subsamplings = [m for m in plain if isinstance(m, pools) and m.stride in (2, (2, 2))]
    assert len([m for m in blurred if isinstance(m, Blur)]) == len(subsamplings) == 8


def test_the_stages_have_the_plain_nets_sizes() -> None:
    sizes = []
    for name in NAMES:
        shapes: list[torch.Size] = []
        net = models.build(name, 10).eval()
        for stage in (net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4):
            assert isinstance(stage, nn.Module)
            stage.register_forward_hook(lambda module, given, made, shapes=shapes: shapes.append(made.shape))
        net(torch.zeros(1, 3, 96, 64))
        sizes.append(shapes)
    assert sizes[0] == sizes[1]


def test_the_blur_keeps_what_is_constant_and_removes_the_fastest_waves() -> None:
    blur = Blur(2)
    constant = torch.tensor([3.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    torch.testing.assert_close(blur(constant), constant[..., ::2, ::2])
    stripes = (torch.arange(8) % 2 * 2.0 - 1).expand(1, 2, 8, 8)
    torch.testing.assert_close(blur(stripes), torch.zeros(1, 2, 4, 4))
    torch.testing.assert_close(blur(stripes.transpose(2, 3)), torch.zeros(1, 2, 4, 4))
    impulse = torch.zeros(1, 2, 8, 8)
    impulse[:, 0, 4, 4] = 256
    row = torch.tensor([1.0, 6.0, 1.0])
    torch.testing.assert_close(blur(impulse)[0, 0, 1:4, 1:4], torch.outer(row, row))
    assert blur(impulse)[0, 1].abs().max() == 0
