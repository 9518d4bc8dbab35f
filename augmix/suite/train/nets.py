"""Nets tried on black images before any job: whether they take the images, and predict the data set's classes."""

import torch
from torch import Tensor, nn

from augmix import models
from augmix.adaptation import batch_norms
from augmix.errors import UserError
from augmix.split_norm import split

DEVICES = ("meta", "cpu")
"""The devices to try a net on: without arithmetic, and with it where some operation of the net cannot do without."""


def check(
    architecture: str, side: int, classes: int, single: bool = False, adapted: bool = False, splits: bool = False
) -> None:
    """Refuse an architecture that cannot be trained on images of this side, or does not predict so many classes.

    With `single` some batch of training has one image, with `adapted` its batch norms are adapted in evaluation, with
    `splits` they are split in training.
    Raises `UserError`.
    """
    for device in DEVICES:
        try:
            with torch.device(device), torch.random.fork_rng(devices=[]):
                net = models.build(architecture, classes)
                try_out(net.eval(), architecture, torch.zeros(2, 3, side, side), classes)
                if single:
                    _try_single(net.train(), architecture, torch.zeros(1, 3, side, side))
            break
        except UserError:
            if device == DEVICES[-1]:
                raise
    if splits:
        split(net, architecture)
    if adapted and not batch_norms(net):
        raise UserError(
            f"{architecture} has no batch norm that keeps statistics: there is nothing to adapt; leave out the adapted "
            "test sets, or the architecture"
        )


def try_out(net: nn.Module, title: str, images: Tensor, classes: int) -> Tensor:
    """The logits of images (B, 3, H, W); raises `UserError` for a net that does not take them or has other classes."""
    count, side = len(images), images.shape[-1]
    try:
        with torch.inference_mode():
            logits = net(images)
    except Exception as error:  # somebody's net can raise anything
        raise UserError(f"{title} does not take images of {side}×{side} pixels: {_reason(error)}") from error
    if not isinstance(logits, Tensor) or logits.shape != (count, classes):
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(f"{title} gives {given} for {count} images; ({count}, {classes}) is expected")
    return logits


def _try_single(net: nn.Module, title: str, image: Tensor) -> None:
    try:
        net(image)
    except Exception as error:
        raise UserError(
            f"{title} cannot be trained on a batch of one image, which the last of an epoch would be "
            f"({_reason(error)}); change training.batch_size"
        ) from error


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".:") or type(error).__name__
