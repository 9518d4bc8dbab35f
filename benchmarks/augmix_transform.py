"""AugMix beside its peers, and beside what moving the bytes alone would take: microseconds a view.

    python -m benchmarks.augmix_transform

Prints a table and writes it to `results/benchmarks/augmix_transform.csv`, with a figure. The images are squares of
photographs; sampling is counted. Pillow, timm and torchvision take an image at a time, as in a data loader, and two
threads share the images. `torchvision, a batch` draws one augmentation for the whole batch: that is another thing.
Each ends in what it is made to give: Pillow in a normalised tensor, every chain made one, as the paper's loader does;
augmix in single precision, which the net normalises; torchvision and timm in uint8.
The floor is the time to copy as many bytes as a plan moves: every operation reads and writes its image, and the mix
reads each chain and the image and writes single precision. The buffers copied stay in the second-level cache.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from torchvision.transforms.v2 import functional

from augmix import AugMix, mixing, operations
from augmix.suite.io.files import write_text
from augmix.suite.train import devices
from benchmarks import peers
from benchmarks.methods import photographs
from benchmarks.timing import RESULTS, interleaved, with_threads
from reports.style import COLOURS, saved

BATCHES = {32: 512, 224: 16}
"""The images of a batch, by side."""
SINGLES = {32: 32, 224: 4}
"""The images that a call goes through where it takes one at a time, by side."""
OURS, SINGLE = "augmix", "augmix, an image a call"
PILLOW, TORCHVISION, BATCHED, TIMM = "Pillow, plain", "torchvision", "torchvision, a batch", "timm"
AUGMIX = AugMix(width=peers.WIDTH, severity=peers.SEVERITY)
COPIED = 2**18
HALF_PAGE = 2**11
"""The gap of the two buffers: if they begin almost alike in their pages, some processors copy ten times as slowly."""
THREADS = {"one_thread": 1, "two_threads": 2}
TURNS = 25
"""So many turns tell the gain of two threads within a few percent, though the clock is not the same in two turns."""


def ours(images: torch.Tensor, rng: np.random.Generator) -> None:
    height, width = images.shape[-2:]
    mixing.apply(images, AUGMIX.sample(len(images), (height, width), rng))


def one_by_one(transform: Callable[[Any], Any], images: Sequence[Any], pool: ThreadPoolExecutor | None) -> None:
    for _ in (pool.map if pool else map)(transform, images):
        pass


def candidates(
    batch: torch.Tensor, few: torch.Tensor, threads: int
) -> Mapping[str, tuple[Callable[[], Any], int, int]]:
    """Each way to augment: a call, how many views it makes, and the threads that torch has meanwhile."""
    pool = ThreadPoolExecutor(threads) if threads > 1 else None
    pictures, tensors = [functional.to_pil_image(image) for image in few], list(few)
    rng = np.random.default_rng(0)
    singles = {
        SINGLE: partial(one_by_one, AUGMIX, tensors, pool),
        PILLOW: partial(one_by_one, peers.pillow_view, pictures, pool),
        TORCHVISION: partial(one_by_one, peers.torchvision_transform(), tensors, pool),
    }
    if (timm := peers.timm_transform()) is not None:
        singles[TIMM] = partial(one_by_one, timm, pictures, pool)
    batches = {
        OURS: partial(ours, batch, rng),
        BATCHED: partial(peers.torchvision_transform(), batch),
    }
    return {name: (call, len(batch), threads) for name, call in batches.items()} | {
        name: (call, len(few), 1) for name, call in singles.items()
    }


def bytes_moved(side: int) -> float:
    """The bytes that an average plan moves for a view."""
    plan = AUGMIX.sample(10_000, (side, side), np.random.default_rng(0))
    applied = (plan.operations != operations.IDENTITY).sum() / len(plan.m)
    return float((2 * applied + AUGMIX.width + 1 + 4) * 3 * side**2)


def measure(side: int) -> pd.DataFrame:
    """Microseconds a view of each transform on one and two threads, with their ratios, the fastest first."""
    batch = torch.from_numpy(photographs(64, side).transpose(0, 3, 1, 2).copy())
    batch = batch.repeat(-(-BATCHES[side] // len(batch)), 1, 1, 1)[: BATCHES[side]]
    ways = {column: candidates(batch, batch[: SINGLES[side]], threads) for column, threads in THREADS.items()}
    views = {name: count for name, (_, count, _) in ways["one_thread"].items()}
    calls = {}
    for name, column in product(views, THREADS):
        call, _, threads = ways[column][name]
        calls[f"{name}/{column}"] = partial(with_threads, call, threads)
    memory = np.ones(2 * COPIED + HALF_PAGE, np.uint8)
    copy = partial(np.copyto, memory[-COPIED:], memory[:COPIED])
    turns = interleaved({**calls, "copy": copy}, TURNS)
    one, two = (
        pd.DataFrame({name: turns[f"{name}/{column}"] * 1e6 / count for name, count in views.items()})
        for column in THREADS
    )
    floor = bytes_moved(side) / (2 * COPIED) * turns["copy"] * 1e6
    print(f"\n{side}×{side}, µs a view; the floor is {floor.median():.2f} µs")
    found = {
        "side": side,
        "one_thread": one.median(),
        "two_threads": two.median(),
        "faster_than_pillow": one.rdiv(one[PILLOW], axis=0).median(),
        "gain_of_two_threads": (one / two).median(),
        "times_the_floor": one.div(floor, axis=0).median(),
    }
    return pd.DataFrame(found).sort_values("one_thread").rename_axis("transform").reset_index()


def draw(tables: pd.DataFrame) -> None:
    with saved(RESULTS, "augmix_transform", 6.5, 2.6) as figure:
        for axes, (side, rows) in zip(figure.subplots(1, 2), tables.groupby("side"), strict=True):
            colours = [COLOURS[1] if name.startswith("augmix") else COLOURS[0] for name in rows["transform"]]
            axes.barh(rows["transform"], rows["one_thread"], color=colours)
            for position, (micros, ratio) in enumerate(
                zip(rows["one_thread"], rows["faster_than_pillow"], strict=True)
            ):
                axes.annotate(f" {micros:,.0f} µs, {ratio:.1f}×", (micros, position), va="center", fontsize=7)
            axes.set(xscale="log", xlabel="µs a view, one thread", title=f"{side}×{side}")
            axes.set_xlim(right=rows["one_thread"].max() * 20)
            axes.grid(False)
            axes.invert_yaxis()


def main() -> None:
    devices.set_up({"threads": 1, "device": "cpu"})
    if peers.timm_transform() is None:
        print("timm is not installed (pip install --no-deps timm): it is left out, and may be the fastest peer")
    tables = []
    for side in BATCHES:
        tables.append(measure(side))
        one = tables[-1].set_index("transform")["one_thread"]
        peer = one[[name for name in (TORCHVISION, TIMM) if name in one.index]]
        print(tables[-1].round(2).to_string(index=False))
        print(f"augmix is {peer.min() / one[OURS]:.0f} times as fast as {peer.idxmin()}, the fastest peer")
    both = pd.concat(tables)
    write_text(RESULTS / "augmix_transform.csv", both.to_csv(index=False, float_format="%.3f"))
    draw(both)


if __name__ == "__main__":
    main()
