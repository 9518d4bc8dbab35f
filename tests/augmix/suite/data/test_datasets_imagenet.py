"""ImageNet as folders and as its original archives: listed, never decoded at once, and faults that name the file."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from augmix.errors import UserError
from augmix.suite.data import datasets, download
from augmix.suite.data.datasets import Preparation
from augmix.suite.data.loaders import _ilsvrc, imagenet

ALL = {"train": None, "test": None}
WNIDS = ["n01440764", "n01443537", "n02085620"]


def jpeg(level: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (60, 50), (level, level // 2, 0)).save(content, "JPEG")
    return content.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """ILSVRC2012's three archives with three classes, four training images a class and six for validation."""
    root = tmp_path / "archives"
    root.mkdir()
    with tarfile.open(root / "ILSVRC2012_img_train.tar", "w") as train:
        for label, wnid in enumerate(WNIDS):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                for i in range(4):
                    add(tar, f"{wnid}_{i}.JPEG", jpeg(60 * label + i))
            add(train, f"{wnid}.tar", inner.getvalue())
    with tarfile.open(root / "ILSVRC2012_img_val.tar", "w") as val:
        for i in range(6):
            add(val, f"ILSVRC2012_val_{i + 1:08d}.JPEG", jpeg(60 * (i % 3)))
    meta = io.BytesIO()
    numbers = [2, 3, 1]  # ILSVRC2012's numbers are in another order than WordNet's
    dtype = [("ILSVRC2012_ID", object), ("WNID", object)]
    savemat(meta, {"synsets": np.array([[pair] for pair in zip(numbers, WNIDS, strict=True)], dtype)})
    with tarfile.open(root / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as devkit:
        add(devkit, "ILSVRC2012_devkit_t12/data/meta.mat", meta.getvalue())
        truth = "".join(f"{numbers[i % 3]}\n" for i in range(6))
        add(devkit, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", truth.encode())
    return root


def prepared(root: Path, folder: Path, **options: object) -> Path:
    datasets.prepare(Preparation("imagenet", {"folder": str(root), **options}, ALL), folder)
    return folder


def test_folders_become_an_index_that_reads_like_an_array(imagenet_sample: Path, tmp_path: Path) -> None:
    folder = prepared(imagenet_sample, tmp_path / "imagenet", side=64)
    test = datasets.read(folder, "test")
    noted = datasets.record(folder)
    classes = sorted(path.name for path in (imagenet_sample / "val").iterdir())
    assert noted["classes"] == classes
    assert noted["normalisation"] == [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
    assert test.images.shape == (64, 64, 64, 3)
    assert test.labels.tolist() == list(range(64))
    assert test.images[5:9].dtype == np.uint8
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20_000


def test_subset_and_validation_split_choose_files(imagenet_sample: Path, tmp_path: Path) -> None:
    options = {"folder": str(imagenet_sample), "side": 64}
    datasets.prepare(Preparation("imagenet", options, {"train": 20, "test": 10}), tmp_path / "some")
    assert datasets.read(tmp_path / "some", "train").images.shape == (20, 64, 64, 3)
    assert datasets.read(tmp_path / "some", "test").labels.tolist() == [i * 64 // 10 for i in range(10)]
    datasets.prepare(Preparation("imagenet", options, ALL, validation=0.5), tmp_path / "held")
    splits = [datasets.read(tmp_path / "held", split) for split in datasets.SPLITS]
    assert [len(split.images) for split in splits] == [64, 64]
    assert all(np.array_equal(np.bincount(split.labels), np.full(64, 1)) for split in splits)


def test_a_damaged_photograph_is_named_when_it_is_prepared(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, name in (("train", "a"), ("train", "b"), ("val", "a"), ("val", "b")):
        (tmp_path / split / name).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / split / name / "1.JPEG")
    path = tmp_path / "train" / "b" / "1.JPEG"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"\xff\xd8" + whole[len(whole) // 2 + 2 :])
    with pytest.raises(UserError, match=r"train/b/1\.JPEG is damaged"):
        datasets.prepare(Preparation("imagenet", {"folder": str(tmp_path), "side": 32}, ALL), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_archives_are_unpacked_once(archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(archives, tmp_path / "imagenet", side=32)
    assert sorted(path.name for path in (archives / "train").iterdir()) == WNIDS
    assert (archives / "train" / WNIDS[1] / f"{WNIDS[1]}_3.JPEG").read_bytes() == jpeg(63)
    test = datasets.read(tmp_path / "imagenet", "test")
    assert test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.abs(test.images[:][:, 0, 0, 0].astype(int) - 60 * test.labels).max() <= 2
    monkeypatch.setattr(_ilsvrc, "unpack", lambda *_: pytest.fail("unpacked again"))
    prepared(archives, tmp_path / "again", side=32)


def test_photographs_change_by_name_size_and_content(archives: Path, tmp_path: Path) -> None:
    assert imagenet.digest(str(archives)) is None, "they are packed"
    folder = prepared(archives, tmp_path / "imagenet", side=32)
    first = imagenet.digest(str(archives), side=32)
    # It was unpacked meanwhile: the next start finds nothing new.
    assert datasets.record(folder)["source"] == first
    path = archives / "val" / WNIDS[0] / "ILSVRC2012_val_00000001.JPEG"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])  # as many bytes
    assert imagenet.digest(str(archives)) != first
    path.write_bytes(whole)
    (path.parent / "notes.txt").write_text("no photograph")
    assert imagenet.digest(str(archives)) == first
    path.rename(path.with_name("other.JPEG"))
    assert imagenet.digest(str(archives)) != first
    for split in ("train", "val"):
        shutil.rmtree(archives / split)
    assert datasets.source_digest("imagenet", {"folder": str(archives)}, folder) == first


def test_unpacking_goes_on_after_a_kill(archives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = download.write_member, 0

    def kill_at_six(*arguments: object) -> None:
        nonlocal written
        written += 1
        if written == 6:
            raise KeyboardInterrupt
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(_ilsvrc, "write_member", kill_at_six)
    with pytest.raises(KeyboardInterrupt):
        imagenet.load(str(archives))
    assert not (archives / "train").exists()
    imagenet.load(str(archives))
    assert written == 6 + 8 + 6, "the first class is not written again"


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{WNIDS[i % 3]}\n" for i in range(6)),
        "".join(f"ILSVRC2012_val_{i + 1:08d}.JPEG {WNIDS[i % 3]}\n" for i in range(5, -1, -1)),
    ],
)
def test_the_classes_of_val_can_come_from_a_text_file(archives: Path, text: str) -> None:
    (archives / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    (archives / "labels.txt").write_text(text)
    data = imagenet.load(str(archives), str(archives / "labels.txt"))
    assert [Path(name.decode()).name for name in data.test_images["name"][:2]] == [
        "ILSVRC2012_val_00000001.JPEG",
        "ILSVRC2012_val_00000004.JPEG",
    ]


def test_a_path_that_escapes_is_not_followed(archives: Path) -> None:
    with tarfile.open(archives / "ILSVRC2012_img_val.tar", "a") as val:
        add(val, "../../escaped.JPEG", b"x")
        add(val, "../ILSVRC2012_val_00000009.JPEG", b"x")
    with pytest.raises(UserError, match=r"ILSVRC2012_val_00000009\.JPEG, whose class is not known"):
        imagenet.load(str(archives))
    assert not list(archives.parent.glob("*.JPEG"))
    assert not (archives / "val").exists()


def make(root: Path, *folders: str) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (lambda root: cut(root / "ILSVRC2012_img_train.tar"), r"img_train\.tar is not a whole archive"),
        (lambda root: cut(root / "ILSVRC2012_devkit_t12.tar.gz"), r"is not ILSVRC2012's development kit"),
        (lambda root: (root / "ILSVRC2012_devkit_t12.tar.gz").unlink(), "does not say its images' classes"),
        (lambda root: (root / "ILSVRC2012_img_val.tar").unlink(), r"val is missing, and so is ILSVRC2012_img_val"),
        (lambda root: make(root, "train/n00000001"), r"train has one class folder \('n00000001'\); at least two"),
        (lambda root: make(root, "train", "val"), r"train has no class folders; at least two are needed, with images"),
        (lambda root: make(root, "train/a", "train/b", "val/a", "val/c"), "'b' is in train/ alone; both splits need"),
        (lambda root: make(root, "train/a", "train/b", "val/a", "val/b"), "train/a holds no image"),
        (lambda root: root.rename(root.with_name("gone")), "archives does not exist"),
    ],
)
def test_faults_are_one_line(archives: Path, fault: Callable[[Path], object], complaint: str) -> None:
    fault(archives)
    with pytest.raises(UserError, match=complaint) as caught:
        prepared(archives, archives.parent / "prepared")
    assert "\n" not in str(caught.value)
    assert not (archives.parent / "prepared").exists()


@pytest.mark.parametrize("text", ["n01440764\nnonsense\n", "a.JPEG n01440764\nn01443537\n", "n01440764\n"])
def test_unusable_val_labels_are_refused(archives: Path, text: str) -> None:
    (archives / "labels.txt").write_text(text)
    with pytest.raises(UserError, match=r"labels\.txt:2: a class|class is not known"):
        imagenet.load(str(archives), str(archives / "labels.txt"))


def test_an_empty_class_twins_and_a_foolish_side_are_refused(imagenet_sample: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "a.jpg").write_bytes(jpeg(9))
    (tmp_path / "val" / "dog" / "a.PNG").write_bytes(jpeg(9))
    with pytest.raises(UserError, match=r"val/dog holds two images named 'a'"):
        imagenet.load(str(tmp_path))
    for path in (tmp_path / "val" / "dog").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"val/dog holds no image"):
        imagenet.load(str(tmp_path))
    with pytest.raises(UserError, match="side is 8"):
        imagenet.check(str(imagenet_sample), side=8)
