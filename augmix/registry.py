"""Find architectures and methods by file name: a new one is a new file, and nothing else."""

import ast
import difflib
import importlib.util
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from inspect import Parameter
from pathlib import Path
from typing import Any

from augmix.errors import UserError


def nearest(name: object, valid: Iterable[str]) -> str:
    """A half-sentence that helps with a misspelt name: the nearest valid one, or all of them where none is near.

    Names of files are compared without the ending that all have, `.yaml`.
    """
    choices = {choice.removesuffix(".yaml"): choice for choice in sorted(valid)}
    match = difflib.get_close_matches(str(name).removesuffix(".yaml"), choices, n=1, cutoff=0.6)
    return f"did you mean '{choices[match[0]]}'?" if match else f"valid: {', '.join(choices.values()) or 'none'}"


def find_package(package: str) -> ModuleSpec | None:
    """The spec of a package or module, or None; the package itself is not imported."""
    try:
        return importlib.util.find_spec(package)
    except (ModuleNotFoundError, ValueError):
        return None


def find_module(name: str) -> bool:
    """Whether there is a module of this dotted name; unlike `find_package`, it imports none of the packages above."""
    first, *rest = name.split(".")
    spec = find_package(first)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec is not None


def architecture_module(name: str) -> str:
    """The dotted name of the module that builds an architecture: ours, or that of `package.module:function`."""
    module, colon, _ = name.partition(":")
    return module if colon else f"augmix.models.{name}"


def module_names(package: str) -> list[str]:
    """The public modules of a package, found without importing any of them."""
    spec = find_package(package)
    locations = spec.submodule_search_locations if spec else None
    return [m.name for m in pkgutil.iter_modules(locations) if not m.name.startswith("_")] if locations else []


def method_names(packages: Sequence[str]) -> list[str]:
    """Every method there is: the file names of `augmix.methods` and of the given packages."""
    return [name for package in ("augmix.methods", *packages) for name in module_names(package)]


def method_module(name: str, packages: Sequence[str]) -> str:
    """The dotted name of the module that defines method `name`; the first package that has it."""
    for package in ("augmix.methods", *packages):
        if name in module_names(package):
            return f"{package}.{name}"
    raise UserError(f"unknown method '{name}'; {nearest(name, method_names(packages))}")


def method_file(name: str, packages: Sequence[str]) -> Path:
    """The file that defines method `name`."""
    return module_file(method_module(name, packages))


def module_file(module: str) -> Path:
    """The file of a module in a package, found without importing either."""
    package = find_package(module.rpartition(".")[0])
    assert package is not None
    # `find_spec` would import the package, and with it torch.
    spec = PathFinder.find_spec(module, package.submodule_search_locations)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def method_parameters(name: str, packages: Sequence[str]) -> dict[str, Any]:
    """The parameters of a method's `method(...)` and their defaults; `inspect.Parameter.empty` where there is none.

    Read from its source: importing it would import torch.
    """
    file = method_file(name, packages)
    try:
        statements = ast.parse(file.read_text(encoding="utf-8")).body
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{file}: not valid Python: {error}") from error
    for node in statements:
        if isinstance(node, ast.FunctionDef) and node.name == "method":
            given = node.args
            named = [argument.arg for argument in (*given.args, *given.kwonlyargs)]
            missing = [None] * (len(given.args) - len(given.defaults))
            defaults = [*missing, *given.defaults, *given.kw_defaults]
            pairs = zip(named, defaults, strict=True)
            return {argument: _value(default) if default else Parameter.empty for argument, default in pairs}
    raise UserError(f"{file} defines no function `method`; see augmix/methods/__init__.py")


def _value(default: ast.expr) -> Any:
    """The value of a default: a literal, or arithmetic on literals such as 8 / 255; None for anything else."""
    try:
        return eval(ast.unparse(default), {"__builtins__": {}})
    except Exception:
        return None


def method_parts(method: Mapping[str, Any]) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    """The origin of each of a method's parts: `{"views": [(method, parameters), …], "mix": …, "loss": …}`.

    Views can come from several methods, applied one after the other; mix and loss come from one each.
    """
    parts = ("views", "mix", "loss")
    if "preset" in method:
        return {part: [(method["preset"], method.get("parameters", {}))] for part in parts}
    sources = {part: method[part] if isinstance(method[part], list) else [method[part]] for part in parts}
    return {part: [next(iter(source.items())) for source in sources[part]] for part in parts}
