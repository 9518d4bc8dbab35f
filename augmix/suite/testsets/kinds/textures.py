"""Patches shuffled, and low- and high-pass filters, each at five severities: what of an image does a net look at?"""

from dataclasses import dataclass
from typing import ClassVar

from augmix.corruptions import textures
from augmix.suite.testsets.severities import Severities


@dataclass(frozen=True)
class Textures(Severities):
    """The test images without their shapes, their details, or all but details."""

    kind: ClassVar[str] = "textures"
    question: ClassVar[str] = "texture"
    mean: ClassVar[str] = "mTE"
    mean_title: ClassVar[str] = "mean error without shape or detail"
    corrupt = staticmethod(textures.corrupt)

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return textures.TEXTURES


KIND = Textures
