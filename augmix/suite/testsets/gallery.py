"""Pictures of what the corruptions and perturbations do: sheets of strips, and animations."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from augmix.checks import choose_preset
from augmix.errors import UserError
from augmix.perturbations import perturb
from augmix.suite.data.datasets import read
from augmix.suite.data.loaders import image_folder
from augmix.suite.io.files import atomic
from augmix.suite.io.progress import bar
from augmix.suite.testsets import kinds
from augmix.suite.testsets.folder import MADE
from augmix.suite.testsets.generation import SEVERITIES, generated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Strip = tuple[str, np.ndarray]
"""A shift's name, or an empty string, and images in a row: uint8 (K, H, W, 3)."""
GAP = 0.15
"""Inches between two strips side by side."""
WIDTH = 11.0
"""Inches of a gallery of our own; the report's are as wide as its page."""
LARGEST = 224
"""Pixels; a larger photograph is scaled down to this side, for which the constants are made."""
ANIMATED = 160
"""Pixels that an animation's side has at least: smaller images are enlarged by a whole factor."""
FRAME_MILLISECONDS = 80


def pick(data: Path | None, image: str) -> np.ndarray:
    """One uint8 (H, W, 3) image: a prepared data set's test image by its index, or a file (its central square)."""
    if not image.isdecimal():
        path = Path(image)
        if not path.is_file():
            raise UserError(f"--image {image} is neither an index nor a file")
        photograph = image_folder.photograph(path)
        side = min(*photograph.size, LARGEST)
        return np.asarray(ImageOps.fit(photograph, (side, side), Image.Resampling.BICUBIC))
    if data is None:
        raise UserError("--image is an index, of which data set? name its folder, such as data/digits")
    images = read(data, "test").images
    if int(image) >= len(images):
        raise UserError(f"--image is {image}; {data} has the test images 0 to {len(images) - 1}")
    return np.array(images[int(image)])


def write_corruptions(
    path: Path, image: np.ndarray, names: Sequence[str], preset: str | None, seed: int, testset: str = "C"
) -> None:
    """Draw `image` and its corruptions at severities 1 to 5, one strip each; `names` empty means all of `testset`'s.

    The suffix of `path` is the format: png, pdf, svg, jpg and what else matplotlib writes.
    """
    strips, kind = [], kinds.kind(MADE[testset])
    for name in bar(names or kind.known(choose_preset(preset, image[None])), desc="gallery", unit="corruption"):
        corrupted = [generated(kind.corrupt, image[None], name, severity, seed, preset) for severity in SEVERITIES]
        strips.append((name, np.concatenate([image[None], *corrupted])))
    _write_sheet(path, strips, across=1 if len(strips) == 1 else 2)


def write_perturbations(folder: Path, image: np.ndarray, names: Sequence[str], preset: str | None, seed: int) -> None:
    """Write `<folder>/<perturbation>.gif`, an animation without end, for each of `names`; empty means all of them."""
    chosen = choose_preset(preset, image[None])
    factor = -(-ANIMATED // min(image.shape[:2]))
    for name in bar(names or kinds.kind("perturbations").known(chosen), desc="gallery", unit="perturbation"):
        frames = generated(perturb, image[None], name, seed, preset)[0].repeat(factor, 1).repeat(factor, 2)
        first, *rest = map(Image.fromarray, frames)
        with atomic(folder / f"{name}.gif") as temporary:
            first.save(temporary, "GIF", save_all=True, append_images=rest, duration=FRAME_MILLISECONDS, loop=0)


def _write_sheet(path: Path, strips: Sequence[Strip], across: int) -> None:
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("a gallery is drawn with matplotlib: run `pip install 'augmix[suite]'`")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, sheet_height(strips, across, WIDTH)))
    suffix, known = path.suffix.removeprefix(".").lower(), figure.canvas.get_supported_filetypes()
    if suffix not in known:
        raise UserError(f"{path} should end in one of {', '.join(f'.{name}' for name in sorted(known))}")
    draw_sheet(figure, strips, across)
    with atomic(path) as temporary:
        figure.savefig(temporary, format=suffix, dpi=200)


def sheet_height(strips: Sequence[Strip], across: int, width: float) -> float:
    """Inches that a sheet needs at that width, with `across` strips side by side."""
    count = max(len(images) for _, images in strips)
    title = 0.23 if any(name for name, _ in strips) else 0.04
    return -(-len(strips) // across) * (_strip_width(across, width) / count + title)


def draw_sheet(figure: "Figure", strips: Sequence[Strip], across: int) -> None:
    """Draw the strips with their titles, `across` of them side by side, on a figure of `sheet_height`."""
    figure.set_layout_engine("none")
    width, height = figure.get_size_inches()
    rows = -(-len(strips) // across)
    strip, count = _strip_width(across, width), max(len(images) for _, images in strips)
    for i, (name, images) in enumerate(strips):
        row, column = divmod(i, across)
        left, bottom = column * (strip + GAP) / width, 1 - (row + 1) / rows
        ax = figure.add_axes((left, bottom, strip / width * len(images) / count, strip / count / height))
        ax.imshow(_joined(images), interpolation="nearest", aspect="auto")
        ax.set_axis_off()
        ax.set_title(name.replace("_", " ").replace("jpeg", "JPEG"), fontsize=8, pad=2, loc="left")


def _strip_width(across: int, width: float) -> float:
    return (width - GAP * (across - 1)) / across


def _joined(images: np.ndarray) -> np.ndarray:
    """Images side by side with white gaps of 1/16 of a side."""
    gap = np.full((images.shape[1], max(1, images.shape[2] // 16), 3), 255, np.uint8)
    return np.concatenate([part for image in images for part in (image, gap)][:-1], axis=1)
