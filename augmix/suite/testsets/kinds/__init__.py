"""Kinds of test sets, one module each with its class as `KIND`; a new kind is a new file."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from augmix.errors import UserError
from augmix.registry import module_names, nearest
from augmix.suite.io.settings import of_json
from augmix.suite.testsets.base import TestSet


def names() -> list[str]:
    """The names of all kinds."""
    return module_names("augmix.suite.testsets.kinds")


def kind(name: str) -> Any:
    """The class of the kind `name`, a subclass of `TestSet`."""
    return import_module(f"augmix.suite.testsets.kinds.{name}").KIND


@cache
def means() -> frozenset[str]:
    """The shifts of metrics.csv that stand for the mean over the shifts of a test set, such as mCE."""
    return frozenset(kind(name).mean for name in names())


def of_settings(settings: Mapping[str, Any]) -> TestSet:
    """Build a test set again of its `settings()`, as they come from JSON; raises `UserError` for odd ones."""
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    if "kind" not in fields:
        raise UserError("--settings lacks 'kind'")
    name = fields.pop("kind")
    if name not in names():
        raise UserError(f"unknown kind of test set '{name}'; {nearest(str(name), names())}")
    testset: TestSet = of_json(kind(name), fields)
    return testset
