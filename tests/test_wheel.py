"""The wheel: with what it declares to need, and nothing else, the library works and the commands say what they lack."""

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def needed(names: list[str]) -> set[str]:
    """The distributions that these need here, directly or not, and these themselves."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            requirements = map(Requirement, distribution(name).requires or [])
            names += [one.name for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content and links to the packages that it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    for kernels in (ROOT / "augmix/__pycache__").glob("kernels-*"):  # compiled already, if a test has been
        shutil.copytree(kernels, folder / "site/augmix/__pycache__" / kernels.name)
    [metadata] = (folder / "site").glob("*.dist-info/METADATA")
    lines = re.findall("^Requires-Dist: (.*)$", metadata.read_text(), re.M)
    for name in needed([Requirement(line).name for line in lines if "extra ==" not in line]):
        for file in distribution(name).files or []:
            link = folder / "site" / file.parts[0]
            if file.parts[0] not in ("..", "__pycache__") and not link.exists():
                link.symlink_to(Path(str(distribution(name).locate_file(file.parts[0]))))
    return folder / "site"


def run(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in `site`'s parent, with Python's own library and `site` alone."""
    code = f"import sys; sys.path.append({str(site)!r})\n{code}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=site.parent, capture_output=True, text=True, check=False
    )


def test_the_library_needs_few_packages(site: Path) -> None:
    code = """
import augmix
assert "torch" not in sys.modules
import numpy as np, torch
from PIL import Image
images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
assert augmix.AugMix()(images).shape == images.shape
assert augmix.AugMixViews()(Image.new("L", (9, 8)))[2].size == (9, 8)
assert augmix.models.load("fashion/smallnet_thin/augmix").classes[1] == "Trouser"
net = augmix.models.build("smallnet", 10)
method = augmix.methods.build({"name": "augmix", "preset": "augmix"}, [])
views = method.views(images, torch.arange(2), net, np.random.default_rng(0))
loss = method.loss([net(view / 255) for view in views], torch.eye(10)[:2])
print(float(loss) > 0, augmix.metrics.error([0, 1], [0, 0]))
"""
    done = run(site, code)
    assert (done.stdout, done.returncode) == ("True 0.5\n", 0), done.stderr


def test_it_says_what_it_is(site: Path) -> None:
    [metadata] = site.glob("augmix-*.dist-info/METADATA")
    fields = set(re.findall(r"^([\w-]+): ", metadata.read_text(), re.M))
    assert {"Author", "Classifier", "License-Expression", "Project-URL", "Requires-Python", "Summary"} <= fields
    assert (site / "augmix/py.typed").is_file()
    done = run(site, "import augmix; print(set(augmix.__all__) <= set(dir(augmix)), 'torch' in sys.modules)")
    assert done.stdout == "True False\n", done.stderr


@pytest.mark.parametrize("module", ["corruptions", "perturbations"])
def test_corruptions_say_which_extra_they_need(site: Path, module: str) -> None:
    for code in (f"import augmix.{module}", f"from augmix import {module}", f"import augmix; augmix.{module}"):
        done = run(site, code)
        last = done.stderr.splitlines()[-1]
        assert last == "ModuleNotFoundError: No module named 'cv2'; run `pip install 'augmix[corruptions]'`"


COMMANDS = (
    "reproduce", "plan", "status", "prepare", "generate", "corrupt data/digits", "perturb data/digits",
    "corrupt --gallery g.png --image photo.png", "perturb --gallery folder --image photo.png",
    "train digits/smallnet/augmix/seed0", "evaluate digits/smallnet/augmix/seed0", "choose", "collect", "report",
    "track sync", "track ui", "evaluate --checkpoint w.pt --arch smallnet --dataset-folder data/digits --output x",
    "release --output x",
)  # fmt: skip


def test_the_suites_commands_say_what_to_install(site: Path) -> None:
    (site.parent / "config").mkdir()
    shutil.copy(ROOT / "config/digits.yaml", site.parent / "config")
    (site.parent / "data/digits").mkdir(parents=True)
    (site.parent / "data/digits/test_images.npy").touch()
    commands = [command.split() for command in COMMANDS]
    done = run(site, f"from augmix.suite.cli import main; print([main(command) for command in {commands}])")
    assert done.stdout == f"{[2] * len(commands)}\n", done.stderr
    for command, said in zip(commands, done.stderr.splitlines(), strict=True):
        missing = r"error: the package '\w+' is not installed; run `pip install 'augmix\[suite\]'`"
        assert re.fullmatch(f"augmix {command[0]}: {missing}", said)


def test_help_and_version_need_nothing(site: Path) -> None:
    for option in ("--help", "--version"):
        done = run(site, f"from augmix.suite.cli import main; main(['{option}'])")
        assert done.returncode == 0, done.stderr
        assert "augmix" in done.stdout
