"""Ablations: each one changes what its name says, and nothing else of AugMix."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmix import losses, methods
from augmix.crops import crop_and_flip
from augmix.errors import UserError
from augmix.mixing import Sampler, apply, apply_chain

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (16, 3, 32, 32), np.uint8))
LABELS = torch.arange(16) % 4
TARGETS = F.one_hot(LABELS, 4).float()


def preset(name: str, **parameters: Any) -> methods.Method:
    settings = {"name": name, "preset": name, "parameters": parameters}
    return methods.build(settings, ["baselines", "ablations"])


def views_of(name: str, **parameters: Any) -> list[Tensor]:
    return preset(name, **parameters).views(IMAGES, LABELS, nn.Identity(), np.random.default_rng(5))


def expected(count: int, render: Any = apply, **parameters: Any) -> list[Tensor]:
    augmix, rng = Sampler(**parameters), np.random.default_rng(5)
    return [render(IMAGES, augmix.sample(len(IMAGES), (32, 32), rng)) for _ in range(count)]


def logits(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(16, 4, generator=generator) for _ in range(count)]


MIXED = expected(2)
CHAINS = expected(2, apply_chain, width=1)
VIEWS = {
    "no_jsd": MIXED[:1],
    "no_jsd_all_views": [IMAGES, *MIXED],
    "kl_only": [IMAGES, *MIXED],
    "kl_reversed": [IMAGES, *MIXED],
    "single_chain": [IMAGES, *expected(2, width=1)],
    "no_mixing": [IMAGES, *CHAINS],
    "random_autoaugment": CHAINS[:1],
    "random_autoaugment_all_views": [IMAGES, *CHAINS],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views(name: str) -> None:
    views = views_of(name)
    assert len(views) == len(VIEWS[name])
    assert all(torch.equal(view, other) for view, other in zip(views, VIEWS[name], strict=True))


def test_chains_are_not_mixed() -> None:
    """An operation on uint8 gives uint8, and the two views of an image come from different chains."""
    chains = views_of("no_mixing")[1:]
    assert all(chain.dtype == torch.uint8 for chain in chains)
    assert (chains[0] != chains[1]).flatten(1).any(1).float().mean() > 0.8


JSD = losses.jensen_shannon
CLEAN, ALL = losses.cross_entropy, losses.cross_entropy_all
LOSSES = {
    "no_jsd": (1, lambda x: CLEAN(x, TARGETS)),
    "no_jsd_all_views": (3, lambda x: ALL(x, TARGETS)),
    "kl_only": (3, lambda x: CLEAN(x, TARGETS) + losses.kullback_leibler(x, 12)),
    "kl_reversed": (3, lambda x: CLEAN(x, TARGETS) + losses.kullback_leibler(x, 12, reverse=True)),
    "single_chain": (3, lambda x: CLEAN(x, TARGETS) + JSD(x, 12)),
    "no_mixing": (3, lambda x: CLEAN(x, TARGETS) + JSD(x, 12)),
    "crop_jsd": (3, lambda x: CLEAN(x, TARGETS) + JSD(x, 12)),
    "random_autoaugment": (1, lambda x: CLEAN(x, TARGETS)),
    "random_autoaugment_all_views": (3, lambda x: ALL(x, TARGETS)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_mixes(name: str) -> None:
    views, loss = LOSSES[name]
    method = preset(name)
    torch.testing.assert_close(method.loss(logits(views), TARGETS), loss(logits(views)))
    assert method.mix is methods.unmixed


@pytest.mark.parametrize("name", ["kl_only", "kl_reversed", "single_chain", "no_mixing", "crop_jsd"])
def test_weight_and_views_are_parameters(name: str) -> None:
    method = preset(name, weight=0, views=3)
    assert len(method.views(IMAGES, LABELS, nn.Identity(), np.random.default_rng(0))) == 4
    torch.testing.assert_close(method.loss(logits(4), TARGETS), CLEAN(logits(4), TARGETS))


def test_crop_jsd_sees_further_crops() -> None:
    views = views_of("crop_jsd")
    rng = np.random.default_rng(5)
    assert torch.equal(views[0], IMAGES)
    assert torch.equal(views[1], crop_and_flip(IMAGES, rng, False))
    assert torch.equal(views[2], crop_and_flip(IMAGES, rng, False))
    flipped = views_of("crop_jsd", flip=True)
    assert torch.equal(flipped[1], crop_and_flip(IMAGES, np.random.default_rng(5), True))


@pytest.mark.parametrize("name", [*VIEWS, "crop_jsd"])
def test_the_seed_decides(name: str) -> None:
    assert all(torch.equal(a, b) for a, b in zip(views_of(name), views_of(name), strict=True))


@pytest.mark.parametrize(
    ("name", "parameters", "complaint"),
    [
        ("single_chain", {"width": 2}, "unexpected keyword argument 'width'"),
        ("no_mixing", {"alpha": 1}, "unexpected keyword argument 'alpha'"),
        ("random_autoaugment", {"views": 2}, "unexpected keyword argument 'views'"),
        ("random_autoaugment", {"severity": 0}, r"severity must be in \(0, 10\], not 0"),
        ("kl_only", {"weight": -1}, r"weight must be in \[0, 1e\+06\], not -1"),
        ("no_jsd_all_views", {"views": 0}, "views must be at least 1, not 0"),
        ("crop_jsd", {"flip": "yes"}, "flip must be True or False"),
    ],
)
def test_faults_name_method_and_parameter(name: str, parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=f"method '{name}': {name}: .*{complaint}"):
        preset(name, **parameters)
