"""What this machine has, found without torch: GPUs and memory that it offers to jobs; its processor and driver."""

import os
import platform
import re
import subprocess
from pathlib import Path

# Linux says in these files how much memory a container or a batch system leaves: control groups of version 2 and 1.
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

CPUS = Path("/proc/cpuinfo")
"""Linux's list of processors."""


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


def driver() -> str:
    """The version of NVIDIA's driver, or an empty string."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.strip().partition("\n")[0]


def cpu() -> str:
    """The processor's model; its architecture where the system does not tell."""
    try:
        found = re.search(r"(?m)^model name\s*: *(.+)$", CPUS.read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def memory_mb() -> int:
    """The memory in MiB: all of this machine's, or what a control group leaves of it."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in LIMITS:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(found) // 2**20
