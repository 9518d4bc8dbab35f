"""RandAugment and TrivialAugment: what torchvision's classes make of the same draws, to the bit."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from augmix import operations
from baselines import randaugment, trivialaugment
from baselines.randaugment import MAGNITUDES, parameters

BILINEAR = v2.InterpolationMode.BILINEAR
TORCHVISIONS: dict[str, tuple[Any, Any]] = {
    "randaugment": (v2.RandAugment(interpolation=BILINEAR), randaugment.SPACE),
    "trivialaugment": (v2.TrivialAugmentWide(interpolation=BILINEAR), trivialaugment.SPACES["wide"]),
}
NAMES = list(operations.IDS)


def theirs(transform: Any, image: Image.Image, name: str, magnitude: int, sign: int) -> Image.Image:
    """One operation of torchvision's on a PIL image; its translations go the other way."""
    title = {"autocontrast": "AutoContrast"}.get(name, name.title().replace("_", ""))
    values, signed = transform._AUGMENTATION_SPACE[title]
    made = values(MAGNITUDES, image.height, image.width)
    value = 0.0 if made is None else float(made[magnitude])
    if signed and (sign == 0) != name.startswith("translate"):
        value *= -1
    result: Image.Image = transform._apply_image_or_video_transform(image, title, value, BILINEAR, transform._fill)
    return result


@pytest.mark.parametrize("name", TORCHVISIONS)
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_every_operation_at_every_magnitude_is_torchvisions(name: str, size: tuple[int, int]) -> None:
    transform, space = TORCHVISIONS[name]
    titles = {title.lower() for title in transform._AUGMENTATION_SPACE}
    assert {NAMES[i].replace("_", "") for i in randaugment.ALL} == titles
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, *size), np.uint8)
    slope = np.broadcast_to(np.linspace(20, 220, size[1]).astype(np.uint8), (3, *size))
    for pixels in (noise, slope):
        image = Image.fromarray(pixels.transpose(1, 2, 0).copy())
        batch = torch.from_numpy(pixels.copy())[None].expand(2 * MAGNITUDES, -1, -1, -1)
        for i in randaugment.ALL:
            values = parameters(space, size)[i].reshape(-1, 1)
            ours = operations.chain(batch, np.full(values.shape, i), values).permute(0, 2, 3, 1).numpy()
            for k, made in enumerate(ours):
                expected = np.asarray(theirs(transform, image, NAMES[i], *divmod(k, 2)))
                assert np.array_equal(made, expected), (NAMES[i], divmod(k, 2))


class Noting(np.random.Generator):
    """A generator that keeps what it has drawn."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.drawn: list[np.ndarray] = []

    def integers(self, *arguments: Any, **named: Any) -> Any:
        self.drawn.append(super().integers(*arguments, **named))
        return self.drawn[-1]


def test_a_chain_is_torchvisions_operations_one_after_the_other(images: Tensor, labels: Tensor) -> None:
    rng = Noting(0)
    method = randaugment.method(depth=3, magnitude=5, full=True)
    [view] = method.views(images[:20], labels, nn.Identity(), rng)
    chosen, signs = rng.drawn
    for before, after, row, sign in zip(images, view, chosen, signs, strict=False):
        image = Image.fromarray(before.permute(1, 2, 0).contiguous().numpy())
        for place in range(3):
            name = NAMES[randaugment.ALL[row[place]]]
            image = theirs(TORCHVISIONS["randaugment"][0], image, name, 5, sign[place])
        assert np.array_equal(after.permute(1, 2, 0).numpy(), np.asarray(image))


def test_trivialaugment_draws_a_magnitude_for_each_image(images: Tensor, labels: Tensor) -> None:
    rng = Noting(0)
    [view] = trivialaugment.method(full=True).views(images, labels, nn.Identity(), rng)
    chosen, magnitudes, signs = rng.drawn
    assert chosen.shape == magnitudes.shape == (64, 1)
    for before, after, i, magnitude, sign in zip(
        images, view, chosen[:, 0], magnitudes[:, 0], signs[:, 0], strict=True
    ):
        image = Image.fromarray(before.permute(1, 2, 0).contiguous().numpy())
        made = theirs(TORCHVISIONS["trivialaugment"][0], image, NAMES[i], int(magnitude), int(sign))
        assert np.array_equal(after.permute(1, 2, 0).numpy(), np.asarray(made))
    assert magnitudes.min() < 3
    assert magnitudes.max() > 27


def test_what_overlaps_with_the_corruptions_is_left_out() -> None:
    left = {NAMES[i] for i in randaugment.FEWER}
    assert {NAMES[i] for i in randaugment.ALL} - left == {"color", "contrast", "brightness", "sharpness"}
    assert left == {"identity", *(NAMES[i] for i in operations.AUGMIX)}
    rng = Noting(0)
    grey = torch.full((500, 3, 8, 8), 100, dtype=torch.uint8)
    randaugment.method().views(grey, torch.zeros(500), nn.Identity(), rng)
    assert set(np.unique(rng.drawn[0])) == set(range(10))


def test_the_standard_space_is_the_milder_one() -> None:
    """Its ends are its authors': ±0.3, ±10 pixels, ±30°, all inverted, 4 bits and a factor of 0.1 or 1.9."""
    last = parameters(trivialaugment.SPACES["standard"], (32, 32))[:, -1]
    found = {name: tuple(np.round(last[i], 6)) for name, i in operations.IDS.items()}
    assert found["shear_y"] == (-0.3, 0.3)
    assert found["translate_x"] == found["translate_y"] == (-10, 10)
    assert found["rotate"] == (-30, 30)
    assert found["solarize"] == (0, 0)
    assert found["posterize"] == (4, 4)
    assert found["sharpness"] == (0.1, 1.9)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: randaugment.method(depth=0), "depth must be at least 1, not 0"),
        (lambda: randaugment.method(magnitude=31), "magnitude must be 0 … 30, not 31"),
        (lambda: randaugment.method(magnitude=9.5), "magnitude must be an integer, not 9.5"),  # type: ignore[arg-type]
        (lambda: trivialaugment.method(space="narrow"), "unknown space 'narrow'; valid: standard, wide"),
        (lambda: trivialaugment.method(full=1), "full must be True or False, not 1"),  # type: ignore[arg-type]
    ],
)
def test_refuses_parameters_out_of_range(make: Any, complaint: str) -> None:
    with pytest.raises((ValueError, TypeError), match=complaint):
        make()
