"""CIFAR-10 and CIFAR-100 from a few images in the true files: Python 2 pickles in torchvision's folders."""

import hashlib
import io
import os
import pickle
import shutil
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torchvision
from PIL import Image

from augmix.errors import UserError
from augmix.suite.data import datasets, download
from augmix.suite.data.download import Source
from augmix.suite.data.loaders import _cifar, cifar10, cifar100

RNG = np.random.default_rng(0)
NAMES = {"cifar10": [f"class {i}" for i in range(10)], "cifar100": [f"class {i}" for i in range(100)]}


class Python2(pickle._Pickler):
    """Pickles as Python 2 did, which wrote CIFAR's files: text and bytes are both its `str`."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_text(self: Any, value: str | bytes) -> None:
        content = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_text


def pickled(value: Any) -> bytes:
    file = io.BytesIO()
    Python2(file, 2).dump(value)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def batch(count: int, key: str, classes: int, **more: Any) -> dict[str, Any]:
    return {
        "batch_label": "a batch",
        key: RNG.integers(0, classes, count).tolist(),
        "data": RNG.integers(0, 256, (count, 3072), np.uint8),
        "filenames": [f"image_{i}.png" for i in range(count)],
        **more,
    }


@pytest.fixture(params=[cifar10, cifar100], ids=["cifar10", "cifar100"])
def loader(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """One of the loaders and, in `tmp_path`, its files with a few images; the loader knows their checksums."""
    module: ModuleType = request.param
    layout, names = module.LAYOUT, NAMES[request.node.callspec.id.split("-")[0]]
    folder = tmp_path / layout.folder
    folder.mkdir()
    (folder / "readme.html").write_text("not of interest")
    for name in (*layout.train, *layout.test):
        content = batch(6 if name in layout.train else 4, layout.labels_key, len(names), coarse_labels=[0])
        (folder / name).write_bytes(pickled(content))
    (folder / layout.names).write_bytes(pickled({layout.names_key: names, "num_vis": 3072}))
    md5 = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in layout.md5}
    monkeypatch.setattr(layout, "md5", md5)
    return module


def as_torchvision_reads(loader: ModuleType, root: Path, train: bool, monkeypatch: pytest.MonkeyPatch) -> Any:
    kind = torchvision.datasets.CIFAR10 if loader is cifar10 else torchvision.datasets.CIFAR100
    layout = loader.LAYOUT
    monkeypatch.setattr(kind, "train_list", [[name, layout.md5[name]] for name in layout.train])
    monkeypatch.setattr(kind, "test_list", [[name, layout.md5[name]] for name in layout.test])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": layout.md5[layout.names]})
    return kind(root, train=train)


def test_the_arrays_are_torchvisions(loader: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = loader.load(str(tmp_path))
    train, test = (as_torchvision_reads(loader, tmp_path, split, monkeypatch) for split in (True, False))
    assert np.array_equal(data.train_images, train.data)
    assert np.array_equal(data.test_images, test.data)
    assert data.train_labels.tolist() == train.targets
    assert data.test_labels.tolist() == test.targets
    assert data.classes == train.classes
    assert data.train_labels.dtype == np.int64


def test_either_folder_may_be_given_and_prepared(loader: ModuleType, tmp_path: Path) -> None:
    folder = str(tmp_path / loader.LAYOUT.folder)
    loader.check(folder)
    assert np.array_equal(loader.load(folder).test_images, loader.load(str(tmp_path)).test_images)
    name = loader.__name__.rpartition(".")[2]
    datasets.prepare(datasets.Preparation(name, {"folder": folder}, {"train": 5, "test": 3}), tmp_path / "prepared")
    assert datasets.read(tmp_path / "prepared", "train").images.shape == (5, 32, 32, 3)
    assert datasets.record(tmp_path / "prepared")["classes"] == NAMES[name]


def test_a_partial_folder_is_refused_before_anything_runs(loader: ModuleType, tmp_path: Path) -> None:
    (tmp_path / loader.LAYOUT.folder / loader.LAYOUT.test[0]).unlink()
    with pytest.raises(UserError, match=rf"{loader.LAYOUT.test[0]} is missing; put it there, or delete .*downloaded"):
        loader.check(str(tmp_path))


def test_a_damaged_file_is_named(loader: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / loader.LAYOUT.folder / loader.LAYOUT.train[-1]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=rf"{path.name} is damaged or another file .*; delete"):
        loader.load(str(tmp_path))


def test_a_file_in_the_folders_place(loader: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="file is not a folder"):
        loader.check(str(tmp_path / "file"))


def test_absent_files_are_unpacked_from_the_archive(
    loader: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = loader.LAYOUT
    expected = loader.load(str(tmp_path))
    archive = tmp_path / "new" / layout.source.name
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / layout.folder, layout.folder)
    content = archive.read_bytes()
    source = layout.source._replace(size=len(content), checksum=f"md5:{hashlib.md5(content).hexdigest()}")
    monkeypatch.setattr(layout, "source", source)
    loader.check(str(archive.parent))
    data = loader.load(str(archive.parent))
    assert np.array_equal(data.train_images, expected.train_images)


def test_images_as_files_are_read_where_there_are_no_pickles(loader: ModuleType, tmp_path: Path) -> None:
    root, pixels = tmp_path / "files", RNG.integers(0, 256, (loader.LAYOUT.count, 32, 32, 3), np.uint8)
    for label, image in enumerate(pixels):
        for split, name in (("train", "a.png"), ("train", "b.png"), ("test", "a.png")):
            (root / split / f"{label:02}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / split / f"{label:02}" / name)
    data = loader.load(str(root))
    assert np.array_equal(data.train_images, np.repeat(pixels, 2, axis=0))
    assert np.array_equal(data.test_images, pixels)
    assert data.train_labels.tolist() == sorted([*range(len(pixels))] * 2)
    assert loader.sizes(str(root)) == (2 * len(pixels), len(pixels))
    before = loader.digest(str(root))
    (root / "train" / "00" / "b.png").unlink()
    assert before is not None
    assert loader.digest(str(root)) not in (before, None)
    assert loader.digest(str(tmp_path)) is None, "pickles have checksums of their own"
    for split in datasets.SPLITS:
        shutil.rmtree(root / split / "00")
    with pytest.raises(UserError, match=rf"train has {len(pixels) - 1} classes, not {len(pixels)}"):
        loader.check(str(root))


def test_offline_it_says_what_is_missing(loader: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("http://127.0.0.1:9/cifar.tar.gz", 10**6, "md5:0")
    monkeypatch.setattr(loader.LAYOUT, "source", source)
    monkeypatch.setattr(download, "PAUSES", ())
    with pytest.raises(
        UserError, match=r"cifar\.tar\.gz \(1 MB\) is not in .*new and cannot be downloaded.* images as files"
    ):
        loader.load(str(tmp_path / "new"))


def test_the_published_checksums_are_torchvisions() -> None:
    for module, theirs in ((cifar10, torchvision.datasets.CIFAR10), (cifar100, torchvision.datasets.CIFAR100)):
        layout = module.LAYOUT
        expected = [*theirs.train_list, *theirs.test_list, (theirs.meta["filename"], theirs.meta["md5"])]
        assert dict(expected) == dict(layout.md5)
        assert layout.source.url == theirs.url
        assert layout.source.checksum == f"md5:{theirs.tgz_md5}"
        assert layout.folder == theirs.base_folder
        assert layout.names_key == theirs.meta["key"]


class Command:
    def __reduce__(self) -> Any:
        return os.system, ("touch hacked",)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (pickle.dumps(Command()), r"it asks for (posix|nt)\.system"),
        (pickle.dumps(np.save), r"it asks for numpy\.save"),
        (pickle.dumps(eval), r"it asks for builtins\.eval"),
        (pickled({"data": [1]})[:-3], "not one of CIFAR's pickles"),
        (b"", "not one of CIFAR's pickles"),
        (b"junk", "not one of CIFAR's pickles"),
    ],
)
def test_pickles_that_ask_for_more_than_arrays_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=complaint):
        _cifar.unpickle(tmp_path / "batch", content)
    assert not (tmp_path / "hacked").exists()
