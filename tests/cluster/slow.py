"""A method that takes its time and notes every step."""

from typing import Any

from tests.checkout import Checkout

STEPS = 2
"""An epoch has so many."""
METHOD = '''
"""Images as they are, after a wait; every step is noted in a file, and may wait for another to be there."""
import os
import time

from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed


def method(*, seconds: float = 0.0, note: str = "", gate: str = "") -> Method:
    def views(images, labels, net, rng):
        if len(images) == 2:  # those of the step that the method takes before any job
            return [images]
        time.sleep(seconds)
        if note:
            with open(note, "a") as file:
                file.write(f"{os.getpid()}\\n")
        while gate and not os.path.exists(gate):
            time.sleep(0.1)
        return [images]

    return Method(views, unmixed, cross_entropy)
'''


def slow(site: Checkout, name: str, seconds: float, epochs: int, gate: str = "") -> dict[str, Any]:
    note = str(site.folder / f"{name}.steps") if seconds else ""
    return {
        "name": name,
        "preset": "slow",
        "parameters": {"seconds": seconds, "note": note, "gate": gate},
        "training": {"epochs": epochs},
    }


def steps(site: Checkout, name: str) -> list[str]:
    """The process of each step that a slow method has done."""
    path = site.folder / f"{name}.steps"
    return path.read_text().splitlines() if path.exists() else []
