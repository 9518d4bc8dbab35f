"""AutoAugment (Cubuk et al., 2019): a learnt policy, less the operations that overlap with -C.

Each image gets one random sub-policy of two operations, each of which happens with its own probability. Contrast,
color, brightness, sharpness and cutout become the identity, as in the AugMix paper; the sub-policy stays. New pixels
are 128. CIFAR-100 uses the CIFAR-10 policy.

A magnitude means something else in each of the authors' two releases. `autoaugment` is their code for CIFAR-10
(tensorflow/models, research/autoaugment), whose meaning AugMix's operations took over; `autoaugment_imagenet` is their
code for ImageNet on TPUs (tensorflow/tpu, models/official/efficientnet/autoaugment.py). At 8, posterize keeps 1 bit in
the first and 3 in the second; at 3, solarize inverts values from 180 and from 76.

Departures:
    - Their code for CIFAR augments before crop and flip, ends with Cutout of 16 pixels, and takes the nearest pixel;
      here images are cropped and flipped before, without Cutout, and geometry is bilinear as in AugMix.
    - Their paper lists 25 sub-policies for CIFAR, which are taken here; their code has 95, with 20 of the 25 among
      them: `policy: cifar10_released`.
    - On ImageNet it is their paper's list with the magnitudes of their code for TPUs, whose own list `v0` is another,
      as it has solarize-add. `{policy: imagenet, magnitudes: autoaugment}` takes CIFAR's magnitudes.
    - Fast AutoAugment's authors augment before crop and flip as well, end with the same Cutout and take the nearest
      pixel, and new pixels are black. Cutout is in their list too, up to a fifth of the side; it becomes the identity
      here, and `full: true` refuses the list.
    - Errors of either were not reproduced: these need their nets and hours of a GPU.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from augmix import operations
from augmix.checks import check_choice, check_flag
from augmix.errors import UserError
from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from augmix.registry import nearest
from augmix.suite.io.configuration import Position, place, read
from augmix.suite.io.files import expanded

POLICIES = Path(__file__).parent / "policies"
REMOVED = ("color", "contrast", "brightness", "sharpness", "cutout")
FILL = 128

SIGNED = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
# Fast AutoAugment's magnitudes, in [0, 1], span these parameters; translations are fractions of the image's side.
FAST = {
    "rotate": (-30, 30), "shear_x": (-0.3, 0.3), "shear_y": (-0.3, 0.3), "translate_x": (-0.45, 0.45),
    "translate_y": (-0.45, 0.45), "solarize": (0, 256), "posterize": (4, 8), "color": (0.1, 1.9),
    "contrast": (0.1, 1.9), "brightness": (0.1, 1.9), "sharpness": (0.1, 1.9),
}  # fmt: skip
HIGHEST = {"autoaugment": 10, "autoaugment_imagenet": 10, "fast_autoaugment": 1}
"""The scales that magnitudes can be on, with the largest magnitude of each."""


class Policy(NamedTuple):
    """P sub-policies of at most D operations: ids, probabilities and magnitudes are (P, D)."""

    operations: np.ndarray
    probabilities: np.ndarray
    magnitudes: np.ndarray
    scale: str
    """The scale that the magnitudes are on, one of `HIGHEST`."""


def method(*, policy: str = "cifar10", full: bool = False, magnitudes: str | None = None) -> Method:
    """The images, each after a sub-policy.

    Args:
        policy: One of `baselines/policies/` by its name, or a YAML file of that form. `cifar10` and `imagenet` are the
            paper's, of 25 sub-policies each; `cifar10_released` is the list of 95 that the authors' code for CIFAR-10
            draws from, `fast_autoaugment_cifar10` the 493 of Fast AutoAugment (Lim et al., 2019). A changed policy
            needs another file name: runs are told apart by it. Source: the paper's on CIFAR.
        full: Whether the operations that overlap with -C are kept. Source: the AugMix paper leaves them out.
        magnitudes: The scale that the policy's numbers are read on, `autoaugment` or `autoaugment_imagenet` (0 to 10)
            in place of its file's; a file can also be on `fast_autoaugment` (0 to 1). Source: the policy's file.
    """
    check_flag("full", full)
    return Method(partial(augmented, policy=read_policy(policy, full, magnitudes)), unmixed, cross_entropy)


def augmented(
    images: Tensor, labels: Tensor, net: nn.Module, rng: np.random.Generator, *, policy: Policy
) -> list[Tensor]:
    """Each image after its own sub-policy: uint8 (B, C, H, W)."""
    batch, _, height, width = images.shape
    ids, parameters = sample(policy, batch, (height, width), rng)
    return [operations.chain(images, ids, parameters, FILL)]


def sample(
    policy: Policy, batch: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The operations and parameters (B, D) of a batch of images of `size` (height, width)."""
    chosen = rng.integers(len(policy.operations), size=batch)
    probabilities = policy.probabilities[chosen]
    happens = rng.random(probabilities.shape) < probabilities
    ids = np.where(happens, policy.operations[chosen], operations.IDENTITY)
    signs = rng.integers(2, size=ids.shape)
    return ids, MEANINGS[policy.scale](ids, policy.magnitudes[chosen], signs, size)


def _fast_parameters(ids: np.ndarray, magnitudes: np.ndarray, signs: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    parameters = np.zeros(ids.shape)
    sides = {"translate_x": size[1], "translate_y": size[0]}
    for name, (low, high) in FAST.items():
        values = (low + magnitudes * (high - low)) * sides.get(name, 1)
        if name in SIGNED:
            values *= 2 * signs - 1
        if name == "posterize":
            values = np.trunc(values)
        parameters = np.where(ids == operations.IDS[name], values, parameters)
    return parameters


def _imagenet_parameters(
    ids: np.ndarray, magnitudes: np.ndarray, signs: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """The meaning of magnitudes in the authors' code for TPUs; its translations are pixels, whatever the image's side.

    Where they ask for 0 bits, TensorFlow's shift of a uint8 goes no further than 7, so that 1 bit is left.
    """
    parameters = operations.parameters(ids, magnitudes, signs, size)
    share, sign = magnitudes / 10, 2 * signs - 1
    others = {
        "posterize": np.maximum(np.trunc(share * 4), 1), "solarize": np.trunc(share * 256), "rotate": sign * share * 30,
        "translate_x": sign * share * 250, "translate_y": sign * share * 250,
    }  # fmt: skip
    for name, values in others.items():
        parameters = np.where(ids == operations.IDS[name], values, parameters)
    return parameters


MEANINGS = {
    "autoaugment": operations.parameters,
    "autoaugment_imagenet": _imagenet_parameters,
    "fast_autoaugment": _fast_parameters,
}
"""The factors that turn magnitudes of each scale into the parameters that operations take."""


def read_policy(policy: str, full: bool = False, magnitudes: str | None = None) -> Policy:
    """A published policy by its name, or one from a file; what is wrong with a file is a `UserError` with its line.

    `magnitudes` names the scale to read the file's numbers on, if that is another than the file says.
    """
    known = [file.stem for file in POLICIES.glob("*.yaml")]
    path = POLICIES / f"{policy}.yaml" if policy in known else expanded(str(policy))
    if not path.is_file():
        raise ValueError(f"policy must be {', '.join(sorted(known))} or a YAML file, and there is no file {policy!r}")
    settings, lines = read(path)

    def refuse(position: Position, complaint: str) -> None:
        raise UserError(f"{place(position, lines)}: {complaint}")

    scale = settings.get("magnitudes")
    if str(scale) not in HIGHEST or set(settings) != {"magnitudes", "policy"}:
        refuse((), f"a policy file says `magnitudes:` ({', '.join(HIGHEST)}) and `policy:`, a list, and nothing else")
    highest = HIGHEST[str(scale)]
    if magnitudes is not None:
        check_choice("magnitudes", magnitudes, [name for name, value in HIGHEST.items() if value == highest])
        scale = magnitudes
    table = settings["policy"]
    if not isinstance(table, list) or not table or not all(isinstance(sub, list) and sub for sub in table):
        refuse(("policy",), "policy must be a list of sub-policies, each a list of [operation, probability, magnitude]")
    shape = (len(table), max(map(len, table)))
    result = Policy(np.full(shape, operations.IDENTITY), np.zeros(shape), np.zeros(shape), str(scale))
    for i, sub_policy in enumerate(table):
        for j, entry in enumerate(sub_policy):
            try:
                step = _read_step(entry, highest, full)
            except ValueError as error:
                refuse(("policy", i, j), str(error))
            for array, value in zip(result[:3], step, strict=True):
                array[i, j] = value
    return result


def _read_step(entry: Any, highest: float, full: bool) -> tuple[int, float, float]:
    """The id, the probability and the magnitude of [operation, probability, magnitude]."""
    if not isinstance(entry, list) or len(entry) != 3:
        raise ValueError(f"an operation is written [name, probability, magnitude], not {entry!r}")
    name, probability, magnitude = entry
    plain = re.sub("[^a-z]", "", str(name).lower())
    names = {valid.replace("_", ""): valid for valid in (*operations.IDS, "cutout")}
    if plain not in names:
        raise ValueError(f"unknown operation '{name}'; {nearest(name, names.values())}")
    for what, value, most in (("probability", probability, 1), ("magnitude", magnitude or 0, highest)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise ValueError(f"the {what} of {name} is {value!r}; it must be in [0, {most}]")
    if names[plain] in REMOVED and not full:
        return operations.IDENTITY, probability, 0.0
    if names[plain] == "cutout":
        raise ValueError("cutout cannot be kept by `full: true`; take it out of the policy")
    return operations.IDS[names[plain]], probability, magnitude or 0.0
