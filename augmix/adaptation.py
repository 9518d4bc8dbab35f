"""Batch-norm adaptation: a net's statistics of its training images, mixed with those of the batch that it is shown.

Schneider, Rusak et al., "Improving robustness against common corruptions by covariate shift adaptation", NeurIPS 2020.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(net: nn.Module) -> list[_BatchNorm]:
    """The net's batch-norm layers that keep statistics of training images: those that can be adapted."""
    return [layer for layer in net.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]


@contextmanager
def adapted(net: nn.Module, prior: float = 0) -> Iterator[None]:
    """Have the net's batch norms normalise by (N · training + n · batch) / (N + n) within the block.

    N is the `prior`, how many images the statistics of training count as: 0 takes the batch's alone, infinity none of
    it. n is how many images the batch has. Means and variances are mixed so, the batch's variance being unbiased; the
    net has to be in evaluation mode, and keeps its own statistics. No gradients go through the batch's. Raises
    ValueError for a net without such layers, and for a prior below 0.
    """
    if not prior >= 0:
        raise ValueError(f"prior is {prior}; a number of images, at least 0, is accepted")
    layers = batch_norms(net)
    if not layers:
        raise ValueError("the net has no batch norm that keeps statistics; there is nothing to adapt")
    for layer in layers:
        layer.forward = partial(_forward, layer, prior)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer: _BatchNorm, prior: float, images: Tensor) -> Tensor:
    mean, variance = layer.running_mean, layer.running_var
    assert mean is not None
    assert variance is not None
    share = 0.0 if math.isinf(prior) else len(images) / (prior + len(images))
    if share:
        # In the layer's precision: autocast gives images in a lower one.
        own_variance, own_mean = torch.var_mean(images.detach().to(mean.dtype), [0, *range(2, images.ndim)])
        mean, variance = mean.lerp(own_mean, share), variance.lerp(own_variance, share)
    return F.batch_norm(images, mean, variance, layer.weight, layer.bias, False, 0.0, layer.eps)
