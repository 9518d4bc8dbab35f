"""Tiny-ImageNet's loader, on photographs in its layout."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augmix.errors import UserError
from augmix.suite.data import datasets
from augmix.suite.data.loaders import tiny_imagenet

WNIDS = ("n01440764", "n01532829", "n01644373")


@pytest.fixture
def tiny(imagenet_sample: Path, tmp_path: Path) -> Path:
    """Two training images and one validation image of each of three classes, one of them grey."""
    root = tmp_path / "tiny-imagenet-200"
    (root / "val" / "images").mkdir(parents=True)
    lines = []
    for i, wnid in enumerate(reversed(WNIDS)):
        [file] = (imagenet_sample / "val" / wnid).iterdir()
        photograph = Image.open(file).convert("RGB" if i else "L").resize((64, 64))
        for number in range(2):
            path = root / "train" / wnid / "images" / f"{wnid}_{number}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            photograph.rotate(90 * number).save(path)
        photograph.rotate(180).save(root / "val" / "images" / f"val_{i}.JPEG")
        lines.append(f"val_{i}.JPEG\t{wnid}\t0\t0\t63\t63\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("\n".join(reversed(WNIDS)))
    return root


def test_classes_are_in_the_order_of_their_names(tiny: Path) -> None:
    for folder in (tiny, tiny.parent):
        found = tiny_imagenet.load(str(folder))
        assert found.classes == list(WNIDS) == datasets.classes("tiny_imagenet", {"folder": str(folder)})
        assert found.train_labels.tolist() == [0, 0, 1, 1, 2, 2]
        assert found.test_labels.tolist() == [2, 1, 0]
        assert tiny_imagenet.sizes(str(folder)) == (6, 3)
    assert found.test_images.shape == (3, 64, 64, 3)
    assert np.array_equal(found.test_images[1], np.asarray(Image.open(tiny / "val" / "images" / "val_1.JPEG")))
    assert np.array_equal(found.test_images[0][..., 0], found.test_images[0][..., 1])


def test_a_change_of_images_or_annotations_shows(tiny: Path) -> None:
    digests = [tiny_imagenet.digest(str(tiny))]
    shutil.copyfile(tiny / "val/images/val_1.JPEG", tiny / "val/images/val_2.JPEG")
    digests.append(tiny_imagenet.digest(str(tiny)))
    text = (tiny / "val" / "val_annotations.txt").read_text()
    (tiny / "val" / "val_annotations.txt").write_text(text.replace(WNIDS[0], WNIDS[1]))
    digests.append(tiny_imagenet.digest(str(tiny)))
    assert len(set(digests)) == 3
    shutil.rmtree(tiny)
    assert tiny_imagenet.digest(str(tiny)) is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda root: shutil.rmtree(root), r"train does not exist; unpack http://cs231n\.stanford\.edu/tiny-imagenet"),
        (lambda root: shutil.rmtree(root / "val"), "val/images does not exist"),
        (lambda root: shutil.rmtree(root / "train" / WNIDS[1] / "images"), "images does not exist; tiny-imagenet"),
        (lambda root: shutil.rmtree(root / "train" / WNIDS[1]), "line 2: train/ has no class 'n01532829'"),
        (lambda root: (root / "val/images/val_1.JPEG").unlink(), r"val_1\.JPEG is missing"),
        (lambda root: (root / "val/images/val_9.JPEG").touch(), r"val_9\.JPEG has no line"),
        (lambda root: (root / "val/val_annotations.txt").unlink(), r"val_annotations\.txt cannot be read"),
        (lambda root: (root / "val/val_annotations.txt").write_text("a b c\n"), "line 1: a file, a class and a box"),
    ],
)  # fmt: skip
def test_another_layout_is_one_line(tiny: Path, change: Callable[[Path], object], complaint: str) -> None:
    change(tiny)
    with pytest.raises(UserError, match=complaint) as caught:
        tiny_imagenet.check(str(tiny))
    assert "\n" not in str(caught.value)
