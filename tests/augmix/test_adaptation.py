"""Batch-norm adaptation against a plain net whose statistics are computed by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from augmix import adaptation


def trained(seed: int = 0) -> nn.Sequential:
    """A small net whose batch norms have seen images; in evaluation mode."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        *(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 36, 4), nn.BatchNorm1d(4))
    )
    for layer in adaptation.batch_norms(net):
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    for _ in range(3):
        net(torch.randn(16, 3, 8, 8))
    return net.eval()


def plain(net: nn.Sequential, images: torch.Tensor, prior: float) -> np.ndarray:
    """The logits of the adapted net, in NumPy but for the convolution."""

    def normalised(layer: nn.Module, x: np.ndarray) -> np.ndarray:
        mean, var, scale, shift = (
            layer.get_buffer(name).double().numpy() if "running" in name else layer.get_parameter(name).detach().numpy()
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        flat = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])
        n = len(x)
        if np.isfinite(prior):
            mean = (prior * mean + n * flat.mean(0)) / (prior + n)
            var = (prior * var + n * flat.var(0, ddof=1)) / (prior + n)
        found = np.moveaxis((np.moveaxis(x, 1, -1) - mean) / np.sqrt(var + 1e-5) * scale + shift, -1, 1)
        return np.asarray(found)

    with torch.no_grad():
        x = net.get_submodule("0")(images).double().numpy()
    x = np.maximum(normalised(net[1], x), 0).reshape(len(images), -1)
    x = x @ net[4].get_parameter("weight").detach().numpy().T + net[4].get_parameter("bias").detach().numpy()
    return normalised(net[5], x)


@pytest.mark.parametrize("prior", [0, 7, 16.5, float("inf")])
def test_statistics_are_mixed(prior: float) -> None:
    net, images = trained(), 2 * torch.randn(12, 3, 8, 8) + 1
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        unadapted = net(images)
        with adaptation.adapted(net, prior):
            found = net(images)
        assert torch.equal(net(images), unadapted), "after it, the net is as it was"
    np.testing.assert_allclose(found.numpy(), plain(net, images, prior), rtol=1e-3, atol=1e-4)
    assert torch.allclose(found, unadapted) == (prior == float("inf"))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_predictions_are_the_same_where_gradients_are_asked_for() -> None:
    net, images = trained(), torch.randn(12, 3, 8, 8, requires_grad=True)
    with adaptation.adapted(net, 7):
        found = net(images)
        with torch.no_grad():
            assert torch.equal(net(images), found)
    found.sum().backward()
    assert images.grad is not None


def test_autocast_adapts_about_alike() -> None:
    net, images = trained(), torch.randn(12, 3, 8, 8)
    with torch.no_grad(), adaptation.adapted(net, 7):
        expected = net(images)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(net(images).float(), expected, atol=0.1, rtol=0)


def test_what_cannot_be_adapted_is_refused() -> None:
    bare = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.GroupNorm(1, 3))
    with pytest.raises(ValueError, match="no batch norm that keeps statistics"), adaptation.adapted(bare):
        pass
    with pytest.raises(ValueError, match="prior is -1"), adaptation.adapted(trained(), -1):
        pass
