"""Settings that travel as JSON: from the workflow to a command, and into the files of a result."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from augmix.errors import UserError


def of_json(cls: Any, value: Mapping[str, Any]) -> Any:
    """Make a dataclass of a mapping; raises `UserError` naming a key that is missing, without a default, or unknown."""
    known = {field.name: field for field in fields(cls)}
    for key, field in known.items():
        if key not in value and field.default is MISSING:
            raise UserError(f"--settings lacks '{key}'")
    for key in value:
        if key not in known:
            raise UserError(f"--settings has the unknown key '{key}'")
    return cls(**value)
