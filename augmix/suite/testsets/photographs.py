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
    files = [_image_file(split, name, severity, index) for severity in SEVERITIES for index in indices]
    with _whole(folder, name, files) as temporary:
        for severity in bar(SEVERITIES, desc=name, unit="severity", leave=False):
            for start in range(0, len(indices), step):
                chunk = indices[start : start + step]
                corrupted = generated(corrupt, split[chunk], name, severity, seed, preset, first=start)
                for index, image in zip(chunk, corrupted, strict=True):
                    path = temporary / _image_file(split, name, severity, index)
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
    with _whole(folder, name, [_video_file(split, name, index) for index in indices]) as temporary:
        for i, index in enumerate(bar(indices, desc=name, unit="image", leave=False)):
            photograph = photographs.resized(split.photograph(index), photographs.shorter_side(side))
            frames = generated(perturb, photograph[None], name, seed, preset, first=i, crop=side)[0]
            path = temporary / _video_file(split, name, index)
            path.parent.mkdir(parents=True, exist_ok=True)
            videos.write(path, frames, grain)
    describe(folder, preset, len(indices), seed)


def _streamed(test: Split) -> Photographs:
    assert isinstance(test.images, Photographs)
    return test.images


def _image_file(split: Photographs, name: str, severity: int | str, index: int) -> str:
    """A corrupted image's file below the test set's folder; published severities may be named by their levels."""
    photograph = Path(os.fsdecode(split.names[index]))
    return f"{name}/{severity}/{photograph.parent.name}/{photograph.stem}.JPEG"


def _video_file(split: Photographs, name: str, index: int) -> str:
    photograph = Path(os.fsdecode(split.names[index]))
    return f"{name}/{photograph.parent.name}/{photograph.stem}.mp4"


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
        count, workers = len(self._indices), self._split.workers
        if self._frames is None:
            images = Streamed(len(SEVERITIES) * count, self._decoder(shift), self._side, workers=workers)
            return Shift(images, self.labels, (len(SEVERITIES), count))
        frames = self._frames(shift, self._preset)
        images = Streamed(count, self._decoder(shift), self._side, frames, workers)
        return Shift(images, np.repeat(self.labels, frames), (count, frames))

    def check(self, shifts: Sequence[str]) -> None:
        """Decode a few files of each of these shifts; all of them would take hours."""
        for shift in shifts:
            shape = self.read(shift).shape
            items = shape[0] * shape[1] if self._frames is None else shape[0]
            for item in evenly(items, CHECKED):
                self._decoder(shift)(int(item))

    def _decoder(self, name: str) -> Callable[[int], np.ndarray]:
        """A function that decodes an image, of severity after severity, or a video: uint8 (T, side, side, 3)."""
        severities = severities_in(self.folder / name) if self._frames is None else []

        def image(item: int) -> np.ndarray:
            severity, i = divmod(item, len(self._indices))
            file = _image_file(self._split, name, severities[severity], self._indices[i])
            return decoded(self.folder / file, self._side, self._resize)[None]

        def video(item: int) -> np.ndarray:
            file = self.folder / _video_file(self._split, name, self._indices[item])
            assert self._frames is not None
            return videos.read(file, self._frames(name, self._preset), self._side)

        return image if self._frames is None else video
