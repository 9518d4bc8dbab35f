"""AugMix's peers: the paper's algorithm an image at a time with Pillow, timm's and torchvision's."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset
from torchvision.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor, v2

WIDTH, SEVERITY = 3, 3
NORMALISE = Compose([ToTensor(), Normalize([0.5] * 3, [0.5] * 3)])


def _level() -> float:
    return np.random.uniform(0.1, SEVERITY)


def _signed(magnitude: float) -> float:
    return magnitude if np.random.random() < 0.5 else -magnitude


def _affine(image: Image.Image, *coefficients: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)


def _rotate(image: Image.Image) -> Image.Image:
    return image.rotate(_signed(int(30 * _level() / 10)), Image.Resampling.BILINEAR)


OPERATIONS: list[Callable[[Image.Image], Image.Image]] = [
    ImageOps.autocontrast,
    ImageOps.equalize,
    lambda image: ImageOps.posterize(image, 4 - int(4 * _level() / 10)),
    _rotate,
    lambda image: ImageOps.solarize(image, 256 - int(256 * _level() / 10)),
    lambda image: _affine(image, 1, _signed(0.3 * _level() / 10), 0, 0, 1, 0),
    lambda image: _affine(image, 1, 0, 0, _signed(0.3 * _level() / 10), 1, 0),
    lambda image: _affine(image, 1, 0, _signed(int(image.width / 3 * _level() / 10)), 0, 1, 0),
    lambda image: _affine(image, 1, 0, 0, 0, 1, _signed(int(image.height / 3 * _level() / 10))),
]


def pillow_view(image: Image.Image) -> torch.Tensor:
    """One view by the paper's algorithm 1, as its data loader makes them: every chain a normalised tensor, then mixed.

    Operations, levels and signs come from NumPy's global generator.
    """
    weights = np.random.dirichlet([1.0] * WIDTH)
    m = np.random.beta(1.0, 1.0)
    mixed = torch.zeros_like(NORMALISE(image))
    for weight in weights:
        chain = image.copy()
        for _ in range(np.random.randint(1, 4)):
            operation = np.random.choice(OPERATIONS)  # type: ignore[arg-type]
            chain = operation(chain)
        mixed += float(weight) * NORMALISE(chain)
    return (1 - m) * NORMALISE(image) + m * mixed


def torchvision_transform() -> Callable[[Any], Any]:
    """The transform of torchvision, with the same width, depth, severity and operations; it also takes tensors."""
    transform: Callable[[Any], Any] = v2.AugMix(severity=SEVERITY, mixture_width=WIDTH, all_ops=False)
    return transform


def timm_transform() -> Callable[[Image.Image], Image.Image] | None:
    """The transform of timm, with the same width, depth, severity and operations; None where timm is not installed."""
    if importlib.util.find_spec("timm") is None:
        return None
    from timm.data.auto_augment import augment_and_mix_transform

    made = augment_and_mix_transform(f"augmix-m{SEVERITY}-w{WIDTH}")
    # By default it has all thirteen.
    made.ops = [op for op in made.ops if not op.name.startswith(("Color", "Contrast", "Brightness", "Sharpness"))]
    transform: Callable[[Image.Image], Image.Image] = made
    return transform


class PillowViews(Dataset[tuple[list[torch.Tensor], int]]):
    """Each image, flipped and cropped, and two views of it, as the paper's data loader gives them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        """`images` are uint8 (N, H, W, 3), `labels` (N,)."""
        self.images, self.labels = images, labels
        self.cut = Compose([RandomHorizontalFlip(), RandomCrop(images.shape[1], padding=4)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[list[torch.Tensor], int]:
        image = self.cut(Image.fromarray(self.images[index]))
        return [NORMALISE(image), pillow_view(image), pillow_view(image)], int(self.labels[index])
