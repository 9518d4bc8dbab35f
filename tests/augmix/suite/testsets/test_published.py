"""Published benchmarks: configured, downloaded from a server on this machine, checked, recorded, evaluated."""

import functools
import hashlib
import json
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
from augmix.suite.data import datasets, download
from augmix.suite.data.download import Source
from augmix.suite.testsets import arrays as benchmark
from augmix.suite.testsets import published

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


def digits(**published: str) -> dict[str, Any]:
    return {"digits": {"loader": "digits", "flip": False, "subset": {"test": 40, "train": 96}, "published": published}}


def test_prepare_downloads_unpacks_and_checks_once(
    served: tuple[Path, str], write_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    monkeypatch.setitem(benchmark.DOWNLOADED, "digits", "Digits-C")
    experiment = load(write_config(datasets=digits(C="download")))
    datasets.prepare(experiment.dataset_settings("digits"), experiment.data / "digits")
    write_published(tmp_path / "made" / "Digits-C", experiment.data / "digits")
    with tarfile.open(folder / "Digits-C.tar", "w") as tar:
        tar.add(tmp_path / "made" / "Digits-C", "Digits-C")
    content = (folder / "Digits-C.tar").read_bytes()
    digest = hashlib.md5(content).hexdigest()
    source = Source(f"{address}/Digits-C.tar?download=1", len(content), f"md5:{digest}", len(content))
    monkeypatch.setitem(published.ARCHIVES, "Digits-C", published._arrays(source))
    for _ in range(2):
        assert main(["prepare", "--config", str(tmp_path / "small.yaml"), "--dataset", "digits"]) == 0
        (folder / "Digits-C.tar").unlink(missing_ok=True)  # not asked for again
    where = experiment.data / "downloads" / "Digits-C"
    assert experiment.benchmark_folder("digits", "C") == where
    assert sorted(path.name for path in where.iterdir()) == ["fog.npy", "labels.npy", "pixelate.npy"]
    [record] = experiment.benchmark_files("digits", "C", experiment.corruptions)
    assert json.loads(record.read_text()) == {
        "source": "published", "folder": str(where), "shifts": ["fog", "pixelate"],
    }  # fmt: skip


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
    experiment = load(write_config(datasets=digits(**{kind: str(folder) for kind, folder in folders.items()})))
    datasets.prepare(experiment.dataset_settings("digits"), experiment.data / "digits")
    write_published(folders["C"], experiment.data / "digits")
    folders["P"].mkdir()
    test = datasets.read(experiment.data / "digits", "test")
    for name in experiment.perturbations("digits"):
        np.save(folders["P"] / f"{name}.npy", perturb(np.array(test.images), name))
    for kind in ("C", "P"):
        settings = experiment.published_settings("digits", kind)
        published.check(Path(settings["folder"]), kind, settings["shifts"])
        [record] = experiment.benchmark_files("digits", kind, settings["shifts"])
        command = ["prepare", "--published", "--settings", json.dumps(settings), "--output", str(record)]
        assert main(command) == 0
        assert json.loads(record.read_text())["folder"] == str(folders[kind])
    assert experiment.runs[0].evaluation["folders"] == {kind: str(folder) for kind, folder in folders.items()}
    (folders["C"] / "fog.npy").unlink()
    with pytest.raises(UserError, match=r"mine-C/fog\.npy is missing; the folder should hold the published -C files"):
        published.check(folders["C"], "C", ["fog"])


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"C": "download"}, "only published -C sets for the loaders cifar10, cifar100, imagenet can be downloaded"),
        ({"P": "download"}, "only published -C sets"),
        ({"C": 3}, "published"),
        ({"D": "folder"}, "D"),
        ({"C": ""}, "published"),
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
    assert experiment.dataset_settings("cifar10")["options"] == {"folder": str(tmp_path / "data" / "downloads")}
    assert experiment.dataset_settings("mine")["options"] == {"folder": "/mine"}
    assert experiment.preset("cifar10") == "cifar"
