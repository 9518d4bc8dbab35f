"""Measure what a training step of every method costs.

    python -m benchmarks.methods            # print the costs
    python -m benchmarks.methods --write    # and put them into docs/methods/steps.csv, for the methods' cards

A step is cropping, views, mix, forward, backward and update of smallnet on 128 images of 32×32, on one CPU thread. The
arithmetic cost is how many images pass through the net, counted, over those of standard training. An attack's passes
count in full, though they leave out the parameters' gradients.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from augmix import methods, models
from augmix.crops import crop_and_flip
from augmix.registry import method_names
from augmix.suite.data.loaders.digits import load
from augmix.suite.io.files import write_csv
from augmix.suite.train import devices
from augmix.suite.train.training import training_step
from benchmarks.timing import interleaved

PACKAGES = ("baselines", "ablations")
STEPS = Path(__file__).parents[1] / "docs" / "methods" / "steps.csv"
BATCH, CLASSES = 128, 10


def build(name: str, stylised: Path) -> methods.Method:
    parameters = {"folder": str(stylised)} if name == "stylized_imagenet" else {}
    return methods.build({"name": name, "preset": name, "parameters": parameters}, PACKAGES)


def smallnet() -> nn.Module:
    net = models.Normalised(models.build("smallnet", CLASSES))
    return net.to(memory_format=torch.channels_last)


def steps(stylised: Path) -> tuple[dict[str, Callable[[], Any]], dict[str, float]]:
    """A callable that takes one training step, and the arithmetic cost, of every method."""
    digits = load()
    images = torch.from_numpy(digits.train_images[:BATCH].transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(digits.train_labels[:BATCH])
    rng = np.random.default_rng(0)

    def step(net: nn.Module, method: methods.Method, optimizer: torch.optim.Optimizer) -> None:
        training_step(net, method, optimizer, crop_and_flip(images, rng, False), labels, CLASSES, rng)

    candidates: dict[str, Callable[[], Any]] = {}
    costs: dict[str, float] = {}
    for name in method_names(PACKAGES):
        net = smallnet()
        optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, nesterov=True)
        candidates[name] = partial(step, net, build(name, stylised), optimizer)
        passed: list[int] = []
        hook = net.register_forward_hook(lambda module, given, made, passed=passed: passed.append(len(made)))
        candidates[name]()
        hook.remove()
        costs[name] = sum(passed) / BATCH
    return candidates, costs


def measure() -> dict[str, tuple[float, float]]:
    """Print the table; each method's cost as multiples of standard training: measured, and arithmetic."""
    devices.set_up({"threads": 1, "device": "cpu"})
    with tempfile.TemporaryDirectory() as folder:
        stylised = Path(folder)
        for label in range(CLASSES):
            (stylised / "train" / str(label)).mkdir(parents=True)
            photograph = Image.fromarray(photographs(1, 256, seed=label)[0])
            photograph.save(stylised / "train" / str(label) / "0.jpg", quality=90)
        candidates, arithmetic = steps(stylised)
        seconds = interleaved(candidates)
    print(f"{'method':30}{'ms a step':>10}{'× standard':>12}{'arithmetic':>12}{'ratio':>8}")
    ratios = seconds.div(seconds["standard"], axis=0).median()
    for name, ratio in ratios.items():
        cost = arithmetic[name]
        print(f"{name:30}{seconds[name].median() * 1e3:10.1f}{ratio:12.2f}{cost:12.0f}{ratio / cost:8.2f}")
    return {name: (ratio, arithmetic[name]) for name, ratio in ratios.items()}


def photographs(count: int, side: int, seed: int = 0) -> np.ndarray:
    """Random squares of the two photographs that scikit-learn ships, in turn: uint8 (count, side, side, 3)."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(seed)
    images = []
    for i in range(count):
        image = Image.fromarray(load_sample_images().images[(i + 1) % 2])
        square = min(image.size) * 3 // 4
        left, top = (int(rng.integers(length - square + 1)) for length in image.size)
        images.append(np.asarray(image.crop((left, top, left + square, top + square)).resize((side, side))))
    return np.stack(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the costs into docs/methods/steps.csv")
    write = parser.parse_args().write
    costs = measure()
    if write:
        found = [(name, f"{measured:.2f}", f"{passes:.0f}") for name, (measured, passes) in costs.items()]
        write_csv(STEPS, ("method", "step", "passes"), found)


if __name__ == "__main__":
    main()
