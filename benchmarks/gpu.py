"""Time that a GPU takes for AugMix: views beside peers, steps beside the bare net, evaluation; and if bits hold.

    python -m benchmarks.gpu            # under three minutes
    python -m benchmarks.gpu --cpu      # tries the script itself, where there is no GPU: what is a GPU's stays empty

Prints tables and writes them to `results/benchmarks/gpu_{bits,views,steps,evaluation}.csv`. If a bit differs, or the
device does not use the fused kernels, the command exits with 1. Bits are those of every operation and of mixes beside
the compiled kernels, and of a training beside itself: once more, and killed and resumed.

Of the views, sampling is counted, and a turn ends when the device is done. `on the device` is the time that kernels and
copies took; what is missing to the whole is the host's. torchvision draws one augmentation for a whole batch, or, an
image a call, one for each image. kornia has no AugMix: it rotates, each image by an angle of its own, once. The copy
reads the images' bytes and writes them in single precision: whatever mixes in single precision moves these.

A step is all of it, at the precision that `auto` means: drawing, cropping, views, update, replayed as in training.
`images_per_second` counts every view that passes through the net. The bare net updates itself by as many images of
noise: kernel by kernel, as one graph and, of one net, compiled. `launches` are what the host sends: a graph is one.
"""

import argparse
import importlib.util
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from augmix import AugMix, mixing, operations
from augmix.operations import executors, table
from augmix.suite.io.files import write_text
from augmix.suite.train import devices
from benchmarks import gpu_steps, peers
from benchmarks.methods import photographs
from benchmarks.timing import RESULTS, interleaved, launches, waited_for, with_threads

CASES = [(32, 256), (32, 8192), (64, 256), (224, 128)]
"""Side and images a call."""
SINGLES = 8
"""Images of a call of what takes them one by one."""
SMALL = 16
"""Images of any call without a GPU, and of a comparison of bits."""
TURNS, SECONDS, PATIENCE = 7, 0.15, 10.0
OURS, ONE_THREAD, COPY = "augmix", "augmix, one CPU thread", "a copy of the bytes"
SINGLE, BATCHED, KORNIA = "torchvision, a draw an image", "torchvision, a draw a batch", "kornia, one rotation"
AUGMIX = AugMix(width=peers.WIDTH, severity=peers.SEVERITY)
EVERYTHING = AugMix(width=4, depth=3, severity=10, all_ops=True)

Call = Callable[[], Any]


def batch_of(count: int, side: int, device: torch.device) -> torch.Tensor:
    """Squares of photographs, uint8 (count, 3, side, side), over and over the same 64."""
    images = torch.from_numpy(photographs(min(count, 64), side).transpose(0, 3, 1, 2).copy())
    return images.repeat(-(-count // len(images)), 1, 1, 1)[:count].to(device)


def view(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    height, width = images.shape[-2:]
    return mixing.apply(images, AUGMIX.sample(len(images), (height, width), rng))


def singly(transform: Callable[[torch.Tensor], Any], images: torch.Tensor) -> None:
    for image in images:
        transform(image)


def candidates(images: torch.Tensor) -> dict[str, tuple[Call, int]]:
    """A call of each way, and how many views it makes."""
    rng, count = np.random.default_rng(0), len(images)
    few = images[:SINGLES]
    transform = peers.torchvision_transform()
    at_home = images[:256].cpu()
    ways: dict[str, tuple[Call, int]] = {
        OURS: (partial(view, images, rng), count),
        ONE_THREAD: (partial(with_threads, partial(view, at_home, rng), 1), len(at_home)),
        SINGLE: (partial(singly, transform, few), len(few)),
        BATCHED: (partial(transform, images), count),
        COPY: (images.float, count),
    }
    if importlib.util.find_spec("kornia") is not None:
        from kornia.augmentation import RandomRotation

        ways[KORNIA] = (partial(RandomRotation(30.0, p=1.0), images.float() / 255), count)
    return ways


def views(device: torch.device) -> pd.DataFrame:
    """Microseconds a view of every way, for each side and batch."""
    found = []
    for side, count in CASES:
        count = count if device.type == "cuda" else SMALL
        ways = candidates(batch_of(count, side, device))
        # So many calls a turn that waiting for the device at its end does not matter.
        often = {name: 10 if device.type == "cuda" and name in (OURS, COPY) else 1 for name in ways}
        calls = {name: partial(waited_for, call, device, often[name]) for name, (call, _) in ways.items()}
        turns = interleaved(calls, TURNS, SECONDS if device.type == "cuda" else 0.01, PATIENCE)
        for name, (call, made) in ways.items():
            sent, busy = launches(call, device)
            row = {"side": side, "images": count, "way": name}
            row["us_a_view"] = turns[name].median() / often[name] / made * 1e6
            row |= {"on_the_device": busy / made, "launches": sent}
            found.append(row)
    return pd.DataFrame(found)


def wrong_values(device: torch.device) -> int:
    """In how many values the device differs from the compiled kernels: every operation by itself, and mixes."""
    wrong = 0
    rng = np.random.default_rng(0)
    for side in sorted({side for side, _ in CASES}):
        images = batch_of(SMALL, side, torch.device("cpu"))
        there = images.to(device)
        for name, id in operations.IDS.items():
            ids, signs = np.full(SMALL, id), rng.integers(2, size=SMALL)
            parameters = table.parameters(ids, rng.uniform(0.1, 10, SMALL), signs, (side, side))
            for channels in (1, 3):
                expected = operations.apply(name, images[:, :channels], parameters)
                wrong += int((operations.apply(name, there[:, :channels], parameters).cpu() != expected).sum())
        for augmix in (AUGMIX, EVERYTHING):
            plan = augmix.sample(SMALL, (side, side), rng)
            apart = (mixing.apply(there, plan).cpu() - mixing.apply(images, plan)).abs()
            wrong += int((apart > executors.TOLERANCE).sum())
    return wrong


def bits(device: torch.device) -> pd.DataFrame:
    """In how many values something differs from what it should be."""
    found = {"beside the compiled kernels": wrong_values(device)}
    with tempfile.TemporaryDirectory() as folder:
        found |= gpu_steps.differing(device, Path(folder))
    return pd.DataFrame({"what": list(found), "differing": list(found.values())})


SECTIONS: dict[str, Callable[[torch.device], pd.DataFrame]] = {
    "bits": bits, "views": views, "steps": gpu_steps.steps, "evaluation": gpu_steps.evaluation,
}  # fmt: skip
"""The measurements, by the name of their file: each gives a table."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cpu", action="store_true", help="try the script itself, where there is no GPU")
    on_cpu = parser.parse_args(arguments).cpu
    if not on_cpu and not torch.cuda.is_available():
        print("no NVIDIA GPU: --cpu tries the script itself", file=sys.stderr)
        return 2
    device = devices.set_up({"threads": torch.get_num_threads(), "device": "cpu" if on_cpu else "cuda"})
    print(f"{devices.describe(device)}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}")
    wrong = detours = False
    for name, section in SECTIONS.items():
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = section(device)
        for line in dict.fromkeys(str(warning.message).partition("\n")[0] for warning in told):
            print(f"warning: {line}")
            detours |= "run on the CPU" in line
        wrong |= bool(found.get("differing", pd.Series(dtype=int)).any())
        print(f"\n{name}\n{found.round(3).to_string(index=False, na_rep='')}")
        write_text(RESULTS / f"gpu_{name}.csv", found.to_csv(index=False, float_format="%.4f"))
    return int(wrong or detours)


if __name__ == "__main__":
    sys.exit(main())
