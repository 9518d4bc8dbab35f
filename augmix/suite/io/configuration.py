"""Read an experiment's YAML strictly: YAML 1.2 scalars, unique keys, a line number in every complaint."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from augmix.errors import UserError
from augmix.registry import nearest

Position = tuple[str | int, ...]
Lines = dict[Position, str]


class _Loader(yaml.SafeLoader):
    """PyYAML follows YAML 1.1, where `no` is False, `010` is 8 and `1e-4` a string; this one follows 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - as PyYAML declares it


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


def describe(position: Position) -> str:
    """`("methods", 2, "name")` as `methods[2].name`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in position)
    return text.lstrip(".") or "the experiment"


def read(path: Path | str, seen: tuple[Path, ...] = ()) -> tuple[dict[str, Any], Lines]:
    """Read one YAML file with its `extends:` chain merged underneath, as `on_top` does; `seen` files led to it.

    Returns the mapping and, for each position in it, the `file:line` it was written at.
    """
    path = Path(path)
    if path.resolve() in seen:
        raise UserError(f"{path}: 'extends' goes round in a circle")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        there = [file.name for file in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        hint = f"; {nearest(path.stem, there)}" if there else ""
        raise UserError(f"configuration {path} does not exist{hint}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8; save the configuration in that encoding") from None
    except OSError as error:
        raise UserError(f"configuration {path} cannot be read: {error.strerror}") from None
    lines: Lines = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise UserError(f"configuration {path} is empty")
        value = _construct(loader, node, (), lines, path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{where}: not valid YAML: {reason}") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a mapping of settings, found {type(value).__name__}")
    parent = value.pop("extends", None)
    if parent is None:
        return value, lines
    if not isinstance(parent, str):
        raise UserError(f"{lines[('extends',)]}: 'extends' takes the name of one YAML file")
    base, base_lines = read(path.parent / parent, (*seen, path.resolve()))
    return on_top(base, value), {**base_lines, **lines}


def _construct(loader: _Loader, node: yaml.Node, position: Position, lines: Lines, path: Path) -> Any:
    where = lines[position] = f"{path}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        for i, (key, _) in enumerate(node.value):
            if key.value in keys[:i]:
                raise UserError(f"{path}:{key.start_mark.line + 1}: key '{key.value}' is given twice")
        loader.flatten_mapping(node)
        mapping = {}
        for key, child in node.value:
            name = loader.construct_object(key)
            if not isinstance(name, str):
                shown = key.value if isinstance(key, yaml.ScalarNode) else "that is a mapping or a list"
                raise UserError(f"{path}:{key.start_mark.line + 1}: key {shown} must be a name; quote it")
            mapping[name] = _construct(loader, child, (*position, name), lines, path)
            lines[(*position, name)] = f"{path}:{key.start_mark.line + 1}"
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, child, (*position, i), lines, path) for i, child in enumerate(node.value)]
    try:
        value = loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "problem", None) or error
        raise UserError(f"{where}: {node.value!r} cannot be read ({reason})") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where}: {describe(position)} must be a finite number")
    return value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`: mappings are merged deeply, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def on_top(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment on top of another: as `merge`, but a data set of `base` that is null in `over` is left out."""
    merged = merge(base, over)
    if isinstance(inherited := base.get("datasets"), Mapping) and isinstance(merged["datasets"], Mapping):
        dropped = {name for name in inherited if merged["datasets"][name] is None}
        merged["datasets"] = {name: entry for name, entry in merged["datasets"].items() if name not in dropped}
    return merged


def place(position: Position, lines: Lines) -> str:
    """The `file:line` of the innermost enclosing position that was written in a file."""
    while position and position not in lines:
        position = position[:-1]
    return lines.get(position, "configuration")
