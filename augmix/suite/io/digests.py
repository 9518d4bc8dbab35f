"""Digests of the code that decides a result: a stage's modules without comments, and the packages it computes with.

A stage is given by the modules it starts from. From there `code_of` follows the imports through the project's own
packages, and reads the sources without executing any, so that torch and numpy stay away. Modules that are found by
name at run time (a method, an architecture, a data set's loader) are imported by no statement: whoever chooses them
names them as roots as well.
"""

import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from augmix.errors import UserError
from augmix.registry import find_package
from augmix.suite.io.sources import Import, Source, once, read_source, unreadable

PROJECT = ("augmix", "baselines", "ablations", "reports")
"""The packages that imports are followed through, beside those of the roots."""

# These show, record or compare what others compute, so that no number depends on them. Some that look alike are missing
# on purpose: `registry` decides which methods a composition takes its parts from, `processes` whether a training is
# shared among several, `files` reads and writes every array, and `checkpoints` holds the state that a run goes on from.
NEUTRAL = (
    "augmix.errors",  # exceptions, and what they say
    "augmix.suite.io.changes",  # what these four hold tells whether to compute, not what
    "augmix.suite.io.contents",
    "augmix.suite.io.digests",
    "augmix.suite.io.sources",
    "augmix.suite.io.locks",  # who may write, not what
    "augmix.suite.io.machine",  # how many jobs there is room for, and what a run notes about its machine
    "augmix.suite.io.progress",  # bars, and durations in words
    "augmix.suite.io.provenance",  # what a run notes about itself, and whether two runs are the same
)
"""Modules that cannot change a result; of a package, all its modules."""

PACKAGES = {
    "PIL": "pillow",
    "av": "av",
    "cv2": "opencv-python-headless",
    "imagecorruptions": "imagecorruptions-imaug",
    "matplotlib": "matplotlib",
    "numba": "numba",
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "seaborn": "seaborn",
    "sklearn": "scikit-learn",
    "statsmodels": "statsmodels",
    "torch": "torch",
    "torchvision": "torchvision",
    "typst": "typst",
}
"""The packages that compute, or draw: what they are imported as, and their distributions."""

_REMAINS = (".pyc", "~")
"""How the names end of what Python and editors leave behind."""
_PROSE = (".md", ".rst")
"""How the names end of files that only speak of the data they lie beside."""


@dataclass(frozen=True)
class Code:
    """The code that decides a stage's result: sources and package versions."""

    files: Mapping[str, str]
    """Paths relative to the import root, such as `augmix/mixing.py`: 12 hex digits of the sha256 of their code."""
    packages: Mapping[str, str]
    """Distributions: their installed versions."""

    @property
    def digest(self) -> str:
        """16 hex digits over both."""
        return json_digest([dict(self.files), dict(self.packages)])

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads, with the digest."""
        return {"digest": self.digest, "files": dict(self.files), "packages": dict(self.packages)}

    @classmethod
    def from_json(cls, value: object) -> "Code | None":
        """The inverse of `as_json`; None for anything else, such as the nothing that older results hold.

        The digest that stands there is not read: it follows from the rest.
        """
        if not isinstance(value, Mapping):
            return None
        parts = [value.get(key) for key in ("files", "packages")]
        for part in parts:
            if not isinstance(part, Mapping) or not all(
                isinstance(text, str) for pair in part.items() for text in pair
            ):
                return None
        return cls(*(dict(sorted(part.items())) for part in parts if part is not None))


def code_of(roots: Sequence[str], *, neutral: Collection[str] = NEUTRAL, path: Sequence[str] | None = None) -> Code:
    """The code of the modules `roots` (dotted names) and of all that they import, directly or not.

    Imports are followed through the project's packages and those of the roots; of the other packages, those in
    `PACKAGES` count with their versions. Data files beside a module that it names are part of it. `path` takes the
    place of `sys.path`. Raises `UserError` naming the root that is not found, or the file that cannot be read.
    """
    closure = _Closure(roots, neutral, path)
    closure.follow()
    distributions = {PACKAGES[name] for name in closure.packages}
    versions = {name: found for name in sorted(distributions) if (found := installed_version(name)) is not None}
    return Code(dict(sorted(closure.files.items())), versions)


@cache
def code(roots: tuple[str, ...], neutral: tuple[str, ...] = NEUTRAL) -> Code:
    """`code_of`, asked once in a process: an experiment has many results of the same code."""
    return code_of(roots, neutral=neutral)


def differences(before: Code, now: Code) -> list[str]:
    """The changes, for people: `augmix/mixing.py`, `baselines/fmix.py (new)`, `torch 2.13.0 → 2.14.1`."""
    changes = []
    for name, old, new in _changed(before.files, now.files):
        changes.append(f"{name} (new)" if old is None else f"{name} (gone)" if new is None else name)
    for name, old, new in _changed(before.packages, now.packages):
        changes.append(
            f"{name} {new} (new)" if old is None else f"{name} {old} (gone)" if new is None else f"{name} {old} → {new}"
        )
    return changes


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str | None, str | None]]:
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield name, before.get(name), now.get(name)


def json_digest(value: Any, length: int = 16) -> str:
    """The first `length` hex digits of a sha256 of JSON-able values: equal exactly when the values are."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:length]


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes in hex; raises `UserError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


_content = once(file_digest)


@cache
def installed_version(distribution: str) -> str | None:
    """A distribution's version; None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


class _Module(NamedTuple):
    """The path of a module."""

    file: Path | None
    """None for a namespace package."""
    key: str
    """Its file relative to the import root."""
    folders: tuple[str, ...]
    """The folders of a package's modules."""


class _Closure:
    """Modules and all that they import, found as Python finds them, but without importing the packages above them."""

    def __init__(self, roots: Sequence[str], neutral: Collection[str], path: Sequence[str] | None) -> None:
        self.files: dict[str, str] = {}
        self.packages: set[str] = set()
        self._search = path
        self._neutral = set(neutral)
        self._own = {*PROJECT, *(root.partition(".")[0] for root in roots)}
        self._found: dict[str, _Module | None] = {}
        self._attributes: dict[str, str | None] = {}
        self._listings: dict[str, frozenset[str]] = {}
        self._read: dict[Path, Source] = {}
        self._reached: set[str] = set()
        self._waiting: list[tuple[str, _Module]] = []
        for root in roots:
            if self._find(root) is None:
                raise UserError(
                    f"module '{root}' is not found: there is no {root.replace('.', '/')}.py where Python looks; "
                    "check its name, and that PYTHONPATH has the folder it lies in"
                )
            # Whoever asks for a module wants it, neutral or not.
            self._reach(root, always=True)

    def follow(self) -> None:
        """Read every module that is reached, until there are no more."""
        while self._waiting:
            name, module = self._waiting.pop()
            if module.file is None:
                continue
            if module.file.suffix != ".py":
                raise UserError(
                    f"{module.file} is compiled: what it computes cannot be told from it; put its source beside it, as "
                    f"{module.file.name.partition('.')[0]}.py"
                )
            source = self._source(module.file)
            self.files[module.key] = source.digest
            self._note_data(module.file, module.key, source)
            self.packages.update(PACKAGES.keys() & source.sought)
            for entry in source.imports:
                value = self._import(entry, name, module)
                if value is not None:
                    for attribute in source.attributes(entry.bound) if self._opens(value) else ():
                        self._descend(value, attribute.split("."))

    def _source(self, file: Path) -> Source:
        """The content of a file, looked at once, as it stands now."""
        if file not in self._read:
            self._read[file] = read_source(file)
        return self._read[file]

    def _source_of(self, name: str) -> Source | None:
        """The content of a module, or None where it is neutral or has no source."""
        module = None if self._is_neutral(name) else self._find(name)
        return self._source(module.file) if module and module.file and module.file.suffix == ".py" else None

    def _is_neutral(self, name: str) -> bool:
        while name:
            if name in self._neutral:
                return True
            name = name.rpartition(".")[0]
        return False

    def _reach(self, name: str, *, always: bool = False) -> None:
        """Have a module read, and the packages that it lies in, which are executed before it.

        The imports of those packages are not followed on this account: a module does not depend on its neighbours.
        """
        if (not always and self._is_neutral(name)) or name in self._reached:
            return
        parts = name.split(".")
        for end in range(1, len(parts)):
            above = self._find(".".join(parts[:end]))
            if above is None:
                return
            if above.file is not None and above.file.suffix == ".py":
                self.files[above.key] = self._source(above.file).digest
        if (module := self._find(name)) is None:
            return
        self._reached.add(name)
        self._waiting.append((name, module))

    def _import(self, entry: Import, name: str, module: _Module | None) -> str | None:
        """Reach what an import of module `name` takes; the dotted name of what it binds, where that is a module."""
        base = entry.module
        if entry.level:
            package = name.split(".") if module and module.folders else name.split(".")[:-1]
            if entry.level > len(package):
                return None  # it would fail
            base = ".".join([*package[: len(package) - entry.level + 1], *([base] if base else [])])
        first = base.partition(".")[0]
        if first not in self._own:
            if first in PACKAGES:
                self.packages.add(first)
            if not self._is_of_the_users(first):
                return None
            self._own.add(first)
        if entry.name is None:
            self._reach(base)
            return entry.means
        if self._find(f"{base}.{entry.name}") is None:
            self._reach(base)
        if entry.name == "*":
            # A star import that spells out what it takes can have modules among it.
            source = self._source_of(base)
            for exported in source.exported if source else ():
                self._attribute(base, exported)
            return None
        return self._attribute(base, entry.name)

    def _is_of_the_users(self, name: str) -> bool:
        """Whether a top-level module is neither Python's nor an installed package's: a method's own helper, say."""
        if name in PACKAGES or name in sys.stdlib_module_names:
            return False
        module = self._find(name)
        places = [str(module.file)] if module and module.file else list(module.folders) if module else []
        return bool(places) and not any(
            part in ("site-packages", "dist-packages") for p in places for part in Path(p).parts
        )

    def _attribute(self, base: str, name: str) -> str | None:
        """Reach `from base import name` where that is a module, or comes from one on first use."""
        inner = f"{base}.{name}"
        if inner not in self._attributes:
            self._attributes[inner] = None  # it could come from itself
            if self._find(inner) is not None:
                self._reach(inner)
                self._attributes[inner] = inner
            elif (source := self._source_of(base)) is not None and name in source.lazy:
                self._attributes[inner] = self._import(source.lazy[name], base, self._found[base])
        return self._attributes[inner]

    def _opens(self, name: str) -> bool:
        """Whether a module's attributes can be modules that its own imports do not show."""
        module, source = self._find(name), self._source_of(name)
        return (module is not None and bool(module.folders)) or (source is not None and bool(source.lazy))

    def _descend(self, base: str, names: Sequence[str]) -> None:
        """Reach the modules on the way of `base.a.b`."""
        for name in names:
            inner = self._attribute(base, name)
            if inner is None:
                return
            base = inner

    def _note_data(self, file: Path, key: str, source: Source) -> None:
        """Add the data that lies beside a module and that it names.

        Any string counts, so names have to be telling: a file's has a suffix, and a folder's is a folder of data in a
        package. Beside a lone module there may be anything, `data/` and `results/` among it.
        """
        folder, key = file.parent, key.rpartition("/")[0]
        for entry in self._list(str(folder)):
            if entry.startswith((".", "__")) or entry.endswith((".py", *_REMAINS)) or not source.names(entry):
                continue
            there = folder / entry
            if there.is_dir():
                if key and "__init__.py" not in self._list(str(there)):
                    self._add_folder(there, f"{key}/{entry}")
            elif there.suffix:
                self.files[f"{key}/{entry}".lstrip("/")] = _content(there)[:12]

    def _add_folder(self, folder: Path, key: str) -> None:
        for entry in self._list(str(folder)):
            there, inner = folder / entry, f"{key}/{entry}"
            if entry.startswith((".", "__")) or entry.endswith((*_REMAINS, *_PROSE)):
                continue
            if there.is_dir():
                if not there.is_symlink():
                    self._add_folder(there, inner)
            elif inner not in self.files:
                self.files[inner] = self._source(there).digest if there.suffix == ".py" else _content(there)[:12]

    def _list(self, folder: str) -> frozenset[str]:
        """The names in a folder; none where it cannot be read, as Python has it."""
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._listings[folder] = frozenset()
        return self._listings[folder]

    def _find(self, name: str) -> _Module | None:
        if name not in self._found:
            package, _, last = name.rpartition(".")
            if not package:
                self._found[name] = self._find_top(name)
            else:
                above = self._find(package)
                self._found[name] = self._look(name, last, above.folders) if above else None
        return self._found[name]

    def _find_top(self, name: str) -> _Module | None:
        folders = sys.path if self._search is None else self._search
        module = self._look(name, name, [folder or os.getcwd() for folder in folders])
        if module is not None or self._search is not None:
            return module
        # An editable install may have a finder of its own; asking for a name without dots imports nothing.
        spec = find_package(name)
        if spec is None or not (spec.has_location or spec.submodule_search_locations):
            return None
        file = Path(spec.origin) if spec.has_location and spec.origin else None
        folders = tuple(spec.submodule_search_locations or ())
        return _Module(file, f"{name}/{file.name}" if file and folders else file.name if file else name, folders)

    def _look(self, name: str, last: str, folders: Iterable[str]) -> _Module | None:
        """Look for a module in folders, in Python's order: a package, a module, and last a namespace package.

        Source goes before a compiled extension beside it, which is made from it.
        """
        key = name.replace(".", "/")
        portions = []
        for folder in folders:
            names = self._list(folder)
            if last in names and "__init__.py" in self._list(inner := os.path.join(folder, last)):
                return _Module(Path(inner, "__init__.py"), f"{key}/__init__.py", (inner,))
            for suffix in (".py", *EXTENSION_SUFFIXES, *BYTECODE_SUFFIXES):
                if f"{last}{suffix}" in names:
                    return _Module(Path(folder, f"{last}{suffix}"), f"{key}{suffix}", ())
            if last in names and os.path.isdir(inner := os.path.join(folder, last)):
                portions.append(inner)
        return _Module(None, key, tuple(portions)) if portions else None
