"""A test set of a prepared data set alone, without an experiment: for the commands `corrupt` and `perturb`."""

from collections.abc import Sequence
from pathlib import Path

from augmix.checks import nearest_preset
from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data import datasets
from augmix.suite.data.photographs import Photographs
from augmix.suite.testsets import kinds
from augmix.suite.testsets.shifted import Shifted


def of_folder(
    name: str,
    data: Path,
    where: Path,
    shifts: Sequence[str] | None = None,
    images: int | None = None,
    preset: str | None = None,
    seed: int = 0,
) -> Shifted:
    """The test set `name` (C or P) of a prepared data set, generated in a folder, without an experiment."""
    test = datasets.read(data, "test").images
    preset = preset or nearest_preset(min(test.shape[1:3]))
    cls = kinds.kind({"C": "corruptions", "P": "perturbations"}[name])
    names = cls.default(preset) if shifts is None else tuple(shifts)
    if odd := [shift for shift in names if shift not in cls.known(preset)]:
        raise UserError(f"unknown {cls.noun} '{odd[0]}'; {nearest(odd[0], cls.known(preset))}")
    testset: Shifted = cls(
        name=name,
        data=str(data),
        names=names,
        where=str(where),
        published=None,
        resize=False,
        images=images,
        preset=preset,
        seed=seed,
        streamed=isinstance(test, Photographs),
    )
    return testset
