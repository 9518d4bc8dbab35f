"""Measure how long the commands take to begin: `augmix --help`, and planning 480 runs.

    python -m benchmarks.start_up

The plan is Snakemake's, of 2 data sets × 4 architectures × 12 methods × 5 seeds, none of it done. Prints a table and
writes it to `results/benchmarks/start_up.csv`.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd
import yaml

from augmix.suite.io.files import write_text
from benchmarks.timing import RESULTS

CHECKOUT = Path(__file__).parent.parent
TURNS = 5


def grid(folder: Path) -> Path:
    """Write the configuration of the grid; its data and results are in `folder` too."""
    methods = yaml.safe_load((CHECKOUT / "config" / "digits.yaml").read_text(encoding="utf-8"))["methods"]
    path = folder / "grid.yaml"
    config = {
        "experiment": "grid",
        "datasets": ["cifar10", "cifar100"],
        "architectures": ["allconv", "densenet", "wideresnet", "resnext"],
        "methods": methods,
        "seeds": list(range(5)),
        "folders": {"data": str(folder / "data"), "results": str(folder / "results")},
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def main() -> None:
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "augmix --help": ["augmix", "--help"],
            "the plan of 480 runs": ["snakemake", "-n", "-q", "all", "--configfile", str(grid(Path(folder)))],
        }
        for name, command in commands.items():
            taken = []
            for _ in range(TURNS):
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True, cwd=CHECKOUT, env=environment)
                taken.append(time.perf_counter() - began)
            rows.append({"command": name, "seconds": median(taken)})
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="%.3f"))
    write_text(RESULTS / "start_up.csv", table.to_csv(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
