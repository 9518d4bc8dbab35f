"""A batch of noise with labels, and a small net in training mode."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augmix import models


@pytest.fixture
def images() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (64, 3, 32, 32), np.uint8))


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(64) % 10


@pytest.fixture
def targets(labels: Tensor) -> Tensor:
    return nn.functional.one_hot(labels, 10).float()


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return models.Normalised(models.build("smallnet", 10)).train()


class Elsewhere(Tensor):
    """Images for which no compiled kernel is taken, as on another device."""

    is_cpu = False
