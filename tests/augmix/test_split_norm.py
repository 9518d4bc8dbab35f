"""Split batch norm: each view goes through its own norms in training, and the clean view's alone are kept."""

import copy

import pytest
import torch
from torch import Tensor, nn

from augmix import models
from augmix.attacks import attacked
from augmix.errors import UserError
from augmix.split_norm import in_views, split, without_others


class Activated(nn.BatchNorm2d):
    """A batch norm of somebody's, with its activation."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).relu()


@pytest.fixture
def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3), Activated(5), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.BatchNorm1d(5), nn.Linear(5, 2),
    )  # fmt: skip


@pytest.fixture
def views() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [(1 + i) * torch.randn(6, 3, 8, 8, generator=generator) + i for i in range(3)]


def divided(net: nn.Module) -> nn.Module:
    net = copy.deepcopy(net)
    split(net, "it")
    return net


def test_the_clean_view_goes_through_norms_of_its_own(plain: nn.Module, views: list[Tensor]) -> None:
    """Each part of a batch gives, and leaves behind, what it would in a net by itself."""
    net, clean, others = divided(plain), copy.deepcopy(plain), copy.deepcopy(plain)
    with in_views(net, 3):
        found = net(torch.cat(views))
    torch.testing.assert_close(found, torch.cat([clean(views[0]), others(torch.cat(views[1:]))]))
    for name, norm in plain.named_modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            for buffer in ("running_mean", "running_var", "num_batches_tracked"):
                for alone, of in ((clean, name), (others, f"{name}.others")):
                    torch.testing.assert_close(
                        net.get_buffer(f"{of}.{buffer}"), alone.get_buffer(f"{name}.{buffer}"), atol=1e-5, rtol=1e-5
                    )
    found.sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_what_is_evaluated_and_kept_is_the_clean_views(plain: nn.Module, views: list[Tensor]) -> None:
    net = divided(plain)
    with in_views(net, 3):
        net(torch.cat(views))
    assert net.state_dict().keys() > plain.state_dict().keys()
    assert without_others(net).keys() == plain.state_dict().keys()
    assert without_others(plain).keys() == plain.state_dict().keys()
    plain.load_state_dict(without_others(net))
    assert torch.equal(net.eval()(views[1]), plain.eval()(views[1]))
    with attacked(net, "train"), attacked(plain, "train"):
        assert torch.equal(net(views[1]), plain(views[1]))


def test_what_cannot_be_split_is_refused(plain: nn.Module, views: list[Tensor]) -> None:
    with pytest.raises(UserError, match=r"vit has no batch norm that could be split; leave out training\.batch_norm"):
        split(models.build("vit", 10), "vit")
    alone = r"training\.batch_norm is split, and there is one view alone; leave it out"
    with pytest.raises(UserError, match=alone), in_views(divided(plain), 1):
        pass
    with in_views(plain, 1):
        plain(views[0])


@pytest.mark.parametrize("name", ["allconv", "densenet", "resnext", "smallnet", "wideresnet"])
def test_all_our_nets_can_be_split(name: str) -> None:
    with torch.device("meta"):
        net = models.build(name, 10)
        kept = net.state_dict().keys()
        split(net, name)
        with in_views(net, 3):
            assert net(torch.zeros(6, 3, 32, 32)).shape == (6, 10)
        assert without_others(net).keys() == kept
