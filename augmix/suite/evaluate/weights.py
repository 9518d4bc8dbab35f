"""Weights trained anywhere: read from a file, fitted to an architecture, and evaluated on every test set there is."""

import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from augmix import models
from augmix.errors import UserError
from augmix.metrics import mean_corruption_error
from augmix.registry import module_names, nearest
from augmix.suite.data import datasets
from augmix.suite.evaluate.evaluation import write_predictions
from augmix.suite.evaluate.measures import MEASURES, measures_of
from augmix.suite.evaluate.paper import paper_results
from augmix.suite.evaluate.results import COLUMNS, Row, run_metrics
from augmix.suite.io import digests, provenance
from augmix.suite.io.files import write_csv, write_json
from augmix.suite.testsets.base import TestSet
from augmix.suite.testsets.folder import beside
from augmix.suite.train import devices
from augmix.suite.train.checkpoints import DAMAGED

PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
"""The names under which training code wraps a net."""
CONTAINERS = ("state_dict", "model_state_dict", "model", "net")
"""The keys under which training code saves weights."""
CONSTANTS = ("mean", "std", "mu", "sigma")
"""The constants of a normalisation that some save with the net; ours is part of `models.Normalised`."""

_SCALAR = np.float64(0).__reduce__()[0]
HARMLESS = [
    Namespace,
    np.dtype,
    *(kind for name, kind in vars(np.dtypes).items() if name.endswith("DType")),
    *((_SCALAR, f"numpy.{package}.multiarray.scalar") for package in ("core", "_core")),
]
"""The types that training scripts keep beside the weights: their options, and NumPy's numbers, such as an accuracy."""


class Headline(NamedTuple):
    """A figure that a paper prints of a test set."""

    title: str
    """Its name in print: clean error, mCE."""
    value: float | None
    """A fraction; None where a shift is missing that enters it."""
    testset: TestSet


class Fit(NamedTuple):
    """The differences between weights and an architecture's parameters and buffers."""

    missing: list[str]
    unexpected: list[str]
    shapes: list[str]
    """`name: 10×128 in the file, 100×128 in the net`"""

    @property
    def faults(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.shapes)


def evaluate_checkpoint(checkpoint: Path, architecture: str, data: Path, output: Path, device: str) -> list[Headline]:
    """Evaluate the weights in `checkpoint` on the prepared data set `data` and on the test sets in folders beside it.

    Writes `<output>/predictions/<test set>.npz`, `predictions.json` and `metrics.csv`; returns the headlines. Raises
    `UserError` for weights of another architecture or class count.
    """
    started = time.time()
    place = devices.set_up({"threads": torch.get_num_threads(), "device": device})
    noted, testsets = datasets.record(data), beside(data)
    net = models.Normalised(
        fit(read(checkpoint), architecture, len(noted["classes"]), checkpoint), *noted["normalisation"]
    )
    net.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = {"architecture": architecture, "checkpoint": digests.file_digest(checkpoint)}
    present = [testset for testset in testsets if testset.shifts]
    stamped = {testset.name: (testset, {"settings": testset.evaluated_with(), **weights}) for testset in present}
    write_predictions(net, stamped, data, output / "predictions", place)
    rows = list(run_metrics(output / "predictions", present))
    write_csv(output / "metrics.csv", COLUMNS, [(data.name, architecture, checkpoint.stem, "", *row) for row in rows])
    described = {**provenance.describe(), **devices.noted(place), "weights": str(checkpoint), **weights}
    write_json(output / "predictions.json", {**described, "started": started, "seconds": time.time() - started})
    return [found for testset in testsets for found in headlines(testset, rows)]


def headlines(testset: TestSet, rows: Sequence[Row]) -> Iterator[Headline]:
    """The figures of a test set, from a run's rows; of ImageNet-C also the mCE in units of AlexNet's errors."""
    headline = measures_of(testset)[0]
    values = {
        shift: value
        for name, _, shift, severity, metric, value in rows
        if (name, severity, metric) == (testset.name, "", headline)
    }
    if not testset.entering:
        for shift in testset.shifts:
            yield Headline(f"{shift} {MEASURES[headline].title.lower()}", values[shift], testset)
        return
    yield Headline(testset.mean, values.get(testset.mean), testset)
    reference = paper_results()["alexnet_imagenetc_error"]
    if getattr(testset, "preset", "") == "imagenet" and set(testset.entering) <= set(reference) & set(values):
        errors = {name: values[name] for name in testset.entering}
        yield Headline(f"{testset.mean} / AlexNet", mean_corruption_error(errors, reference), testset)


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
    """Name the parameters and buffers that are missing, unexpected, or of another shape."""
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
