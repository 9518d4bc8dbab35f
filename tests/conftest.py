"""Fixtures of several rooms' tests: a small real data set, prepared once, and folders of shared data."""

import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from augmix.suite.config.experiment import Experiment, load
from augmix.suite.data.datasets import Preparation, prepare
from tests.checkout import Checkout, copy_checkout, make_finished
from tests.faults.tally import NIGHTLY

# Tests run side by side on few cores: one thread each is fastest. Torch reads this when it is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).parents[2] / "shared"
VISIBLE = "CUDA_VISIBLE_DEVICES"
GIVEN = os.environ.get(VISIBLE)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: compressed ones hold the time, and xdist's workers would not agree."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none, and by day what is for the night."""
    import torch

    for item in items:
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU"))
        if item.get_closest_marker("nightly") and not NIGHTLY:
            item.add_marker(pytest.mark.skip(reason="make test-nightly does it"))


@pytest.fixture(scope="session", autouse=True)
def on_the_cpu() -> Iterator[Callable[[], bool]]:
    """Have every test, and the processes that it starts, compute on the CPU, whatever GPU this machine has."""
    import torch

    is_available = torch.cuda.is_available
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VISIBLE, "-1")
        patch.setattr(torch.cuda, "is_available", lambda: False)
        yield is_available


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """The state after a power cut is tried in a process of its own; here each flush would only take time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def on_the_gpu(on_the_cpu: Callable[[], bool], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test that is marked `cuda` have the GPU all the same."""
    if request.node.get_closest_marker("cuda"):
        import torch

        monkeypatch.setattr(torch.cuda, "is_available", on_the_cpu)
        monkeypatch.delenv(VISIBLE) if GIVEN is None else monkeypatch.setenv(VISIBLE, GIVEN)


@pytest.fixture(scope="session")
def small_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared `data/digits` with 96 training and 40 test images; treat it as read-only."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    prepare(Preparation("digits", {}, {"train": 96, "test": 40}), folder)
    return folder


@pytest.fixture(scope="session")
def imagenet_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 photographs of 64 classes as `train/<class>/*`, twice each, and `val/<class>/*`; treat it as read-only."""
    archive = SHARED / "data" / "imagenet-sample-64.tar.gz"
    if not archive.is_file():
        pytest.skip("needs the shared sample of ImageNet")
    root = tmp_path_factory.mktemp("imagenet")
    with tarfile.open(archive) as tar:
        tar.extractall(root / "val", filter="data")
    for photograph in sorted((root / "val").glob("*/*")):
        folder = root / "train" / photograph.parent.name
        folder.mkdir(parents=True)
        for copy in ("a.JPEG", "b.JPEG"):
            shutil.copyfile(photograph, folder / copy)
    return root


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Write `<tmp_path>/small.yaml`: one epoch of three methods on a few digits; keywords replace its keys."""

    def write(**changes: Any) -> Path:
        config: dict[str, Any] = {
            "experiment": "small",
            "datasets": {"digits": {"loader": "digits", "flip": False, "subset": {"train": 96, "test": 40}}},
            "architectures": ["smallnet"],
            "methods": ["standard"],
            "seeds": [0],
            "training": {"epochs": 1, "batch_size": 32},
            "testsets": {
                "C": {"shifts": ["fog", "pixelate"]},
                "P": {"shifts": ["gaussian_noise", "tilt"], "images": 10},
            },
            "folders": {"data": str(tmp_path / "data"), "results": str(tmp_path / "results")},
        }
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump({**config, **changes}, sort_keys=False))
        return path

    return write


@pytest.fixture
def small_experiment(write_config: Callable[..., Path], small_digits: Path) -> Callable[..., Experiment]:
    """The experiment of `write_config`, reading `small_digits`."""

    def make(**changes: Any) -> Experiment:
        experiment = load(write_config(**changes))
        text = json.dumps(experiment.config).replace(str(experiment.data), str(small_digits.parent))
        return Experiment(json.loads(text))

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with a finished experiment, shared by all tests: other experiments there need other names."""
    base = tmp_path_factory.getbasetemp()
    # Each of xdist's workers has a folder of its own beside the others'.
    return make_finished(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture
def copied(finished: Checkout, tmp_path: Path) -> Checkout:
    """The finished checkout's files and records once more, to be changed."""

    def copy(source: str, target: str) -> None:
        with suppress(FileNotFoundError):  # temporary files of other tests
            shutil.copy2(source, target)

    copy_checkout(tmp_path / "copied")
    for name in ("config", "data", "results/tiny", ".snakemake/metadata"):
        shutil.copytree(finished.folder / name, tmp_path / "copied" / name, copy_function=copy, dirs_exist_ok=True)
    return Checkout(tmp_path / "copied")
