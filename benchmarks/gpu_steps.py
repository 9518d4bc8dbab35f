"""Training steps and evaluation on a device, beside the bare net, and whether their bits hold: for `benchmarks.gpu`."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmix import methods
from augmix.graphs import Graphs, recording, replayed
from augmix.suite.config.experiment import Experiment
from augmix.suite.data import datasets
from augmix.suite.data.datasets import NORMALISED, Split
from augmix.suite.evaluate.evaluation import numbers
from augmix.suite.testsets.base import Shift
from augmix.suite.train import devices, training
from augmix.suite.train.batches import Batches
from augmix.suite.train.checkpoints import Interrupted
from augmix.suite.train.optimizers import changed_tensors, make_optimizer, set_rate
from benchmarks.methods import photographs
from benchmarks.timing import launches, waited_for

NETS = {
    "allconv": (32, 128), "wideresnet": (32, 128), "densenet": (32, 128), "densenet40": (32, 128),
    "resnext": (32, 128), "resnet50": (224, 64),
}  # fmt: skip
"""The side and number of images of a batch, by net."""
VIEWS = {"standard": 1, "augmix": 3, "adversarial": 1}
"""Images that pass through the net in an update, for each one of the batch, by method."""
CLOSER = "wideresnet"
"""The net that is also compiled, which takes half a minute a shape, whose launches are counted, and which evaluates."""
EVALUATED, TRAINED = 16_384, 600
"""Images of an evaluation, and of the trainings whose bits are compared."""
TURNS, CALLS = 5, 4
TINY_BATCH = (64, 2)
"""The side and number of a batch's images, at most, where there is no GPU."""
TINY_EVALUATED, TINY_TRAINED, TINY_NET = 300, 140, "smallnet"
CLASSES = 10
RECIPE = {
    "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4,
    "channels_last": True, "compile": False,
}  # fmt: skip

Call = Callable[[], Any]


def recorder(device: torch.device) -> Graphs:
    """A function that replays on the device; without a GPU, one that calls again."""
    return devices.graphs(device) or Graphs(lambda function, inputs: partial(function, *inputs), print)


def net_and_optimizer(name: str, device: torch.device, **recipe: Any) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    precision = devices.precision("auto", device)
    net = training.make_net(name, CLASSES, NORMALISED, {**RECIPE, "precision": precision, **recipe}, device)
    return net, make_optimizer(net, RECIPE, replayed=device.type == "cuda")


def seconds(call: Call, device: torch.device) -> float:
    """Seconds a call: the median of some turns, each of which waits for the device at its end."""
    turns, calls = (TURNS, CALLS) if device.type == "cuda" else (1, 1)
    waited_for(call, device, 2)
    found = []
    for _ in range(turns):
        began = time.perf_counter()
        waited_for(call, device, calls)
        found.append((time.perf_counter() - began) / calls)
    return median(found)


def batch_of(name: str, device: torch.device) -> tuple[int, int]:
    """The side and number of the images that a net is measured with."""
    side, size = NETS[name]
    return (side, size) if device.type == "cuda" else (min(side, TINY_BATCH[0]), min(size, TINY_BATCH[1]))


def whole_step(name: str, method: str, device: torch.device) -> Call:
    """A call that takes the next step of a training."""
    side, size = batch_of(name, device)
    net, optimizer = net_and_optimizer(name, device)
    made = methods.build({"name": method, "preset": method, "parameters": {}}, ["baselines"])
    images = np.tile(photographs(min(size, 32), side), (2 * -(-size // min(size, 32)), 1, 1, 1))
    batches = Batches(Split(images, np.arange(len(images)) % CLASSES), 0, size, True, device)
    places = ((epoch, step) for epoch in count() for step in range(len(images) // size))

    def step() -> None:
        batch = batches(*next(places))
        set_rate(optimizer, RECIPE["learning_rate"])  # type: ignore[arg-type]
        training.training_step(net, made, optimizer, batch.images, batch.labels, CLASSES, batch.rng)

    return step


def bare_step(name: str, images: int, device: torch.device, **recipe: Any) -> Call:
    """A call that updates a net by so many images of noise: replayed where a recorder is in force."""
    net, optimizer = net_and_optimizer(name, device, **recipe)
    side, _ = batch_of(name, device)
    pixels = torch.rand(images, 3, side, side, device=device) * 255
    labels = torch.arange(images, device=device) % CLASSES

    def update(pixels: Tensor, labels: Tensor) -> tuple[Tensor]:
        loss = F.cross_entropy(net(pixels), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    net.train()
    return lambda: replayed((net, optimizer), update, pixels, labels, changed=lambda: changed_tensors(net, optimizer))


def bare(name: str, images: int, device: torch.device) -> dict[str, float]:
    """Milliseconds of a bare net's update, each way."""
    found = {"bare_eager_ms": seconds(bare_step(name, images, device), device) * 1e3}
    with recording(recorder(device)):
        found["bare_graph_ms"] = seconds(bare_step(name, images, device), device) * 1e3
    if name == CLOSER and images == batch_of(name, device)[1]:
        with compiling(device):
            found["bare_compiled_ms"] = seconds(bare_step(name, images, device, compile=True), device) * 1e3
    return found


def compiling(device: torch.device) -> Any:
    """Without a GPU, nets are traced and not compiled, which asks for a C++ compiler and minutes."""
    if device.type == "cuda":
        return mock.patch.dict({}, {})
    compiled = nn.Module.compile
    return mock.patch.object(nn.Module, "compile", lambda net, **given: compiled(net, backend="eager", **given))


def steps(device: torch.device) -> pd.DataFrame:
    """Milliseconds of each net's step with each method, beside the bare net."""
    found = []
    for name in NETS:
        side, size = batch_of(name, device)
        known: dict[int, Mapping[str, float]] = {}
        for method, views in VIEWS.items():
            with recording(recorder(device)):
                step = whole_step(name, method, device)
                taken = seconds(step, device)
                sent, busy = launches(step, device) if name == CLOSER else (np.nan, np.nan)
            if views not in known:
                known[views] = bare(name, views * size, device)
            row = {"net": name, "method": method, "side": side, "batch": size, "ms_a_step": taken * 1e3}
            row |= {"images_per_second": views * size / taken, **known[views]}
            found.append({**row, "launches": sent, "on_the_device_ms": busy / 1e3})
            if device.type == "cuda":
                torch.cuda.empty_cache()
    return pd.DataFrame(found)


def evaluation(device: torch.device) -> pd.DataFrame:
    """Images a second that are evaluated, kernel by kernel and replayed."""
    net, _ = net_and_optimizer(CLOSER, device)
    rng = np.random.default_rng(0)
    count = EVALUATED if device.type == "cuda" else TINY_EVALUATED
    images = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
    work = partial(numbers, net, Shift(images, np.arange(count) % CLASSES, (count,)), device)
    found = [{"way": "kernel by kernel", "images_per_second": count / seconds(work, device)}]
    with recording(recorder(device)):
        found.append({"way": "replayed", "images_per_second": count / seconds(work, device)})
    return pd.DataFrame(found)


def differing(device: torch.device, folder: Path) -> dict[str, int]:
    """In how many weights a training differs from itself, taken again, and interrupted and resumed."""
    data = folder / "data" / "digits"
    images, name = (TRAINED, CLOSER) if device.type == "cuda" else (TINY_TRAINED, TINY_NET)
    datasets.prepare(datasets.Preparation("digits", {}, {"train": images, "test": 64}), data)
    settings = {
        "experiment": "bits", "datasets": ["digits"], "architectures": [name], "methods": ["augmix"],
        "training": {"epochs": 2, "device": device.type}, "folders": {"data": str(data.parent)},
    }  # fmt: skip
    run = Experiment(settings).runs[0]

    def trained(name: str, stop: int | None = None) -> dict[str, Tensor]:
        into, step, taken = folder / name / "bits" / run.path, training.training_step, count(1)

        def interrupting(*given: Any) -> tuple[Tensor, Tensor]:
            if next(taken) == stop:
                raise Interrupted(15)
            return step(*given)

        if stop is not None:
            # As after SIGKILL, the end of an epoch is what there is to go on from.
            with mock.patch.object(training, "training_step", interrupting), suppress(Interrupted):
                training.train(run.training, into)
        training.train(run.training, into)
        return dict(torch.load(into / "model.pt", weights_only=True))

    whole = trained("whole")
    others = {"the same training again": trained("again"), "killed and resumed": trained("killed", images // 128 + 3)}
    return {name: sum(int((found[key] != whole[key]).sum()) for key in whole) for name, found in others.items()}
