"""Evaluate a trained run on the clean test set, -C and -P: four numbers an image, enough for every metric."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from augmix import models
from augmix.errors import UserError
from augmix.suite.data import datasets
from augmix.suite.data.streaming import Streamed
from augmix.suite.io import provenance
from augmix.suite.io.files import atomic, read_mapping, write_json
from augmix.suite.io.progress import bar
from augmix.suite.testsets.arrays import COMPARED
from augmix.suite.testsets.photographs import open_benchmark
from augmix.suite.train import devices
from augmix.suite.train.batches import in_order
from augmix.suite.train.checkpoints import DAMAGED, load

NUMBERS = np.dtype([("prediction", "<i4"), ("confidence", "<f4"), ("true_probability", "<f4"), ("squared_sum", "<f4")])
"""Of one image: the predicted class, its probability, the true class's, and Σ_k p_k²."""
SHIFTS = {"C": "corruptions", "P": "perturbations"}
"""The key of a benchmark's shifts in the settings."""


def evaluate(settings: Mapping[str, Any], folder: Path) -> None:
    """Write `<folder>/<output>/{clean,C,P}.npz` and `evaluation.json` for the run in `folder`.

    `settings` is a `Run.evaluation` or `.validation` of an experiment. Each archive maps a shift's name to a
    `NUMBERS` array, of shape (N,) for clean, (5, N) for a corruption and (N, T) for a perturbation; `labels` and
    `source` stand beside them. Where a generated -C is compared with the published one, its part of `C.npz` has names
    that begin with `COMPARED`. Raises `UserError` naming the file that is missing, damaged or does not fit.
    """
    started = time.time()
    run = read_mapping(folder / "config.yaml", {"architecture": str, "training": dict, "method_packages": list})
    device = devices.set_up(run["training"])
    noted = datasets.record(Path(settings["data"]))
    net = load_net(folder / "model.pt", run["architecture"], noted, device)
    write_predictions(net, settings, noted, folder, device)
    described = {**provenance.describe(run["method_packages"]), "device": devices.describe(device)}
    write_json(folder / "evaluation.json", {**described, "started": started, "seconds": time.time() - started})


@devices.enough_memory("a batch of the evaluation does not fit; lower what else uses the device")
def write_predictions(
    net: nn.Module, settings: Mapping[str, Any], noted: Mapping[str, Any], folder: Path, device: torch.device
) -> None:
    """Write `<folder>/<output>/{clean,C,P}.npz` as `evaluate` does, for any net that takes uint8 images.

    `noted` is the data set's record.
    """
    test = datasets.read(Path(settings["data"]), "test", torch.get_num_threads())
    archives: dict[str, dict[str, np.ndarray]] = {
        "clean": {"clean": numbers(net, test.images, test.labels, device), "labels": test.labels}
    }
    archives["clean"]["source"] = np.array(noted["loader"])
    shifts, folders = {kind: settings[key] for kind, key in SHIFTS.items()}, settings["folders"]
    benchmarks = [(kind, "", folders[kind], settings["resize"]) for kind in SHIFTS]
    if settings["compared"]:
        benchmarks.append(("C", COMPARED, settings["compared"], False))
    total = sum(len(shifts[kind]) for kind, *_ in benchmarks)
    with bar(desc=f"evaluating {folder.parent.name}", total=total, unit="shift") as shown:
        for kind, prefix, where, resize in benchmarks:
            archive = archives.setdefault(kind, {})
            if not shifts[kind]:
                continue
            images = settings["images"][kind]
            benchmark = open_benchmark(Path(where), kind, test, len(noted["classes"]), images, resize)
            archive[prefix + "labels"], archive[prefix + "source"] = benchmark.labels, np.array(benchmark.source)
            for name in shifts[kind]:
                shift = benchmark.read(name)
                archive[prefix + name] = numbers(net, shift.images, shift.labels, device).reshape(shift.shape)
                shown.update()
    for name, archive in archives.items():
        with atomic(folder / settings["output"] / f"{name}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, **archive)  # type: ignore[arg-type]


@torch.inference_mode()
def numbers(net: nn.Module, images: np.ndarray | Streamed, labels: np.ndarray, device: torch.device) -> np.ndarray:
    """The four numbers of each uint8 (N, H, W, 3) image, as a `NUMBERS` array (N,)."""
    net.eval()
    truth = torch.from_numpy(labels.astype(np.int64)).to(device)
    found: list[tuple[Tensor, ...]] = []
    for batch in in_order(images, device):
        p = net(batch).softmax(1)
        now, truth = truth[: len(batch)], truth[len(batch) :]
        confidence, prediction = p.max(1)
        # They stay on the device until the end: nothing waits for it meanwhile.
        found.append((prediction, confidence, p.gather(1, now[:, None])[:, 0], (p * p).sum(1)))
    out = np.empty(len(images), NUMBERS)
    for field, values in zip(NUMBERS.names or (), zip(*found, strict=True), strict=True):
        out[field] = torch.cat(values).cpu().numpy()
    return out


def load_net(path: Path, architecture: str, noted: Mapping[str, Any], device: torch.device) -> models.Normalised:
    """The trained net of a `model.pt`, for the data set with this record.

    Raises `UserError` when the file is not one, or is of another net.
    """
    classes = len(noted["classes"])
    net = models.Normalised(models.build(architecture, classes), *noted["normalisation"])
    if not path.is_file():
        raise UserError(f"{path} is missing: train this run first")
    try:
        net.net.load_state_dict(load(path))
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} does not hold weights of {architecture} with {classes} classes: {reason}") from error
    return net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
