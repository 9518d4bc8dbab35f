"""Galleries: every corruption at every severity, every perturbation in motion, of a test image or a photograph."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageSequence

from augmix.corruptions import NAMES, bar, corrupt
from augmix.perturbations import EXTRA_PERTURBATIONS, PERTURBATIONS, perturb
from augmix.suite.cli import main
from augmix.suite.data import datasets
from augmix.suite.testsets import gallery

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are written from here on."""
    kept: list[Figure] = []

    def keep(self: Figure, path: Path, **_: object) -> None:
        kept.append(self)
        path.touch()

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept


def test_every_corruption_at_every_severity(figures: list[Figure], tmp_path: Path) -> None:
    gallery.write_corruptions(tmp_path / "all.png", IMAGE, [], "cifar", seed=3)
    names = NAMES
    axes = figures[0].axes
    assert [ax.get_title("left") for ax in axes] == [n.replace("_", " ").replace("jpeg", "JPEG") for n in names]
    for ax, name in zip(axes, names, strict=True):
        strip = np.asarray(ax.images[0].get_array())
        assert np.array_equal(strip[:, :16], IMAGE)
        for severity in (1, 5):
            shown = strip[:, 17 * severity : 17 * severity + 16]
            assert np.array_equal(shown, corrupt(IMAGE[None], name, severity, seed=3, preset="cifar")[0])
    boxes = [ax.get_position() for ax in axes]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    assert all(box.x0 >= 0 and box.x1 <= 1 + 1e-9 and box.y0 >= -1e-9 and box.y1 <= 1 for box in boxes)


def test_every_corruption_of_the_other_set(figures: list[Figure], small_digits: Path, tmp_path: Path) -> None:
    assert main(["corrupt", str(small_digits), "--bar", "--gallery", str(tmp_path / "bar.png"), "--seed", "3"]) == 0
    names = bar.corruptions_of("cifar")
    assert [ax.get_title("left") for ax in figures[0].axes] == [name.replace("_", " ") for name in names]
    image, side = datasets.read(small_digits, "test").images[:1], 32
    strip = np.asarray(figures[0].axes[names.index("ripple")].images[0].get_array())
    gap = len(strip[0]) // 6 - side + 1
    assert np.array_equal(strip[:, 2 * (side + gap) :][:, :side], bar.corrupt(image, "ripple", 2, seed=3)[0])


@pytest.mark.parametrize("suffix", ["png", "pdf", "JPG"])
def test_a_sheet_in_the_format_of_its_name(small_digits: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"sheet.{suffix}"
    command = ["corrupt", str(small_digits), "--gallery", str(path), "--corruption", "fog", "--image", "3"]
    assert main(command) == 0
    if suffix == "png":
        width, height = Image.open(path).size
        assert width == 2200
        assert 300 < height < 500
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert not list(tmp_path.rglob("*.npy"))


def test_every_perturbation_in_motion(tmp_path: Path) -> None:
    gallery.write_perturbations(tmp_path, IMAGE, [], "cifar", seed=0)
    assert {path.stem for path in tmp_path.iterdir()} == {*PERTURBATIONS, *EXTRA_PERTURBATIONS}
    with Image.open(tmp_path / "translate.gif") as animation:
        shown = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]
        assert animation.info["loop"] == 0
        assert animation.info["duration"] == gallery.FRAME_MILLISECONDS
    frames = perturb(IMAGE[None], "translate")[0]
    assert len(shown) == len(frames) == 16
    for one, other in zip(shown, frames, strict=True):
        assert one.shape == (160, 160, 3)
        # A palette of 256 colours stands for the frame's own.
        assert np.abs(one[5::10, 5::10].astype(int) - other).mean() < 8


def test_the_image_is_a_test_image_or_a_photographs_centre(small_digits: Path, tmp_path: Path) -> None:
    assert np.array_equal(gallery.pick(small_digits, "7"), datasets.read(small_digits, "test").images[7])
    pixels = np.zeros((300, 500, 3), np.uint8)
    pixels[:, 100:400] = 200
    Image.fromarray(pixels).save(tmp_path / "large.png")
    picked = gallery.pick(None, str(tmp_path / "large.png"))
    assert picked.shape == (224, 224, 3)
    assert picked[:, 3:-3].min() == 200
    Image.fromarray(pixels[:20, 110:150]).save(tmp_path / "small.png")
    assert gallery.pick(None, str(tmp_path / "small.png")).shape == (20, 20, 3)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["corrupt", "--gallery", "x.png"], "--image is an index, of which data set?"),
        (["corrupt", "{digits}", "--gallery", "x.png", "--image", "40"], "has the test images 0 to 39"),
        (["corrupt", "{digits}", "--gallery", "x.png", "--image", "-1"], "--image -1 is neither an index nor a file"),
        (["corrupt", "--gallery", "x.png", "--image", "{junk}"], "is not an image; repair or remove it"),
        (["corrupt", "--gallery", "x.png", "--image", "{tiny}"], "images must be at least 8 pixels a side"),
        (["corrupt", "{digits}", "--gallery", "x.png", "--corruption", "frog"], "did you mean 'fog'?"),
        (["corrupt", "{digits}", "--gallery", "x.doc", "--corruption", "fog"], "x.doc should end in one of ."),
        (["perturb", "{digits}", "--gallery", "x", "--perturbation", "tild"], "did you mean 'tilt'?"),
        (["corrupt"], "which data set? for example: augmix corrupt data/digits"),
        (["perturb"], "which data set? for example: augmix perturb data/digits"),
    ],
)
def test_bad_input(
    arguments: list[str],
    line: str,
    small_digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junk.png").write_text("junk")
    Image.new("RGB", (5, 5)).save(tmp_path / "tiny.png")
    places = {"digits": small_digits, "junk": tmp_path / "junk.png", "tiny": tmp_path / "tiny.png"}
    assert main([argument.format(**places) for argument in arguments]) == 2
    shown = capsys.readouterr().err.strip()
    assert line in shown
    assert "\n" not in shown
    assert {path.name for path in tmp_path.iterdir()} == {"junk.png", "tiny.png"}
