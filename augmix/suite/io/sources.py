"""The content of a source file, apart from comments: its code in one layout, its imports, the names it spells out."""

import ast
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from augmix.errors import UserError

T = TypeVar("T")


class Import(NamedTuple):
    """One name of an import statement."""

    level: int
    """How many dots a relative import begins with."""
    module: str
    name: str | None
    """The name that is imported from the module; None for the module itself."""
    bound: str
    """The name that the importing file gives it."""
    means: str = ""
    """The dotted name of that, where the import has no `from`."""


@dataclass(frozen=True)
class Source:
    """The content of a file of Python, apart from comments."""

    digest: str
    text: str
    """Its code in `ast.unparse`'s layout."""
    imports: tuple[Import, ...]
    lazy: Mapping[str, Import]
    """The names that a module's `__getattr__` imports on first use: it declares them to type checkers."""
    exported: tuple[str, ...]
    """Its `__all__`, where it has one."""
    sought: tuple[str, ...]
    """The modules that it looks for by a name spelt out, such as the package whose folder has photographs."""
    searches: dict[str, list[str]] = field(default_factory=dict)

    def attributes(self, name: str) -> list[str]:
        """The attributes that the code reads of the name: `["kernels", "table.IDS"]` for `operations`."""
        if name not in self.searches:
            found = re.findall(rf"(?<![\w.]){re.escape(name)}((?:\.\w+)+)", self.text)
            self.searches[name] = sorted({attribute[1:] for attribute in found})
        return self.searches[name]

    def names(self, file: str) -> bool:
        """Whether a string of the code is the name of this file or folder, or a path through it."""
        # `unparse` writes strings in quotes of either kind; a slash is a path's, also in an f-string.
        return file in self.text and re.search(rf"""['"/]{re.escape(file)}['"/]""", self.text) is not None


def once(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """A reader of files that reads each of them once in a process, unless its time or size changes."""
    known: dict[str, tuple[tuple[int, int], T]] = {}

    def reader(path: Path) -> T:
        try:
            found = path.stat()
        except OSError as error:
            raise unreadable(path, error) from error
        state = (found.st_mtime_ns, found.st_size)
        if (entry := known.get(str(path))) is None or entry[0] != state:
            entry = known[str(path)] = (state, read(path))
        return entry[1]

    return reader


def unreadable(path: Path, error: OSError) -> UserError:
    """The error to raise about a file that cannot be read."""
    return UserError(f"{path} cannot be read: {error.strerror or error}; check that it is there and yours to read")


@once
def read_source(path: Path) -> Source:
    """The content of a file; raises `UserError` naming one that cannot be read, or is not Python."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        return _digested(ast.parse(source, str(path)))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: not valid Python: {' '.join(str(error).split())}; mend it, or remove it") from error
    except (RecursionError, MemoryError) as error:
        raise UserError(f"{path}: not valid Python: nested too deeply; take its long expressions apart") from error


def _digested(tree: ast.Module) -> Source:
    imports: list[Import] = []
    declared: list[Import] = []
    tree.body = _stripped(tree.body, imports, declared, top=True)
    # `ast.dump` would name every field of every node, and Python's versions differ in which there are and whether empty
    # ones are shown; what `ast.unparse` writes is Python, laid out in one way.
    text = ast.unparse(tree)
    on_first_use = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]
    if "import_module(" in text or "__import__(" in text:
        imports += (entry for node in tree.body if node not in on_first_use for entry in _of_calls(node))
    return Source(
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        text,
        tuple(dict.fromkeys(imports)),
        {entry.bound: entry for entry in declared} if on_first_use else {},
        _exported(tree.body),
        tuple(re.findall(r"(?:find_spec|import_module)\('(\w+)", text)),
    )


def _stripped(
    body: list[ast.stmt], imports: list[Import], declared: list[Import], *, top: bool = False
) -> list[ast.stmt]:
    """Statements without what decides nothing, changed in place; notes their imports, and those for type checkers."""
    kept: list[ast.stmt] = []
    for node in body:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):  # a docstring, of whatever stands above it
                continue
            case ast.Assign(targets=[ast.Name(id="__version__")]) if top:  # a release alone changes no result
                continue
            case ast.If(test=test) if (checking := _type_checking(test)) is not None:
                seen, other = (node.body, node.orelse) if checking else (node.orelse, node.body)
                _stripped(seen, declared, declared)
                kept += _stripped(other, imports, declared)
                continue
            case ast.Import():
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    means = alias.name if alias.asname else first
                    imports.append(Import(0, alias.name, None, alias.asname or first, means))
            case ast.ImportFrom():
                for alias in node.names:
                    imports.append(Import(node.level, node.module or "", alias.name, alias.asname or alias.name))
            case _:
                for inner in _bodies(node):
                    inner[:] = _stripped(inner, imports, declared)
        kept.append(node)
    # A body of nothing but a docstring does what `pass` does; an empty file stays one.
    return kept or ([] if top or not body else [ast.Pass()])


def _of_calls(tree: ast.stmt) -> Iterator[Import]:
    """The modules that `import_module("a.b")` and the like name by a string."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ) if module := name.lstrip("."):
                yield Import(len(name) - len(module), module, None, module, module)


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The lists of statements inside of a statement."""
    for part in (node, *getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(part, name, None)
            if isinstance(inner, list):
                yield inner


def _type_checking(test: ast.expr) -> bool | None:
    """True where a condition holds for type checkers only, False where it holds but for them, or else None."""
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case ast.UnaryOp(op=ast.Not(), operand=inner) if _type_checking(inner):
            return False
    return None


def _exported(body: Iterable[ast.stmt]) -> tuple[str, ...]:
    """The strings of `__all__`, however it is put together."""
    names: list[str] = []
    for node in body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=value)
                | ast.AugAssign(target=ast.Name(id="__all__"), value=value)
            ) if value is not None:
                names += [
                    part.value
                    for part in ast.walk(value)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
    return tuple(names)
