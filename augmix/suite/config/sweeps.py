"""Sweeps over one parameter of a method: the definitions of `sweeps.yaml`, and the methods that each one adds."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from augmix.errors import UserError
from augmix.registry import method_parameters, nearest
from augmix.suite.io.configuration import read


@cache
def definitions() -> Mapping[str, Any]:
    """The sweeps by name: title, method, parameter, values and perhaps labels."""
    found, _ = read(Path(__file__).with_name("sweeps.yaml"))
    return found


def expand(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with the methods that its `sweeps` ask for, each noting its value of each sweep it is part of.

    A method's default value is that method under its own name, so that all its sweeps share one run.
    """
    config = dict(config)
    names = config.pop("sweeps", None)
    if not isinstance(names, list):
        return config if names is None else {**config, "sweeps": names}
    methods = {method["name"]: dict(method) for method in config.get("methods", [])}
    for name in names:
        if name not in definitions():
            raise UserError(f"unknown sweep '{name}'; {nearest(name, definitions())}")
        sweep = definitions()[name]
        method, parameter = sweep["method"], sweep["parameter"]
        defaults = method_parameters(method, config.get("method_packages", ["baselines", "ablations"]))
        for value in sweep["values"]:
            default = value == defaults[parameter]
            key = method if default else f"{method}_{parameter}_{value}".replace("-1", "random").lower()
            entry = {"name": key, "preset": method, "parameters": {} if default else {parameter: value}}
            methods.setdefault(key, entry).setdefault("sweeps", {})[name] = value
    return {**config, "methods": list(methods.values())}
