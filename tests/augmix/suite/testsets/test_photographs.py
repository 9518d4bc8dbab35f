"""-C as image folders and -P as video: the published layouts written and read, and faults that name the file."""

import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from augmix.corruptions import corrupt
from augmix.errors import UserError
from augmix.perturbations import frame_count, perturb
from augmix.suite.data import datasets, videos
from augmix.suite.data.photographs import Photographs, resized
from augmix.suite.testsets import photographs
from augmix.suite.testsets.folder import of_folder
from augmix.suite.testsets.photographs import ShiftPhotographs

SIDE = 64
IMAGES = 6


@pytest.fixture(scope="module")
def data(imagenet_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photographs, prepared, with some generated -C and -P beside them."""
    folder = tmp_path_factory.mktemp("data") / "imagenet"
    options = {"folder": str(imagenet_sample), "side": SIDE}
    subset = {"train": 8, "test": IMAGES}
    datasets.prepare(datasets.Preparation("imagenet", options, subset), folder)
    for kind, names, images in (("C", ("contrast", "gaussian_noise"), None), ("P", ("rotate", "gaussian_noise"), 3)):
        of_folder(kind, folder, folder.with_name(f"imagenet-{kind}"), names, images).make(names)
    return folder


def opened(data: Path, kind: str, images: int | None = None) -> ShiftPhotographs:
    where = data.with_name(f"imagenet-{kind}")
    found = of_folder(kind, data, where, images=images).open(datasets.read(data, "test"), ["a"] * 64)
    assert isinstance(found, ShiftPhotographs)
    return found


def photographs_of(data: Path) -> Photographs:
    images = datasets.read(data, "test").images
    assert isinstance(images, Photographs)
    return images


def test_corruptions_lie_as_in_imagenet_c(data: Path) -> None:
    root = data.with_name("imagenet-C")
    split = photographs_of(data)
    expected = {
        f"contrast/{severity}/{Path(name.decode()).parent.name}/{Path(name.decode()).stem}.JPEG"
        for severity in range(1, 6)
        for name in split.names
    }
    assert {str(path.relative_to(root)) for path in root.glob("contrast/*/*/*")} == expected
    listed = np.load(root / "contrast.npy")
    assert {name.decode() for name in listed} == expected
    some = Image.open(root / listed[0].decode())
    assert some.format == "JPEG"
    assert some.size == (SIDE, SIDE)
    with Image.open(root / listed[0].decode()) as image:
        half = Image.new("RGB", (8, 8))
        half.save(root / "q85.jpg", quality=85)
        assert image.quantization == Image.open(root / "q85.jpg").quantization  # type: ignore[attr-defined]
    (root / "q85.jpg").unlink()
    assert json.loads((root / "source.json").read_text())["preset"] == "tiny"


def test_corruptions_are_read_in_order_and_as_written(data: Path) -> None:
    testset = opened(data, "C")
    shift = testset.read("gaussian_noise")
    assert shift.shape == (5, IMAGES)
    assert shift.labels.tolist() == datasets.read(data, "test").labels.tolist() * 5
    assert testset.source.startswith("generated (augmix")
    images = photographs_of(data)[:]
    for severity in (1, 5):
        expected = corrupt(images, "gaussian_noise", severity)
        found = shift.images[(severity - 1) * IMAGES : severity * IMAGES]
        for image, read in zip(expected, found, strict=True):
            coded = io.BytesIO()
            Image.fromarray(image).save(coded, "JPEG", quality=85)
            assert np.array_equal(read, np.asarray(Image.open(coded)))


def test_fewer_images_are_evenly_spaced(data: Path) -> None:
    shift = opened(data, "C", images=2).read("contrast")
    whole = opened(data, "C").read("contrast")
    assert shift.shape == (5, 2)
    assert np.array_equal(shift.images[:], whole.images[np.array([6 * s + i for s in range(5) for i in (0, 3)])])
    sequences = opened(data, "P", images=2).read("rotate")
    assert sequences.shape == (2, 31)
    assert sequences.labels.tolist() == np.repeat(opened(data, "P").labels[:2], 31).tolist()


def test_perturbations_are_video_of_the_whole_photograph(data: Path) -> None:
    root = data.with_name("imagenet-P")
    [first, *_] = sorted(root.glob("rotate/*/*.mp4"))
    with av.open(str(first)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].frames == 31
    split = photographs_of(data)
    photograph = resized(split.photograph(2), 73)
    shift = opened(data, "P").read("rotate")
    assert shift.shape == (3, 31)
    for index, item in ((0, 0), (2, 1)):  # three of six images, evenly spaced
        photograph = resized(split.photograph(index), 73)
        expected = perturb(photograph[None], "rotate", preset="tiny", first=item, crop=SIDE)[0]
        found = shift.images[item * 31 : (item + 1) * 31]
        assert np.abs(expected.astype(int) - found).mean() < 8
        # The corners show the photograph around the crop, not the zeros around it.
        assert (found[18, :3, :3].mean() > 2) or (expected[18, :3, :3].mean() < 2)


def test_noise_is_coded_for_its_grain(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(100, 156, (8, 64, 64, 3), np.uint8)
    videos.write(tmp_path / "plain.mp4", noise)
    videos.write(tmp_path / "grain.mp4", noise, grain=True)
    errors = [
        np.abs(videos.read(tmp_path / f"{name}.mp4", 8, 64).astype(int) - noise).mean() for name in ("plain", "grain")
    ]
    assert max(errors) < 16
    assert (tmp_path / "plain.mp4").read_bytes() != (tmp_path / "grain.mp4").read_bytes()


def test_memory_stays_flat_in_the_number_of_images(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def peak(images: int) -> int:
        tracemalloc.start()
        of_folder("C", data, data.with_name("peak-C"), ["contrast"], images).make(["contrast"])
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    monkeypatch.setattr(photographs, "CHUNK_BYTES", 4 * SIDE * SIDE * 3)
    assert peak(6) < 1.5 * peak(2) + 200_000


def test_published_files_need_no_record(data: Path, tmp_path: Path) -> None:
    for kind in ("C", "P"):
        (tmp_path / f"imagenet-{kind}").mkdir()
        root = data.with_name(f"imagenet-{kind}")
        for entry in root.iterdir():
            if entry.is_dir():
                (tmp_path / f"imagenet-{kind}" / entry.name).symlink_to(entry)
    test = datasets.read(data, "test")
    testset = ShiftPhotographs(tmp_path / "imagenet-C", None, test)
    testset.check(["contrast", "gaussian_noise"])
    assert testset.source == "published"
    scaled = ShiftPhotographs(tmp_path / "imagenet-C", None, test, resize=True)
    assert scaled.source == "published, resized to 73 and cropped"
    one, other = (found.read("contrast").images[:1].astype(int) for found in (testset, scaled))
    assert 0 < np.abs(one - other).mean() < 60
    sequences = ShiftPhotographs(tmp_path / "imagenet-P", frame_count, test)
    assert sequences.read("rotate").shape == (IMAGES, 31)
    with pytest.raises(UserError, match=r"\.mp4 is missing"):  # of six test images, three have sequences
        sequences.check(["rotate"])


def test_severities_may_be_named_by_their_levels(data: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "contrast"
    theirs.mkdir()
    (theirs / ".DS_Store").touch()
    for severity, level in enumerate(("2.35", "3.20", "9", "10.00", "10.25"), 1):
        (theirs / level).symlink_to(data.with_name("imagenet-C") / "contrast" / str(severity))
    testset = ShiftPhotographs(tmp_path, None, datasets.read(data, "test"))
    testset.check(["contrast"])
    assert np.array_equal(testset.read("contrast").images[:], opened(data, "C").read("contrast").images[:])
    (theirs / "9").unlink()
    complaint = r"contrast should hold five severities, .* not 2\.35, 3\.20, 10\.00, 10\.25"
    with pytest.raises(UserError, match=complaint):
        testset.check(["contrast"])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def other_size(path: Path) -> None:
    Image.new("RGB", (80, 70)).save(path)


def shorter(path: Path) -> None:
    videos.write(path, np.zeros((7, SIDE, SIDE, 3), np.uint8))


def two_beginnings(path: Path) -> None:
    """OpenCV would fill the rest with grey, without a word."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"\xff\xd8" + whole[len(whole) // 2 + 2 :])


def wider(path: Path) -> None:
    videos.write(path, np.zeros((31, 48, 48, 3), np.uint8))


@pytest.mark.parametrize(
    ("kind", "fault", "complaint"),
    [
        ("C", cut, r"\.JPEG is (damaged|not an image)"),
        ("C", two_beginnings, r"\.JPEG is damaged"),
        ("C", other_size, r"\.JPEG is 80×70; 64×64 is expected: set `resize` of the test set"),
        ("C", Path.unlink, r"\.JPEG is missing"),
        ("P", cut, r"\.mp4 is damaged or not a video"),
        ("P", shorter, r"\.mp4 has 7 frames; 31 are expected"),
        ("P", wider, r"\.mp4 is 48×48; 64×64 is expected"),
        ("P", Path.unlink, r"\.mp4 is missing"),
    ],
)
def test_a_bad_file_is_named(data: Path, kind: str, fault: Callable[[Path], object], complaint: str) -> None:
    name = {"C": "contrast/3", "P": "rotate"}[kind]
    path = sorted(data.with_name(f"imagenet-{kind}").glob(f"{name}/*/*"))[1]
    whole = path.read_bytes()
    try:
        fault(path)
        with pytest.raises(UserError, match=complaint) as caught:
            opened(data, kind).read(name.split("/")[0]).images[:]
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    finally:
        path.write_bytes(whole)


def test_a_failure_leaves_nothing_that_looks_whole(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(videos, "write", full)
    with pytest.raises(UserError, match=r"cannot write .*rotate: No space left on device"):
        of_folder("P", data, tmp_path / "P", ["rotate"]).make(["rotate"])
    assert list((tmp_path / "P").iterdir()) == []
    with pytest.raises(UserError, match="frog"):
        of_folder("C", data, tmp_path / "C", ["frog"])
    with pytest.raises(UserError, match="fog is missing"):
        opened(data, "C").read("fog")
