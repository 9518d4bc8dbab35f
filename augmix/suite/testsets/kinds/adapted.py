"""Another test set of the data set, predicted by nets whose batch norms are adapted to it (`augmix.adaptation`)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data.datasets import Split
from augmix.suite.testsets import kinds
from augmix.suite.testsets.base import Adaptation, Images, Origin, Part, Shift, TestSet

LIKE = ("levels", "mean", "mean_title", "noun", "groups")
"""The properties of its class that the other test set lends it."""


class AdaptedImages(Images):
    """The other test set's images, with the adaptation to them."""

    def __init__(self, opened: Images, adaptation: Adaptation) -> None:
        self.source, self._opened, self._adaptation = opened.source, opened, adaptation

    @property
    def labels(self) -> np.ndarray:
        return self._opened.labels

    def read(self, shift: str) -> Shift:
        return self._opened.read(shift)._replace(adaptation=self._adaptation)

    def check(self, shifts: Sequence[str]) -> None:
        self._opened.check(shifts)


@dataclass(frozen=True)
class Adapted(TestSet):
    """A test set to which nets are adapted before they predict it; its files are the other's."""

    of: Mapping[str, Any]
    """The settings of the other test set."""
    batch_size: int
    prior: float
    seed: int

    kind: ClassVar[str] = "adapted"
    adapts: ClassVar[bool] = True
    question: ClassVar[str] = "adaptation"
    schema: ClassVar[Mapping[str, Any]] = {
        "of": {"type": "string", "description": "The name of another test set of the data set, such as C."},
        "adapt": {"enum": ["batchnorm"], "default": "batchnorm", "description": "What is adapted."},
        "batch_size": {
            "description": "At most so many images of one shift and severity are adapted to at a time.",
            "type": "integer",
            "minimum": 2,
            "maximum": 65536,
            "default": 200,
        },
        "prior": {
            "description": "How many images the statistics of training count as; 0: the batch's alone.",
            "type": "number",
            "minimum": 0,
            "default": 0,
        },
        "seed": {"type": "integer", "minimum": 0, "maximum": 4294967295, "default": 0},
    }

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        """Build it from its entry in an experiment's YAML; raises `UserError` where that cannot be."""
        others = {key: value for key, value in origin.testsets.items() if value is not None and key != name}
        if entry.get("of") not in others:
            raise UserError(f"'of' is {entry.get('of')!r}; {nearest(entry.get('of'), others)}")
        other = others[entry["of"]]
        if other["kind"] == cls.kind:
            raise UserError(f"'of' is '{entry['of']}', which is adapted itself; name the test set that it is of")
        opened = kinds.kind(other["kind"]).of_entry(entry["of"], other, origin)
        if opened.sequence or opened.outside or opened.of_net:
            raise UserError(
                f"'of' is '{entry['of']}'; nets are adapted to images of the data set's classes that do not depend on "
                "the net, and are no sequences"
            )
        options = {key: entry[key] for key in ("batch_size", "prior", "seed")}
        return cls(name=name, data=str(origin.folder), of=opened.settings(), **options)

    def __post_init__(self) -> None:
        for field in LIKE:
            object.__setattr__(self, field, getattr(self.other, field))
        object.__setattr__(self, "adjective", f"adapted {self.other.adjective}" if self.other.adjective else "")

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
    def beside(self) -> str:
        return self.other.name

    @property
    def title(self) -> str:
        return f"{self.other.title} (adapted)"

    def title_on(self, dataset: str) -> str:
        return f"{self.other.title_on(dataset)} (adapted)"

    def size(self, count: int | None) -> int | None:
        return self.other.size(count)

    def open(self, test: Split, classes: Sequence[str]) -> Images:
        adaptation = Adaptation(self.batch_size, self.prior, self.seed)
        return AdaptedImages(self.other.open(test, classes), adaptation)

    def identity(self) -> str:
        return self.other.identity()

    def verify(self, shift: str) -> None:
        self.other.verify(shift)

    def readers(self) -> tuple[str, ...]:
        return (*super().readers(), *self.other.readers())

    def parts(self, count: int, again: Collection[str] = ()) -> Iterator[Part]:
        for part in self.other.parts(count):
            yield part._replace(made=False, bytes_a_pixel=0.0)

    def evaluated_with(self) -> dict[str, Any]:
        adaptation = {"batch_size": self.batch_size, "prior": self.prior, "seed": self.seed}
        return {**self.other.evaluated_with(), "adapted": adaptation}


KIND = Adapted
