"""The small transformer: places told apart, in images of any multiple of the patch, and attention to all of them."""

import pytest
import torch

from augmix import models
from augmix.models import vit


@pytest.mark.parametrize(("height", "width"), [(32, 32), (28, 40), (64, 64)])
def test_it_tells_places_apart(height: int, width: int) -> None:
    table = vit.positions(96, height // 4, width // 4)
    assert table.shape == (height // 4 * (width // 4), 96)
    assert torch.cdist(table, table).fill_diagonal_(9).min() > 0.5
    torch.manual_seed(0)
    net = models.build("vit", 10).eval()
    image = torch.randn(1, 3, height, width)
    swapped = torch.cat([image[..., 4:8], image[..., :4], image[..., 8:]], 3)
    assert (net(image) - net(swapped)).abs().max() > 1e-4


def test_every_patch_attends_to_every_other() -> None:
    torch.manual_seed(0)
    block = vit.Block(12, heads=3, hidden=24)
    tokens = torch.randn(1, 5, 12, requires_grad=True)
    block(tokens)[0, 0].sum().backward()
    assert tokens.grad is not None
    assert (tokens.grad.abs().sum(2) > 0).all()
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(block(tokens)[:, order], block(tokens[:, order]), atol=1e-5, rtol=1e-5)
