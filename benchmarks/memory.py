"""Measure how the commands' peak memory grows with the number of images.

    python -m benchmarks.memory [IMAGES]

Each command runs on a folder of IMAGES images (1,000), 32×32, and on four times as many, on one core. What counts is
memory of the process and its children that is no file's, as sampled fifty times a second: arrays that
are mapped from files can be dropped by the kernel. Prints a table and writes it to `results/benchmarks/memory.csv`.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import yaml
from PIL import Image

from augmix.suite.io.files import write_text
from benchmarks.timing import RESULTS

SIDE = 32
TIMES = 4
NET = "pictures/smallnet_thin/augmix/seed0"
RESULTS_FOLDER = "results/memory"
CONFIG = " --config memory.yaml"
COMMANDS = (
    f"prepare{CONFIG}", *(f"generate{CONFIG} --testset {name}" for name in ("C", "P", "others")),
    f"train {NET}{CONFIG}", f"evaluate {NET}{CONFIG}",
    f"evaluate --checkpoint {RESULTS_FOLDER}/{NET}/model.pt --arch smallnet_thin --dataset-folder data/pictures "
    "--output theirs",
    f"collect{CONFIG}", f"report{CONFIG}", f"show {RESULTS_FOLDER}", f"compare {RESULTS_FOLDER} {RESULTS_FOLDER}",
    f"release{CONFIG} --output weights", f"track sync{CONFIG}", f"status{CONFIG}", f"plan{CONFIG}",
)  # fmt: skip
"""The commands that are left out do the same as one of these (`corrupt`, `perturb`, `reproduce`), or read one image."""


def experiment(folder: Path, images: int) -> None:
    """Write images of two classes, and `memory.yaml`, an experiment on them, into `folder`."""
    rng = np.random.default_rng(0)
    for split in ("train", "test", "others"):
        for name in ("dark", "light"):
            (folder / "images" / split / name).mkdir(parents=True)
        for i in range(images):
            pixels = rng.integers(0, 128, (SIDE, SIDE, 3), np.uint8) + np.uint8(64 * (i % 2))
            Image.fromarray(pixels).save(folder / "images" / split / ("dark", "light")[i % 2] / f"{i}.png")
    others = {"kind": "natural", "loader": "class_folders", "options": {"folder": "images/others"}}
    config = {
        "experiment": "memory",
        "datasets": {"pictures": {"loader": "image_folder", "options": {"folder": "images", "side": SIDE}}},
        "architectures": ["smallnet_thin"],
        "methods": ["augmix"],
        "seeds": [0],
        "training": {"epochs": 1},
        "testsets": {
            "C": {"shifts": ["fog", "jpeg_compression"]},
            "P": {"shifts": ["tilt"], "images": images // 4},
            "others": others,
        },
    }
    (folder / "memory.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def peak(command: list[str], folder: Path) -> float:
    """Run a command in a folder, and return the most MiB that it and its children had at once, but for files' pages."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdout=said, stderr=said, env=environment, cwd=folder) as process:
            found = 0
            while process.poll() is None:
                found = max(found, sum(_own(psutil.Process(process.pid))))
                time.sleep(0.02)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {said.read().decode()[-500:]}")
    return found / 1024


def _own(process: psutil.Process) -> Iterator[int]:
    """KiB of a process and of each of its children that are no file's; nothing of one that is gone."""
    with suppress(psutil.Error, OSError):
        for one in (process, *process.children(recursive=True)):
            for line in Path(f"/proc/{one.pid}/status").read_text(encoding="utf-8").splitlines():
                if line.startswith(("RssAnon:", "RssShmem:")):
                    yield int(line.split()[1])


def main() -> None:
    images = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    peaks: dict[str, list[float]] = {command: [] for command in COMMANDS}
    for count in (images, TIMES * images):
        with tempfile.TemporaryDirectory() as folder:
            experiment(Path(folder), count)
            for command in COMMANDS:
                peaks[command].append(peak([sys.executable, "-m", "augmix.suite.cli", *command.split()], Path(folder)))
    index = pd.Index([command.replace(CONFIG, "") for command in peaks], name="command")
    table = pd.DataFrame(peaks.values(), index, ["MiB", f"MiB_of_{TIMES}x"])
    table["KiB_an_image"] = (table[f"MiB_of_{TIMES}x"] - table["MiB"]) * 1024 / ((TIMES - 1) * images)
    print(table.to_string(float_format="%.1f"))
    write_text(RESULTS / "memory.csv", table.to_csv(float_format="%.2f"))


if __name__ == "__main__":
    main()
