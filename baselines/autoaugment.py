"""AutoAugment (Cubuk et al., 2019): a learnt policy, less the operations that overlap with -C.

Each image gets one random sub-policy of two operations, each of which happens with its own probability. Contrast,
color, brightness, sharpness and cutout become the identity, as in the AugMix paper; the sub-policy stays. Magnitudes
mean what they do in the authors' released code for CIFAR-10, which AugMix's operations took over; new pixels are 128,
and geometry is bilinear as in AugMix (theirs takes the nearest pixel). CIFAR-100 uses the CIFAR-10 policy.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from augmix import operations
from augmix.checks import check_flag
from augmix.errors import UserError
from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed
from augmix.registry import nearest
from augmix.suite.io.configuration import Position, place, read

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
HIGHEST = {"autoaugment": 10, "fast_autoaugment": 1}


class Policy(NamedTuple):
    """P sub-policies of at most D operations: ids, probabilities and magnitudes are (P, D)."""

    operations: np.ndarray
    probabilities: np.ndarray
    magnitudes: np.ndarray
    fast: bool
    """Whether magnitudes are Fast AutoAugment's rather than AutoAugment's."""


def method(*, policy: str = "cifar10", full: bool = False) -> Method:
    """`policy` is cifar10, imagenet or a YAML file in the form of `policies/`; `full` keeps every operation.

    The file's `magnitudes` says whose scale its numbers are on: `autoaugment` (0 to 10) or `fast_autoaugment` (0 to 1,
    as that paper's code prints its policies).
    """
    check_flag("full", full)
    return Method(partial(augmented, policy=read_policy(policy, full)), unmixed, cross_entropy)


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
    meaning = _fast_parameters if policy.fast else operations.parameters
    return ids, meaning(ids, policy.magnitudes[chosen], signs, size)


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


def read_policy(policy: str, full: bool = False) -> Policy:
    """A published policy by its name, or one from a file; what is wrong with a file is a `UserError` with its line."""
    known = [file.stem for file in POLICIES.glob("*.yaml")]
    path = POLICIES / f"{policy}.yaml" if policy in known else Path(str(policy)).expanduser()
    if not path.is_file():
        raise ValueError(f"policy must be {', '.join(sorted(known))} or a YAML file, and there is no file {policy!r}")
    settings, lines = read(path)

    def refuse(position: Position, complaint: str) -> None:
        raise UserError(f"{place(position, lines)}: {complaint}")

    scale = settings.get("magnitudes")
    if scale not in HIGHEST or set(settings) != {"magnitudes", "policy"}:
        refuse((), f"a policy file says `magnitudes:` ({' or '.join(HIGHEST)}) and `policy:`, a list, and nothing else")
    highest = HIGHEST[str(scale)]
    table = settings["policy"]
    if not isinstance(table, list) or not table or not all(isinstance(sub, list) and sub for sub in table):
        refuse(("policy",), "policy must be a list of sub-policies, each a list of [operation, probability, magnitude]")
    shape = (len(table), max(map(len, table)))
    result = Policy(np.full(shape, operations.IDENTITY), np.zeros(shape), np.zeros(shape), highest == 1)
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
