"""Weights trained anywhere: read from a file, and fitted to one of our architectures, timm's or anybody's."""

import sys
import zipfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path, PosixPath
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from augmix import models
from augmix.errors import UserError
from augmix.registry import module_names, nearest
from augmix.suite.train.checkpoints import DAMAGED

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.", "network.", "1.")
"""The names under which training code wraps a net; `1.` is a net behind a normalisation in `nn.Sequential`."""
CONTAINERS = (
    "state_dict", "model_state_dict", "model_state", "model", "net", "params", "weights", "checkpoint",
    "state_dict_ema",
)  # fmt: skip
"""The keys under which training code saves weights, the first where a file has several; else the only mapping."""
MEANS, STDS = ("mean", "mu", "new_mean"), ("std", "sigma", "new_std")
"""The names under which training code saves a normalisation's constants beside the net's weights."""
COPIES = ("attacker.",)
"""The names under which adversarial training code saves a second copy of the net."""
COUNTERS = ("num_batches_tracked", "n_averaged")
"""Names of counters, which decide nothing in evaluation."""
PRESETS = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Normalisations that nets are commonly trained with: mean and standard deviation of each channel in [0, 1]."""

_MADE = {"scalar": np.float64(0).__reduce__()[0], "_reconstruct": np.empty(0).__reduce__()[0]}
HARMLESS = [
    Namespace,
    PosixPath,
    np.dtype,
    np.ndarray,
    *(kind for name, kind in vars(np.dtypes).items() if name.endswith("DType")),
    *((made, f"numpy.{package}.multiarray.{name}") for package in ("core", "_core") for name, made in _MADE.items()),
]
"""The types that training scripts keep beside the weights: options, paths, and NumPy's numbers, such as an accuracy."""


class Normalisation(NamedTuple):
    """Constants of each channel, of values in [0, 1], that a net's images are normalised with."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str
    """Their origin, for people."""

    def __str__(self) -> str:
        mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return f"mean {mean}, std {std} ({self.origin})"


class Fit(NamedTuple):
    """The differences between weights and an architecture's parameters and buffers; all empty where there are none."""

    missing: list[str]
    unexpected: list[str]
    shapes: list[str]
    """`name: 10×128 in the file, 100×128 in the net`"""


def read(path: Path) -> dict[str, Tensor]:
    """The named tensors in a file of `torch.save`: a state dict, or one inside a checkpoint.

    Raises `UserError` when it is no such file. Only tensors and plain values are loaded: no code in it runs.
    """
    try:
        with torch.serialization.safe_globals(HARMLESS):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"checkpoint {path} does not exist") from None
    except DAMAGED as error:
        reason = " ".join(str(error).split())
        if "weights_only" in reason.lower():
            reason = "it holds more than tensors; save the net's state_dict() alone"
        raise UserError(f"{path} is not a file of weights: {_other_kind(path) or reason[:200]}") from error
    constants: dict[str, Tensor] = {}
    while isinstance(found, Mapping):
        inside = {key: value for key, value in found.items() if isinstance(value, Mapping)}
        inner = next((key for key in CONTAINERS if key in inside), None) or _only_weights(found, inside)
        # A normalisation stands beside the weights, or in a mapping of its own.
        for prefix, place in (("", found), *((f"{key}.", value) for key, value in inside.items() if key != inner)):
            constants |= {f"{prefix}{name}": value for name, value in _constants(place).items()}
        if inner is None:
            break
        found = inside[inner]
    if not isinstance(found, Mapping):
        raise UserError(f"{path} holds a {type(found).__name__}; a state dict is expected")
    weights = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    for name, value in weights.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise UserError(f"{path}: {name} has values that are not finite; the net diverged, or the file is damaged")
    if not weights:
        keys = ", ".join(map(str, list(found)[:5]))
        raise UserError(f"{path} holds no weights of one net; its keys are {keys}: save the net's state_dict() alone")
    return {**constants, **weights}


def _other_kind(path: Path) -> str | None:
    """The kind of a file that has come in place of one of weights, by how it begins; None where it may be one."""
    try:
        with path.open("rb") as file:
            start = file.read(262)
    except OSError:
        return None
    if not start:
        return "it is empty; download or copy it again"
    if start.lstrip().startswith(b"<"):
        return "it is a web page, of a host that asks or refuses; download it in a browser"
    if start.startswith(b"version https://git-lfs"):
        return "it is Git LFS's pointer to it; run `git lfs pull`"
    if start[257:] == b"ustar" or start.startswith((b"\x1f\x8b", b"7z", b"Rar!")):
        return "it is an archive; unpack it"
    if start.startswith(b"PK\x03\x04"):
        if not zipfile.is_zipfile(path):
            return "it is cut short; download or copy it again"
        with zipfile.ZipFile(path) as archive:
            if not any(name.endswith("data.pkl") for name in archive.namelist()):
                return "it is an archive; unpack it"
        return None
    return None if start.startswith(b"\x80") or path.suffix == ".safetensors" else "torch.save has not written it"


def _only_weights(found: Mapping[str, Any], inside: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The key of the one mapping of tensors inside another that has none, but for a normalisation."""
    if len(_constants(found)) < sum(isinstance(value, Tensor) for value in found.values()):
        return None
    keys = [key for key, of in inside.items() if any(isinstance(one, Tensor) for one in of.values())]
    return keys[0] if len(keys) == 1 else None


def _constants(found: Mapping[str, Any]) -> dict[str, Tensor]:
    """The entries right in a mapping that can be constants of a normalisation, by name."""
    return {key: torch.as_tensor(found[key]) for key in (*MEANS, *STDS) if _is_constant(found.get(key))}


def normalisation(
    weights: Mapping[str, Tensor],
    net: nn.Module,
    path: Path,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    preset: str | None = None,
) -> Normalisation | None:
    """The normalisation for a net with the weights of a file: the given one, or else the one that the file holds.

    A net that has constants itself is given values in [0, 1]. Constants above 1 are taken to be of values in 0 … 255.
    None where nothing is known. Raises `UserError` where constants cannot be meant.
    """
    if preset is not None:
        if mean is not None or std is not None:
            raise UserError("--preset and --mean with --std exclude each other")
        if preset not in PRESETS:
            raise UserError(f"unknown preset '{preset}'; {nearest(preset, PRESETS)}")
        return Normalisation(*PRESETS[preset], f"preset {preset}")
    if (mean is None) != (std is None):
        raise UserError("--mean and --std go together")
    if mean is not None and std is not None:
        return _normalisation(mean, std, "as given")
    own, itself = net.state_dict(), False
    found: dict[str, dict[bool, tuple[float, ...]]] = {}
    for name, value in weights.items():
        prefix, _, last = name.rpartition(".")
        if last in (*MEANS, *STDS) and _is_constant(value):
            if _unwrapped(name, own) in own:
                itself = True
            else:
                found.setdefault(prefix, {})[last in STDS] = tuple(value.flatten().tolist())
    pairs = set()
    for prefix, parts in found.items():
        if set(parts) != {False, True}:
            what = f"{path} holds half of a normalisation" + f" ({prefix})" * bool(prefix)
            raise UserError(f"{what}; give both parts by --mean and --std")
        pairs.add((parts[False], parts[True]))
    if len(pairs) > 1:
        raise UserError(f"{path} holds several normalisations; say which is right by --mean and --std")
    if pairs:
        return _normalisation(*pairs.pop(), "stored in the file")
    return Normalisation(*PRESETS["none"], "the net has its own") if itself else None


def _normalisation(mean: Sequence[float], std: Sequence[float], origin: str) -> Normalisation:
    scale = 255 if max(*mean, *std) > 1 else 1
    means, stds = (tuple(value / scale for value in values) * (3 if len(values) == 1 else 1) for values in (mean, std))
    found = Normalisation(means, stds, origin)
    if len(means) != 3 or len(stds) != 3 or min(stds) <= 0 or min(means) < 0:
        raise UserError(f"no normalisation: {found}; one or three numbers each, std above 0")
    return found


def _is_constant(value: object) -> bool:
    """Whether it can be a constant of a normalisation: one or three numbers."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return len(value) in (1, 3) and all(isinstance(one, int | float) for one in value)
    if isinstance(value, np.ndarray):
        return value.size in (1, 3) and value.dtype.kind == "f"
    return isinstance(value, Tensor) and value.numel() in (1, 3) and value.is_floating_point()


def build(architecture: str, classes: int) -> nn.Module:
    """A net by the name of one of our architectures, `package.module:function`, or a name of timm's.

    The function is called with the number of classes. Raises `UserError` for a name that leads to none.
    """
    known = module_names("augmix.models")
    if architecture in known or ":" in architecture:
        sys.path.insert(0, "")  # a module in the current folder, as with `python -m`
        try:
            return models.build(architecture, classes)
        finally:
            sys.path.remove("")
    try:
        import timm
    except ImportError:
        more = "timm's are known where timm is installed"
    else:
        if timm.is_model(architecture):
            theirs: nn.Module = timm.create_model(architecture, num_classes=classes)
            return theirs
        more = "timm has none of that name"
    raise UserError(f"unknown architecture '{architecture}'; {nearest(architecture, known)} ({more})")


def fit(weights: Mapping[str, Tensor], architecture: str, classes: int, path: Path) -> nn.Module:
    """The architecture with these weights; raises `UserError`, naming what does not match, unless all of them fit."""
    net = build(architecture, classes)
    weights = _renamed(weights, net)
    found = compare(weights, net)
    if any(found):
        raise UserError(f"{path} does not fit {architecture} with {classes} classes: {_explain(found, weights, net)}")
    # Statistics' counters are younger than some checkpoints, and decide nothing in evaluation.
    net.load_state_dict(weights, strict=False)
    return net


def compare(weights: Mapping[str, Tensor], net: nn.Module) -> Fit:
    """Name the parameters and buffers that are missing, unexpected, or of another shape."""
    own = net.state_dict()
    return Fit(
        [name for name in own if name not in weights and not name.endswith(COUNTERS)],
        [name for name in weights if name not in own],
        [
            f"{name}: {_shape(weights[name])} in the file, {_shape(own[name])} in the net"
            for name in own
            if name in weights and weights[name].shape != own[name].shape
        ],
    )


def _renamed(weights: Mapping[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """The weights without the prefixes of what the net was wrapped in, and without a normalisation's constants."""
    own = net.state_dict()
    renamed = {}
    for wrapped, value in weights.items():
        name = _unwrapped(wrapped, own)
        last = name.rpartition(".")[2]
        constant = last in (*MEANS, *STDS) and _is_constant(value)
        if name in own or not (constant or last in COUNTERS or name.startswith(COPIES)):
            renamed[name] = value
    return renamed


def _unwrapped(name: str, own: Mapping[str, Tensor]) -> str:
    """A weight's name without the prefixes of what the net was wrapped in."""
    while name not in own and name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _explain(found: Fit, weights: Mapping[str, Tensor], net: nn.Module) -> str:
    """One line: the class count or architecture that would fit, or else what does not match."""
    last = list(net.state_dict())[-1]
    if not found.missing and not found.unexpected and all(f.startswith(last.rpartition(".")[0]) for f in found.shapes):
        return f"it has {len(weights[last])}; the data set and the weights must have the same classes"
    saved = list(weights.values())[-1]
    for name in module_names("augmix.models") if saved.ndim and len(saved) > 1 else ():
        with torch.device("meta"):
            other = models.build(name, len(saved))
        if not any(compare(_renamed(weights, other), other)):
            return f"these are weights of {name}"
    parts = [
        f"{len(names)} {what} ({names[0]}{', …' if len(names) > 1 else ''})"
        for what, names in (
            ("missing", found.missing),
            ("unexpected", found.unexpected),
            ("of another shape", found.shapes),
        )
        if names
    ]
    return "; ".join(parts)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"
