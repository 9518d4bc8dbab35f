"""README and the pages of docs/ hold what runs as it stands: Python, YAML, commands and the notebook."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

import augmix
from augmix import models
from augmix.suite.cli.parser import build_parser
from augmix.suite.config import experiment
from tests.reports.synthetic import Synthetic

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}


def blocks(language: str) -> list[tuple[str, str]]:
    """Each block in a language, with its page."""
    fences = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [(page, code) for page, text in PAGES.items() for of, code in fences.findall(text) if of == language]


def block(language: str, containing: str, page: str = "") -> str:
    """The one block in a language that contains some text, on any page or on one."""
    [found] = [code for where, code in blocks(language) if containing in code and page in where]
    return found


@pytest.mark.parametrize(("page", "code"), blocks(""))
def test_commands_are_ones_that_there_are(page: str, code: str) -> None:
    """Each `augmix …` parses, and each `make …` names a target and an experiment of the repository or of the page."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line.split("  #")[0].replace("&&", ";").rpartition(";")[2])
        if words[:1] == ["augmix"]:
            build_parser().parse_args(words[1:])
        elif words[:1] == ["make"]:
            assert words[1] in targets
            for name in re.findall(r"EXPERIMENT=(\w+)", line):
                assert (ROOT / f"config/{name}.yaml").is_file() or f"experiment: {name}\n" in PAGES[page]


@pytest.mark.parametrize(("page", "code"), blocks("yaml"))
def test_configurations_are_accepted(
    page: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: np.ndarray
) -> None:
    """A whole experiment as it stands; of a part, its keys alone: what it names may not be on this machine."""
    written = yaml.safe_load(code)
    if not isinstance(written, dict) or "experiment" not in written:
        known = {"testsets", "datasets", "architectures", "methods"}
        assert isinstance(written, list) or set(written) <= known or set(written) <= {"C", "P"}, page
        return
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            v2.functional.to_pil_image(images[len(name + split) % 4]).save(folder / f"{split}.png")
    for path in (ROOT / "config").glob("*.yaml"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "tried.yaml").write_text(code.replace("/path/to/folder", str(tmp_path / "images")), encoding="utf-8")
    module = block("python", "def method(").encode()
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown/__init__.py").touch()
    (tmp_path / "shown/inverted.py").write_bytes(module)
    monkeypatch.syspath_prepend(tmp_path)
    with (tmp_path / "tried.yaml").open("a", encoding="utf-8") as file:
        file.write("method_packages: [baselines, ablations, shown]\n")
    assert experiment.load(str(tmp_path / "tried.yaml")).runs


@pytest.mark.slow
def test_the_notebook(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its cells run one after the other, with one epoch and a few test images."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    given: dict[str, Any] = {"__name__": "notebook"}
    for cell in json.loads((ROOT / "docs/photograph.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            code = (
                "".join(cell["source"]).replace("EPOCHS = 5", "EPOCHS = 1").replace("test_images,", "test_images[:8],")
            )
            exec(code.replace("test_labels,", "test_labels[:8],"), given)
    assert re.findall(r"^(\S.*?) +clean error", capsys.readouterr().out, re.MULTILINE) == list(given["nets"])


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("page", ["README.md", "transform.md"])
def test_the_library_in_brief(page: str, images: np.ndarray) -> None:
    given: dict[str, Any] = {"images": images}
    exec(block("python", "AugMixViews", page), given)
    assert len(given["views"](v2.functional.to_pil_image(images[0]))) == 3
    assert given["corrupted"].shape == given.get("rippled", images).shape == images.shape
    assert given["sequence"].shape[::2] == (4, 32, 3)


def test_any_net_is_scored(images: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 4))
    exec(block("python", "augmix.evaluate"), {"augmix": augmix, "net": net, "images": images, "labels": range(4)})
    assert "mFP" in capsys.readouterr().out


@pytest.mark.parametrize("page", ["README.md", "tutorial.md", "pandas.md"])
def test_results_in_pandas(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Synthetic(tmp_path)
    made.write().rename(tmp_path / "results" / "fashion")
    (tmp_path / "results" / "quick").symlink_to("fashion")
    monkeypatch.chdir(tmp_path)
    exec(block("python", "augmix.load", page), {"augmix": augmix})
    said = capsys.readouterr().out
    assert set(re.findall(r"^(augmix|no_jsd|standard) .*\d\.\d+", said, re.MULTILINE)) == {
        "augmix",
        "no_jsd",
        "standard",
    }


def test_a_compose(images: np.ndarray) -> None:
    given: dict[str, Any] = {"augmix": augmix}
    exec(block("python", "v2.Compose"), given)
    result = given["train"](v2.functional.to_pil_image(images[0]))
    assert result.shape == (3, 32, 32)
    assert result.dtype == torch.float32
    assert -1 <= result.min() < 0 < result.max() <= 1


@pytest.mark.parametrize("library", ["albumentations", "kornia"])
def test_in_other_libraries(library: str, images: np.ndarray) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed")
    batch = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    given: dict[str, Any] = {"augmix": augmix, "photograph": images[0], "batch": batch}
    exec(block("python", f"import {library}"), given)
    result, source = given["augmented"], batch if library == "kornia" else images[0]
    assert type(result) is type(source)
    assert (result.shape, result.dtype) == (source.shape, source.dtype)
    assert (result != source).any()


def test_a_step_with_the_consistency_loss(images: np.ndarray) -> None:
    net = models.build("smallnet", 10)
    before = [parameter.clone() for parameter in net.parameters()]
    data = TensorDataset(torch.from_numpy(images).permute(0, 3, 1, 2), torch.arange(4))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    code = block("python", "jensen_shannon")
    assert len(code.splitlines()) <= 15
    given: dict[str, Any] = {"torch": torch, "loader": DataLoader(data, 2), "net": net, "optimizer": optimizer}
    exec(code, given)
    assert given["loss"].isfinite()
    assert not any(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


def test_in_place_of_torchvisions_transform(images: np.ndarray) -> None:
    picture = v2.functional.to_pil_image(images[0])
    theirs, ours = (
        eval(re.findall(rf"^{re.escape(sign)} (.*)$", block("diff", "v2.AugMix"), re.MULTILINE)[0])(picture)
        for sign in "-+"
    )
    assert (ours.mode, ours.size) == (theirs.mode, theirs.size)


def test_a_method_of_ones_own(images: np.ndarray) -> None:
    given: dict[str, Any] = {}
    exec(block("python", "def method("), given)
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    [view] = given["method"]().views(batch, torch.arange(4), torch.nn.Identity(), np.random.default_rng(0))
    assert torch.equal(view, 255 - batch)
