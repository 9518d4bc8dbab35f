"""Sweeps over one parameter of a method: the definitions of `sweeps.yaml`, and the methods that each one adds."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from augmix.errors import UserError
from augmix.registry import method_parameters, nearest
from augmix.suite.io.configuration import Lines, place, read


@cache
def definitions() -> Mapping[str, Any]:
    """The sweeps by name: title, method, parameter, values and perhaps labels."""
    found, _ = read(Path(__file__).with_name("sweeps.yaml"))
    return found


def expand(config: Mapping[str, Any], lines: Lines) -> dict[str, Any]:
    """`config` with the methods that its `sweeps` ask for, each noting its value of each sweep it is part of.

    `lines` are the places of its keys, for complaints. A method's default value is that method under its own name, so
    that all its sweeps share one run.
    """
    config = {key: value for key, value in config.items() if key != "sweeps" or value is not None}
    names, given = config.get("sweeps"), config.get("methods", [])
    if not isinstance(names, list) or not isinstance(given, list):
        return config  # the schema says what is wrong
    own = [method.get("name") if isinstance(method, dict) else None for method in given]
    if not all(isinstance(name, str) for name in (*names, *own)):
        return config
    del config["sweeps"]
    methods = {method["name"]: dict(method) for method in given}
    for i, name in enumerate(names):
        if name not in definitions():
            where = place(("sweeps", i), lines)
            raise UserError(f"{where}: unknown sweep '{name}'; {nearest(name, definitions())}")
        sweep = definitions()[name]
        method, parameter = sweep["method"], sweep["parameter"]
        defaults = method_parameters(method, config.get("method_packages", ["baselines", "ablations"]))
        for value in sweep["values"]:
            default = value == defaults[parameter]
            key = method if default else f"{method}_{parameter}_{value}".replace("-1", "random").lower()
            entry = {"name": key, "preset": method, "parameters": {} if default else {parameter: value}}
            methods.setdefault(key, entry).setdefault("sweeps", {})[name] = value
    return {**config, "methods": list(methods.values())}
