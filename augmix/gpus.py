"""How many GPUs a machine offers to jobs, without torch: what starts the jobs has to know before any of them runs."""

import os
import subprocess


def count() -> int:
    """The NVIDIA GPUs that `CUDA_VISIBLE_DEVICES` leaves, or else all of them; 0 where there is no driver."""
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
