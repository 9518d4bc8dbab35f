"""Evaluate a trained net on test sets: a few numbers an image, enough for every measure."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from augmix import models
from augmix.adaptation import adapted
from augmix.errors import UserError
from augmix.graphs import recording, replayed
from augmix.suite.config.runs import EvaluateSettings
from augmix.suite.data import datasets
from augmix.suite.evaluate import predictions, stamps
from augmix.suite.evaluate.predictions import NUMBERS, RANKED, Predictions
from augmix.suite.io import digests
from augmix.suite.io.files import read_mapping
from augmix.suite.io.progress import bar
from augmix.suite.testsets.base import Shift, TestSet
from augmix.suite.train import devices
from augmix.suite.train.batches import in_order
from augmix.suite.train.checkpoints import DAMAGED, load


def evaluate(settings: EvaluateSettings, folder: Path) -> None:
    """Write `<folder>/<output>/<test set>.npz` for each test set, and last `<output>.json`, of the run in `folder`.

    Predictions that were made with the same settings, code, weights and images already are kept. Raises `UserError`
    naming the file that is missing, damaged or does not fit.
    """
    started = time.time()
    run = read_mapping(folder / "config.yaml", {"architecture": str, "training": dict})
    missing = stamps.pending(settings, folder)
    described: Mapping[str, Any] = {}
    if missing:
        device = devices.set_up(run["training"])
        noted = datasets.record(Path(settings.data))
        net = load_net(folder / "model.pt", run["architecture"], noted, device)
        trained = read_mapping(folder / "provenance.json", {"model_sha256": str})
        if digests.file_digest(folder / "model.pt") != trained["model_sha256"]:
            raise UserError(f"{folder / 'model.pt'} is not the net that was trained there; delete it to train it again")
        write_predictions(net, missing, Path(settings.data), folder / settings.output, device)
        described = devices.noted(device)
    stamps.finish(settings, folder, described, time.time() - started if missing else None)


@devices.enough_memory("a batch of the evaluation does not fit; lower what else uses the device")
def write_predictions(
    net: nn.Module,
    testsets: Mapping[str, tuple[TestSet, Mapping[str, Any]]],
    data: Path,
    output: Path,
    device: torch.device,
) -> None:
    """Write `<output>/<test set>.npz` of each test set, with its stamp, for any net that takes uint8 images.

    `data` is the prepared data set whose classes the net predicts.
    """
    test = datasets.read(data, "test", torch.get_num_threads())
    classes = datasets.record(data)["classes"]
    total = sum(len(testset.shifts) for testset, _ in testsets.values())
    shown_as = f"evaluating {output.parent.parent.name}"
    with bar(desc=shown_as, total=total, unit="shift") as shown, recording(devices.graphs(device)):
        for name, (testset, stamp) in testsets.items():
            opened = testset.open(test, classes)
            found = {}
            for shift_name in testset.shifts:
                shift = opened.read(shift_name)
                testset.verify(shift_name)
                found[shift_name] = _numbers_of(net, shift, device, testset.top5).reshape(shift.shape)
                shown.update()
            predictions.write(
                output / f"{name}.npz", Predictions(found, opened.labels, opened.source, opened.cues), stamp
            )


def _numbers_of(net: nn.Module, shift: Shift, device: torch.device, top5: bool) -> np.ndarray:
    """The numbers of a shift's images; where the net is adapted, batches are drawn from each severity at random."""
    if shift.adaptation is None:
        return numbers(net, shift, device, top5)
    size, prior, seed = shift.adaptation
    found = np.empty(len(shift.labels), RANKED if top5 else NUMBERS)
    for level in np.arange(len(shift.labels)).reshape(-1, shift.shape[-1]):
        order = np.random.default_rng(seed).permutation(level)
        for batch in np.array_split(order, -(-len(order) // size)):
            part = shift._replace(images=shift.images[batch], labels=shift.labels[batch])
            found[batch] = numbers(net, part, device, top5, prior)
    return found


@torch.inference_mode()
def numbers(
    net: nn.Module, shift: Shift, device: torch.device, top5: bool = False, prior: float | None = None
) -> np.ndarray:
    """The numbers of each image of a shift, as a `NUMBERS` array (N,), with `top5` a `RANKED` one.

    With a `prior` the images are one batch, which the net is adapted to. Raises `UserError` where the net gives what is
    no number.
    """
    images = shift.images

    def predict(batch: Tensor, truth: Tensor, *among: Tensor) -> tuple[Tensor, ...]:
        logits = net(batch)
        if among:
            kept, counted = among
            logits = _merged(logits, kept, counted, shift.merged_by)
        p = logits.softmax(1)
        confidence, prediction = p.max(1)
        true = p.gather(1, truth[:, None])[:, 0]
        ranked = [logits.topk(5, dim=1).indices] if top5 else []
        return prediction, confidence, true, (p * p).sum(1), logits.logsumexp(1), *ranked

    net.eval()
    truth = torch.from_numpy(shift.labels.astype(np.int64)).to(device)
    among: list[Tensor] = []
    if shift.classes is not None:
        counted_as = shift.classes if shift.counted_as is None else shift.counted_as
        among = [torch.from_numpy(some).to(device) for some in (shift.classes, counted_as)]
    found: list[Tensor] = []
    done = 0
    with nullcontext() if prior is None else adapted(net, prior):
        for batch in in_order(images, device, size=None if prior is None else len(images)):
            part, done = slice(done, done + len(batch)), done + len(batch)
            now = truth[part]
            if shift.attack is not None:
                with torch.inference_mode(False):  # it takes gradients, which tensors made in that mode cannot have
                    batch = shift.attack(batch.clone(), now.clone(), net)
            values = replayed((net, prior, top5, shift.merged_by), predict, batch, now, *among)
            # They stay on the device until the end, so that nothing waits for it, and in one place: small tensors that
            # outlive their batch would keep the memory of its large ones from being used again.
            found = found or [value.new_empty(len(images), *value.shape[1:]) for value in values]
            for whole, value in zip(found, values, strict=True):
                whole[part] = value
    out = np.empty(len(images), RANKED if top5 else NUMBERS)
    for field, whole in zip(out.dtype.names or (), found, strict=True):
        out[field] = whole.cpu().numpy()
    if odd := np.count_nonzero(np.isnan(out["confidence"])):
        raise UserError(
            f"the net's logits are not finite for {odd} of {len(out)} images; its weights are damaged, or it diverged"
        )
    return out


def _merged(logits: Tensor, kept: Tensor, counted_as: Tensor, merged_by: str) -> Tensor:
    """The logits (B, K) of the classes that others are counted as, by the greatest or the mean; of the rest -∞."""
    some, counted = logits[:, kept], counted_as.expand(len(logits), -1)
    if merged_by == "mean":
        return torch.zeros_like(logits).scatter_reduce(1, counted, some.softmax(1), "mean", include_self=False).log()
    return torch.full_like(logits, -torch.inf).scatter_reduce(1, counted, some, "amax")


@devices.enough_memory("the net does not fit; lower what else uses the device")
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
