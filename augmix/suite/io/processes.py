"""Whether this process is one of several that train one net together, and which."""

import os


def joined() -> bool:
    """Whether `torchrun`, or `launch` with the same launcher, started this process.

    RANK and WORLD_SIZE alone do not say so: other launchers set them for processes that know nothing of each other.
    """
    return {"TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE"} <= os.environ.keys()


def leads() -> bool:
    """Whether this process is alone, or the first of its group: the one that writes and speaks."""
    return not joined() or os.environ["RANK"] == "0"
