"""Timing side by side on a machine that is not idle: candidates take turns, and disturbed turns are taken again."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import torch
from torch.profiler import ProfilerActivity, profile

RESULTS = Path("results") / "benchmarks"
DISTURBED = 0.1
"""A turn in which other processes used more than this share of one core is taken again."""
LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaMemcpyAsync", "cudaMemsetAsync", "cudaGraphLaunch")
"""How the calls of CUDA begin that send the device something."""
PATIENCE = 120.0
"""Seconds of taking turns again, after which the next one counts whatever disturbed it."""


def _others() -> float:
    """CPU seconds that all other processes of the machine have used."""
    machine = psutil.cpu_times()
    return float(machine.user + machine.nice + machine.system - time.process_time())


def _turn(call: Callable[[], Any], seconds: float) -> tuple[float, bool]:
    """Seconds a call, over enough calls to fill `seconds`; and whether other processes disturbed them."""
    others, start, calls = _others(), time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        call()
        calls += 1
    return elapsed / calls, _others() - others > DISTURBED * elapsed


def interleaved(
    candidates: Mapping[str, Callable[[], Any]], turns: int = 11, seconds: float = 0.25, patience: float = PATIENCE
) -> pd.DataFrame:
    """Seconds of one call, a column a candidate and a row a turn, which calls each for `seconds`, one after another.

    A processor's clock drifts by a fifth within seconds: where a ratio is near one, name the two next to each other
    and take the median of the rows' ratios, not a ratio of medians. About `patience` seconds, at most, go into turns
    that are taken again.
    """
    for call in candidates.values():
        call()
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(turns):
        for name, call in candidates.items():
            elapsed, disturbed = _turn(call, seconds)
            while disturbed and patience > 0:
                began = time.perf_counter()
                time.sleep(0.5)
                elapsed, disturbed = _turn(call, seconds)
                patience -= time.perf_counter() - began
            taken[name].append(elapsed)
    if patience <= 0:
        print("Other processes kept this machine busy: these figures are disturbed.")
    return pd.DataFrame(taken)


def with_threads(call: Callable[[], Any], threads: int) -> None:
    """Call while torch has so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    call()
    torch.set_num_threads(before)


def waited_for(call: Callable[[], Any], device: torch.device, times: int) -> None:
    """Call so often, then wait once: calls may overlap with the device's work, as they do in training."""
    for _ in range(times):
        call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def launches(call: Callable[[], Any], device: torch.device) -> tuple[float, float]:
    """The work that one call sends to the device: numbers of kernels, copies, fills and graphs, and their microseconds.

    Both are unknown without a GPU.
    """
    if device.type != "cuda":
        return np.nan, np.nan
    calls = 5
    waited_for(call, device, 1)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        waited_for(call, device, calls)
    events = list(profiler.events() or ())
    sent = sum(event.name.startswith(LAUNCHES) for event in events if event.device_type.name == "CPU")
    busy = sum(event.time_range.elapsed_us() for event in events if event.device_type.name == "CUDA")
    return sent / calls, busy / calls
