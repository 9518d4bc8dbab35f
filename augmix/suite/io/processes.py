"""Which process this is of those that train one net together."""

import os


def joined() -> bool:
    """Whether this process was started by `torchrun`, or another launcher that sets the same variables."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def leads() -> bool:
    """Whether this process is alone, or the first of its group: the one that writes and speaks."""
    return not joined() or os.environ["RANK"] == "0"
