"""Severities and sequences of streamed photographs, in the layout of ImageNet-C and ImageNet-P: image files and videos.

`<corruption>/<severity>/<class>/<image>.JPEG` and `<perturbation>/<class>/<image>.mp4`. Of those that are generated,
`<name>.npy` lists the files, and is written when all of them are there.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from augmix.checks import nearest_preset
from augmix.errors import UserError
from augmix.suite.data import photographs, videos
from augmix.suite.data.datasets import Split, evenly
from augmix.suite.data.photographs import Photographs
from augmix.suite.data.streaming import Streamed
from augmix.suite.io.files import read_json, write_array
from augmix.suite.io.progress import bar
from augmix.suite.testsets.base import Images, Shift
from augmix.suite.testsets.generation import CHUNK_BYTES, SEVERITIES, Generate, describe, generated

QUALITY = 85
"""The JPEG files' quality, as in ImageNet-C."""
CHECKED = 50
"""How many files of a published shift are looked at before any job."""


def write_severities(
    test: Split, folder: Path, name: str, corrupt: Generate, images: int | None, preset: str, seed: int
) -> None:
    """Write `<folder>/<name>/<severity>/<class>/<image>.JPEG`, of all test images or of so many, evenly spaced."""
    split = _streamed(test)
    indices = evenly(len(split), images)
    step = max(1, CHUNK_BYTES // (4 * split[:1].size))
    files = [f"{name}/{severity}/{_file(split, index, '.JPEG')}" for severity in SEVERITIES for index in indices]
    with _whole(folder, name, files) as temporary:
        for severity in bar(SEVERITIES, desc=name, unit="severity", leave=False):
            for start in range(0, len(indices), step):
                chunk = indices[start : start + step]
                corrupted = generated(corrupt, split[chunk], name, severity, seed, preset, first=start)
                for index, image in zip(chunk, corrupted, strict=True):
                    path = temporary / name / str(severity) / _file(split, index, ".JPEG")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    encode(image, path)
    describe(folder, preset, len(indices), seed)


def encode(image: np.ndarray, file: Path | BinaryIO) -> None:
    """Write an image, uint8 (H, W, 3), as the JPEG file that a severity consists of."""
    Image.fromarray(image).save(file, "JPEG", quality=QUALITY, optimize=True)


def write_sequences(
    test: Split,
    folder: Path,
    name: str,
    perturb: Generate,
    images: int | None,
    preset: str,
    seed: int,
    grain: bool = False,
) -> None:
    """Write `<folder>/<name>/<class>/<image>.mp4`; the geometry acts on the whole photograph, scaled, as published.

    `grain` keeps noise that differs from frame to frame.
    """
    split = _streamed(test)
    indices, side = evenly(len(split), images), split.shape[1]
    with _whole(folder, name, [f"{name}/{_file(split, index, '.mp4')}" for index in indices]) as temporary:
        for i, index in enumerate(bar(indices, desc=name, unit="image", leave=False)):
            photograph = photographs.resized(split.photograph(index), photographs.shorter_side(side))
            frames = generated(perturb, photograph[None], name, seed, preset, first=i, crop=side)[0]
            path = temporary / name / _file(split, index, ".mp4")
            path.parent.mkdir(parents=True, exist_ok=True)
            videos.write(path, frames, grain)
    describe(folder, preset, len(indices), seed)


def _streamed(test: Split) -> Photographs:
    assert isinstance(test.images, Photographs)
    return test.images


def _file(split: Photographs, index: int, suffix: str) -> str:
    """The file that is made of a photograph below a shift's folder, or that of a severity: `<class>/<image>.JPEG`."""
    photograph = Path(os.fsdecode(split.names[index]))
    return f"{photograph.parent.name}/{photograph.stem}{suffix}"


@contextmanager
def _whole(folder: Path, name: str, files: Sequence[str]) -> Iterator[Path]:
    """Yield a folder in which to write `<name>/…`; it takes its place when the block ends without an error."""
    temporary = folder / f".{name}.writing"
    try:
        for old in (temporary, folder / name):
            shutil.rmtree(old, ignore_errors=True)
        (folder / f"{name}.npy").unlink(missing_ok=True)
        temporary.mkdir(parents=True)
        yield temporary
        os.sync()
        os.rename(temporary / name, folder / name)
        write_array(folder / f"{name}.npy", np.array([os.fsencode(file) for file in files]))
    except OSError as error:
        raise UserError(f"cannot write {folder / name}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def severities_in(folder: Path) -> list[str]:
    """The names of a shift's folders from the mildest on: 1 … 5, or its levels, such as 2.35."""
    names = sorted(filter(re.compile(r"\d+(\.\d+)?").fullmatch, os.listdir(folder)), key=float)
    if len(names) != len(SEVERITIES):
        there = ", ".join(names) or "none"
        raise UserError(f"{folder} should hold five severities, named 1 to 5 or by levels (2.35), not {there}")
    return names


def decoded(file: Path, side: int, resize: bool) -> np.ndarray:
    """A corrupted photograph as it is, or where `resize` scaled and cut as others are: uint8 (side, side, 3).

    Nobody has verified these files: Pillow decodes them, which takes a quarter longer and refuses what is damaged.
    """
    with photographs.decoding(file), Image.open(file) as opened:
        image = np.asarray(photographs.as_rgb(opened))
    if resize:
        return photographs.evaluated(image, side)
    if image.shape != (side, side, 3):
        height, width = image.shape[:2]
        raise UserError(
            f"{file} is {width}×{height}; {side}×{side} is expected: "
            "set `resize` of the test set to have such files scaled and cropped"
        )
    return image


def at_severities(
    folder: Path, count: int, name: Callable[[int], str], side: int, resize: bool, workers: int
) -> Streamed:
    """The `count` files below each severity's folder that `name` gives, `<class>/<image>`, from the mildest one on."""
    levels = severities_in(folder)

    def decode(item: int) -> np.ndarray:
        severity, i = divmod(item, count)
        return decoded(folder / levels[severity] / name(i), side, resize)[None]

    return Streamed(len(levels) * count, decode, side, workers=workers)


class ShiftPhotographs(Images):
    """Severities or sequences of streamed photographs in a folder, generated or published."""

    def __init__(
        self,
        folder: Path,
        frames: Callable[[str, str], int] | None,
        test: Split,
        images: int | None = None,
        resize: bool = False,
    ) -> None:
        """Open a folder of videos, whose `frames` of a shift and a preset are known, or without those of severities.

        At most so many `images`, evenly spaced, are used; `resize` treats them as photographs, not as they are.
        """
        self.folder, self._frames, self._resize = folder, frames, resize
        self._split = _streamed(test)
        self._side = self._split.shape[1]
        self._indices, self._preset, self.source = np.arange(len(self._split)), nearest_preset(self._side), "published"
        if (folder / "source.json").exists():
            noted = read_json(folder / "source.json")
            self.source, self._preset = str(noted["source"]), noted["preset"]
            self._indices = evenly(len(self._split), noted["images"])
        self._indices = self._indices[evenly(len(self._indices), images)]
        self.labels = np.tile(test.labels[self._indices], len(SEVERITIES) if frames is None else 1)
        if resize:
            self.source += f", resized to {photographs.shorter_side(self._side)} and cropped"

    def read(self, shift: str) -> Shift:
        """The images of a shift, decoded when they are asked for; faults of a file show then."""
        if not (self.folder / shift).is_dir():
            raise UserError(f"{self.folder / shift} is missing")
        split, indices = self._split, self._indices
        if self._frames is None:

            def name(i: int) -> str:
                return _file(split, indices[i], ".JPEG")

            folder = self.folder / shift
            images = at_severities(folder, len(indices), name, self._side, self._resize, split.workers)
            return Shift(images, self.labels, (len(SEVERITIES), len(indices)))
        frames = self._frames(shift, self._preset)

        def video(i: int) -> np.ndarray:
            return videos.read(self.folder / shift / _file(split, indices[i], ".mp4"), frames, self._side)

        images = Streamed(len(indices), video, self._side, frames, split.workers)
        return Shift(images, np.repeat(self.labels, frames), (len(indices), frames))

    def check(self, shifts: Sequence[str]) -> None:
        """Decode a few files of each of these shifts; all of them would take hours."""
        for shift in shifts:
            images = self.read(shift).images
            frames = 1 if self._frames is None else self._frames(shift, self._preset)
            for item in evenly(len(images) // frames, CHECKED):
                images[item * frames]
