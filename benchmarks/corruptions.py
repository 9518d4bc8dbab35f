"""The corruptions against their peers: parity and speed, on one CPU thread.

    python -m benchmarks.corruptions             # some minutes
    python -m benchmarks.corruptions --sizes 32  # without the photographs of 64 and 224 pixels

Writes `results/benchmarks/corruptions_{parity,speed}.{csv,md}`. Parity is the largest difference in grey levels where
a corruption has one right answer. Where it is random, the means of four statistics are compared (absolute and signed
change, its RMS, the energy of the Laplacian): the largest difference over them and the severities, in percent of the
mean, with its sampling error. Up to 64 pixels the peer is the plain construction (for speed, in the manner of the
published script), at 224 the package imagecorruptions, whose frost and elastic transform are not the published ones.
Those of CIFAR-10-C̄ are timed in the same manner.
"""

import argparse
import csv
import io
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from augmix.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, corrupt, noise
from augmix.corruptions import bar as c_bar
from augmix.corruptions.constants import PARAMETERS
from augmix.perturbations import PERTURBATIONS, perturb
from augmix.suite.data.datasets import Split
from augmix.suite.io.files import write_text
from augmix.suite.io.progress import bar
from augmix.suite.testsets.generation import SEVERITIES, write_sequences, write_severities
from benchmarks import per_image_script
from benchmarks.plain_corruptions import EXACT, PRESETS, RANDOM, SLOW, deviation, photographs, statistics
from benchmarks.plain_corruptions_bar import PLAIN, corrupted
from benchmarks.timing import RESULTS, interleaved

Table = list[dict[str, Any]]
NAMES = (*CORRUPTIONS, *EXTRA_CORRUPTIONS)
OTHERS_AT_224 = ("frost", "elastic_transform")
PEERS = {32: "plain construction", 64: "plain construction", 224: "imagecorruptions"}
SAMPLES = {"C": 1000, "P": 100, "CBar": 1000}
"""The images of a measured sample, by test set."""
PUBLISHED = 10_000
"""The images of the published test set, to which the time is extrapolated."""
PATIENCE = 4.0
"""Seconds that each corruption may wait for a quiet machine: the whole takes less than ten minutes."""


def peer(images: np.ndarray, name: str, severity: int) -> np.ndarray:
    """The peer's corruption of some images, one at a time."""
    size = images.shape[1]
    if size == 224:
        import imagecorruptions

        np.random.seed(severity)
        return np.stack([imagecorruptions.corrupt(image, severity, name) for image in images])
    if name in RANDOM:
        constants, rng = PARAMETERS[name][PRESETS[size]][severity - 1], np.random.default_rng(severity)
        return np.stack([RANDOM[name](image, constants, rng) for image in images])
    plain, (cifar, tiny, _) = next(item for item in EXACT.items() if item[0].__name__ == name)
    constants = (cifar if size == 32 else tiny)[severity - 1]
    return np.stack([plain(image, constants) for image in images])


def compared(size: int) -> list[str]:
    """The corruptions that have a peer at this size."""
    return [name for name in NAMES if size != 224 or name not in OTHERS_AT_224]


def parity(size: int) -> Iterator[dict[str, Any]]:
    """A row for every corruption: how far ours is from the peer's."""
    for name in bar(compared(size), desc=f"parity at {size}"):
        row: dict[str, Any] = {"size": size, "corruption": name, "peer": PEERS[size]}
        if name not in RANDOM:
            images = photographs(4 if size == 224 else 40, size)
            pairs = ((corrupt(images, name, s).astype(int), peer(images, name, s)) for s in SEVERITIES)
            yield row | {"grey levels": max(int(np.abs(ours - theirs).max()) for ours, theirs in pairs)}
            continue
        count = 10 if size == 224 else (4_000 if name in SLOW else 16_000) // size
        images = np.tile(photographs(10, size), (-(-count // 10), 1, 1, 1))[:count]
        worst, error = 0.0, 0.0
        for severity in SEVERITIES:
            both = (corrupt(images, name, severity), peer(images, name, severity))
            differences, errors = deviation(*(statistics(corrupted, images) for corrupted in both))
            if differences.max() > worst:
                worst, error = float(differences.max()), float(errors[differences.argmax()])
        yield row | {"statistics %": round(100 * worst, 2), "± %": round(100 * error, 2)}


def speed(size: int) -> Iterator[dict[str, Any]]:
    """A row for every corruption, and their sum over the fifteen: milliseconds an image, mean of five severities."""
    count = 8 if size == 224 else 100
    images, rng = photographs(count, size), np.random.default_rng(0)
    rows: Table = []

    def ours(name: str) -> None:
        for severity in SEVERITIES:
            corrupt(images, name, severity)

    def theirs(name: str) -> None:
        for severity in SEVERITIES:
            if size == 224:
                peer(images[:1], name, severity)
            else:
                per_image_script.corrupt(images[0], name, severity, rng)

    for name in bar(compared(size), desc=f"speed at {size}"):
        calls = {"ours": lambda: ours(name), "peer": lambda: theirs(name)}  # noqa: B023
        seconds = interleaved(calls, turns=5, patience=PATIENCE).median()
        rows.append(timed(size, name, seconds["ours"] / 5 / count, seconds["peer"] / 5))
    yield from rows
    summed = [row for row in rows if row["corruption"] in CORRUPTIONS]
    name = f"sum of {len(summed)}"
    ours_ms, theirs_ms = (sum(row[key] for row in summed) for key in ("ours ms", "peer ms"))
    yield timed(size, name, ours_ms / 1e3, theirs_ms / 1e3)


def speed_of_c_bar() -> Iterator[dict[str, Any]]:
    """A row for every corruption of CIFAR-10-C̄, and their mean: milliseconds an image, mean of five severities."""
    images, rows = photographs(100, 32), []
    for plain, (levels, _) in PLAIN.items():
        name = plain.__name__
        keys = {level: noise.image_keys(0, name, severity, 0, 1) for severity, level in enumerate(levels or (), 1)}
        calls = {
            "ours": lambda: [c_bar.corrupt(images, name, severity) for severity in SEVERITIES],  # noqa: B023
            "peer": lambda: [corrupted(images[:1], plain, level, key) for level, key in keys.items()],  # noqa: B023
        }
        if levels is not None:
            with per_image_script.pixel_by_pixel():
                seconds = interleaved(calls, turns=5, patience=PATIENCE).median()
            rows.append(timed(32, name, seconds["ours"] / 5 / len(images), seconds["peer"] / 5))
    yield from rows
    ours_ms, theirs_ms = (sum(row[key] for row in rows) / len(rows) for key in ("ours ms", "peer ms"))
    yield timed(32, "mean of C̄", ours_ms / 1e3, theirs_ms / 1e3)


def timed(size: int, name: str, ours: float, theirs: float) -> dict[str, Any]:
    named = "per-image script" if size == 32 else PEERS[size]
    ms = {"ours ms": round(1e3 * ours, 4), "peer ms": round(1e3 * theirs, 3)}
    return {"size": size, "corruption": name, "peer": named, **ms, "ratio": round(theirs / ours, 1)}


def whole_sets() -> list[str]:
    """Tell how long all of CIFAR-10-C, CIFAR-10-P and CIFAR-10-C̄ take, files included, from a sample of each."""
    lines = []
    with tempfile.TemporaryDirectory() as root:
        for suffix, names, write, generate in (
            ("C", CORRUPTIONS, write_severities, corrupt),
            ("P", PERTURBATIONS, write_sequences, perturb),
            ("CBar", c_bar.corruptions_of("cifar"), write_severities, c_bar.corrupt),
        ):
            count, folder = SAMPLES[suffix], Path(root) / suffix
            test = Split(photographs(count, 32), np.zeros(count, np.int64))
            for name in names:  # what is loaded and tabled once
                write(test, folder, name, generate, 1, "cifar", 0)
            started = time.perf_counter()
            for name in names:
                write(test, folder, name, generate, None, "cifar", 0)
            minutes = (time.perf_counter() - started) * PUBLISHED / count / 60
            lines.append(
                f"CIFAR-10-{suffix}: {minutes:.2f} minutes of one core for {PUBLISHED:,} images × {len(names)}, "
                f"extrapolated from {count:,} images"
            )
    return lines


def large_photograph() -> str:
    """Tell which corruption and severity takes longest on a photograph of 1080 × 1920 pixels."""
    image = photographs(1, 1920)[:, :1080]
    seconds: dict[str, float] = {}
    for name in bar(NAMES, desc="speed at 1080 × 1920"):
        for severity in SEVERITIES:
            corrupt(image, name, severity)  # what is loaded, compiled and tabled once
            started = time.process_time()
            corrupt(image, name, severity)
            seconds[f"{name} {severity}"] = time.process_time() - started
    slowest = max(seconds, key=seconds.__getitem__)
    return f"A photograph of 1080 × 1920: {seconds[slowest]:.2f} seconds of one core at most ({slowest})"


def save(name: str, table: Table, lines: Sequence[str] = ()) -> None:
    """Print a table and write it as CSV and Markdown, with some lines below the latter."""
    columns = list(dict.fromkeys(key for row in table for key in row))
    cells = [[str(row.get(column, "")) for column in columns] for row in table]
    markdown = "\n".join("| " + " | ".join(row) + " |" for row in [columns, ["---"] * len(columns), *cells])
    text = "\n".join([markdown, "", *lines, ""])
    print(text)
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([columns, *cells])
    write_text(RESULTS / f"corruptions_{name}.csv", file.getvalue())
    write_text(RESULTS / f"corruptions_{name}.md", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", choices=PEERS, default=list(PEERS), metavar="PIXELS")
    sizes = parser.parse_args().sizes
    cv2.setNumThreads(1)
    save("parity", [row for size in sizes for row in parity(size)])
    rows = [row for size in sizes if size != 64 for row in speed(size)]
    save("speed", [*rows, *(speed_of_c_bar() if 32 in sizes else ())], [*whole_sets(), large_photograph()])


if __name__ == "__main__":
    main()
