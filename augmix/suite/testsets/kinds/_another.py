"""Test sets of the images of another test set of the data set: nothing of them lies on disk but the other's files."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data.datasets import Split
from augmix.suite.testsets import kinds
from augmix.suite.testsets.base import Images, Origin, Part, Shift, TestSet

OF = {"type": "string", "description": "The name of another test set of the data set, such as C."}


class OtherImages(Images):
    """The other test set's images, of which `seen` says how they are shown to a net."""

    def __init__(self, opened: Images, **seen: Any) -> None:
        """`seen` are fields of `Shift` that differ from the other's."""
        self.source, self.labels, self._opened, self._seen = opened.source, opened.labels, opened, seen

    def read(self, shift: str) -> Shift:
        return self._opened.read(shift)._replace(**self._seen)


@dataclass(frozen=True)
class Another(TestSet):
    """A test set of another one's images."""

    of: Mapping[str, Any]
    """The settings of the other test set."""

    remark: ClassVar[str]
    """The word that is printed behind the other's title."""
    like: ClassVar[tuple[str, ...]] = ("levels", "noun", "groups")
    """The properties of its class that the other test set lends it."""

    @staticmethod
    def other_of(name: str, entry: Mapping[str, Any], origin: Origin) -> TestSet:
        """The test set that an entry of YAML names as `of`; raises `UserError` where there is none."""
        others = {key: value for key, value in origin.testsets.items() if value is not None and key != name}
        if entry.get("of") not in others:
            raise UserError(f"'of' is {entry.get('of')!r}; {nearest(entry.get('of'), others)}")
        kind = kinds.kind(others[entry["of"]]["kind"])
        if issubclass(kind, Another):
            raise UserError(f"'of' is '{entry['of']}', which is {kind.remark} itself; name the test set that it is of")
        other: TestSet = kind.of_entry(entry["of"], others[entry["of"]], origin)
        return other

    def __post_init__(self) -> None:
        for field in self.like:
            object.__setattr__(self, field, getattr(self.other, field))

    @cached_property
    def other(self) -> TestSet:
        """The other test set."""
        return kinds.of_settings(self.of)

    @property
    def shifts(self) -> tuple[str, ...]:
        return self.other.shifts

    @property
    def entering(self) -> tuple[str, ...]:
        return self.other.entering

    @property
    def cells(self) -> Mapping[tuple[int, int], str]:
        return self.other.cells

    @property
    def title(self) -> str:
        return f"{self.other.title} ({self.remark})"

    def title_on(self, dataset: str) -> str:
        return f"{self.other.title_on(dataset)} ({self.remark})"

    def size(self, count: int | None) -> int | None:
        return self.other.size(count)

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        return OtherImages(self.other.open(test, classes), **self.seen())

    def seen(self) -> dict[str, Any]:
        """The fields of `Shift` that differ from the other test set's."""
        return {}

    def identity(self) -> str:
        return self.other.identity()

    def verify(self, shift: str) -> None:
        self.other.verify(shift)

    def readers(self) -> tuple[str, ...]:
        return (*super().readers(), *self.other.readers())

    def parts(self, count: int, again: Collection[str] = ()) -> Iterator[Part]:
        for part in self.other.parts(count):
            yield part._replace(made=False, bytes_a_pixel=0.0)
