"""The resources that this machine offers to jobs, found without torch, before any runs; its processor and driver."""

import math
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

# Linux says in these files how much memory a container or a batch system leaves: control groups of version 2 and 1.
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# And in these, how much time of its CPUs, in microseconds: the quota, and the period that it is for.
QUOTAS = (
    (Path("/sys/fs/cgroup/cpu.max"), None),
    (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")),
)


def gpus() -> int:
    """The number of NVIDIA GPUs that a job will find: those that `CUDA_VISIBLE_DEVICES` leaves, or else all of them.

    0 where there is no driver. As CUDA does, it counts the devices before the first that does not exist, none where one
    is named twice, and of cards that are split into instances (MIG) a single instance.
    """
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    devices = re.findall(r"\(UUID: ([^)]+)\)", listed)
    cards = [device for device in devices if not device.startswith("MIG-")]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found: list[str] = []
    for name in range(len(cards)) if visible is None else visible.split(","):
        device = _device(str(name).strip(), cards, devices)
        if device is None:
            break
        if device in found:
            return 0
        found.append(device)
    return min(len(found), 1) if len(cards) < len(devices) else len(found)


def _device(name: str, cards: Sequence[str], devices: Sequence[str]) -> str | None:
    """The identifier of the device that CUDA takes `name` for: an index up to what is no digit, or its beginning."""
    if index := re.match(r"\d+", name):
        return cards[int(index[0])] if int(index[0]) < len(cards) else None
    named = [device for device in devices if name.startswith(("GPU-", "MIG-")) and device.startswith(name)]
    return named[0] if len(named) == 1 else None


def cpus() -> int:
    """The CPUs that this process may use at once: those it is bound to, or what a control group's quota leaves."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for quota, period in QUOTAS:
        try:
            words = [*quota.read_text().split(), *(period.read_text().split() if period else [])]
            share = int(words[0]) / int(words[1])
        except (OSError, ValueError, IndexError):  # no such file, or "max"
            continue
        if share > 0:  # -1 is no limit
            there = min(there, math.ceil(share))
    return there


def processor() -> str:
    """The processor's model, such as `AMD EPYC 7B13`; its kind alone where the system does not say more."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def driver() -> str:
    """The version of NVIDIA's driver, or an empty string."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.strip().partition("\n")[0]


def memory_mb() -> int:
    """The memory in MiB: all of this machine's, or what a control group leaves of it."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in LIMITS:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(found) // 2**20
