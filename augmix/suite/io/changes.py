"""How a result differs from what is asked for now: in settings, data or code."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from augmix.suite.io import digests
from augmix.suite.io.digests import Code


class Difference(NamedTuple):
    """A difference between what a result was made with and what is asked for now."""

    why: str
    """code, settings, data, or unknown where the result does not say what it was made with."""
    details: tuple[str, ...]
    """The sources, packages or settings that differ."""
    now: str = ""
    """A digest of the code that would make it now; where nothing is known of it, of that code and its settings."""


def difference(differing: list[str], before: object, now: Code) -> Difference | None:
    """The settings or data that differ, or else the code; None where nothing does. `before` is a stamp's `code`."""
    noted = Code.from_json(before)
    if differing:
        return Difference("data" if differing[0].startswith("other ") else "settings", tuple(differing))
    if noted is None:
        return Difference("unknown", ("it does not say which code made it",), now.digest)
    if noted.digest != now.digest:
        return Difference("code", tuple(digests.differences(noted, now)), now.digest)
    return None


def differing(before: Any, now: Any, prefix: str = "") -> list[str]:
    """The settings that differ, for people: `training.epochs 12 → 13`. Tuples are the lists that JSON makes of them."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys((*now, *before))
        return [
            line for key in keys for line in differing(before.get(key), now.get(key), f"{prefix}.{key}".lstrip("."))
        ]
    before, now = (list(value) if isinstance(value, tuple) else value for value in (before, now))
    return [] if before == now else [f"{prefix} {before} → {now}"]
