"""ResNet-50 and its variant with MaxBlur pooling: published sizes, and a blur where the released net has one."""

from pathlib import Path

import pytest
import torch
from torch import nn

from augmix import models
from augmix.errors import UserError
from augmix.models.resnet50_maxblur import Blur
from augmix.suite.config.experiment import load
from augmix.suite.evaluate import weights
from augmix.suite.train.optimizers import learning_rate

NAMES = ["resnet50", "resnet50_maxblur"]


@pytest.mark.parametrize("name", NAMES)
def test_the_published_number_of_parameters(name: str) -> None:
    net = models.build(name, 1000)
    assert sum(p.numel() for p in net.parameters()) == 25_557_032
    assert net.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_after_the_stems_convolution_no_pixel_is_skipped_unblurred() -> None:
    pools = nn.Conv2d | nn.MaxPool2d
    plain, blurred = (dict(models.build(name, 10).named_modules()) for name in NAMES)
    strided = {name for name, m in blurred.items() if isinstance(m, pools) and m.stride not in (1, (1, 1))}
    assert strided == {"conv1"}
    subsamplings = [m for m in plain.values() if isinstance(m, pools) and m.stride in (2, (2, 2))]
    assert len([m for m in blurred.values() if isinstance(m, Blur)]) == len(subsamplings) - 1 == 7


def test_the_stem_is_that_of_the_released_net() -> None:
    """A convolution at stride 2, the largest of each 2×2 pixels at stride 1, and only then the blur."""
    net = models.build("resnet50_maxblur", 10).eval()
    x = torch.randn(1, 64, 112, 112, generator=torch.Generator().manual_seed(0))
    largest = torch.stack([x[..., i : i + 111, j : j + 111] for i in (0, 1) for j in (0, 1)]).amax(0)
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    padded = nn.functional.pad(largest, (2, 2, 2, 2), "reflect")
    expected = torch.zeros(1, 64, 56, 56)
    for i in range(5):
        for j in range(5):
            expected += row[i] * row[j] * padded[..., i : i + 111 : 2, j : j + 111 : 2]
    assert isinstance(net.maxpool, nn.Module)
    torch.testing.assert_close(net.maxpool(x), expected)


def test_parameters_and_filters_have_the_released_codes_names() -> None:
    """Its `resnet50` with 5 taps has these names and shapes beside a plain ResNet-50's."""
    plain, blurred = (models.build(name, 1000).state_dict() for name in NAMES)
    expected: dict[str, tuple[int, ...]] = {"maxpool.1.filt": (64, 1, 5, 5)}
    for layer, width in ((2, 128), (3, 256), (4, 512)):
        block = f"layer{layer}.0"
        expected |= {
            f"{block}.conv3.0.filt": (width, 1, 5, 5),
            f"{block}.conv3.1.weight": (4 * width, width, 1, 1),
            f"{block}.downsample.0.filt": (2 * width, 1, 5, 5),
            f"{block}.downsample.1.weight": (4 * width, 2 * width, 1, 1),
        }
        expected |= {f"{block}.downsample.2.{end}": (4 * width,) for end in ("weight", "bias", "running_mean")}
        expected |= {f"{block}.downsample.2.running_var": (4 * width,), f"{block}.downsample.2.num_batches_tracked": ()}
    assert {name: tuple(blurred[name].shape) for name in expected} == expected
    assert len(blurred) == len(plain) + 7
    assert not {f"layer{layer}.0.{name}.weight" for layer in (2, 3, 4) for name in ("conv3", "downsample.0")} & set(
        blurred
    )


def test_weights_with_other_filters_or_none_are_refused(tmp_path: Path) -> None:
    own = models.build("resnet50_maxblur", 10).state_dict()
    four_taps = {name: value[..., :4, :4] if name.endswith("filt") else value for name, value in own.items()}
    without = {name: value for name, value in own.items() if not name.endswith("filt")}
    assert weights.fit(own, "resnet50_maxblur", 10, tmp_path / "5.pth")
    with pytest.raises(UserError, match=r"of another shape \(maxpool.1.filt: 64×1×4×4 in the file"):
        weights.fit(four_taps, "resnet50_maxblur", 10, tmp_path / "4.pth")
    with pytest.raises(UserError, match=r"7 missing \(maxpool.1.filt, …\)"):
        weights.fit(without, "resnet50_maxblur", 10, tmp_path / "stem.pth")


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


def test_maxblurs_experiment_has_its_authors_schedule() -> None:
    recipe = load(Path(__file__).parents[2] / "config" / "imagenet_maxblur.yaml").runs[0].training.training
    rates = [learning_rate(recipe, epoch, 90) for epoch in (0, 29, 30, 59, 60, 89)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
