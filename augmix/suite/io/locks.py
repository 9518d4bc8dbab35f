"""Locks on files: they die with the process that holds them, however that ends."""

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from augmix.errors import RunError, UserError


@contextmanager
def locked(path: Path, what: str, wait: bool = False) -> Iterator[int]:
    """Hold an exclusive lock on the file `path`; it dies with the process, however that ends.

    Yields the open file's descriptor: a child process that inherits it holds the lock as well. `what` describes what is
    locked. When another process holds it, this one says so and waits with `wait`, and otherwise raises `RunError`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    with file:
        try:
            if not _acquire(file):
                used = f"{what} is in use by {holder(path)}"
                if not wait:
                    raise RunError(f"{used}; wait for it to end, or stop it")
                print(f"waiting: {used}", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise UserError(
                f"cannot lock {path}: {error.strerror}; results need a file system with locks "
                "(Lustre has them when it is mounted with `flock`)"
            ) from error
        # The holder's name is a courtesy: a full disk does not undo the lock.
        with suppress(OSError):
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield file.fileno()


def _acquire(file: TextIO) -> bool:
    """Try to lock an open file for a fifth of a second: a process that only asks, with `is_locked`, is gone by then."""
    for _ in range(10):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def holder(path: Path) -> str:
    """The process that last locked the file `path`: `process 123 on host`."""
    return path.read_text(encoding="utf-8").strip()


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock on the file `path`; a file that cannot be asked is taken to be free."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
