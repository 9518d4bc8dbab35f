"""`augmix warm-up`: afterwards nothing is left to compile."""

import subprocess
import sys
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from augmix import AugMix, AugMixViews, compilation, operations
from augmix.corruptions import NAMES, bar, corrupt
from augmix.perturbations import EXTRA_PERTURBATIONS, PERTURBATIONS, perturb
from augmix.suite.cli import main, warm_up
from baselines import autoaugment, ipmix, noisymix, pixmix, prime


def test_nothing_is_left_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (warm_up._transform, warm_up._methods, warm_up._corruptions, warm_up._perturbations):
        part()

    def fail(*_: object) -> None:
        raise AssertionError("types of arguments that warm-up did not compile for")

    # Whether the kept kernels have them depends on what ran before on this machine.
    monkeypatch.setattr(compilation._Kept, "load_overload", fail)
    for channels, name in product((1, 3), operations.IDS):
        images = torch.zeros(3, channels, 12, 10, dtype=torch.uint8)
        operations.apply(name, images, np.full(3, 2.0))
        AugMix(width=2, depth=2, alpha=0.05, all_ops=True)(images)
    AugMixViews()(Image.new("L", (9, 9)))
    autoaugment.method().views(images, torch.arange(3), torch.nn.Identity(), np.random.default_rng(0))
    images, rng = torch.zeros(64, 3, 12, 10, dtype=torch.uint8), np.random.default_rng(0)
    for method in (pixmix.method(pictures=3), ipmix.method(wrap=True, pictures=3), prime.method(), noisymix.method()):
        method.mix(method.views(images, torch.zeros(64), torch.nn.Identity(), rng), torch.eye(64), rng)
    photographs = np.zeros((2, 40, 48, 3), np.uint8)
    photographs.flags.writeable = False
    for name, preset, severity in product(NAMES, ("cifar", "imagenet"), (1, 2, 4)):
        corrupt(photographs, name, severity, preset=preset)
    for preset in bar.LEVELS:
        for name in bar.corruptions_of(preset):
            bar.corrupt(photographs[:, :, :40], name, 3, preset=preset)
    for name, preset in product((*PERTURBATIONS, *EXTRA_PERTURBATIONS), ("cifar", "imagenet")):
        perturb(photographs, name, preset=preset, crop=32)


def test_it_compiles_in_several_processes_and_says_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    waits = "touch $$; while [ $(ls | wc -l) -lt 4 ]; do sleep 0.01; done"  # for the others, in place of compiling
    together = partial(subprocess.run, ["sh", "-c", waits], cwd=tmp_path, check=True, timeout=100)
    for part in ("_transform", "_methods", "_corruptions", "_perturbations"):
        monkeypatch.setattr(warm_up, part, together)
    assert main(["warm-up"]) == 0
    assert capsys.readouterr().out == f"compiled kernels are in {compilation.folders()[0]}\n"


def test_without_a_folder_it_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(compilation, "folders", lambda: (None, None))
    assert main(["warm-up"]) == 2
    assert "no folder to keep compiled kernels in can be written; set NUMBA_CACHE_DIR" in capsys.readouterr().err


def test_it_imports_no_package_of_the_suite() -> None:
    code = "import sys, augmix.suite.cli.warm_up; assert not {'yaml', 'tqdm', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
