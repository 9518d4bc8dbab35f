"""A sheet of one image: AugMix's views, the corruptions of -C, and what a trained net says of each."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from augmix import AugMix, corruptions, mixing
from augmix.corruptions import CORRUPTIONS
from augmix.errors import UserError
from augmix.suite.data import datasets
from augmix.suite.evaluate.evaluation import load_net, numbers
from augmix.suite.io.files import atomic, expanded, read_mapping
from augmix.suite.testsets import gallery
from augmix.suite.testsets.base import Shift
from augmix.suite.testsets.generation import generated

ACROSS = 8
"""Images in a row: the image and its views, then two rows of corruptions."""
INCH = 1.3
"""The width of an image on the sheet, in inches."""


def write_sheet(path: Path, output: Path, model: Path | None, severity: int, seed: int) -> None:
    """Write a PNG of the image's central square, its views and its corruptions, with a run's predictions of them.

    A net sees images of its data set's size, so that they are scaled to it first. Raises `UserError` where the image
    or the run cannot be read.
    """
    if output.suffix.lower() != ".png":
        raise UserError(f"--output is {output}; the sheet is a PNG, such as demo.png")
    if not path.is_file():
        raise UserError(f"{path} is no file; name an image")
    image = gallery.pick(None, str(path.resolve()))
    if model is not None:
        settings = _settings(model)
        data = expanded(settings["data"])
        if missing := [data / name for name in ("test_images.npy", "dataset.json") if not (data / name).exists()]:
            raise UserError(f"{missing[0]} is missing: run `augmix prepare --config …` for the run's experiment first")
        side = datasets.read_images(data, "test").shape[1]
        image = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    titles, images = _sheet(image, severity, seed)
    _draw(output, images, titles, [""] * len(images) if model is None else _said(model, settings, images))


def _sheet(image: np.ndarray, severity: int, seed: int) -> tuple[list[str], np.ndarray]:
    """The titles and the images, uint8 (K, H, W, 3): the image, its views, and its corruptions at one severity."""
    views = ACROSS - 1
    copies = torch.from_numpy(np.array(image)).permute(2, 0, 1).repeat(views, 1, 1, 1)
    plan = AugMix().sample(views, image.shape[:2], np.random.default_rng(seed))
    mixed = mixing.apply(copies, plan).round().byte().permute(0, 2, 3, 1).numpy()
    corrupted = [generated(corruptions.corrupt, image[None], name, severity, seed)[0] for name in CORRUPTIONS]
    titles = [
        "the image",
        *(f"AugMix {i + 1}" for i in range(views)),
        *(name.replace("_", " ") for name in CORRUPTIONS),
    ]
    return titles, np.concatenate([image[None], mixed, np.stack(corrupted)])


def _settings(model: Path) -> dict[str, Any]:
    """The settings that a run was trained with."""
    if not (model / "config.yaml").is_file():
        raise UserError(f"{model} is no run: it has no config.yaml; name <results>/<data set>/<net>/<method>/seed<k>")
    return read_mapping(model / "config.yaml", {"data": str, "architecture": str})


def _said(model: Path, settings: dict[str, Any], images: np.ndarray) -> list[str]:
    """The class that the run's net predicts for each image, with its confidence."""
    record = datasets.record(expanded(settings["data"]))
    net = load_net(model / "model.pt", settings["architecture"], record, torch.device("cpu"))
    labels = np.zeros(len(images), np.int64)
    found = numbers(net, Shift(images, labels, labels.shape), torch.device("cpu"))
    return [f"{record['classes'][one['prediction']]}, {100 * one['confidence']:.0f} %" for one in found]


def _draw(output: Path, images: np.ndarray, titles: list[str], said: list[str]) -> None:
    from matplotlib.figure import Figure

    rows = -(-len(images) // ACROSS)
    figure = Figure(figsize=(ACROSS * INCH, rows * (INCH + 0.35)), layout="constrained")
    for ax in (axes := figure.subplots(rows, ACROSS).ravel()):
        ax.set_axis_off()
    for ax, image, title, words in zip(axes, images, titles, said, strict=False):
        ax.imshow(image, interpolation="nearest")
        ax.set_title(f"{title}\n{words}" if words else title, fontsize=7, pad=2)
    with atomic(output) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
