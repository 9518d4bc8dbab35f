"""Photographs of any size as the square images that nets take; decoded by OpenCV, scaled by Pillow.

OpenCV gives Pillow's pixels of grey and RGB (both decode with libjpeg-turbo) in less time, and scaling is Pillow's own,
so images are to the bit those of torchvision's transforms on Pillow's. It also reads much that is damaged, without a
word: `verify` is as strict as Pillow.
"""

import math
import os
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from augmix.errors import UserError
from augmix.suite.data.streaming import Streamed
from augmix.suite.io.progress import bar

SCALE = (0.08, 1.0)
"""The share of the photograph's area that a training image shows: RandomResizedCrop's."""
RATIO = (3 / 4, 4 / 3)
"""Its width over its height."""
TRIES = 10
CHUNK = 256
"""How many photographs a thread verifies at a time."""
FAULTS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, NotImplementedError,
    struct.error, zlib.error,
)  # fmt: skip
"""The errors that Pillow's decoders raise over damaged files."""


def read(file: Path) -> np.ndarray:
    """A photograph as uint8 (H, W, 3). Like torchvision's loader, it is not turned by its EXIF orientation.

    Raises `UserError` naming the file when it is missing, damaged or not an image.
    """
    with decoding(file):
        encoded = file.read_bytes()
        with Image.open(BytesIO(encoded)) as opened:  # reads its header
            image: np.ndarray | None = None
            if _is_plain(opened, encoded):
                flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
                image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
            return np.asarray(as_rgb(opened)) if image is None else image


def verify(root: Path, names: np.ndarray) -> None:
    """Refuse photographs, `names` (N,) as bytes of files below `root`, that Pillow would: a `UserError` names one.

    They are decoded to an eighth of their size, which finds the same faults in a quarter of the time.
    """

    def decode(some: np.ndarray) -> int:
        for name in some:
            file = root / os.fsdecode(name)
            with decoding(file), Image.open(file) as opened:
                opened.draft("L", (1, 1))
                opened.load()
        return len(some)

    parts = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="verify") as pool,
        bar(desc="verifying photographs", total=len(names), unit="image") as shown,
    ):
        try:
            for count in pool.map(decode, parts):
                shown.update(count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def decoding(file: Path) -> Iterator[None]:
    """Turn what Pillow raises over an image file into a `UserError` that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{file} is missing") from error
    except IsADirectoryError as error:
        raise UserError(f"{file} is a folder; images are expected right in the folder of their class") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{file} is not an image; repair or remove it") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{file} is larger than Pillow reads ({error}); scale it down or remove it") from error
    except FAULTS as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's, not Pillow's
            raise UserError(f"{file} cannot be read: {error.strerror}") from error
        raise UserError(f"{file} is damaged ({error}); repair or remove it") from error


def as_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as RGB; of 16 bits the upper eight, as Pillow itself takes them of colours."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):  # Pillow would cut them off at 255
        raise ValueError("grey levels of 32 bits; 8 and 16 are read")
    if "transparency" in image.info:
        image = image.convert("RGBA")  # whose colours are the same, without a warning
    return image.convert("RGB")


def _is_plain(opened: Image.Image, encoded: bytes) -> bool:
    """Whether it is a JPEG file that OpenCV decodes as Pillow does.

    The two make other colours of CMYK, and OpenCV would fill a file cut short with grey.
    """
    return isinstance(opened, JpegImageFile) and opened.mode in ("L", "RGB") and b"\xff\xd9" in encoded[-64:]


def resized(image: np.ndarray, shorter: int) -> np.ndarray:
    """The image scaled (bilinear, antialiased) so that its shorter side is `shorter` pixels."""
    height, width = image.shape[:2]
    least = min(height, width)
    return _scaled(image, (int(shorter * width / least), int(shorter * height / least)))


def centre(image: np.ndarray, side: int) -> np.ndarray:
    """The central square of `side` pixels."""
    top, left = (round((length - side) / 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def shorter_side(side: int) -> int:
    """The shorter side to scale to before the centre is cut out: 256 for 224 pixels."""
    return round(side * 256 / 224)


def evaluated(image: np.ndarray, side: int) -> np.ndarray:
    """A photograph as nets are evaluated on it: scaled, then its centre. uint8 (side, side, 3)."""
    return centre(resized(image, shorter_side(side)), side)


def draw_crops(count: int, flip: bool, rng: np.random.Generator) -> np.ndarray:
    """Everything random about the training images of `count` photographs: float64 (count, 2·TRIES + 3).

    Ten proposals of an area and a log ratio, a place, and whether to mirror: the photographs' sizes are not needed.
    """
    areas = rng.uniform(*SCALE, (count, TRIES))
    ratios = rng.uniform(math.log(RATIO[0]), math.log(RATIO[1]), (count, TRIES))
    places = rng.random((count, 2))
    mirrored = rng.random((count, 1)) < 0.5 if flip else np.zeros((count, 1))
    return np.concatenate([areas, ratios, places, mirrored], axis=1)


def random_crop(image: np.ndarray, side: int, draw: np.ndarray) -> np.ndarray:
    """Cut a random part out of a photograph and scale it: torchvision's RandomResizedCrop, and the flip.

    `draw` is a row of `draw_crops`. Returns uint8 (side, side, 3).
    """
    height, width = image.shape[:2]
    for area, ratio in zip(draw[:TRIES] * height * width, np.exp(draw[TRIES : 2 * TRIES]), strict=True):
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top, left = (int(u * (n + 1)) for u, n in zip(draw[-3:-1], (height - h, width - w), strict=True))
            break
    else:
        # No proposal fits into a very long photograph: the largest part of an allowed ratio, at its centre.
        w, h = min(width, round(height * RATIO[1])), min(height, round(width / RATIO[0]))
        top, left = (height - h) // 2, (width - w) // 2
    part = _scaled(image[top : top + h, left : left + w], (side, side))
    return part[:, ::-1] if draw[-1] else part


def _scaled(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image in `size` (width, height)."""
    if image.shape[1::-1] == size:
        return image
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BILINEAR))


class Photographs(Streamed):
    """A split of photographs: indexed, it gives them as they are evaluated; `training_images` cuts at random."""

    def __init__(self, root: Path, names: np.ndarray, side: int, workers: int = 1, border: int = 0) -> None:
        """`names` (N,) are files below `root`, as bytes; a border of so many pixels is cut off each."""
        self.root, self.names, self.border = root, names, border
        super().__init__(len(names), self._evaluated, side, workers=workers)

    def photograph(self, index: int) -> np.ndarray:
        """One photograph, whole: uint8 (H, W, 3)."""
        image = read(self.root / os.fsdecode(self.names[index]))
        height, width = image.shape[:2]
        return image[self.border : height - self.border, self.border : width - self.border]

    def _evaluated(self, index: int) -> np.ndarray:
        return evaluated(self.photograph(index), self.shape[1])[None]

    def training_images(self, indices: np.ndarray, draws: np.ndarray) -> "list[Future[np.ndarray]]":
        """Begin to decode random parts of these photographs, in the background; `draws` are of `draw_crops`."""
        return [self._pool.submit(self._cut, *chosen) for chosen in zip(indices.tolist(), draws, strict=True)]

    def _cut(self, index: int, draw: np.ndarray) -> np.ndarray:
        return random_crop(self.photograph(index), self.shape[1], draw)
