"""The pictures of the methods' cards: `python -m docs.views` draws docs/methods/<method>.jpg."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from augmix import methods
from augmix.suite.data.loaders import fashion_small
from augmix.suite.io.files import atomic
from benchmarks.methods import photographs, smallnet
from docs.cards import CARDS, NAMES, PACKAGES

SIDE, EACH, GAP = 64, 4, 4
"""Pixels of an image in a picture, images of either kind, and pixels between two."""
UNDRAWN = ("stylized_imagenet",)
"""The methods whose images are the user's."""


def originals() -> list[np.ndarray]:
    """The photographs, and clothes of as many classes: uint8 (4, side, side, 3) each."""
    found = fashion_small.load()
    clothes = [found.train_images[np.flatnonzero(found.train_labels == label)[0]] for label in (0, 5, 8, 9)]
    return [photographs(EACH, SIDE), np.stack(clothes)]


def seen(name: str, images: np.ndarray) -> list[np.ndarray]:
    """Some images and every view of them that a method shows the net and that is another: uint8 (N, H, W, 3) each."""
    method = methods.build({"name": name, "preset": name, "parameters": {}}, PACKAGES)
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    labels, targets = torch.arange(len(images)), torch.eye(len(images))
    torch.manual_seed(0)
    net = smallnet()
    # Mixing may have a probability: the first batch that is mixed counts.
    for seed in range(4, 20):
        rng = np.random.default_rng(seed)
        views, mixed = method.mix(method.views(given, labels, net, rng), targets, rng)
        if method.mix is methods.unmixed or not torch.equal(mixed, targets):
            break
    return [images, *(_shown(view) for view in views if not torch.equal(view, given))]


def _shown(view: Tensor) -> np.ndarray:
    return view.float().round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def picture(name: str) -> np.ndarray:
    """The images in a row and each view of them in a further one: uint8 (H, W, 3)."""
    kinds = [seen(name, images) for images in originals()]
    rows = len(kinds[0])
    sheet = np.full((rows * (SIDE + GAP) - GAP, 2 * EACH * (SIDE + GAP) - GAP, 3), 255, np.uint8)
    for row in range(rows):
        tiles = [tile for kind in kinds for tile in kind[row]]
        for column, tile in enumerate(tiles):
            factor, top, left = SIDE // len(tile), row * (SIDE + GAP), column * (SIDE + GAP)
            sheet[top : top + SIDE, left : left + SIDE] = tile.repeat(factor, 0).repeat(factor, 1)
    return sheet


def main() -> None:
    """Draw all pictures."""
    for name in NAMES:
        if name not in UNDRAWN:
            with atomic(CARDS / f"{name}.jpg") as temporary:
                Image.fromarray(picture(name)).save(temporary, "JPEG", quality=85, subsampling=0, optimize=True)


if __name__ == "__main__":
    main()
