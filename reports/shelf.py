"""Arrays that lie in a temporary file instead of in memory: one value an image, run and figure would fill it."""

import mmap
import os
import tempfile

import numpy as np

PART = 2**24
"""Bytes of a file; a larger array has one of its own."""
_part: tuple[int, mmap.mmap | bytes, int] = (0, b"", 0)
"""The process that fills the current file, the file, and how much of it is full."""


def shelved(array: np.ndarray) -> np.ndarray:
    """The same array in a file, which is gone with its arrays; the array itself where no file can be written."""
    global _part
    process, part, full = _part
    if process != os.getpid() or full + array.nbytes > len(part):  # a fork would write where its parent does
        size = max(PART, array.nbytes)
        try:
            with tempfile.TemporaryFile() as file:
                file.write(bytes(size))  # a full disk is an error here, and would kill the process later
                file.flush()
                part, full = mmap.mmap(file.fileno(), size), 0
        except OSError:
            return array
    found: np.ndarray = np.ndarray(array.shape, array.dtype, part, full)
    found[...] = array
    _part = os.getpid(), part, full + -(-array.nbytes // 64) * 64
    return found
