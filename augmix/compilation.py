"""Compile kernels with Numba and keep them where they can be kept, for this CPU alone.

Numba itself refuses to import where neither the package nor the home can be written, and reads no cache that it cannot
write. Here kernels are kept in the first of these that can be written: `NUMBA_CACHE_DIR`, the package's `__pycache__`,
the user's cache folder, a temporary folder of the user's own; else nowhere. What an image's builder has compiled into
the package is read also where it is read-only. Each type of CPU has its own folder: Numba's files are named one after
another, so that nodes that share a home and start at once would overwrite each other's.
"""

import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from llvmlite import binding
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.sigutils import normalize_signature
from numba.misc.appdirs import AppDirs

config: Any = numba.config
PACKAGE = Path(__file__).parent
SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")
"""Settings of Numba, `NUMBA_OPT` and so on, that decide machine code and that its own caches do not tell apart."""
SOURCES = ("*.py", "operations/*.py", "corruptions/**/*.py", "../baselines/*.py")
"""The files that can hold kernels."""
PATIENCE = 1.0
"""Seconds of compiling after which it is told."""


def njit(*, cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit`, but for where the compiled function is kept if `cache`."""

    def decorate(function: Callable[..., Any]) -> Any:
        compiled: Any = numba.njit(**options)(function)
        if cache and hasattr(compiled, "_cache"):  # under NUMBA_DISABLE_JIT it is the function itself
            compiled._cache = _Kept(function)
        return compiled

    return decorate


@cache
def folders() -> tuple[Path | None, Path | None]:
    """The folders of compiled kernels: of those that are kept, and of some that cannot be added to; None for neither.

    What was found is remembered. A warning says that they are kept nowhere.
    """
    in_package = PACKAGE / "__pycache__" / _cpu()
    shipped = in_package if in_package.is_dir() else None
    for folder in _candidates(in_package):
        if _is_writable(folder):
            return folder, shipped if folder != in_package else None
    warnings.warn(
        "augmix compiles its kernels anew in each process: no folder to keep them in can be written; "
        "set NUMBA_CACHE_DIR to one",
        stacklevel=2,
    )
    return None, shipped


def _candidates(in_package: Path) -> Iterator[Path]:
    # Other versions of the package, in other folders, may be kept in the same place.
    below = Path(sha256(str(PACKAGE).encode()).hexdigest()[:12], _cpu())
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR, below).absolute()
    yield in_package
    user = Path(AppDirs("augmix", appauthor=False).user_cache_dir)
    if user.is_absolute():  # not where there is no home
        yield user / below
    with suppress(OSError):
        own = Path(tempfile.gettempdir(), f"augmix-{os.getuid() if hasattr(os, 'getuid') else ''}")
        if _is_own(own):
            yield own / below


def _is_own(folder: Path) -> bool:
    """Make a folder in a place that all users share; False where another's is there, from whom code would be run."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and folder.is_dir() and not found.st_mode & 0o022)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@cache
def _cpu() -> str:
    """A folder's name for kernels that were compiled for this type of CPU, with these settings."""
    name = config.CPU_NAME or binding.get_host_cpu_name()
    features = config.CPU_FEATURES
    if features is None:
        features = binding.get_host_cpu_features().flatten()
    settings = [features, *(f"{setting}={getattr(config, setting, None)}" for setting in SETTINGS)]
    return f"kernels-{name}-{sha256(' '.join(settings).encode()).hexdigest()[:12]}"


@cache
def _stamp() -> str:
    """A digest of every file with kernels: they call each other across files, and hold others' constants."""
    files = sorted(file for pattern in SOURCES for file in PACKAGE.glob(pattern))
    sources = [file.read_bytes() for file in files]
    return sha256(b"\0".join(source for source in sources if b"njit" in source)).hexdigest()


class _Place:
    """A locator, as Numba calls it: in which folder, under which name and for which sources a function is kept."""

    def __init__(self, folder: Path, line: int = 0) -> None:
        self.folder, self.line = folder, line

    def from_function(self, function: Callable[..., Any], file: str) -> "_Place":
        return _Place(self.folder / Path(file).parent.relative_to(PACKAGE.parent), function.__code__.co_firstlineno)

    def ensure_cache_path(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self.folder)

    def get_source_stamp(self) -> str:
        return _stamp()

    def get_disambiguator(self) -> str:
        return str(self.line)


class _Stored(FunctionCache):
    """Numba's cache of one function, in a folder of our choice."""

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        class Implementation(CompileResultCacheImpl):
            _locator_classes: Any = (_Place(folder),)

        self._impl_class = Implementation
        super().__init__(function)


class _Kept:
    """A function's caches: the one that is written, if any, and the one that can only be read."""

    def __init__(self, function: Callable[..., Any]) -> None:
        own, shipped = folders()
        self.own = _Stored(function, own) if own else None
        self.stored = [_Stored(function, folder) for folder in (own, shipped) if folder]

    @property
    def cache_path(self) -> str | None:
        return self.own.cache_path if self.own else None

    def load_overload(self, signature: Any, context: Any) -> Any:
        for stored in self.stored:
            # Whatever a damaged file makes of unpickling: the function is compiled again and replaces it.
            try:
                found: Any = stored.load_overload(signature, context)
            except Exception:
                found = None
                with suppress(OSError):
                    stored.flush()
            # Processes that begin at once with unlike arguments may have written one file for both.
            if found and found.signature.args == normalize_signature(signature)[0]:
                return found
        _compiling.begin()
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        _compiling.end()
        if self.own:
            with suppress(OSError):  # a full disk costs the next process its time, not this one its result
                self.own.save_overload(signature, compiled)


def quiet() -> None:
    """Tell nothing of compiling in this process."""
    _compiling.told = True


class _Compiling:
    """Tells once a process that it compiles, when that has taken a second in all."""

    def __init__(self) -> None:
        self.depth, self.seconds, self.told = 0, 0.0, False

    def begin(self) -> None:
        """A function is compiled from here on; those that it calls begin and end within."""
        self.depth += 1
        if self.depth == 1:
            self.began = time.monotonic()
            self.timer = threading.Timer(max(PATIENCE - self.seconds, 0), self.tell)
            self.timer.daemon = True
            if not self.told:
                self.timer.start()

    def end(self) -> None:
        self.depth -= 1
        if self.depth == 0:
            self.timer.cancel()
            self.seconds += time.monotonic() - self.began

    def tell(self) -> None:
        self.told = True
        where = folders()[0]
        kept = f"once: they are kept in {where}" if where else "in each process anew"
        with suppress(OSError, ValueError):  # standard error may be gone
            print(f"augmix: compiling kernels for this CPU, some ten seconds, {kept}", file=sys.stderr, flush=True)


_compiling = _Compiling()
