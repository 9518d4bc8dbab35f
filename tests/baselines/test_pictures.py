"""The mixing set: fractals that are the same everywhere, and folders that hold what the configuration says."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from augmix.errors import UserError
from baselines import _pictures, ipmix, pixmix
from baselines._pictures import Pictures, fractals, systems

CPU = torch.device("cpu")


def test_systems_contract_as_much_as_they_should() -> None:
    matrices, offsets, probabilities = systems(500, np.random.default_rng(0))
    scales = np.linalg.svd(matrices, compute_uv=False)
    assert scales.max() <= 1 + 1e-9
    used = probabilities > 0
    maps = used.sum(1)
    assert set(maps) == {2, 3, 4}
    total = (scales[..., 0] + 2 * scales[..., 1]).sum(1)
    assert np.all((total >= (5 + maps) / 2 - 1e-9) & (total <= (6 + maps) / 2 + 1e-9))
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert abs((np.linalg.det(matrices)[used] < 0).mean() - 0.5) < 0.06
    assert abs(offsets).max() <= 1


def test_fractals_are_many_coloured_and_the_same_each_time() -> None:
    made = fractals(60, 36)
    assert made.shape == (60, 36, 36, 3)
    assert made.dtype == np.uint8
    fractals.cache_clear()
    assert np.array_equal(made, fractals(60, 36))
    assert not np.array_equal(fractals(60, 36)[0], fractals(60, 36)[_pictures.CHUNK])
    assert 20 < np.std(made, axis=(1, 2)).mean() < 90
    assert made.max(-1).min() >= 127  # the value of each colour is at least one half
    assert len(np.unique(made.reshape(60, -1), axis=0)) == 60


def test_a_fractals_points_are_where_its_maps_send_them() -> None:
    """The attractor of a system whose maps halve the square towards three corners: Sierpiński's triangle."""
    matrices = np.broadcast_to(np.eye(2) / 2, (1, 4, 2, 2))
    offsets = np.array([[[0, 0], [0.5, 0], [0, 0.5], [0, 0]]])
    density = _pictures._density(matrices, offsets, np.array([[1, 1, 1, 0]]) / 3, 32, np.random.default_rng(0))[0]
    row, column = np.mgrid[:32, :32]
    # The square around the points is a little smaller than the triangle.
    within = density[(row & column) == 0]
    assert within.sum() > 0.98 * density.sum()
    assert within.min() > 20
    assert density.sum() == 64 * _pictures.WALKERS


def test_a_part_of_a_picture_is_drawn_for_each_image() -> None:
    rng = np.random.default_rng(0)
    drawn = Pictures(None, 20).draw(50, (32, 24), rng, CPU).permute(0, 2, 3, 1).numpy()
    assert drawn.shape == (50, 32, 24, 3)
    rng = np.random.default_rng(0)
    draws = zip(rng.integers(20, size=50), rng.integers(5, size=50), rng.integers(13, size=50), strict=True)
    for part, (i, y, x) in zip(drawn, draws, strict=True):
        assert np.array_equal(part, fractals(20, 36)[i, y : y + 32, x : x + 24])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of one grey each, in folders, beside what systems leave there."""
    for i, name in enumerate(("a/1.png", "a/2.png", "b/c/3.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 60), (60 + i,) * 3).save(tmp_path / name)
    (tmp_path / "a" / "Thumbs.db").write_text("")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "4.png").write_text("")
    return tmp_path


def test_a_folders_pictures_are_decoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = Pictures(str(folder), 3)
    drawn = pictures.draw(200, (16, 16), np.random.default_rng(0), CPU)
    assert drawn.shape == (200, 3, 16, 16)
    counts = torch.bincount(drawn[:, 0, 0, 0], minlength=63)[60:]
    assert counts.sum() == 200
    assert counts.min() > 40
    monkeypatch.setattr(_pictures, "decode", None)
    assert torch.equal(pictures.draw(200, (16, 16), np.random.default_rng(0), CPU), drawn)


@pytest.mark.parametrize("method", [pixmix.method, ipmix.method])
def test_faults_of_a_folder_are_told_before_any_job(method: type, folder: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no folder .*absent"):
        method(folder=str(folder / "absent"))
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no images"):
        method(folder=str(folder / "empty"))
    with pytest.raises(ValueError, match=r"pictures is 1000, and .* has 3: give the number of images that it has"):
        method(folder=str(folder))
    with pytest.raises(ValueError, match="pictures must be at least 1"):
        method(folder=str(folder), pictures=0)
    with pytest.raises(ValueError, match="pictures must be 1 … 20000, not 20001"):
        method(pictures=20_001)
    (folder / "a" / "1.png").write_text("not an image")
    with pytest.raises(UserError, match=r"1\.png is not an image"):
        method(folder=str(folder), pictures=3)
    (folder / "a" / "1.png").unlink()
    (folder / "a" / "1.png").symlink_to("/nowhere")
    with pytest.raises(UserError, match=r"1\.png is missing"):
        method(folder=str(folder), pictures=3)
    with pytest.raises(ValueError, match="there is no folder 5"):
        method(folder=5)


def test_what_cannot_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root may read everything, the system is made to refuse."""
    scandir, opened = os.scandir, Image.open

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if path.endswith("c"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UserError, match=r"^cannot read .*/b/c: Permission denied$"):
        Pictures(str(folder), 2)
    monkeypatch.setattr(os, "scandir", scandir)

    def closed(path: Path) -> Image.Image:
        if path.name == "2.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path)

    monkeypatch.setattr(Image, "open", closed)
    with pytest.raises(UserError, match=r"/2\.png cannot be read: Permission denied$"):
        Pictures(str(folder), 3)
