"""Another test set of the data set, predicted by nets whose batch norms are adapted to it (`augmix.adaptation`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from augmix.errors import UserError
from augmix.suite.testsets.base import SEED, Adaptation, Origin
from augmix.suite.testsets.kinds._another import OF, Another


@dataclass(frozen=True)
class Adapted(Another):
    """A test set to which nets are adapted before they predict it; its files are the other's."""

    batch_size: int
    prior: float
    seed: int

    kind = "adapted"
    remark = "adapted"
    adapts = True
    question = "adaptation"
    like = (*Another.like, "mean", "mean_title")
    schema: ClassVar[Mapping[str, Any]] = {
        "of": OF,
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
        "seed": SEED,
    }

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        other = cls.other_of(name, entry, origin)
        if other.sequence or other.outside or other.of_net:
            raise UserError(
                f"'of' is '{entry['of']}'; nets are adapted to images of the data set's classes that do not depend on "
                "the net, and are no sequences"
            )
        return cls.of_fields(name, entry, origin, of=other.settings())

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "adjective", f"adapted {self.other.adjective}" if self.other.adjective else "")

    @property
    def beside(self) -> str:
        return self.other.name

    def seen(self) -> dict[str, Any]:
        return {"adaptation": Adaptation(self.batch_size, self.prior, self.seed)}

    def evaluated_with(self) -> dict[str, Any]:
        adaptation = {"batch_size": self.batch_size, "prior": self.prior, "seed": self.seed}
        return {**self.other.evaluated_with(), "adapted": adaptation}


KIND = Adapted
