"""Test images perturbed against each net by projected gradient descent (Madry et al., ICLR 2018), within ε in ℓ∞."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from augmix.suite.data import datasets
from augmix.suite.data.datasets import Split, evenly
from augmix.suite.testsets.base import SEED, Images, Part, Shift, TestSet

PASSES = 3
"""A step of the attack takes about as long as so many predictions."""
SHARE = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}


class Attacked(Images):
    """Some of the test images of a prepared data set, and the attack on them."""

    def __init__(self, source: str, images: np.ndarray, labels: np.ndarray, attack: Mapping[str, Any]) -> None:
        """`attack` are the seed of its random starts and the parameters of `augmix.attacks.pgd`."""
        self.source, self.labels, self._images, self._attack = source, labels, images, attack

    def read(self, shift: str) -> Shift:
        from augmix.attacks import pgd  # which imports torch

        parameters = {key: value for key, value in self._attack.items() if key != "seed"}
        attack = partial(pgd, rng=np.random.default_rng(self._attack["seed"]), **parameters)
        return Shift(self._images, self.labels, self.labels.shape, None, attack)


@dataclass(frozen=True)
class Adversarial(TestSet):
    """The adversarial test set, whose images depend on the net: none is made beforehand."""

    images: int
    """At most so many test images are used, evenly spaced."""
    epsilon: float
    """The greatest change of a pixel value, in units of their range."""
    step: float
    steps: int
    seed: int

    kind = "adversarial"
    adjective = "adversarial"
    of_net = True
    schema: ClassVar[Mapping[str, Any]] = {
        "images": {
            "description": "At most so many test images, evenly spaced.",
            "type": "integer",
            "minimum": 1,
            "default": 100,
        },
        "epsilon": {"description": "The greatest change, of the range of values.", **SHARE, "default": 8 / 255},
        "step": {"description": "The change of one step, of the range of values.", **SHARE, "default": 2 / 255},
        "steps": {"type": "integer", "minimum": 1, "maximum": 10000, "default": 20},
        "seed": SEED,
    }

    @property
    def shifts(self) -> tuple[str, ...]:
        return (f"PGD-{self.steps}",)

    def size(self, count: int | None) -> int | None:
        return self.images if count is None else min(self.images, count)

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        chosen = evenly(len(test.labels), self.images)
        loader = datasets.record(Path(self.data))["loader"]
        source = f"{loader}, PGD-{self.steps}, ε {255 * self.epsilon:g}/255, step {255 * self.step:g}/255"
        attack = {key: getattr(self, key) for key in ("epsilon", "step", "steps", "seed")}
        return Attacked(source, np.asarray(test.images[chosen]), test.labels[chosen], attack)

    def parts(self, count: int, again: Collection[str] = ()) -> Iterator[Part]:
        passes = min(self.images, count) * (1 + PASSES * self.steps)
        for shift in self.shifts:
            yield Part(shift, passes, False, 0.0)

    def evaluated_with(self) -> dict[str, Any]:
        return {**super().evaluated_with(), **{key: getattr(self, key) for key in self.schema}}


KIND = Adversarial
