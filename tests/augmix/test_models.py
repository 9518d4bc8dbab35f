"""The architectures: published parameter counts, shapes, public names, and normalisation."""

import pytest
import torch

from augmix import models
from augmix.registry import module_names

PARAMETERS = {
    "attention_stage": 50_578,
    "convolution_stage": 50_578,  # as many, so that attention is what differs
    "allconv": 1_409_674,
    "densenet": 769_162,
    "densenet40": 1_059_298,
    "resnext": 6_807_882,
    "smallnet": 95_394,
    "smallnet_thin": 51_058,
    "vit": 230_218,
    "wideresnet": 2_243_546,
}
LARGE = {"resnet50", "resnet50_maxblur", "vit_b16"}
"""Those for 224×224 images, and those tested beside their definition's own tests."""


def test_every_architecture_is_listed_here() -> None:
    assert set(PARAMETERS) | LARGE >= set(module_names("augmix.models"))


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_shapes_and_gradients(name: str) -> None:
    torch.manual_seed(0)
    net = models.build(name, 10)
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS[name]
    logits = net(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 10)
    assert 0.01 < logits.std() < 10
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters() if p.ndim > 1)
    assert list(models.build(name, 100).parameters())[-1].shape == (100,)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wideresnet", {"conv1.weight": (16, 3, 3, 3), "block1.layer.0.convShortcut.weight": (32, 16, 1, 1),
                        "block3.layer.5.bn2.running_mean": (128,), "bn1.weight": (128,), "fc.bias": (10,)}),
        ("resnext", {"conv_1_3x3.weight": (64, 3, 3, 3), "stage_1.0.downsample.1.weight": (256,),
                     "stage_2.0.conv_conv.weight": (256, 64, 3, 3), "classifier.weight": (10, 1024)}),
        ("densenet40", {"dense1.0.conv1.weight": (12, 24, 3, 3), "trans1.conv1.weight": (168, 168, 1, 1),
                        "bn1.weight": (456,), "fc.weight": (10, 456)}),
        ("densenet", {"dense1.0.conv2.weight": (12, 48, 3, 3), "trans2.conv1.weight": (150, 300, 1, 1)}),
        ("allconv", {"features.0.weight": (96, 3, 3, 3), "features.28.weight": (192, 192, 1, 1),
                     "classifier.weight": (10, 192)}),
    ],
)  # fmt: skip
def test_parameters_have_the_names_of_the_public_code(name: str, expected: dict[str, tuple[int, ...]]) -> None:
    weights = models.build(name, 10).state_dict()
    assert {key: tuple(weights[key].shape) for key in expected} == expected


def test_allconv_averages_the_first_eight_rows_and_columns_of_ten() -> None:
    torch.manual_seed(0)
    features = models.build("allconv", 10).eval().get_submodule("features")
    maps = features[:-1](torch.randn(1, 3, 32, 32))  # type: ignore[index]
    assert maps.shape == (1, 192, 10, 10)
    assert torch.allclose(features[-1](maps)[..., 0, 0], maps[..., :8, :8].mean((2, 3)), atol=1e-6)  # type: ignore[index]


def test_vit_b16_is_torchvisions() -> None:
    with torch.device("meta"):
        net = models.build("vit_b16", 1000)
    assert sum(p.numel() for p in net.parameters()) == 86_567_656


def test_normalised_takes_pixels() -> None:
    net = models.Normalised(torch.nn.Identity())
    pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2).expand(1, 3, 1, 2)
    assert net(pixels).flatten().tolist() == [-1, 1] * 3
    assert net(pixels.float()).flatten().tolist() == [-1, 1] * 3
    net = models.Normalised(torch.nn.Identity(), (0.2, 0.4, 0.6), (0.1, 0.2, 0.4))
    assert torch.allclose(net(pixels)[0, :, 0, 1], torch.tensor([8.0, 3.0, 1.0]))


def test_unknown_names_and_class_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'wideresnet'"):
        models.build("widresnet", 10)
    with pytest.raises(ValueError, match="num_classes is 1"):
        models.build("smallnet", 1)
