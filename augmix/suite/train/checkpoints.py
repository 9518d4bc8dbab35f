"""A run's folder: its checkpoints, history and progress. `training.py` is the loop that uses them."""

import io
import os
import pickle
import signal
import struct
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from augmix.suite.io import progress
from augmix.suite.io.files import atomic, write_csv, write_json
from augmix.suite.io.processes import leads

# The errors that reading a damaged file as a checkpoint or an archive can end in.
DAMAGED = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError,
    pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
HISTORY = ("epoch", "step", "learning_rate", "train_loss", "train_error", "test_error", "seconds", "timestamp")


class Interrupted(Exception):  # noqa: N818 - an exit asked for, not an error
    """SIGTERM or SIGINT arrived; `signal` is its number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number


class Signals:
    """Notes SIGTERM and SIGINT, so that a loop can stop between two steps; a second SIGINT is not held back."""

    received: int | None = None
    """The number of the one that arrived last."""

    def __enter__(self) -> "Signals":
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received == signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number


def encoded(value: Any) -> memoryview:
    """The bytes of `torch.save`, in memory: given a path, torch writes its name into the file."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getbuffer()


def write_bytes(path: Path, content: memoryview) -> None:
    """Write a file, whole or not at all; on a full disk torch's own writing ends in an error that does not say so."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def save(path: Path, value: Any) -> None:
    """`torch.save`, whole or not at all; the same values are the same bytes."""
    write_bytes(path, encoded(value))


def load(path: Path) -> Any:
    """Read what `save` wrote, on the CPU; nothing in it is executed. Raises one of `DAMAGED` unless it is whole."""
    with zipfile.ZipFile(path) as archive:
        if (part := archive.testzip()) is not None:  # torch compares no checksums
            raise zipfile.BadZipFile(f"{part} has another checksum")
    return torch.load(path, map_location="cpu", weights_only=True)


class Checkpoints:
    """The newest checkpoint and the one before it, each with the fingerprint of the run it belongs to."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.newest = folder / "checkpoint.pt"
        self.previous = folder / "checkpoint.previous.pt"
        self.fingerprint = fingerprint

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint; until it is whole on disk, the one before it stays."""
        if self.newest.exists():
            os.replace(self.newest, self.previous)
        save(self.newest, {**state, "fingerprint": self.fingerprint})

    def load(self) -> dict[str, Any] | None:
        """The newest whole checkpoint of this very run, on the CPU, or None.

        One that is damaged is passed over with a warning; one of other settings, data or code is set aside.
        """
        for path in (self.newest, self.previous):
            if not path.exists():
                continue
            try:
                state: dict[str, Any] = load(path)
                belongs = state["fingerprint"] == self.fingerprint
            except DAMAGED:
                before = path == self.newest and self.previous.exists()
                tell(
                    f"warning: {path} is damaged; {'going back to the one before it' if before else 'starting afresh'}"
                )
                continue
            if belongs:
                return state
            aside = path.with_suffix(".stale.pt")
            os.replace(path, aside)
            tell(f"{path} is of other settings, data or code: set aside as {aside.name}, training starts afresh")
        return None


def tell(line: str) -> None:
    """As `progress.tell`; of several processes that train together, the first one speaks."""
    if leads():
        progress.tell(line)


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Rewrite `history.csv` from the checkpoint's history."""
    write_csv(path, HISTORY, [[epoch[column] for column in HISTORY] for epoch in history])


class Progress:
    """Writes `progress.json` for `augmix status`, at most every two seconds."""

    def __init__(self, path: Path, epochs: int, steps: int) -> None:
        self.path, self.epochs, self.steps = path, epochs, steps
        self._written = 0.0
        self._started, self._done = 0.0, 0

    def step(self, epoch: int, step: int) -> None:
        """Note that `step` steps of `epoch` (both counted from 1) are done."""
        now = time.time()
        if not self._started:
            self._started = now  # the first step compiles and fills caches: it tells nothing of the pace
            return
        self._done += 1
        if now - self._written < 2 and (epoch, step) != (self.epochs, self.steps):
            return
        self._written = now
        write_json(
            self.path,
            {
                "epoch": epoch,
                "epochs": self.epochs,
                "step": step,
                "steps": self.steps,
                "seconds_per_epoch": (now - self._started) / self._done * self.steps,
                "updated": now,
            },
        )
