"""The classes of images from elsewhere: which of a data set's classes each of theirs is.

In YAML `classes` is null where theirs have the data set's names, `numbered` where theirs are the numbers of the data
set's, a list of those that are taken by their own names, or a map: `{theirs: ours, …}`. A class of theirs may be
several of ours, `theirs: [ours, …]`, any of which is right then; `theirs: null` leaves it out, and `"*": null` all that
the map does not name. A list or a map may also stand in a file, and those in the folder `classes` beside this module
have names.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.io.files import expanded

NUMBERED = "numbered"
OTHERS = "*"
LISTS = Path(__file__).parent / "classes"
SCHEMA = {
    "description": "The data set's class of each of theirs; a list; `numbered`; a file; null: the same names.",
    "type": ["object", "array", "string", "null"],
    "minProperties": 1,
    "minItems": 1,
    "items": {"type": "string"},
    "additionalProperties": {"type": ["string", "array", "null"], "minItems": 1, "items": {"type": "string"}},
    "default": None,
}

ClassMap = Mapping[str, str | Sequence[str] | None] | str | None
"""As it is resolved: a map, `numbered`, or None for the same names."""


class Found(NamedTuple):
    """A map as numbers."""

    labels: list[int]
    """The label of each of their classes; −1 where it is left out."""
    taken: list[int]
    """The data set's classes among which a net predicts, in order."""
    counted_as: list[int]
    """The class that each of these counts as: the first of those that are one of theirs."""


def resolved(classes: Any) -> ClassMap:
    """The entry of YAML, with files read; raises `UserError` for a file that is none."""
    if isinstance(classes, str) and classes != NUMBERED:
        classes = _read(classes)
    if isinstance(classes, list | tuple):
        return {**{str(name): str(name) for name in classes}, OTHERS: None}
    if not isinstance(classes, Mapping):
        return None if classes is None else NUMBERED
    if classes.get(OTHERS) is not None:
        raise UserError(
            f"'classes' has '{OTHERS}: {classes[OTHERS]}'; null alone can stand there: it leaves others out"
        )
    return {str(name): target for name, target in classes.items()}


def _read(name: str) -> Any:
    """The list or map in a file: a class a line in `.txt`, else JSON or YAML."""
    path = next((file for file in LISTS.iterdir() if file.stem == name), expanded(name))
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".txt":
            return text.split()
        found = yaml.safe_load(text)  # of which JSON is a part
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in LISTS.iterdir()))
        raise UserError(f"'classes' is '{name}', which is neither a file nor one of {NUMBERED}, {known}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"'classes': {path} cannot be read ({' '.join(str(error).split())})") from error
    import jsonschema

    if not jsonschema.Draft202012Validator({**SCHEMA, "type": ["object", "array"]}).is_valid(found):
        raise UserError(f"'classes': {path} should hold a list of classes, or a map of theirs to the data set's")
    return found


def numbers(classes: ClassMap, theirs: Sequence[str], ours: Sequence[str]) -> Found:
    """Find the labels of their classes among the data set's; raises `UserError` where the two do not fit."""
    if classes == NUMBERED:
        if sorted(theirs, key=str) != sorted(map(str, range(len(ours)))):
            raise UserError(
                f"it has {len(theirs)} classes, from '{theirs[0]}' to '{theirs[-1]}'; 'classes: {NUMBERED}' asks for "
                f"the numbers 0 to {len(ours) - 1}, one for each of the data set's"
            )
        labels = [int(name) for name in theirs]
        return Found(labels, sorted(labels), sorted(labels))
    assert not isinstance(classes, str)
    wanted = classes if classes is not None else {name: name for name in theirs}
    if odd := next((name for name in wanted if name not in theirs and name != OTHERS), None):
        raise UserError(f"'classes' names '{odd}', which it has not; {nearest(odd, theirs)}")
    left = [name for name in theirs if name not in wanted]
    if left and OTHERS not in wanted:
        raise UserError(
            f"'classes' does not say which class '{left[0]}' is, of {len(left)} that it lacks; "
            f"write '{left[0]}: null' to leave it out, or '\"{OTHERS}\": null' for all of them"
        )
    of_name = {name: label for label, name in enumerate(ours)}
    targets = [_targets(wanted.get(name), of_name, classes is None) for name in theirs]
    as_: dict[int, int] = {}
    for name, labels in zip(theirs, targets, strict=True):
        for label in labels:
            if as_.setdefault(label, labels[0]) != labels[0]:
                raise UserError(f"'classes' has '{ours[label]}' in two different groups, one of them that of '{name}'")
    if classes is None and len(as_) < len(ours):
        lacking = next(name for label, name in enumerate(ours) if label not in as_)
        raise UserError(f"it lacks the class '{lacking}'; name the classes that it has by 'classes'")
    if not as_:
        raise UserError(f"'classes' leaves out all that it has, such as '{theirs[0]}'; say which class one is")
    taken = sorted(as_)
    return Found([labels[0] if labels else -1 for labels in targets], taken, [as_[label] for label in taken])


def _targets(target: str | Sequence[str] | None, of_name: Mapping[str, int], same: bool) -> list[int]:
    """The labels of the data set's classes that one of theirs is."""
    names = [] if target is None else [target] if isinstance(target, str) else list(target)
    if odd := next((name for name in names if name not in of_name), None):
        hint = "; say which class it is, or leave it out, by 'classes'" if same else ""
        raise UserError(f"the class '{odd}' is none of the data set's{hint}; {nearest(odd, of_name)}")
    return sorted(of_name[name] for name in names)
