"""Another test set of the data set as images from outside, which a net is to be less sure of than of the clean ones.

Whatever their classes are, a net predicts among all of its own. Each frame of a sequence is an image.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from augmix.errors import UserError
from augmix.suite.testsets.base import Origin
from augmix.suite.testsets.kinds._another import OF, Another
from augmix.suite.testsets.kinds.outside import check_clean


class AsOutside(Another):
    """A test set that is told from the clean images; its files are the other's."""

    kind = "as_outside"
    remark = "outside"
    outside = True
    mean = "mAUROC"
    mean_title = "mean AUROC"
    like = (*Another.like, "of_net")
    schema: ClassVar[Mapping[str, Any]] = {"of": OF}

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any], origin: Origin) -> Self:
        check_clean(origin)
        other = cls.other_of(name, entry, origin)
        if other.outside or other.kind == "clean":
            which = "outside already" if other.outside else "the clean images, from which it is to be told"
            raise UserError(f"'of' is '{entry['of']}', which is {which}; name another test set")
        return cls.of_fields(name, entry, origin, of=other.settings())

    def seen(self) -> dict[str, Any]:
        return {"classes": None, "counted_as": None}

    def evaluated_with(self) -> dict[str, Any]:
        return {**self.other.evaluated_with(), "outside": True}


KIND = AsOutside
