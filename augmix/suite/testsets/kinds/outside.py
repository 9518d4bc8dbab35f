"""Images of none of the data set's classes, which a net is to be less sure of than of the clean test images.

They are read by any data set's loader; their own labels decide nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from augmix.errors import UserError
from augmix.suite.testsets import class_map
from augmix.suite.testsets.base import Origin
from augmix.suite.testsets.kinds.natural import Natural


class Outside(Natural):
    """A test set from outside of the data set."""

    kind = "outside"
    outside = True
    question = ""  # its figures are no errors
    schema: ClassVar[Mapping[str, Any]] = {
        key: value for key, value in Natural.schema.items() if key not in ("classes", "merged_by")
    }

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        check_clean(origin)
        return super().of_entry(name, {**entry, "classes": None}, origin)

    def _mapped(self, theirs: Sequence[str], ours: Sequence[str]) -> class_map.Found:
        """No class of theirs is one of the data set's: all are taken, and a net predicts among all of its own."""
        taken = list(range(len(ours)))
        return class_map.Found([0] * len(theirs), taken, taken)


def check_clean(origin: Origin) -> None:
    """Raise `UserError` where a data set's clean test images, from which outside ones are told, are left out."""
    clean = origin.testsets.get("clean")
    if clean is None or clean["kind"] != "clean":
        raise UserError("it is compared with the clean test images; do not leave out 'clean'")


KIND = Outside
