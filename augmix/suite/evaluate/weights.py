"""Weights trained anywhere: read from a file, fitted to an architecture, and evaluated on every benchmark there is."""

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from augmix import models
from augmix.checks import nearest_preset
from augmix.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS
from augmix.errors import UserError
from augmix.metrics import corruption_error
from augmix.perturbations import extra_perturbations_of, perturbations_of
from augmix.registry import module_names, nearest
from augmix.suite.config.experiment import Run
from augmix.suite.data import datasets
from augmix.suite.evaluate.evaluation import write_predictions
from augmix.suite.evaluate.paper import paper_results
from augmix.suite.evaluate.results import COLUMNS, Row, run_metrics
from augmix.suite.io import provenance
from augmix.suite.io.files import write_csv, write_json
from augmix.suite.train import devices
from augmix.suite.train.checkpoints import DAMAGED

# What training code wraps a net in, and the keys under which it saves weights.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
CONTAINERS = ("state_dict", "model_state_dict", "model", "net")
# Constants of a normalisation that some save with the net; ours is part of `models.Normalised`.
CONSTANTS = ("mean", "std", "mu", "sigma")

# What training scripts keep beside the weights: their options, and NumPy's numbers, such as the best accuracy.
_SCALAR = np.float64(0).__reduce__()[0]
HARMLESS = [
    Namespace,
    np.dtype,
    *(kind for name, kind in vars(np.dtypes).items() if name.endswith("DType")),
    *((_SCALAR, f"numpy.{package}.multiarray.scalar") for package in ("core", "_core")),
]


class Fit(NamedTuple):
    """How weights compare with an architecture's parameters and buffers."""

    missing: list[str]
    unexpected: list[str]
    shapes: list[str]
    """`name: 10×128 in the file, 100×128 in the net`"""

    @property
    def faults(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.shapes)


def evaluate_checkpoint(checkpoint: Path, architecture: str, data: Path, output: Path, device: str) -> dict[str, float]:
    """Evaluate the weights in `checkpoint` on the prepared data set `data` and on the -C and -P folders beside it.

    Writes `<output>/predictions/{clean,C,P}.npz`, `metrics.csv` and `evaluation.json`; returns the clean error, and
    the mCE and mFP where all that enter them are there, as fractions; for photographs of ImageNet's size also the mCE
    in units of AlexNet's errors. Raises `UserError` for weights of another architecture or class count.
    """
    started = time.time()
    place = devices.set_up({"threads": torch.get_num_threads(), "device": device})
    noted, test = datasets.record(data), datasets.read(data, "test")
    net = models.Normalised(
        fit(read(checkpoint), architecture, len(noted["classes"]), checkpoint), *noted["normalisation"]
    )
    net.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    folders = {kind: data.with_name(f"{data.name}-{kind}") for kind in ("C", "P")}
    preset = nearest_preset(min(test.images.shape[1:3]))
    settings = {
        "data": str(data),
        "corruptions": _present(folders["C"], (*CORRUPTIONS, *EXTRA_CORRUPTIONS)),
        "perturbations": _present(folders["P"], (*perturbations_of(preset), *extra_perturbations_of(preset))),
        "folders": {kind: str(folder) for kind, folder in folders.items()},
        "images": {"C": None, "P": None},
        "resize": False,
        "compared": None,
        "output": "predictions",
    }
    write_predictions(net, settings, noted, output, place)
    run = Run(data.name, architecture, checkpoint.stem, 0, {}, settings)
    rows = list(run_metrics(output, run, perturbations_of(preset)))
    write_csv(output / "metrics.csv", COLUMNS, [(data.name, architecture, checkpoint.stem, "", *row) for row in rows])
    described = {**provenance.describe([]), "device": devices.describe(place), "checkpoint": str(checkpoint)}
    write_json(output / "evaluation.json", {**described, "started": started, "seconds": time.time() - started})
    return headline(rows, preset)


def headline(rows: Sequence[Row], preset: str) -> dict[str, float]:
    """The few figures that a paper prints, from a run's rows."""
    values = {(shift, metric): value for _, _, shift, severity, metric, value in rows if not severity}
    measures = {"clean": "error", "mCE": "error", "mFP": "flip_probability"}
    found = {shift: values[shift, metric] for shift, metric in measures.items() if (shift, metric) in values}
    if "mCE" in found and preset == "imagenet":
        alexnet = paper_results()["alexnet_imagenetc_error"]
        ratios = corruption_error({name: values[name, "error"] for name in CORRUPTIONS}, alexnet)
        found["mCE / AlexNet"] = fmean(ratios.values())
    return found


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
        raise UserError(f"{path} is not a file of weights: {reason[:200]}") from error
    for key in CONTAINERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        raise UserError(f"{path} holds a {type(found).__name__}; a state dict is expected")
    weights = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    if not weights:
        raise UserError(f"{path} holds no weights; its keys are {', '.join(map(str, list(found)[:5]))}")
    return weights


def fit(weights: Mapping[str, Tensor], architecture: str, classes: int, path: Path) -> nn.Module:
    """The architecture with these weights; raises `UserError`, naming what does not match, unless all of them fit."""
    if architecture not in (known := module_names("augmix.models")):
        raise UserError(f"unknown architecture '{architecture}'; {nearest(architecture, known)}")
    net = models.build(architecture, classes)
    weights = _renamed(weights, net)
    found = compare(weights, net)
    if found.faults:
        raise UserError(f"{path} does not fit {architecture} with {classes} classes: {_explain(found, weights, net)}")
    # Statistics' counters are younger than some checkpoints, and decide nothing in evaluation.
    net.load_state_dict(weights, strict=False)
    return net


def compare(weights: Mapping[str, Tensor], net: nn.Module) -> Fit:
    """What is missing, unexpected, or of another shape."""
    own = net.state_dict()
    return Fit(
        [name for name in own if name not in weights and not name.endswith("num_batches_tracked")],
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
    for name, value in weights.items():
        while name not in own and name.startswith(PREFIXES):
            name = name.partition(".")[2]
        if name in own or name.rpartition(".")[2] not in CONSTANTS:
            renamed[name] = value
    return renamed


def _explain(found: Fit, weights: Mapping[str, Tensor], net: nn.Module) -> str:
    """One line: the class count or architecture that would fit, or else what does not match."""
    last = list(net.state_dict())[-1]
    if not found.missing and not found.unexpected and all(f.startswith(last.rpartition(".")[0]) for f in found.shapes):
        return f"it has {len(weights[last])}; the data set and the weights must have the same classes"
    saved = list(weights.values())[-1]
    for name in module_names("augmix.models") if saved.ndim and len(saved) > 1 else ():
        with torch.device("meta"):
            other = models.build(name, len(saved))
        if not compare(_renamed(weights, other), other).faults:
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


def _present(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [name for name in dict.fromkeys(names) if (folder / f"{name}.npy").is_file() or (folder / name).is_dir()]
