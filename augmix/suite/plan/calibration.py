"""Measure what things cost on this machine: a few steps of each net, each method's views, each shift; a minute in all.

A training step costs a net's passes plus the making of the views. The two are measured apart, so that every
architecture can be combined with every method: a line through two batch sizes for the net, and for the method how many
images a batch becomes, counted and timed with a net that does next to nothing.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from augmix.errors import UserError
from augmix.registry import method_parts
from augmix.suite.data.datasets import NORMALISED
from augmix.suite.testsets.base import TestSet

if TYPE_CHECKING:
    import torch

CLASSES = 10
PIXELS = 2**16
"""The pixels of the batch that a method's views are timed with: 64 images of CIFAR's size."""
SMALLEST = 4
"""The images of the smallest batch that a net is timed with."""
PASSES = 4
"""The passes that are timed at most; the first one does not count."""
SHIFT_SECONDS = 0.2
"""The time for each shift, after which no further pass begins."""


class NetCost(NamedTuple):
    """The seconds that a net takes."""

    step: float
    """Seconds of a training step, whatever its size."""
    image: float
    """Seconds of each image of a training step: forward, backward, update."""
    attack: float
    """Seconds of an image's gradient with respect to its pixels."""
    inference: float
    """Seconds of an image's prediction."""


class MethodCost(NamedTuple):
    """The work that a method makes of each image of a batch."""

    views: float
    """The number of images that pass forward and backward."""
    attacks: float
    """The number of gradients with respect to pixels."""
    seconds: float
    """The time to crop, make and mix the views."""


Key = tuple[str, int]
"""A name and the side of the images."""


class ShiftKey(NamedTuple):
    """Shifts that take as long to make an image: those of one name in every test set of a kind."""

    kind: str
    """The test set's kind."""
    name: str
    side: int
    streamed: bool
    """Whether the data set's images, and the shift's, stay in files of their own."""


@dataclass(frozen=True)
class Request:
    """All that is to be measured."""

    nets: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    """The training recipe of each architecture at each side; `architecture` in it says how the net is built."""
    methods: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    """The settings of each method at each side; timed only where there are nets to add it to."""
    shifts: Mapping[ShiftKey, TestSet] = field(default_factory=dict)
    """Shifts, each with a test set that makes it."""
    packages: tuple[str, ...] = ()
    threads: int = 1
    device: str = "auto"
    seconds: float = 25.0
    """The time for the nets; the rest takes a few more."""


@dataclass(frozen=True)
class Calibration:
    """The costs that were measured."""

    nets: Mapping[Key, NetCost]
    methods: Mapping[Key, MethodCost]
    shifts: Mapping[ShiftKey, float]
    """Seconds to make an image of a shift, each severity or frame counted; 0 of a kind that makes none."""
    startup: float
    """The seconds until a job begins its work."""
    device: str


def calibrate(request: Request, jobs: int) -> Calibration:
    """Measure in as many processes at once as jobs will run side by side: they share caches and memory."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        pending = [pool.submit(measure, request, time.time()) for _ in range(jobs)]
        found = [future.result() for future in pending]
    first = found[0]
    return Calibration(
        {key: NetCost(*_means([c.nets[key] for c in found])) for key in first.nets},
        {key: MethodCost(*_means([c.methods[key] for c in found])) for key in first.methods},
        {key: fmean(c.shifts[key] for c in found) for key in first.shifts},
        fmean(c.startup for c in found),
        first.device,
    )


def _means(rows: Sequence[Sequence[float]]) -> list[float]:
    return [fmean(column) for column in zip(*rows, strict=True)]


def measure(request: Request, started: float) -> Calibration:
    """Measure in this process, which was started at that time."""
    from augmix.suite.evaluate import evaluation  # noqa: F401 - a job imports it before it works
    from augmix.suite.train import devices

    device = devices.set_up({"threads": request.threads, "device": request.device})
    startup = time.time() - started
    methods = {key: _method(settings, key[1], request, device) for key, settings in request.methods.items()}
    attacked = any(cost.attacks for cost in methods.values())
    budget = request.seconds / max(len(request.nets), 1)
    nets = {key: _net(key, recipe, attacked, budget, device) for key, recipe in request.nets.items()}
    shifts = {key: _shift(key, request.shifts[key]) for key in sorted(request.shifts)}
    return Calibration(nets, methods, shifts, startup, devices.describe(device))


def _net(key: Key, recipe: Mapping[str, Any], attacked: bool, budget: float, device: "torch.device") -> NetCost:
    """Time one net, at a batch as large as the budget admits."""
    import torch
    import torch.nn.functional as F

    from augmix import losses, methods
    from augmix.graphs import recording, replayed
    from augmix.suite.train import devices
    from augmix.suite.train.optimizers import make_optimizer
    from augmix.suite.train.training import make_net, training_step

    name, side = key
    recipe = {**recipe, "precision": devices.precision(recipe["precision"], device)}
    net = make_net(recipe.get("architecture", name), CLASSES, NORMALISED, recipe, device)
    recorder = devices.graphs(device)
    optimizer = make_optimizer(net, recipe, replayed=recorder is not None)
    method = methods.Method(methods.clean, methods.unmixed, losses.cross_entropy)
    rng = np.random.default_rng(0)

    def step(images: "torch.Tensor", labels: "torch.Tensor") -> None:
        training_step(net, method, optimizer, images, labels, CLASSES, rng)[0].item()

    def gradient(images: "torch.Tensor", labels: "torch.Tensor") -> "tuple[torch.Tensor]":
        pixels = images.to(torch.float32).requires_grad_()
        return (torch.autograd.grad(F.cross_entropy(net(pixels), labels), pixels)[0].sum(),)

    def attack(images: "torch.Tensor", labels: "torch.Tensor") -> None:
        replayed((net, "attack"), gradient, images, labels)[0].item()

    @torch.inference_mode()
    def infer(images: "torch.Tensor", labels: "torch.Tensor") -> None:
        replayed((net, "infer"), lambda images: (net(images).sum(),), images)[0].item()

    def seconds(work: "Callable[[torch.Tensor, torch.Tensor], None]", size: int, share: float) -> float:
        images, labels = _images(size, side, device)
        with recording(recorder):  # as trainings do
            return _median(lambda: work(images, labels), share * budget)

    rough = seconds(step, SMALLEST, 0.1) / SMALLEST
    size = min(recipe["batch_size"], max(SMALLEST, int(0.4 * budget / (PASSES * rough))))
    large = seconds(step, size, 0.4)
    image, fixed = large / size, 0.0
    if size >= 4 * SMALLEST:
        slope = (large - seconds(step, size // 4, 0.1)) / (size - size // 4)
        if 0 < slope < image:
            image, fixed = slope, large - size * slope
    pixels = seconds(attack, size, 0.25) / size if attacked else 0.0
    net.eval()
    return NetCost(fixed, image, pixels, seconds(infer, size, 0.15) / size)


def _method(settings: Mapping[str, Any], side: int, request: Request, device: "torch.device") -> MethodCost:
    """Measure a method on a batch, with a net that counts."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    from augmix import methods
    from augmix.graphs import recording
    from augmix.suite.train import devices

    class Counter(nn.Module):
        """Logits from the mean colours; counts the images whose gradient is asked for."""

        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Linear(3, CLASSES)
            self.attacks = 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.attacks += len(images) * images.requires_grad
            logits: torch.Tensor = self.classifier(images.to(torch.float32).mean((2, 3)))
            return logits

    method, net = methods.build(_here(settings, request.packages), request.packages), Counter().to(device)
    batch = max(PIXELS // side**2, 2)
    images, labels = _images(batch, side, device)
    targets = F.one_hot(labels, CLASSES).to(torch.float32)
    rng = np.random.default_rng(0)
    views: list[torch.Tensor] = []

    def make() -> None:
        views[:] = method.mix(method.views(images, labels, net, rng), targets, rng)[0]
        views[0].sum().item()

    make()
    net.attacks = 0
    make()
    count, attacks = sum(len(view) for view in views), net.attacks
    with recording(devices.graphs(device)):
        taken = _median(make) if request.nets else 0.0
    return MethodCost(count / batch, attacks / batch, taken / batch)


def _here(settings: Mapping[str, Any], packages: Sequence[str]) -> Mapping[str, Any]:
    """A method's settings without the views that need data which is not on this machine."""
    from augmix import methods

    def builds(name: str, parameters: Mapping[str, Any]) -> bool:
        try:
            methods.build({"name": name, "preset": name, "parameters": parameters}, packages)
        except UserError:
            return False
        return True

    parts = method_parts(settings)
    if all(builds(*source) for source in parts["views"]):
        return settings
    views = [{name: parameters} for name, parameters in parts["views"] if builds(name, parameters)]
    if not views:
        return {"name": settings["name"], "preset": "standard", "parameters": {}}
    return {**settings, "views": views}


def _shift(key: ShiftKey, testset: TestSet) -> float:
    """Seconds to make one image of a shift, and to encode it where it becomes a file."""
    pixels, made = _blobs(max(PIXELS // key.side**2 // 8, 1), key.side), [0]
    seconds = _median(lambda: made.append(testset.trial(key.name, pixels)), SHIFT_SECONDS)
    return seconds / made[-1] if made[-1] else 0.0


def _blobs(count: int, side: int) -> np.ndarray:
    """Blobs with some noise, uint8 (count, side, side, 3): encoders would take far longer for pure noise."""
    from PIL import Image

    rng = np.random.default_rng(0)
    small = rng.integers(16, 240, (count, 7, 7, 3), np.uint8)
    large = [Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR) for image in small]
    return np.stack([np.asarray(image) for image in large]) + rng.integers(0, 16, (count, side, side, 3), np.uint8)


def _images(count: int, side: int, device: "torch.device") -> "tuple[torch.Tensor, torch.Tensor]":
    """Noise, uint8 (count, 3, side, side), and labels."""
    import torch

    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=generator)
    return images.to(device), torch.arange(count, device=device) % CLASSES


def _median(work: Callable[[], object], budget: float = 1.0) -> float:
    """The seconds `work` takes: the median of three passes, or of fewer that fill the budget, after a first one."""
    seconds: list[float] = []
    while len(seconds) < 2 or (len(seconds) < PASSES and sum(seconds) < budget):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])
