"""Settings that travel as JSON: from the workflow to a command, and into the files of a result."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from augmix.errors import UserError


def of_json(cls: Any, value: Mapping[str, Any], optional: Sequence[str] = ()) -> Any:
    """Make a dataclass of a mapping; raises `UserError` naming a key that is missing or unknown."""
    known = [field.name for field in fields(cls)]
    for key in known:
        if key not in value and key not in optional:
            raise UserError(f"--settings lacks '{key}'")
    for key in value:
        if key not in known:
            raise UserError(f"--settings has the unknown key '{key}'")
    return cls(**value)
