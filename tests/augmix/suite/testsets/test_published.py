"""Published test sets: configured, downloaded from a server on this machine, checked, recorded, evaluated."""

import functools
import hashlib
import json
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augmix.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, corrupt
from augmix.errors import UserError
from augmix.perturbations import perturb
from augmix.suite.cli import main
from augmix.suite.config.experiment import load
from augmix.suite.config.parse import origin_of
from augmix.suite.data import datasets, download
from augmix.suite.data.datasets import Preparation
from augmix.suite.data.download import Source
from augmix.suite.testsets import base, kinds, published

Write = Callable[..., Path]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which its files are served."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def write_published(folder: Path, data: Path) -> None:
    """A published -C in small: fog and pixelate of every test image, and their labels as uint8."""
    test = datasets.read(data, "test")
    folder.mkdir(parents=True)
    for name in ("fog", "pixelate"):
        np.save(folder / f"{name}.npy", np.concatenate([corrupt(np.array(test.images), name, s) for s in range(1, 6)]))
    np.save(folder / "labels.npy", np.tile(test.labels, 5).astype(np.uint8))


def digits(**testsets: Any) -> dict[str, Any]:
    return {"digits": {"loader": "digits", "flip": False, "subset": {"test": 40, "train": 96}, "testsets": testsets}}


def test_generate_downloads_unpacks_and_checks_once(
    served: tuple[Path, str], write_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    monkeypatch.setitem(published.DOWNLOADED, "digits", "Digits-C")
    experiment = load(write_config(datasets=digits(C={"published": "download"})))
    datasets.prepare(experiment.preparation("digits"), experiment.data / "digits")
    write_published(tmp_path / "made" / "Digits-C", experiment.data / "digits")
    with tarfile.open(folder / "Digits-C.tar", "w") as tar:
        tar.add(tmp_path / "made" / "Digits-C", "Digits-C")
    content = (folder / "Digits-C.tar").read_bytes()
    digest = hashlib.md5(content).hexdigest()
    source = Source(f"{address}/Digits-C.tar?download=1", len(content), f"md5:{digest}", len(content))
    monkeypatch.setitem(published.ARCHIVES, "Digits-C", published._arrays(source))
    for _ in range(2):
        assert main(["generate", "--config", str(tmp_path / "small.yaml"), "--testset", "C"]) == 0
        (folder / "Digits-C.tar").unlink(missing_ok=True)  # not asked for again
    where = experiment.data / "downloads" / "Digits-C"
    [_, testset, _] = experiment.testsets("digits")
    assert testset.folder == where
    assert sorted(path.name for path in where.iterdir()) == ["fog.npy", "labels.npy", "pixelate.npy"]
    noted = json.loads(testset.stamp("fog").read_text())
    assert testset.stamp("fog") == experiment.data / "digits" / "published-C.json"
    assert noted["source"] == "published"
    assert noted["settings"].pop("files") == testset.made_of("fog")["files"]
    assert noted["settings"] == {"published": "Digits-C", "shifts": ["fog", "pixelate"], "resize": False}
    assert noted["data"] == datasets.test_images_digest(experiment.data / "digits")
    [making] = testset.jobs()
    assert json.loads(making.marker.read_text()) == {"shifts": ["fog", "pixelate"]}


def test_offline_it_offers_the_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("http://127.0.0.1:9/CIFAR-10-C.tar", 2_918_471_680, "md5:0")
    monkeypatch.setitem(published.ARCHIVES, "CIFAR-10-C", published._arrays(source))
    monkeypatch.setattr(download, "PAUSES", ())
    monkeypatch.setattr(download, "check_space", lambda *_: None)
    with pytest.raises(UserError, match=r"CIFAR-10-C\.tar \(2\.9 GB\) is not in .*or leave 'published' out") as caught:
        published.download("CIFAR-10-C", tmp_path)
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(UserError, match="unknown published set 'CIFAR-10-D'; did you mean 'CIFAR-10-C'"):
        published.download("CIFAR-10-D", tmp_path)


def test_every_corruption_is_in_one_archive() -> None:
    for archives in published.ARCHIVES.values():
        assert sorted(name for archive in archives for name in archive.files) == sorted(CORRUPTIONS + EXTRA_CORRUPTIONS)
    assert sorted(published.FIFTEEN) == sorted(CORRUPTIONS)
    blur = published.ARCHIVES["ImageNet-C"][1]
    assert blur.source.name == "blur.tar"
    assert list(blur.files) == ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"]


def test_imagenet_c_comes_in_parts(served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = served
    for shift in ("fog", "snow"):
        image = tmp_path / "made" / shift / "1" / "n01440764" / "x.JPEG"
        image.parent.mkdir(parents=True)
        image.write_text(shift)
    with tarfile.open(folder / "weather.tar", "w") as tar:
        tar.add(tmp_path / "made", ".")
    content = (folder / "weather.tar").read_bytes()
    digest = hashlib.md5(content).hexdigest()
    source = Source(f"{address}/weather.tar", len(content), f"md5:{digest}", len(content))
    weather = published.Archive(source, {"fog": "fog", "snow": "snow"}, bare=True)
    noise = published._images("noise.tar", 10, "0", "shot_noise")  # not asked for
    monkeypatch.setitem(published.ARCHIVES, "ImageNet-C", (noise, weather))
    for _ in range(2):
        where = published.download("ImageNet-C", tmp_path / "data", ["fog", "snow"])
        (folder / "weather.tar").unlink(missing_ok=True)
    assert (where / "fog" / "1" / "n01440764" / "x.JPEG").read_text() == "fog"
    assert sorted(path.name for path in where.iterdir() if not path.name.startswith(".")) == ["fog", "snow"]


def test_a_configured_folder_is_used_as_it_is(
    write_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {kind: tmp_path / f"mine-{kind}" for kind in ("C", "P")}
    entries = {kind: {"published": str(folder)} for kind, folder in folders.items()}
    experiment = load(write_config(datasets=digits(**entries)))
    datasets.prepare(experiment.preparation("digits"), experiment.data / "digits")
    write_published(folders["C"], experiment.data / "digits")
    folders["P"].mkdir()
    test = datasets.read(experiment.data / "digits", "test")
    _, corruptions, perturbations = experiment.testsets("digits")
    for name in perturbations.shifts:
        np.save(folders["P"] / f"{name}.npy", perturb(np.array(test.images), name))
    for testset in (corruptions, perturbations):
        testset.check()
        [making] = testset.jobs()
        assert making.local
        assert main(["generate", "--settings", json.dumps(making.settings())]) == 0
        assert testset.folder == folders[testset.name]
        assert making.marker.exists()
    files = {path.name for folder in folders.values() for path in folder.iterdir()}
    assert files == {"fog.npy", "pixelate.npy", "labels.npy", "gaussian_noise.npy", "tilt.npy"}, (
        "nothing is written there"
    )
    assert experiment.runs[0].testsets[1:] == [corruptions, perturbations]
    (folders["C"] / "fog.npy").unlink()
    with pytest.raises(UserError, match=r"mine-C/fog\.npy is missing; the folder should hold the published -C files"):
        corruptions.check()


def test_a_published_set_that_does_not_fit_is_refused_before_any_evaluation(
    write_config: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = load(write_config(datasets=digits(C={"published": str(tmp_path / "mine")})))
    datasets.prepare(experiment.preparation("digits"), experiment.data / "digits")
    write_published(tmp_path / "mine", experiment.data / "digits")
    labels = np.load(tmp_path / "mine" / "labels.npy")
    np.save(tmp_path / "mine" / "labels.npy", labels[::-1])
    [_, testset, _] = experiment.testsets("digits")
    [making] = testset.jobs()
    assert main(["generate", "--settings", json.dumps(making.settings())]) == 2
    assert "does not have the labels of the data set's test images" in capsys.readouterr().err
    assert not making.marker.exists()
    np.save(tmp_path / "mine" / "labels.npy", labels)
    base.make(testset, testset.shifts, 1)
    first = testset.identity()
    # Other test images: the check of before says nothing about them.
    other = Preparation("digits", {"split": "unseen_writers"}, {"train": 96, "test": 40})
    datasets.prepare(other, experiment.data / "digits")
    assert not base.is_made(testset, "fog")
    with pytest.raises(UserError, match="does not have the labels"):
        base.make(testset, testset.shifts, 1)
    datasets.prepare(experiment.preparation("digits"), experiment.data / "digits")
    base.make(testset, testset.shifts, 1)
    assert testset.identity() == first


def test_two_test_sets_compare_published_files_with_our_own(write_config: Write, tmp_path: Path) -> None:
    theirs = {"kind": "corruptions", "shifts": ["fog", "pixelate"], "published": str(tmp_path / "theirs")}
    experiment = load(write_config(datasets=digits(theirs=theirs)))
    datasets.prepare(experiment.preparation("digits"), experiment.data / "digits")
    write_published(tmp_path / "theirs", experiment.data / "digits")
    for making in experiment.makings():
        base.make(making.testset, making.shifts, making.number)
    test = datasets.read(experiment.data / "digits", "test")
    _, own, _, published_one = experiment.testsets("digits")
    one, other = (testset.open(test, list("0123456789")) for testset in (own, published_one))
    assert (one.source[:9], other.source) == ("generated", "published")
    assert np.array_equal(one.read("fog").images[:], other.read("fog").images[:])
    assert own.identity() != published_one.identity()


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (
            {"C": {"published": "download"}},
            "only published -C sets for the loaders cifar10, cifar100, imagenet can be downloaded",
        ),
        ({"P": {"published": "download"}}, "only published -C sets"),
        ({"C": {"published": 3}}, "published"),
        ({"D": {"published": "folder"}}, "D"),
        ({"C": {"published": ""}}, "published"),
        ({"C": "download"}, "testsets.C must be a mapping or null, not 'download'"),
    ],
)
def test_bad_configurations(write_config: Write, entry: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        load(write_config(datasets=digits(**entry)))
    assert "small.yaml:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_loaders_download_below_the_data_folder_unless_told(write_config: Write, tmp_path: Path) -> None:
    entries = {"cifar10": {"loader": "cifar10"}, "mine": {"loader": "fashion_mnist", "options": {"folder": "/mine"}}}
    experiment = load(write_config(datasets=entries))
    assert experiment.preparation("cifar10").options == {"folder": str(tmp_path / "data" / "downloads")}
    assert experiment.preparation("mine").options == {"folder": "/mine"}
    assert origin_of(experiment.config, "cifar10").preset == "cifar"


def test_published_photographs_count_by_their_content(tmp_path: Path) -> None:
    image = tmp_path / "ImageNet-C" / "fog" / "1" / "n01440764" / "x.JPEG"

    def content(*shifts: str) -> object:
        settings = {"where": str(tmp_path / "ImageNet-C"), "published": str(tmp_path), "resize": False, "images": None}
        own = {"preset": "imagenet", "seed": 0, "streamed": True, "names": shifts}
        testset = kinds.kind("corruptions")(name="C", data=str(tmp_path / "photos"), **settings, **own)
        return testset.made_of("fog")["files"]

    assert content("fog") is None
    image.parent.mkdir(parents=True)
    image.write_text("fog")
    first = content("fog")
    assert first is not None
    (tmp_path / "ImageNet-C" / "snow").mkdir()
    (tmp_path / "ImageNet-C" / "snow" / "more").write_text("")
    (image.parent / ".DS_Store").write_text("")
    assert content("fog") == first
    assert content("fog", "snow") != first
    image.write_text("fig")
    assert content("fog") not in (None, first)
    # Once they are gone, what was checked still counts.
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "published-C.json").write_text(json.dumps({"settings": {"files": first}}))
    shutil.rmtree(tmp_path / "ImageNet-C")
    assert content("fog") == first
