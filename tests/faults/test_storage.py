"""Full, read-only and contended storage: clear words, nothing corrupted, and the run goes on when there is room."""

import errno
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from augmix.errors import UserError
from augmix.suite.cli import main
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.evaluation import evaluate
from augmix.suite.evaluate.results import collect
from augmix.suite.io.files import write_text
from augmix.suite.io.locks import locked
from augmix.suite.run.preflight import check_folders
from augmix.suite.train.training import train
from tests.checkout import Checkout
from tests.faults.tally import NIGHTLY, tried

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
KIB_MORE = 64 if NIGHTLY else 512


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    """A file system in memory at `folder`; what is yielded changes its options."""

    def mount(options: str) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"cannot mount here: {done.stderr.decode().strip()}")

    folder.mkdir()
    mount(options)
    try:
        yield lambda changed: mount(f"remount,{changed}")
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def experiment(small_experiment: Callable[..., Experiment], made_testsets: Path) -> Experiment:
    return small_experiment(methods=["augmix"], training={"epochs": 2, "batch_size": 32})


def all_stages(experiment: Experiment) -> None:
    [run] = experiment.runs
    folder = experiment.folder / run.path
    if not (folder / "model.pt").exists():
        train(run.training, folder)
    evaluate(run.evaluation, folder)
    collect(experiment)


def refused(experiment: Experiment) -> str:
    """The stages' messages when they cannot go on; empty when they end."""
    try:
        all_stages(experiment)
    except UserError as error:
        return str(error)
    return ""


@ROOT_ONLY
def test_a_disk_that_is_full_at_every_write_corrupts_nothing(
    experiment: Experiment, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    [run] = experiment.runs
    full = Experiment(
        {**experiment.config, "folders": {**experiment.config["folders"], "results": str(tmp_path / "f")}}
    )
    all_stages(experiment)
    refusals, size = [], 4
    with mounted(tmp_path / "f", f"size={size}k") as change:
        while refusal := refused(full):
            refusals.append(refusal)
            whole(full.folder / run.path)
            assert not list(full.folder.glob("**/*.tmp"))
            size += KIB_MORE if refusal.endswith(f".pt: {os.strerror(errno.ENOSPC)}") else 4
            change(f"size={size}k")
        for name in (f"{run.path}/model.pt", "metrics.csv"):
            assert (full.folder / name).read_bytes() == (experiment.folder / name).read_bytes()
        tried("disk full, at growing sizes, while a run trains, is evaluated and collected", len(refusals))
    assert len(set(refusals)) >= 3
    assert all(re.fullmatch(f"cannot write {full.folder}/.*", refusal) for refusal in refusals), refusals
    assert "damaged" not in capfd.readouterr().err


def whole(folder: Path) -> None:
    """Every result that is there can be read."""
    for name in ("model.pt", "checkpoint.pt", "checkpoint.previous.pt"):
        if (folder / name).exists():
            torch.load(folder / name, weights_only=True)
    for name in ("clean", "C", "P"):
        if (folder / "predictions" / f"{name}.npz").exists():
            predictions.read(folder / "predictions" / f"{name}.npz", ())


def command(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


@ROOT_ONLY
@pytest.mark.parametrize("full", [True, False])
def test_the_command_says_so_in_one_line(
    experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str], full: bool
) -> None:
    [run] = experiment.runs
    config = tmp_path / "small.yaml"
    with mounted(tmp_path / "f", "size=64k") as change:
        text = config.read_text().replace(str(tmp_path / "data"), str(experiment.data))
        config.write_text(text.replace(str(tmp_path / "results"), str(tmp_path / "f")))
        (tmp_path / "f/small").mkdir()
        if full:
            with pytest.raises(OSError, match="No space left"):
                (tmp_path / "f/ballast").write_bytes(bytes(100_000))
        else:
            change("ro")
        status = command(["train", run.path, "--config", str(config), "--log", str(tmp_path / "f/small/train.log")])
        said = capsys.readouterr().err
    assert status == 2
    assert said.count("\n") == 1
    assert "cannot write" in said
    assert ("No space left on device" if full else "Read-only file system") in said
    tried("a command on a full or read-only disk", 1)


@ROOT_ONLY
@pytest.mark.parametrize(("kind", "arguments"), [("corrupt", ["fog"]), ("perturb", ["translate", "--images", "20"])])
def test_a_disk_that_fills_up_under_a_benchmark(
    small_digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, arguments: list[str]
) -> None:
    option = {"corrupt": "--corruption", "perturb": "--perturbation"}[kind]
    with mounted(tmp_path / "f", "size=500k"):
        status = command([kind, str(small_digits), option, *arguments, "--output", str(tmp_path / "f")])
        assert not list((tmp_path / "f").iterdir())
    said = capsys.readouterr().err
    assert (status, said.count("cannot write")) == (2, 1)
    assert "No space left on device" in said
    tried("disk full while a benchmark is generated", 1)


@ROOT_ONLY
def test_read_only_results_are_refused_before_any_job(experiment: Experiment, tmp_path: Path) -> None:
    with mounted(tmp_path / "f", "ro"):
        config = {**experiment.config, "folders": {**experiment.config["folders"], "results": str(tmp_path / "f")}}
        with pytest.raises(UserError, match=r"the results folder .* cannot be written: .*Read-only file system"):
            check_folders(Experiment(config))


def test_a_stale_lock_is_no_lock(tmp_path: Path) -> None:
    write_text(tmp_path / ".lock", "process 999999 on elsewhere")
    with locked(tmp_path / ".lock", "results"):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.slow
def test_two_starts_at_once(copied: Checkout) -> None:
    mirrored = copied.folder / "results/tiny/mlflow.synced"
    mirrored.unlink()
    starts = [
        subprocess.Popen(
            copied.reproduce_command("config/tiny.yaml"), cwd=copied.folder, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = {start.communicate(timeout=500)[1]: start.returncode for start in starts}
    assert sorted(said.values()) in ([0, 0], [0, 1])
    for text, status in said.items():
        if status == 1:
            assert "results/tiny is in use by process" in text
            assert text.count("\n") == 1
    assert mirrored.exists()
    tried("two `augmix reproduce` at once", 1)
