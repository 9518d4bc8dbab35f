"""The training loop. It knows no method, data set or architecture by name, and nothing of MLflow.

Randomness is a function of (seed, epoch, step) alone, so a run that is killed at any moment and resumed ends in
the same weights, bit for bit, on the same machine and thread count.
"""

import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from augmix import datasets, devices, methods, models, provenance
from augmix.errors import RunError, UserError
from augmix.files import atomic, locked, read_json, write_json, write_text
from augmix.progress import bar
from augmix.runs import Checkpoints, Interrupted, Progress, Signals, save, tell, write_history

PAD = 4
# What a generator is for comes first in its seed: NumPy pads seeds with zeros, so (s, e) would equal (s, e, 0).
ORDER, STEP = 1, 2


def train(settings: Mapping[str, Any], folder: Path) -> None:
    """Train one run into `folder`: config.yaml, provenance.json, history.csv, checkpoint.pt and, last, model.pt.

    `settings` is a `Run.training` of `augmix.experiment`. Resumes from a checkpoint of the same fingerprint.
    Raises `RunError` when the loss stops being finite, and `Interrupted` after SIGTERM or SIGINT, with a
    checkpoint on disk either way it can be continued.
    """
    device = devices.set_up(settings["training"])
    with locked(folder / ".lock", str(folder)):
        trainer = Trainer(settings, folder, device)
        write_text(folder / "config.yaml", yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True))
        _refuse_diverged(folder, trainer.fingerprint)
        if not _adopt(folder, trainer.fingerprint):
            trainer.run()


class Trainer:
    """One run's net, optimiser and data, and where it stands: everything but the position is set up once."""

    def __init__(self, settings: Mapping[str, Any], folder: Path, device: torch.device) -> None:
        self.settings, self.recipe, self.folder, self.device = settings, settings["training"], folder, device
        data = Path(settings["data"])
        record = datasets.record(data)
        described = provenance.describe(settings["method_packages"])
        identity = {key: value for key, value in settings.items() if key not in ("data", "method_packages")}
        self.fingerprint = provenance.fingerprint(
            identity, record["sha256"], described["source_hash"], described["packages"]["torch"], device.type
        )
        self.provenance = {
            **described,
            "fingerprint": self.fingerprint,
            "device": devices.describe(device),
            "threads": self.recipe["threads"],
            "seed": settings["seed"],
            "data_sha256": record["sha256"],
        }
        self.classes = len(record["classes"])
        self.train_set, self.test_set = (_on_device(datasets.read(data, split), device) for split in datasets.SPLITS)
        self.method = methods.build(settings["method"], settings["method_packages"])
        torch.manual_seed(settings["seed"])
        net = models.Normalised(models.build(settings["architecture"], self.classes))
        self.net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.SGD(
            net.parameters(),
            self.recipe["learning_rate"],
            momentum=self.recipe["momentum"],
            weight_decay=self.recipe["weight_decay"],
            nesterov=self.recipe["momentum"] > 0,
        )
        self.checkpoints = Checkpoints(folder, self.fingerprint)
        self.epochs = self.recipe["epochs"]
        self.steps = math.ceil(len(self.train_set[0]) / self.recipe["batch_size"])
        # The position: epochs and steps done; sums over the epoch so far (loss × images, errors, seconds).
        self.epoch, self.step, self.totals = 0, 0, [0.0, 0.0, 0.0]
        self.history: list[dict[str, float]] = []

    def run(self) -> None:
        """Train every step that is left, and write the results."""
        if not self._resume():
            for name in ("model.pt", "history.csv", *(f"predictions/{name}.npz" for name in ("clean", "C", "P"))):
                (self.folder / name).unlink(missing_ok=True)  # of other settings, if they are there
        parameters = sum(p.numel() for p in self.net.parameters())
        outcome = {**self.provenance, "started": time.time(), "parameters": parameters}
        write_json(self.folder / "provenance.json", outcome)
        progress = Progress(self.folder / "progress.json", self.epochs, self.steps)
        done, total = self.epoch * self.steps + self.step, self.epochs * self.steps
        with (
            Signals() as signals,
            bar(desc=self.folder.parent.name, initial=done, total=total, unit="step") as shown,
        ):
            while self.epoch < self.epochs:
                self._train_one_step()
                progress.step(self.epoch + 1, self.step)
                shown.update()
                if self.step == self.steps:
                    self._end_epoch()
                    shown.set_postfix(test_error=f"{self.history[-1]['test_error']:.1%}")
                if (number := signals.received()) is not None and self.epoch < self.epochs:
                    self._checkpoint()
                    raise Interrupted(number)
        seconds = sum(row["seconds"] for row in self.history)
        write_json(self.folder / "provenance.json", {**outcome, "train_seconds": seconds})
        save(self.folder / "model.pt", {name: value.cpu() for name, value in self.net.net.state_dict().items()})

    def _train_one_step(self) -> None:
        began = time.perf_counter()
        seed, batch_size = self.settings["seed"], self.recipe["batch_size"]
        images, labels = self.train_set
        order = np.random.default_rng([ORDER, seed, self.epoch]).permutation(len(images))
        chosen = torch.from_numpy(order[self.step * batch_size : (self.step + 1) * batch_size]).to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, self.epoch * self.steps + self.step, self.epochs * self.steps)
        rng = np.random.default_rng([STEP, seed, self.epoch, self.step])
        torch.manual_seed(int(rng.integers(2**63)))  # dropout's draws
        batch = crop_and_flip(images[chosen], rng, self.settings["flip"])
        loss, wrong = training_step(self.net, self.method, self.optimizer, batch, labels[chosen], self.classes, rng)
        if not math.isfinite(loss):
            raise _diverged(self.folder, self.fingerprint, self.epoch + 1, self.step + 1, loss)
        new = (loss * len(chosen), wrong, time.perf_counter() - began)
        self.totals = [old + value for old, value in zip(self.totals, new, strict=True)]
        self.step += 1

    def _end_epoch(self) -> None:
        images, labels = self.test_set
        count = len(self.train_set[0])
        logits = predict(self.net, images)
        if not np.isfinite(logits).all():
            raise _diverged(self.folder, self.fingerprint, self.epoch + 1, self.step, math.nan)
        self.epoch, self.step = self.epoch + 1, 0
        self.history.append(
            {
                "epoch": self.epoch,
                "step": self.epoch * self.steps,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "train_loss": self.totals[0] / count,
                "train_error": self.totals[1] / count,
                "test_error": float(np.mean(logits.argmax(1) != labels.cpu().numpy())),
                "seconds": self.totals[2],
                "timestamp": time.time(),
            }
        )
        self.totals = [0.0, 0.0, 0.0]
        self._checkpoint()
        write_history(self.folder / "history.csv", self.history)

    def _checkpoint(self) -> None:
        position = {"epoch": self.epoch, "step": self.step, "totals": self.totals, "history": self.history}
        weights = {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}
        self.checkpoints.save({**position, **weights})

    def _resume(self) -> bool:
        """Go back to the checkpoint, if this very run has one."""
        if (state := self.checkpoints.load()) is None:
            return False
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.totals, self.history = (
            state[key] for key in ("epoch", "step", "totals", "history")
        )
        write_history(self.folder / "history.csv", self.history)
        tell(f"{self.folder}: resuming at epoch {min(self.epoch + 1, self.epochs)}, step {self.step + 1}")
        return True


def _adopt(folder: Path, fingerprint: str) -> bool:
    """Take over an identical finished run of another experiment, if there is one under the same results folder."""
    dataset, architecture, method, seed = folder.parts[-4:]
    for other in sorted(folder.parents[4].glob(f"*/{dataset}/{architecture}/{method}/{seed}/model.pt")):
        try:
            if read_json(other.with_name("provenance.json"))["fingerprint"] != fingerprint:
                continue
        except (UserError, KeyError, TypeError):
            continue
        for name in ("provenance.json", "history.csv", "model.pt"):
            with atomic(folder / name) as temporary:
                shutil.copyfile(other.with_name(name), temporary)
        tell(f"{folder}: the same run as {other.parent}, taken over from there")
        return True
    return False


def training_step(
    net: nn.Module,
    method: methods.Method,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    classes: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """One update from cropped and flipped uint8 images; the loss, and how many of the first view are wrong."""
    net.train()
    views = method.views(images, labels, net, rng)
    views, targets = method.mix(views, F.one_hot(labels, classes).to(torch.float32), rng)
    logits = net(torch.cat([view.to(torch.float32) for view in views])).chunk(len(views))
    loss = method.loss(logits, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item(), (logits[0].argmax(1) != labels).sum().item()


def learning_rate(recipe: Mapping[str, Any], step: int, steps: int) -> float:
    """Cosine from `learning_rate` to `minimum_learning_rate`, stepped every batch (AugMix, Section 4.1)."""
    low, high = recipe["minimum_learning_rate"], recipe["learning_rate"]
    return float(low + (high - low) / 2 * (1 + math.cos(math.pi * step / steps)))


def crop_and_flip(images: Tensor, rng: np.random.Generator, flip: bool) -> Tensor:
    """Shift each uint8 (B, C, H, W) image by up to 4 pixels with zero fill; mirror half of them when `flip`."""
    batch, _, height, width = images.shape
    top, left = rng.integers(0, 2 * PAD + 1, (2, batch))
    mirrored = rng.random((batch, 1)) < 0.5 if flip else np.zeros((batch, 1), bool)
    across = left[:, None] + np.where(mirrored, np.arange(width)[::-1], np.arange(width))
    rows = torch.from_numpy(top[:, None] + np.arange(height)).to(images.device)[:, None, :, None]
    columns = torch.from_numpy(across).to(images.device)[:, None, None, :]
    image = torch.arange(batch, device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return F.pad(images, (PAD,) * 4)[image, channel, rows, columns]


@torch.inference_mode()
def predict(net: nn.Module, images: Tensor, batch: int = 500) -> np.ndarray:
    """Logits (N, K) as a NumPy array, in evaluation mode."""
    net.eval()
    return torch.cat([net(part) for part in images.split(batch)]).cpu().numpy()


def _on_device(split: datasets.Split, device: torch.device) -> tuple[Tensor, Tensor]:
    """The whole split on the device: (N, C, H, W) uint8 and (N,) int64."""
    images = torch.from_numpy(np.ascontiguousarray(split.images.transpose(0, 3, 1, 2)))
    return images.to(device), torch.from_numpy(split.labels.copy()).to(device)


def _diverged(folder: Path, fingerprint: str, epoch: int, step: int, loss: float) -> RunError:
    """Record that the run diverged; what to raise."""
    write_json(folder / "diverged.json", {"fingerprint": fingerprint, "epoch": epoch, "step": step, "loss": str(loss)})
    return RunError(f"{folder} diverged: loss {loss} in epoch {epoch}, step {step}; try a lower learning_rate")


def _refuse_diverged(folder: Path, fingerprint: str) -> None:
    """The same run would diverge at the same step again; another one starts with a clean slate."""
    path = folder / "diverged.json"
    if not path.exists():
        return
    if (noted := read_json(path))["fingerprint"] != fingerprint:
        path.unlink()
        return
    raise RunError(f"{folder} diverged in epoch {noted['epoch']}, step {noted['step']}, and would again; change it")
