"""Training and evaluation as wholes: epochs beside the paper's loop, and what the images cost in a step.

    python -m benchmarks.epochs

Prints two tables and writes them to `results/benchmarks/{epochs,overheads}.csv`.

An epoch trains with AugMix and its consistency loss on handwritten digits, in batches of 128: ours on two threads, and
a loop of the paper's shape, a DataLoader with two workers that augment an image at a time with Pillow. That loop starts
its workers anew in every epoch and keeps images channel by channel; ours has its channels last. Few steps are taken of
WideResNet's, so starting the workers weighs more there than in a whole epoch; `cifar_epoch_minutes` extrapolates the
images a second to 50,000.

The share of the images in a training step is the time to crop, flip, augment twice, join and normalise a batch, over
that of the whole step. The overhead of evaluation is over the net alone on the same images, in memory.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from augmix import losses, methods, models
from augmix.suite.data.datasets import Split
from augmix.suite.data.loaders.digits import load
from augmix.suite.evaluate.evaluation import numbers
from augmix.suite.io.files import write_array, write_text
from augmix.suite.testsets.base import Shift
from augmix.suite.train import devices
from augmix.suite.train.batches import Batches
from augmix.suite.train.training import training_step
from benchmarks import peers
from benchmarks.timing import RESULTS, interleaved

CLASSES, BATCH = 10, 128
EPOCH = {"smallnet": 1437, "wideresnet": 4 * BATCH}
"""The images of an epoch, by architecture."""
TURNS = {"smallnet": 5, "wideresnet": 3}
CIFAR = 50_000
CPU = torch.device("cpu")
AUGMIX = methods.build({"name": "augmix", "preset": "augmix", "parameters": {}}, [])


def net_and_optimizer(architecture: str) -> tuple[models.Normalised, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = models.Normalised(models.build(architecture, CLASSES))
    net.to(memory_format=torch.channels_last)
    return net, torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)


def batches(images: np.ndarray, labels: np.ndarray) -> Batches:
    return Batches(Split(images, labels), 0, BATCH, True, CPU)


def steps(architecture: str, images: np.ndarray, labels: np.ndarray) -> Iterator[torch.Tensor]:
    """Take one training step after another, without end."""
    net, optimizer = net_and_optimizer(architecture)
    drawn, epoch = batches(images, labels), 0
    while True:
        for step in range(drawn.steps):
            batch = drawn(epoch, step)
            yield training_step(net, AUGMIX, optimizer, batch.images, batch.labels, CLASSES, batch.rng)[0]
        epoch += 1


def our_epoch(endless: Iterator[torch.Tensor], count: int) -> None:
    for _ in range(-(-count // BATCH)):
        next(endless)


def paper_epoch(net: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader) -> None:
    """An epoch in the shape of the paper's script."""
    net.train()
    for views, labels in loader:
        optimizer.zero_grad()
        logits = net(torch.cat(views)).chunk(len(views))
        loss = F.cross_entropy(logits[0], labels) + losses.jensen_shannon(logits)
        loss.backward()
        optimizer.step()
        loss.item()


def epochs() -> pd.DataFrame:
    """Seconds of an epoch of each net, ours and the paper's."""
    digits, rows = load(), []
    for architecture, count in EPOCH.items():
        images, labels = digits.train_images[:count], digits.train_labels[:count]
        normalised, optimizer = net_and_optimizer(architecture)
        net = normalised.net.to(memory_format=torch.contiguous_format)
        loader = DataLoader(peers.PillowViews(images, labels), BATCH, shuffle=True, num_workers=2)
        candidates: dict[str, Callable[[], None]] = {
            "ours": partial(our_epoch, steps(architecture, images, labels), count),
            "paper's loop": partial(paper_epoch, net, optimizer, loader),
        }
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        for turn in range(TURNS[architecture] + 1):
            for name, call in candidates.items():
                began = time.perf_counter()
                call()
                if turn:
                    seconds[name].append(time.perf_counter() - began)
        for name, taken in seconds.items():
            rows.append(
                {
                    "architecture": architecture,
                    "loop": name,
                    "images": count,
                    "seconds": median(taken),
                    "images_per_second": count / median(taken),
                    "cifar_epoch_minutes": CIFAR / count * median(taken) / 60,
                    "times_ours": median(taken) / median(seconds["ours"]),
                }
            )
    return pd.DataFrame(rows)


def prepare(drawn: Batches, scale: models.Normalised) -> None:
    """Do what a step does before its net: crop, flip, augment, join, normalise."""
    batch = drawn(0, 0)
    views = AUGMIX.views(batch.images, batch.labels, scale, batch.rng)
    scale(torch.cat([view.to(torch.float32) for view in views]))


@torch.inference_mode()
def net_alone(net: nn.Module, parts: list[torch.Tensor]) -> None:
    for part in parts:
        net(part).argmax(1)


def overheads() -> pd.DataFrame:
    """Measure what the images cost in a training step, and evaluation over the net alone, for each net."""
    digits, rows = load(), []
    train = digits.train_images[:BATCH], digits.train_labels[:BATCH]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        write_array(path, np.tile(digits.test_images, (4, 1, 1, 1)))
        labels = np.tile(digits.test_labels, 4)
        for architecture in EPOCH:
            net = net_and_optimizer(architecture)[0].eval()
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
            parts = [part.permute(0, 3, 1, 2) for part in torch.from_numpy(np.array(mapped)).split(512)]
            seconds = interleaved(
                {
                    "step": partial(next, steps(architecture, *train)),
                    "images": partial(prepare, batches(*train), models.Normalised(nn.Identity())),
                    "evaluation": partial(numbers, net, Shift(mapped, labels, labels.shape), CPU),
                    "net alone": partial(net_alone, net, parts),
                },
                turns=7,
            )
            rows.append(
                {
                    "architecture": architecture,
                    "step_ms": seconds["step"].median() * 1e3,
                    "images_ms": seconds["images"].median() * 1e3,
                    "images_share": (seconds["images"] / seconds["step"]).median(),
                    "evaluation_overhead": (seconds["evaluation"] / seconds["net alone"]).median() - 1,
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    devices.set_up({"threads": 2, "device": "cpu"})
    for name, table in (("overheads", overheads()), ("epochs", epochs())):
        print(f"\n{table.to_string(index=False, float_format='%.3f')}")
        write_text(RESULTS / f"{name}.csv", table.to_csv(index=False, float_format="%.4f"))


if __name__ == "__main__":
    main()
