"""Measure costs on this machine: a few steps of each net, each method's views, each shift; a minute in all.

A training step costs a net's passes plus the making of the views. The two are measured apart, so that every
architecture can be combined with every method: a line through two batch sizes for the net, and for the method how many
images a batch becomes, counted and timed with a net that does next to nothing.
"""

import io
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from augmix.errors import UserError
from augmix.registry import method_parts
from augmix.suite.data.datasets import NORMALISED

if TYPE_CHECKING:
    import torch

CLASSES = 10
PIXELS = 2**16
"""The pixels of the batch that a method's views, or a shift, are timed with: 64 images of CIFAR's size."""
SMALLEST = 4
PASSES = 4


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
    """The time for cropping, making and mixing the views."""


Key = tuple[str, int]
"""A name and the side of the images."""


class ShiftKey(NamedTuple):
    """All that the cost of making a file of a -C or -P depends on."""

    kind: str
    name: str
    side: int
    files: bool
    """Whether it is a folder of JPEG files or videos, as of photographs, and no array."""


@dataclass(frozen=True)
class Request:
    """The things to measure."""

    nets: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    """The training recipe of each architecture at each side."""
    methods: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    """The settings of each method at each side; timed only where there are nets to add it to."""
    shifts: frozenset[ShiftKey] = frozenset()
    packages: tuple[str, ...] = ()
    threads: int = 1
    device: str = "auto"
    seconds: float = 25.0
    """The time for the nets; the rest takes a few seconds more."""


@dataclass(frozen=True)
class Calibration:
    """The costs that were measured."""

    nets: Mapping[Key, NetCost]
    methods: Mapping[Key, MethodCost]
    shifts: Mapping[ShiftKey, float]
    """The seconds to make an image of a -C, or a frame of a -P."""
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
    shifts = {key: _shift(key) for key in sorted(request.shifts)}
    return Calibration(nets, methods, shifts, startup, devices.describe(device))


def _net(key: Key, recipe: Mapping[str, Any], attacked: bool, budget: float, device: "torch.device") -> NetCost:
    """The times of one net, at a batch as large as the budget admits."""
    import torch
    import torch.nn.functional as F

    from augmix import losses, methods
    from augmix.suite.train.training import make_net, make_optimizer, training_step

    name, side = key
    net = make_net(name, CLASSES, NORMALISED, recipe, device)
    optimizer = make_optimizer(net, recipe)
    method = methods.Method(methods.clean, methods.unmixed, losses.cross_entropy)
    rng = np.random.default_rng(0)

    def step(images: "torch.Tensor", labels: "torch.Tensor") -> None:
        training_step(net, method, optimizer, images, labels, CLASSES, rng)

    def attack(images: "torch.Tensor", labels: "torch.Tensor") -> None:
        pixels = images.to(torch.float32).requires_grad_()
        torch.autograd.grad(F.cross_entropy(net(pixels), labels), pixels)[0].sum().item()

    @torch.inference_mode()
    def infer(images: "torch.Tensor", labels: "torch.Tensor") -> None:
        net(images).sum().item()

    def seconds(work: "Callable[[torch.Tensor, torch.Tensor], None]", size: int, share: float) -> float:
        images, labels = _images(size, side, device)
        return _median(lambda: work(images, labels), share * budget)

    rough = seconds(step, SMALLEST, 0.1) / SMALLEST
    size = min(recipe["batch_size"], max(SMALLEST, int(0.4 * budget / (PASSES * rough))))
    large = seconds(step, size, 0.4)
    image, fixed = large / size, 0.0
    if size >= 4 * SMALLEST:
        slope = (large - seconds(step, size // 4, 0.1)) / (size - size // 4)
        if 0 < slope < image:
            image, fixed = slope, large - size * slope
    gradient = seconds(attack, size, 0.25) / size if attacked else 0.0
    net.eval()
    return NetCost(fixed, image, gradient, seconds(infer, size, 0.15) / size)


def _method(settings: Mapping[str, Any], side: int, request: Request, device: "torch.device") -> MethodCost:
    """The cost of a method on a batch, with a net that counts."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    from augmix import methods

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
    return MethodCost(count / batch, attacks / batch, _median(make) / batch if request.nets else 0.0)


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


def _shift(key: ShiftKey) -> float:
    """The seconds to make one image of a -C or one frame of a -P, and to encode it where it becomes a file."""
    from PIL import Image

    from augmix.checks import nearest_preset
    from augmix.corruptions import corrupt
    from augmix.perturbations import NOISE_PERTURBATIONS, frame_count, perturb
    from augmix.suite.data import videos
    from augmix.suite.testsets.photographs import QUALITY

    count = max(PIXELS // key.side**2 // 8, 1) if key.kind == "C" else 1
    # Blobs with some noise: pure noise would take encoders far longer than a photograph.
    rng, side = np.random.default_rng(0), (key.side, key.side)
    blobs = [
        Image.fromarray(rng.integers(16, 240, (7, 7, 3), np.uint8)).resize(side, Image.Resampling.BILINEAR)
        for _ in range(count)
    ]
    pixels = np.stack([np.asarray(blob) for blob in blobs]) + rng.integers(0, 16, (count, *side, 3), np.uint8)

    def corrupted() -> None:
        for image in corrupt(pixels, key.name, severity=3):
            if key.files:
                Image.fromarray(image).save(io.BytesIO(), "JPEG", quality=QUALITY, optimize=True)

    def perturbed() -> None:
        [frames] = perturb(pixels, key.name)
        if key.files:
            with tempfile.TemporaryDirectory() as folder:
                videos.write(Path(folder) / "video.mp4", frames, key.name in NOISE_PERTURBATIONS)

    if key.kind == "C":
        return _median(corrupted, 0.2) / count
    return _median(perturbed, 0.2) / frame_count(key.name, nearest_preset(key.side))


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
