"""Test sets of a prepared data set alone, without an experiment: for the commands that take a folder."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from augmix.checks import nearest_preset
from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.data import datasets
from augmix.suite.data.photographs import Photographs
from augmix.suite.io.files import read_mapping
from augmix.suite.testsets import kinds
from augmix.suite.testsets.base import TestSet
from augmix.suite.testsets.shifted import Shifted

MADE = {"C": "corruptions", "P": "perturbations", "CBar": "corruptions_bar"}
"""The kinds of the test sets that are made in a folder beside the data set's, by the folder's suffix."""


def beside(data: Path) -> list[TestSet]:
    """The data set's own test images, and the -C and -P beside it with the shifts that are there: perhaps none.

    Others that are made beside it, such as a -CBar, are among them where some of their shifts are there, and natural
    test sets where they are prepared.
    """
    found: list[TestSet] = [kinds.kind("clean")(name="clean", data=str(data))]
    for name in MADE:
        where = data.with_name(f"{data.name}-{name}")
        whole = of_folder(name, data, where)
        there = [s for s in whole.known(whole.preset) if (where / f"{s}.npy").is_file() or (where / s).is_dir()]
        if there or name in ("C", "P"):
            found.append(replace(whole, names=tuple(there)))
    return [*found, *_natural(data)]


def _natural(data: Path) -> Iterator[TestSet]:
    """The test sets of natural images, and of those from outside, that were prepared beside a data set."""
    for path in sorted(data.parent.glob(f"{data.name}-*/dataset.json")):
        noted = read_mapping(path, {})
        if "described" in noted:
            name = path.parent.name.removeprefix(f"{data.name}-")
            named = {"kind": noted.get("kind", "natural"), "name": name, "data": str(data), "where": str(path.parent)}
            yield kinds.of_settings({**named, "own": {}, **noted["settings"]})


def of_folder(
    name: str,
    data: Path,
    where: Path,
    shifts: Sequence[str] | None = None,
    images: int | None = None,
    preset: str | None = None,
    seed: int = 0,
) -> Shifted:
    """The test set `name` (C, CBar or P) of a prepared data set, generated in a folder, without an experiment."""
    test = datasets.read(data, "test").images
    preset = preset or nearest_preset(min(test.shape[1:3]))
    cls = kinds.kind(MADE[name])
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
