"""Stylized-ImageNet (Geirhos et al., 2019): images replaced by a stylised one of their class.

You make the stylised images, with their authors' code, and give the folder; as a row of the AugMix paper it goes before
other views, `views: [{stylized_imagenet: {folder: …}}, {augmix: {}}]`.

Departures:
    - The AugMix script has no such method. Here images are replaced after crop and flip, by stylised ones that are
      scaled and cut out of the centre, and get neither.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from augmix.checks import check_number
from augmix.errors import UserError
from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from augmix.suite.data.loaders.image_folder import decode, is_wanted, listing
from augmix.suite.io.files import expanded


def method(*, folder: str, probability: float = 0.5) -> Method:
    """The images, some replaced by a random one of `<folder>/train/<class>/*`.

    Labels number the class folders in the order that `image_folder` gives them. Images are decoded when they are
    drawn; the shorter side is scaled to the batch's, the centre is cut out, and nothing else is done to them.

    Args:
        folder: The folder of the stylised images, `<folder>/train/<class>/*`. Source: yours to give.
        probability: The chance of an image to be replaced. Source: ours.
    """
    check_number("probability", probability, 0, 1)
    return Method(Stylised(expanded(str(folder)) / "train", probability), unmixed, cross_entropy)


class Stylised:
    """Views that replace images by stylised ones of the same class."""

    def __init__(self, folder: Path, probability: float) -> None:
        if not folder.is_dir():
            raise ValueError(f"folder must hold train/<class>/*, and there is no {folder}")
        self.classes = [folder / name for name in listing(folder) if (folder / name).is_dir()]
        if not self.classes:
            raise ValueError(f"folder must hold train/<class>/*, and {folder} has no class folders")
        for name in self.classes:
            if not any(is_wanted(entry.name) for entry in os.scandir(name)):
                raise ValueError(f"{name} is empty: a class needs at least one image")
        self.probability = probability
        self.files: dict[int, list[str]] = {}

    def __call__(self, images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator) -> list[Tensor]:
        """The images, some replaced: uint8 (B, C, H, W)."""
        chosen = np.flatnonzero(rng.random(len(images)) < self.probability)
        if not chosen.size:
            return [images]
        files = [self._draw(label, rng) for label in labels[chosen].tolist()]
        side = images.shape[-1]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            decoded = np.stack(list(pool.map(lambda file: decode(file, side), files)))
        replaced = images.clone()
        replaced[torch.from_numpy(chosen).to(images.device)] = (
            torch.from_numpy(decoded).permute(0, 3, 1, 2).to(images.device)
        )
        return [replaced]

    def _draw(self, label: int, rng: np.random.Generator) -> Path:
        if label >= len(self.classes):
            raise UserError(
                f"{self.classes[0].parent} has {len(self.classes)} class folders; the data set has class number {label}"
            )
        folder = self.classes[label]
        if label not in self.files:
            self.files[label] = listing(folder)
        return folder / self.files[label][rng.integers(len(self.files[label]))]
