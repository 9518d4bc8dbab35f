"""Patches shuffled, and low- and high-pass filters, each at five severities: what of an image does a net look at?"""

from augmix.corruptions import textures
from augmix.suite.testsets.severities import Severities


class Textures(Severities):
    """The test images without their shapes, their details, or all but details."""

    kind = "textures"
    question = "texture"
    mean = "mTE"
    mean_title = "mean error without shape or detail"
    corrupt = staticmethod(textures.corrupt)

    @classmethod
    def known(cls, preset: str) -> tuple[str, ...]:
        return textures.TEXTURES


KIND = Textures
