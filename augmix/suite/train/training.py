"""The training loop. It knows no method, data set or architecture by name, and nothing of MLflow.

Randomness is a function of (seed, epoch, step) alone, so a run that is killed at any moment and resumed ends in
the same weights, bit for bit, on the same machine and thread count.
"""

import hashlib
import math
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from augmix import methods, models
from augmix.errors import RunError, UserError
from augmix.graphs import recording, replayed
from augmix.split_norm import in_views, split, without_others
from augmix.suite.data import datasets
from augmix.suite.io import digests, provenance
from augmix.suite.io.files import atomic, read_json, read_mapping, write_json, write_text
from augmix.suite.io.locks import locked
from augmix.suite.io.progress import bar
from augmix.suite.train import devices, distributed
from augmix.suite.train.batches import Batches, in_order
from augmix.suite.train.checkpoints import (
    Checkpoints,
    Interrupted,
    Progress,
    Signals,
    encoded,
    tell,
    write_bytes,
    write_history,
)
from augmix.suite.train.optimizers import changed_tensors, learning_rate, make_optimizer, set_rate
from augmix.suite.train.settings import RETRAIN, TrainSettings, decisive

PREPARED = ("loader", "options", "subset", "validation", "source")
"""The settings of a data set's preparation, by which other data show when they are gone themselves."""
RESULTS = (
    "model.pt", "history.csv", "diverged.json", "predictions.json", "validation.json", "predictions/evaluation.json",
    "validation/evaluation.json",
)  # fmt: skip
"""Files of a run that are of other settings, code or data where a training begins afresh."""


def train(settings: TrainSettings, folder: Path) -> None:
    """Train one run into `folder`: config.yaml, provenance.json, history.csv, checkpoint.pt and, last, model.pt.

    Resumes from a checkpoint of the same fingerprint.
    Raises `RunError` when the loss stops being finite, and `Interrupted` after SIGTERM or SIGINT, with a
    checkpoint on disk either way it can be continued.
    """
    recipe = settings.training
    device = devices.set_up(recipe)
    too_much = (
        f"a batch of {recipe['batch_size']} images does not fit with all its views; lower training.batch_size and, in "
        "proportion, training.learning_rate"
    )
    with (
        distributed.group(device) as group,
        locked(folder / ".lock", str(folder)) if group.leads else nullcontext(),
        devices.enough_memory(too_much),
    ):
        trainer = Trainer(settings, folder, device, group)
        adopted = False
        if group.leads:
            write_text(folder / "config.yaml", yaml.safe_dump(settings.as_json(), sort_keys=False, allow_unicode=True))
            _refuse_diverged(folder, trainer.fingerprint)
            adopted = _adopt(folder, trainer.fingerprint, group.processes)
        if not any(group.sum([adopted])):
            trainer.run()


class Trainer:
    """One run's net, optimiser and data, and where it stands: everything but the position is set up once."""

    def __init__(self, settings: TrainSettings, folder: Path, device: torch.device, group: distributed.Group) -> None:
        self.settings, self.folder, self.device, self.group = settings, folder, device, group
        precision = devices.precision(settings.training["precision"], device)
        self.recipe = {**settings.training, "precision": precision}
        data = Path(settings.data)
        record = datasets.record(data)
        code = digests.code_of(settings.roots())
        self.fingerprint = digests.json_digest(
            [
                decisive({**settings.as_json(), "training": self.recipe}),
                *(record["sha256"], record["normalisation"], code.digest, device.type),
            ],
            length=64,
        )
        self.provenance = {
            **provenance.describe(code.files),
            "fingerprint": self.fingerprint,
            "code": code.as_json(),
            "preparation": {key: record.get(key) for key in PREPARED},
            **devices.noted(device),
            "precision": precision,
            "processes": group.processes,
            "threads": self.recipe["threads"],
            "seed": settings.seed,
            "data_sha256": record["sha256"],
            "normalisation": record["normalisation"],
        }
        self.classes = len(record["classes"])
        datasets.verify(data, record, "train")
        train_set, self.test_set = (datasets.read(data, split, self.recipe["threads"]) for split in datasets.SPLITS)
        self.batches = Batches(
            train_set, settings.seed, self.recipe["batch_size"], settings.flip, device, group.rank, group.processes
        )
        self.method = methods.build(settings.method, settings.method_packages)
        torch.manual_seed(settings.seed)
        self.net = make_net(settings.architecture, self.classes, record["normalisation"], self.recipe, device)
        # Several processes exchange gradients in the midst of a step: theirs are taken kernel by kernel.
        self.graphs = devices.graphs(device) if group.processes == 1 else None
        self.optimizer = make_optimizer(self.net, self.recipe, replayed=self.graphs is not None)
        group.average_gradients_of(self.net, self.optimizer)
        self.checkpoints = Checkpoints(folder, self.fingerprint)
        self.epochs = self.recipe["epochs"]
        self.steps = self.batches.steps
        # `torch.manual_seed` seeds GPUs as well, and takes long where none is in use.
        self._seed = torch.default_generator.manual_seed if device.type == "cpu" else torch.manual_seed
        # The position: epochs and steps done; sums over the epoch so far (loss × images, errors, seconds).
        self.epoch, self.step, self.totals = 0, 0, [0.0, 0.0, 0.0]
        # The loss and errors of each of the epoch's steps; those from `unread` on are not among the sums yet.
        self.figures, self.unread = torch.zeros(2, self.steps, device=device), 0
        self.history: list[dict[str, float]] = []

    def run(self) -> None:
        """Train every step that is left, and write the results."""
        with self.group.leader_first():
            resumed = self._resume()
        evaluated = without_others(self.net.net)
        parameters = sum(p.numel() for name, p in self.net.net.named_parameters() if name in evaluated)
        outcome = {**self.provenance, "started": time.time(), "parameters": parameters}
        if self.group.leads:
            for name in () if resumed else RESULTS:
                (self.folder / name).unlink(missing_ok=True)  # of other settings, if they are there
            write_json(self.folder / "provenance.json", outcome)
        progress = Progress(self.folder / "progress.json", self.epochs, self.steps)
        done, total = self.epoch * self.steps + self.step, self.epochs * self.steps
        with (
            Signals() as signals,
            bar(desc=self.folder.parent.name, initial=done, total=total, unit="step") as shown,
            recording(self.graphs),
        ):
            while self.epoch < self.epochs:
                self._train_one_step()
                if self.group.leads:
                    progress.step(self.epoch + 1, self.step)
                shown.update()
                if self.step == self.steps:
                    self._end_epoch()
                    shown.set_postfix(test_error=f"{self.history[-1]['test_error']:.1%}")
                # One process may have its signal a step before another.
                if any(self.group.sum([signals.received is not None])) and self.epoch < self.epochs:
                    self._checkpoint()
                    raise Interrupted(signals.received or signal.SIGTERM)
        seconds = sum(row["seconds"] for row in self.history)
        if self.group.leads:
            weights = encoded({name: value.cpu() for name, value in without_others(self.net.net).items()})
            outcome |= {"train_seconds": seconds, "model_sha256": hashlib.sha256(weights).hexdigest()}
            write_json(self.folder / "provenance.json", outcome)
            (self.folder / RETRAIN).unlink(missing_ok=True)
            write_bytes(self.folder / "model.pt", weights)

    def _train_one_step(self) -> None:
        began = time.perf_counter()
        batch = self.batches(self.epoch, self.step)
        set_rate(self.optimizer, self._rate(self.epoch * self.steps + self.step))
        self._seed(int(batch.rng.integers(2**63)))  # dropout's draws
        self.group.share = batch.share
        loss, wrong = training_step(
            self.net, self.method, self.optimizer, batch.images, batch.labels, self.classes, batch.rng
        )
        self.figures[0, self.step] = loss * batch.share
        self.figures[1, self.step] = wrong * (batch.share > 0)
        self.step += 1
        self.totals[2] += time.perf_counter() - began
        if self.graphs is None:  # of steps that are only queued, reading would wait until all are taken
            self._read_figures()

    def _read_figures(self) -> None:
        """Add to the sums what steps have noted since the last time; raises `RunError` if a loss is not finite."""
        began, first = time.perf_counter(), self.unread
        if first == self.step:
            return
        self.unread = self.step
        figures = self.group.sum(self.figures[:, first : self.step].flatten().tolist())
        size = self.recipe["batch_size"]
        for step, loss, wrong in zip(range(first, self.step), figures, figures[self.step - first :], strict=False):
            if not math.isfinite(loss):
                raise self._diverged(loss, step)
            self.totals[0] += loss * min(size, self.batches.count - step * size)
            self.totals[1] += wrong
        self.totals[2] += time.perf_counter() - began

    def _rate(self, step: int) -> float:
        return learning_rate(self.recipe, step, self.epochs * self.steps)

    def _end_epoch(self) -> None:
        self._read_figures()
        self.group.share_statistics(self.net)
        part = self.group.part(len(self.test_set.labels))
        [wrong] = self.group.sum([errors(self.net, self.test_set, self.device, part)])
        if not math.isfinite(wrong):
            raise self._diverged(wrong, self.step)
        self.epoch, self.step, self.unread = self.epoch + 1, 0, 0
        self.history.append(
            {
                "epoch": self.epoch,
                "step": self.epoch * self.steps,
                "learning_rate": self._rate(self.epoch * self.steps - 1),
                "train_loss": self.totals[0] / self.batches.count,
                "train_error": self.totals[1] / self.batches.count,
                "test_error": wrong / len(self.test_set.labels),
                "seconds": self.totals[2],
                "timestamp": time.time(),
            }
        )
        self.totals = [0.0, 0.0, 0.0]
        self._checkpoint()

    def _checkpoint(self) -> None:
        self._read_figures()
        self.group.share_statistics(self.net)
        if not self.group.leads:
            return
        position = {"epoch": self.epoch, "step": self.step, "totals": self.totals, "history": self.history}
        weights = {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}
        self.checkpoints.save({**position, **weights, "processes": self.group.processes})
        write_history(self.folder / "history.csv", self.history)

    def _resume(self) -> bool:
        """Go back to the checkpoint, if this very run has one."""
        if (state := self.checkpoints.load()) is None:
            return False
        if (before := state["processes"]) != self.group.processes:
            raise UserError(
                f"{self.checkpoints.newest} was written by {before} processes and cannot be continued by "
                f"{self.group.processes}; set training.processes to {before}, or delete it to start afresh"
            )
        self.net.load_state_dict(state["net"])
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate  # on a GPU a tensor: the one that was saved is on the host
        self.epoch, self.step, self.totals, self.history = (
            state[key] for key in ("epoch", "step", "totals", "history")
        )
        self.unread = self.step
        tell(f"{self.folder}: resuming at epoch {min(self.epoch + 1, self.epochs)}, step {self.step + 1}")
        return True

    def _diverged(self, loss: float, step: int) -> RunError:
        """Record that the run diverged, in a step counted from 0; what to raise."""
        place = {"epoch": self.epoch + 1, "step": step + 1, "loss": str(loss)}
        if self.group.leads:
            write_json(self.folder / "diverged.json", {"fingerprint": self.fingerprint, **place})
        return RunError(
            f"{self.folder} diverged: loss {loss} in epoch {place['epoch']}, step {place['step']}; "
            "try a lower learning_rate"
        )


def _adopt(folder: Path, fingerprint: str, processes: int) -> bool:
    """Take over an identical finished run of another experiment, if there is one under the same results folder."""
    if (folder / RETRAIN).exists():
        return False
    dataset, architecture, method, seed = folder.parts[-4:]
    for other in sorted(folder.parents[4].glob(f"*/{dataset}/{architecture}/{method}/{seed}/model.pt")):
        try:
            noted = read_json(other.with_name("provenance.json"))
            if (noted["fingerprint"], noted["processes"]) != (fingerprint, processes):
                continue
            if digests.file_digest(other) != noted["model_sha256"]:
                continue
        except (UserError, KeyError, TypeError):
            continue
        for name in ("provenance.json", "history.csv", "model.pt"):
            with atomic(folder / name) as temporary:
                shutil.copyfile(other.with_name(name), temporary)
        tell(f"{folder}: the same run as {other.parent}, taken over from there")
        return True
    return False


def make_net(
    architecture: str,
    classes: int,
    normalisation: Sequence[Sequence[float]],
    recipe: Mapping[str, Any],
    device: torch.device,
) -> models.Normalised:
    """The architecture with fresh weights on a device, in the recipe's precision and layout."""
    built = models.build(architecture, classes)
    if recipe.get("batch_norm") == "split":
        split(built, architecture)
    mean, std = normalisation
    net = models.Normalised(built, mean, std, getattr(torch, recipe["precision"]))
    net.to(device, memory_format=torch.channels_last if recipe["channels_last"] else torch.contiguous_format)  # type: ignore[call-overload]
    if recipe["compile"]:
        built.compile(dynamic=False)  # one graph a shape, whichever came before: resuming changes no bits
    return net


def training_step(
    net: nn.Module,
    method: methods.Method,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    classes: int,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """One update from cropped and flipped uint8 images; the loss, and how many of the first view are wrong."""

    def update(*given: Tensor) -> tuple[Tensor, Tensor]:
        *views, targets, labels = given
        with in_views(net, len(views)):
            logits = net(torch.cat([view.to(torch.float32) for view in views])).chunk(len(views))
        loss = method.loss(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach(), (logits[0].argmax(1) != labels).sum()

    net.train()
    views = method.views(images, labels, net, rng)
    views, targets = method.mix(views, F.one_hot(labels, classes).to(torch.float32), rng)
    loss, wrong = replayed(
        (net, optimizer), update, *views, targets, labels, changed=lambda: changed_tensors(net, optimizer)
    )
    return loss, wrong


@torch.inference_mode()
def errors(net: nn.Module, split: datasets.Split, device: torch.device, part: slice) -> float:
    """How many images of a part of the split are misclassified; not a number when a logit is none."""

    def count(images: Tensor, truth: Tensor) -> tuple[Tensor]:
        logits = net(images)
        wrong = (logits.argmax(1) != truth).sum().to(torch.float32)
        return (torch.where(logits.isfinite().all(), wrong, math.nan),)

    net.eval()
    labels = torch.from_numpy(np.array(split.labels[part])).to(device)
    total = torch.zeros((), device=device)
    for images in in_order(split.images, device, part):
        truth, labels = labels[: len(images)], labels[len(images) :]
        total += replayed((net, "errors"), count, images, truth)[0]
    return total.item()


def _refuse_diverged(folder: Path, fingerprint: str) -> None:
    """The same run would diverge at the same step again; another one starts with a clean slate."""
    path = folder / "diverged.json"
    if not path.exists():
        return
    noted = read_mapping(path, {"fingerprint": str, "epoch": int, "step": int})
    if noted["fingerprint"] != fingerprint:
        path.unlink()
        return
    raise RunError(f"{folder} diverged in epoch {noted['epoch']}, step {noted['step']}, and would again; change it")
