"""The GPUs and memory that this machine offers to jobs, found without torch, before any job runs."""

import os
import platform
import subprocess
from pathlib import Path

# Linux says in these files how much memory a container or a batch system leaves: control groups of version 2 and 1.
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def gpus() -> int:
    """The number of NVIDIA GPUs that `CUDA_VISIBLE_DEVICES` leaves, or else all of them; 0 where there is no driver."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    found = sum(line.startswith("GPU ") for line in listed.splitlines())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return found
    # CUDA takes the devices before the first one that does not exist, such as -1.
    names = [name.strip() for name in visible.split(",")]
    return next((i for i, name in enumerate(names) if name in ("", "-1")), len(names)) if found else 0


def processor() -> str:
    """The processor's model, such as `AMD EPYC 7B13`; its kind alone where the system does not say more."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def memory_mb() -> int:
    """The memory in MiB: all of this machine's, or what a control group leaves of it."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in LIMITS:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(found) // 2**20
