"""The machine's load during a training, where MLflow's own switch asks for it: noted in the run's folder."""

import csv
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from augmix.suite.io.processes import leads

FILE = "system_metrics.csv"
COLUMNS = ("timestamp", "metric", "value")
SWITCH, INTERVAL = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Note the load in `<folder>/system_metrics.csv` while the block runs, every ten seconds unless INTERVAL says else.

    It fails nothing, and changes no result. A run that goes on from a checkpoint adds to the file.
    """
    if os.environ.get(SWITCH, "").lower() not in ("true", "1") or not leads():
        yield
        return
    if not (folder / "checkpoint.pt").exists():
        (folder / FILE).unlink(missing_ok=True)
    ended = Event()
    watcher = Thread(target=_watch, args=(folder / FILE, ended), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(path: Path, ended: Event) -> None:
    with suppress(Exception):  # whatever fails here is no reason for a training to
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

        monitors: list[CPUMonitor | GPUMonitor] = [CPUMonitor()]
        with suppress(ImportError, RuntimeError):  # without nvidia-ml-py, or without a GPU
            monitors.append(GPUMonitor())
        path.parent.mkdir(parents=True, exist_ok=True)
        going = True
        while going:
            going = not ended.wait(float(os.environ.get(INTERVAL, "10")))
            new = not path.exists()
            with path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                if new:
                    writer.writerow(COLUMNS)
                for monitor in monitors:
                    monitor.collect_metrics()
                    writer.writerows((time.time(), *pair) for pair in monitor.aggregate_metrics().items())
                    monitor.clear_metrics()
