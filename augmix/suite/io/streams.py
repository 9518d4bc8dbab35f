"""Streams that may fail under a command: a pipe that nobody reads, a full disk, a terminal that has gone."""

import os
from contextlib import suppress
from typing import Any, BinaryIO, TextIO


class Steady:
    """A text stream that drops what it cannot write, with a copy in a log.

    The log goes without the lines that redraw themselves (progress bars).
    """

    def __init__(self, stream: TextIO | None, log: BinaryIO | None = None) -> None:
        self.stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
        self.log = log

    def write(self, text: str) -> int:
        """Write what can be written; whoever computes does not end because nobody listens."""
        if self.log is not None and "\r" not in text:
            with suppress(OSError):
                self.log.write(text.encode(errors="backslashreplace"))
        with suppress(OSError):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def settle(stream: TextIO | None) -> OSError | None:
    """Write what a stream still holds; where that fails, have it go nowhere, or Python's own end fails as well."""
    try:
        if stream is not None:
            stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]
        return error
    return None
