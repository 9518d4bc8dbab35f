"""Arrays of images that are read or made only when they are asked for: memory stays flat in their number."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np


class Lazy:
    """Images that index like a uint8 array (N, H, W, 3): `len`, `shape`, a number, a slice, an index array."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, shape: tuple[int, ...], make: Callable[[np.ndarray], np.ndarray]) -> None:
        """`make` gives the images of these indices (M,), as uint8 (M, H, W, 3)."""
        self.shape, self._make = shape, make

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | slice | np.ndarray) -> np.ndarray:
        wanted = np.arange(len(self))[key if isinstance(key, slice) else np.asarray(key, np.int64)]
        images = self._make(np.atleast_1d(wanted))
        return images if np.ndim(wanted) else images[0]


class Streamed(Lazy):
    """Images on disk, each decoded from a file, or several from one.

    What comes after a slice is decoded meanwhile in the background, so that reading slice after slice costs no waiting.
    """

    def __init__(
        self, items: int, decode: Callable[[int], np.ndarray], side: int, frames: int = 1, workers: int = 1
    ) -> None:
        """`decode` gives the file `item`, from 0 to `items` − 1, as uint8 (frames, side, side, 3)."""
        self.shape = (items * frames, side, side, 3)
        self._decode, self._frames, self.workers = decode, frames, workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._pending: dict[int, Future[np.ndarray]] = {}

    def __getitem__(self, key: int | slice | np.ndarray) -> np.ndarray:
        if isinstance(key, slice):
            return self._make(np.array(range(len(self))[key], np.int64), ahead=True)
        return super().__getitem__(key)

    def _make(self, wanted: np.ndarray, ahead: bool = False) -> np.ndarray:
        items = np.unique(wanted // self._frames)
        after = range(0)
        if ahead and len(items):
            # The last of them may be wanted again: a slice can end in the middle of a video.
            after = range(items[-1], min(items[-1] + len(items) + 1, len(self) // self._frames))
        kept: dict[int, Future[np.ndarray]] = {}
        for item in (*items.tolist(), *after):
            kept[item] = kept.get(item) or self._pending.pop(item, None) or self._pool.submit(self._decode, item)
        for future in self._pending.values():
            future.cancel()
        self._pending = {item: kept[item] for item in after}
        images = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        for i, index in enumerate(wanted.tolist()):
            images[i] = kept[index // self._frames].result()[index % self._frames]
        return images
