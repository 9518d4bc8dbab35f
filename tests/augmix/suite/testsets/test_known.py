"""Known test sets, on small files of their published layouts, made of real photographs and of CIFAR-10's images."""

import hashlib
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.data import datasets
from augmix.suite.data.loaders import cifar10_1, class_folders
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.evaluation import write_predictions
from augmix.suite.evaluate.results import scores
from augmix.suite.run import preflight
from augmix.suite.testsets import base, class_map, folder, kinds, known
from augmix.suite.testsets.base import TestSet
from tests.augmix.suite.data.test_download import Server
from tests.conftest import SHARED

WriteConfig = Callable[..., Path]
Opened = Callable[..., tuple[Experiment, TestSet]]
CATEGORIES: Any = class_map.resolved("imagenet_16")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(scope="session")
def cifar_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training and four test images of each of CIFAR-10's classes, as files; treat it as read-only."""
    archive = SHARED / "data" / "cifar10-imagefolder.tar.gz"
    if not archive.is_file():
        pytest.skip("needs the shared images of CIFAR-10")
    root = tmp_path_factory.mktemp("cifar")
    with tarfile.open(archive) as tar:
        wanted = [member for member in tar if member.name.endswith(tuple(f"/000{i}.jpg" for i in range(4)))]
        tar.extractall(root, wanted, filter="data")
    return root


@pytest.fixture
def opened(write_config: WriteConfig) -> Opened:
    """A data set, prepared, and the known test set of that name beside it, checked and made."""

    def make(name: str, entry: dict[str, Any], loader: str, options: dict[str, Any]) -> tuple[Experiment, TestSet]:
        dataset = {"loader": loader, "options": options, "subset": {"train": 4, "test": 4}}
        found = load(write_config(datasets={"own": dataset}, testsets={"C": None, "P": None, name: entry}))
        preflight.check_data(found)
        datasets.prepare(found.preparation("own"), found.data / "own")
        testset = found.testsets("own")[1]
        base.make(testset, testset.shifts, 1)
        return found, testset

    return make


def shift_of(testset: TestSet) -> base.Shift:
    data = Path(testset.data)
    opened = testset.open(datasets.read(data, "test"), datasets.record(data)["classes"])
    return opened.read(testset.shifts[0])


def pixels(sample: Path) -> tuple[np.ndarray, np.ndarray]:
    files = sorted(sample.glob("test/*/*"))
    labels = [CLASSES.index(file.parent.name) for file in files]
    return np.stack([np.asarray(Image.open(file))[:, ::-1] for file in files]), np.array(labels, np.int32)


def test_every_known_set_says_all_that_a_reader_needs() -> None:
    assert {"cifar10_1", "cifar10_2", "cinic10", "imagenet_v2", "imagenet_r", "imagenet_a"} <= set(known.sets())
    documented = (Path(__file__).parents[4] / "docs" / "testsets.md").read_text(encoding="utf-8")
    for name, said in known.sets().items():
        assert set(said) == {"title", "shift", "source", "citation", "licence", "entry"}, name
        row = next(line for line in documented.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(said[key] in row for key in ("shift", "source", "citation", "licence")), name
        settings = kinds.kind(said["entry"]["kind"]).schema
        assert set(said["entry"]) <= {"kind", *settings}, name


@pytest.mark.parametrize("version", ["v4", "v6"])
def test_cifar10_1(
    opened: Opened, cifar_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    images, labels = pixels(cifar_sample)
    sources = []
    for source, array in zip(cifar10_1.SOURCES[version], (images, labels), strict=True):
        np.save(tmp_path / source.name, array)
        content = (tmp_path / source.name).read_bytes()
        sources.append(source._replace(size=len(content), checksum=f"sha256:{hashlib.sha256(content).hexdigest()}"))
    monkeypatch.setitem(cifar10_1.SOURCES, version, tuple(sources))
    entry = {"options": {"folder": str(tmp_path), "version": version}}
    _, testset = opened("cifar10_1", entry, "cifar10", {"folder": str(cifar_sample)})
    shift = shift_of(testset)
    assert np.array_equal(shift.images[:], images)
    assert shift.labels.tolist() == labels.tolist()
    assert shift.classes is None
    # Of the published files every byte is known.
    np.save(tmp_path / sources[1].name, labels[::-1])
    shutil.rmtree(testset.folder)
    with pytest.raises(UserError, match=r"labels\.npy does not have its published checksum"):
        base.make(testset, testset.shifts, 1)


def test_cifar10_2(opened: Opened, cifar_sample: Path, tmp_path: Path) -> None:
    images, labels = pixels(cifar_sample)
    np.savez(tmp_path / "cifar102_test.npz", images=images, labels=labels)
    _, testset = opened("cifar10_2", {"options": {"folder": str(tmp_path)}}, "cifar10", {"folder": str(cifar_sample)})
    shift = shift_of(testset)
    assert np.array_equal(shift.images[:], images)
    assert shift.labels.tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"labels": np.arange(40) % 11}, r"cifar102_test\.npz has labels from 0 to 10; 0 to 9 are expected"),
        ({"labels": np.arange(40) - 1}, "labels from -1 to 38"),
        ({"labels": np.arange(39) % 10}, r"holds int64 \(39,\); 40 whole numbers are expected"),
        ({"images": np.zeros((40, 3, 32, 32), np.uint8)}, r"holds uint8 \(40, 3, 32, 32\); uint8 \(any, 32, 32, 3\)"),
        ({"images": None}, "is not CIFAR-10.2's: arrays 'images' and 'labels' are expected"),
        (None, r"cifar102_test\.npz is missing; get it from https://github.com/modestyachts/cifar-10\.2"),
    ],
)
def test_arrays_that_are_no_labelled_images_are_refused_before_any_job(
    opened: Opened, cifar_sample: Path, tmp_path: Path, arrays: dict[str, Any] | None, complaint: str
) -> None:
    whole = {"images": np.zeros((40, 32, 32, 3), np.uint8), "labels": np.arange(40) % 10, **(arrays or {})}
    if arrays is not None:
        np.savez(tmp_path / "cifar102_test.npz", **{name: array for name, array in whole.items() if array is not None})
    with pytest.raises(UserError, match=complaint) as caught:
        opened("cifar10_2", {"options": {"folder": str(tmp_path)}}, "cifar10", {"folder": str(cifar_sample)})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_cinic10(opened: Opened, cifar_sample: Path, tmp_path: Path, split: str) -> None:
    for file in cifar_sample.glob("train/*/*"):
        folder = tmp_path / "CINIC-10" / split / file.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.open(file)
        # A copy of one of CIFAR-10's images, and one of ImageNet's.
        image.save(folder / f"cifar10-train-{int(file.stem)}.png")
        ImageOps.flip(image).save(folder / f"n02691156_{int(file.stem)}.png")
    entry = {"options": {"folder": str(tmp_path), "published": f"CINIC-10/{split}"}}
    _, testset = opened("cinic10", entry, "cifar10", {"folder": str(cifar_sample)})
    shift = shift_of(testset)
    assert shift.labels.tolist() == [label for label in range(10) for _ in range(4)]
    first = np.asarray(Image.open(cifar_sample / "train" / "airplane" / "0000.jpg"))
    assert np.array_equal(shift.images[0], first[::-1])


def mirrored(file: Path, target: Path, side: int = 48) -> None:
    """Write a small mirrored copy of a photograph, which no data set here has."""
    target.parent.mkdir(parents=True, exist_ok=True)
    ImageOps.mirror(Image.open(file).convert("RGB").resize((side, side))).save(target)


@pytest.fixture(scope="session")
def thousand(imagenet_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 1,000 classes in ImageNet's layout, with those wnids among them that ship with the package."""
    root = tmp_path_factory.mktemp("thousand")
    listed = {wnid for name in ("imagenet_r", "imagenet_a") for wnid in class_map.resolved(name) or ()} - {"*"}
    listed |= {wnid for wnids in CATEGORIES.values() for wnid in wnids}
    wnids = sorted(listed | {path.name for path in (imagenet_sample / "val").iterdir()})
    wnids += [f"n99{i:06d}" for i in range(1000 - len(wnids))]
    photograph = sorted(imagenet_sample.glob("val/*/*"))[0]
    for split in ("train", "val"):
        mirrored(photograph, root / split / wnids[0] / "0.JPEG", 40)
        for wnid in wnids[1:]:
            (root / split / wnid).mkdir()
            (root / split / wnid / "0.JPEG").hardlink_to(root / split / wnids[0] / "0.JPEG")
    return root


class Ramp(nn.Module):
    """Logits that rise with the class: the last one is always predicted, where it may be."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean((1, 2, 3))[:, None] / 100 + torch.arange(1000.0)


@pytest.mark.parametrize("name", ["imagenet_r", "imagenet_a"])
def test_of_two_hundred_classes_no_other_is_predicted(
    opened: Opened, thousand: Path, imagenet_sample: Path, tmp_path: Path, name: str
) -> None:
    wnids = (class_map.LISTS / f"{name}.txt").read_text().split()
    assert len(wnids) == 200
    photographs = sorted(imagenet_sample.glob("val/*/*"))
    for i, wnid in enumerate(wnids):
        mirrored(photographs[i % 64], tmp_path / name.replace("_", "-") / wnid / f"{i}.jpg")
    (tmp_path / name.replace("_", "-") / "README.txt").write_text("It is no class.")
    entry = {"options": {"folder": str(tmp_path)}}
    found, testset = opened(name, entry, "imagenet", {"folder": str(thousand), "side": 32})
    ours = sorted(path.name for path in (thousand / "val").iterdir())
    shift = shift_of(testset)
    assert [ours[label] for label in shift.labels] == wnids
    assert shift.images.shape == (200, 32, 32, 3)
    data, output = Path(testset.data), tmp_path / "p"
    pair: dict[str, Any] = {t.name: (t, {}) for t in found.testsets("own")}
    write_predictions(Ramp(), pair, data, output, torch.device("cpu"))
    clean = predictions.read(output / "clean.npz", ("clean",)).shifts["clean"]
    assert set(clean["prediction"]) == {999}
    numbers = predictions.read(output / f"{name}.npz", (name,)).shifts[name]
    assert {ours[label] for label in numbers["prediction"]} == {wnids[-1]}
    assert (numbers["prediction"] == shift.labels).sum() == 1
    among = np.exp(np.sort(shift.labels) - shift.labels.max())
    np.testing.assert_allclose(numbers["confidence"], 1 / among.sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda root, wnids: shutil.rmtree(root / wnids[7]), r"imagenet_r: 'classes' names 'n\d+', which it has not"),
        (lambda root, wnids: [p.unlink() for p in (root / wnids[7]).iterdir()], r"n\d+ holds no image"),
    ],
)  # fmt: skip
def test_folders_without_all_of_their_classes_are_refused_before_any_job(
    write_config: WriteConfig, thousand: Path, imagenet_sample: Path, tmp_path: Path, change: Any, complaint: str
) -> None:
    wnids = (class_map.LISTS / "imagenet_r.txt").read_text().split()
    for wnid in wnids:
        mirrored(sorted(imagenet_sample.glob("val/*/*"))[0], tmp_path / "imagenet-r" / wnid / "0.jpg", 8)
    change(tmp_path / "imagenet-r", wnids)
    own = {"loader": "imagenet", "options": {"folder": str(thousand), "side": 32}}
    entry = {"options": {"folder": str(tmp_path)}}
    found = load(write_config(datasets={"own": own}, testsets={"C": None, "P": None, "imagenet_r": entry}))
    with pytest.raises(UserError, match=complaint):
        preflight.check_data(found)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("imagenet_v2", "imagenetv2-matched-frequency-format-val"),
        ("imagenet_v2_threshold", "imagenetv2-threshold0.7-format-val"),
        ("imagenet_v2_top", "imagenetv2-top-images-format-val"),
    ],
)
def test_folders_that_are_numbered_sort_as_numbers(
    opened: Opened, imagenet_sample: Path, tmp_path: Path, name: str, folder: str
) -> None:
    photographs = sorted(imagenet_sample.glob("val/*/*"))
    for label, photograph in enumerate(photographs):
        mirrored(photograph, tmp_path / folder / str(label) / "0.jpeg")
    options = {"folder": str(imagenet_sample), "side": 64}
    found, testset = opened(name, {"options": {"folder": str(tmp_path)}}, "imagenet", options)
    shift = shift_of(testset)
    assert shift.labels.tolist() == list(range(64))
    assert shift.classes is None
    expected = np.asarray(Image.open(tmp_path / folder / "10" / "0.jpeg").resize((73, 73), 2))[4:68, 4:68]
    assert np.array_equal(shift.images[10], expected)
    # One class more or fewer is another set than the data set's.
    mirrored(photographs[0], tmp_path / folder / "64" / "0.jpeg")
    shutil.rmtree(testset.folder)
    with pytest.raises(UserError, match=f"{name}: it has 65 classes, from '0' to '64'; 'classes: numbered' asks for"):
        preflight.check_data(load(found.folder.parents[1] / "small.yaml"))


def test_imagenet_sketch(opened: Opened, imagenet_sample: Path, tmp_path: Path) -> None:
    wnids = sorted(path.name for path in (imagenet_sample / "val").iterdir())
    for wnid, photograph in zip(wnids, sorted(imagenet_sample.glob("val/*/*")), strict=True):
        (tmp_path / "sketch" / wnid).mkdir(parents=True)
        Image.open(photograph).convert("L").resize((60, 50)).save(tmp_path / "sketch" / wnid / "sketch_0.JPEG")
    options = {"folder": str(imagenet_sample), "side": 64}
    _, testset = opened("imagenet_sketch", {"options": {"folder": str(tmp_path)}}, "imagenet", options)
    shift = shift_of(testset)
    assert shift.labels.tolist() == list(range(64))
    grey = shift.images[:]
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_objectnet_has_its_border_cut_off_and_several_classes_count_as_one(
    opened: Opened, thousand: Path, imagenet_sample: Path, tmp_path: Path
) -> None:
    ours = sorted(path.name for path in (thousand / "val").iterdir())
    photograph = sorted(imagenet_sample.glob("val/*/*"))[3]
    for name in ("air_freshener", "alarm_clock", "chair"):
        folder = tmp_path / "objectnet-1.0" / "images" / name
        folder.mkdir(parents=True)
        inside = Image.open(photograph).resize((96, 80))
        ImageOps.expand(inside, 2, "red").save(folder / f"{name}.png")
    (tmp_path / "map.json").write_text(json.dumps({"alarm_clock": ours[5], "chair": [ours[20], ours[7]], "*": None}))
    entry = {"options": {"folder": str(tmp_path)}, "classes": str(tmp_path / "map.json")}
    _, testset = opened("objectnet", entry, "imagenet", {"folder": str(thousand), "side": 32})
    shift = shift_of(testset)
    assert shift.labels.tolist() == [5, 7]
    assert shift.classes is not None
    assert shift.counted_as is not None
    assert shift.classes.tolist() == [5, 7, 20]
    assert shift.counted_as.tolist() == [5, 7, 7]
    plain = np.asarray(Image.open(photograph).resize((96, 80)))
    images = shift.images[:].astype(int)
    assert images.shape == (2, 32, 32, 3)
    reddish = (images[..., 0] > 200) & (images[..., 1:] < 60).all(-1)
    assert not reddish.any()
    assert abs(images.mean() - plain.mean()) < 20
    # Class 999 would win; of the three, 20 has the greatest logit, and counts as 7.
    write_predictions(Ramp(), {"objectnet": (testset, {})}, Path(testset.data), tmp_path / "p", torch.device("cpu"))
    numbers = predictions.read(tmp_path / "p" / "objectnet.npz", ("objectnet",)).shifts["objectnet"]
    assert numbers["prediction"].tolist() == [7, 7]
    p = 1 / (1 + np.exp(5.0 - 20.0))
    np.testing.assert_allclose(numbers["true_probability"], [1 - p, p], rtol=1e-3, atol=1e-9)


class Drawn(nn.Module):
    """Logits that are drawn once, and differ with the brightness of an image."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        first, second = torch.randn(2, 1000, generator=torch.Generator().manual_seed(1))
        return 3 * (first + images.float().mean((1, 2, 3))[:, None] / 128 * second)


def test_cue_conflict_is_decided_by_the_mean_probability_of_sixteen_categories(
    opened: Opened, thousand: Path, tmp_path: Path
) -> None:
    names = list(CATEGORIES)
    assert [len(names), sum(map(len, CATEGORIES.values()))] == [16, 207]
    for i, name in enumerate(names):
        for j in {(i + 1) % 16, (i + 5) % 16, i if i < 4 else i - 1}:
            file = tmp_path / "cue-conflict" / name / f"{name}{j}-{names[j]}2.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (50, 40), 15 * (i + j) % 256).save(file)
    entry = {"options": {"folder": str(tmp_path)}}
    found, testset = opened("geirhos_cue_conflict", entry, "imagenet", {"folder": str(thousand), "side": 32})
    write_predictions(Drawn(), {testset.name: (testset, {})}, Path(testset.data), tmp_path / "p", torch.device("cpu"))
    archive = predictions.read(tmp_path / "p" / f"{testset.name}.npz", testset.shifts, cues=True)
    numbers = archive.shifts[testset.name]
    assert folder.beside(Path(testset.data))[-1].evaluated_with() == testset.evaluated_with()

    classes = datasets.record(Path(testset.data))["classes"]
    places = [[classes.index(wnid) for wnid in CATEGORIES[name]] for name in names]
    p = Drawn()(torch.from_numpy(shift_of(testset).images[:]).permute(0, 3, 1, 2)).double().softmax(1).numpy()
    means = np.stack([p[:, of].mean(1) for of in places], axis=1)
    labels = [min(of) for of in places]
    assert numbers["prediction"].tolist() == [labels[category] for category in means.argmax(1)]
    np.testing.assert_allclose(numbers["confidence"], (means / means.sum(1, keepdims=True)).max(1), rtol=1e-4)
    greatest = np.stack([p[:, of].max(1) for of in places], axis=1)
    assert (greatest.argmax(1) != means.argmax(1)).any(), "the greatest logit decides otherwise"

    assert archive.cues is not None
    files = sorted(tmp_path.glob("cue-conflict/*/*"), key=lambda file: (names.index(file.parent.name), file.name))
    shapes = np.array([names.index(file.parent.name) for file in files])
    textures = np.array([names.index(file.stem.partition("-")[2].rstrip("2")) for file in files])
    assert archive.labels.tolist() == [labels[shape] for shape in shapes]
    assert archive.cues.tolist() == [labels[texture] for texture in textures]
    counts = shapes != textures
    by_shape, by_texture = ((means.argmax(1) == cue)[counts].sum() for cue in (shapes, textures))
    values = {row[2]: row[3] for row in scores(testset, archive)}
    assert values["shape_bias"] == pytest.approx(by_shape / (by_shape + by_texture))
    assert values["neither_cue"] == pytest.approx(1 - (by_shape + by_texture) / counts.sum())

    files[0].rename(files[0].with_name("airplane.png"))
    shutil.rmtree(testset.folder)
    with pytest.raises(UserError, match=r"geirhos_cue_conflict: test/airplane/airplane\.png does not say its texture;"):
        preflight.check_data(load(found.folder.parents[1] / "small.yaml"))


def test_nothing_is_downloaded_for_a_data_set_without_its_classes(
    write_config: WriteConfig, cifar_sample: Path
) -> None:
    own = {"loader": "cifar10", "options": {"folder": str(cifar_sample)}}
    found = load(write_config(datasets={"own": own}, testsets={"C": None, "P": None, "imagenet_r": {}}))
    with pytest.raises(UserError, match="imagenet_r: the class 'n01443537' is none of the data set's"):
        preflight.check_data(found)


def test_what_is_absent_is_downloaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imagenet_sample: Path
) -> None:
    for i, wnid in enumerate(("n01498041", "n01531178")):
        mirrored(sorted(imagenet_sample.glob("val/*/*"))[i], tmp_path / "there" / "imagenet-a" / wnid / "0.jpg")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(tmp_path / "there" / "imagenet-a", "imagenet-a")
    server = Server()
    server.content = packed.getvalue()
    source = server.source(server.content, "imagenet-a.tar", len(server.content))
    monkeypatch.setitem(class_folders.PUBLISHED, "imagenet-a", class_folders.Published("", source))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    asked: dict[str, Any] = {"folder": str(tmp_path / "downloads"), "published": "imagenet-a", "streamed": True}
    try:
        class_folders.check(**asked)
        assert class_folders.classes(**asked) is None
        found = [class_folders.load(**asked) for _ in range(2)]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert len(server.asked) == 1
    assert found[0].classes == class_folders.classes(**asked) == ["n01498041", "n01531178"]
    assert found[0].test_labels.tolist() == found[1].test_labels.tolist() == [0, 1]
    assert len(found[0].train_labels) == 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "is not a folder; it should hold <class>"),
        ({"published": "imagenet-q"}, "unknown published set 'imagenet-q'; did you mean 'imagenet-"),
        (
            {"published": "sketch"},
            "sketch does not exist; get sketch from https://github.com/HaohanWang/ImageNet-Sketch",
        ),
        ({"folder": "{0}/one"}, r"one holds one class folder \('cat'\)"),
        ({"folder": "{0}/above"}, "above/train holds folders; name as 'folder' what lies right above class folders"),
        ({"folder": "{0}/good", "pattern": "*.gif"}, r"good/cat holds no image \(\*\.gif\)"),
        ({"folder": "{0}/good", "side": 4}, "side is 4; 8 to 1024 pixels"),
        ({"folder": "{0}/good", "border": -1}, "border is -1"),
    ],
)
def test_folders_of_another_layout_are_refused(tmp_path: Path, options: dict[str, Any], complaint: str) -> None:
    for file in ("one/cat/1.png", "above/train/cat/1.png", "above/val/cat/1.png", "good/cat/1.png", "good/dog/1.png"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    asked = {"folder": str(tmp_path / "absent"), **options}
    asked["folder"] = asked["folder"].format(tmp_path)
    with pytest.raises(UserError, match=complaint) as caught:
        class_folders.check(**asked)
    assert "\n" not in str(caught.value)


def test_what_has_test_images_alone_is_no_data_set(write_config: WriteConfig) -> None:
    for loader in ("cifar10_1", "cifar10_2", "class_folders"):
        with pytest.raises(
            UserError, match=f"'{loader}' has test images alone: it is for a test set of the kind natural"
        ):
            load(write_config(datasets={"own": {"loader": loader}}))


def test_a_known_name_with_a_kind_of_its_own_is_ones_own(write_config: WriteConfig) -> None:
    mine = {"kind": "natural", "loader": "digits", "options": {"split": "unseen_writers"}}
    found = load(write_config(testsets={"imagenet_r": mine}))
    entry = found.config["datasets"]["digits"]["testsets"]["imagenet_r"]
    assert entry == {**mine, "split": "test", "classes": None, "merged_by": "greatest", "images": None}
