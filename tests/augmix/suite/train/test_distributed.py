"""Two processes on one CPU: the curve of one process, batch norm by process, one writer, clean endings."""

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from augmix import models
from augmix.errors import UserError
from augmix.suite.cli import main
from augmix.suite.config.experiment import Experiment
from augmix.suite.data import datasets
from augmix.suite.train import distributed, training
from augmix.suite.train.batches import Batches
from augmix.suite.train.settings import TrainSettings

MakeExperiment = Callable[..., Experiment]
CPU = torch.device("cpu")
NAMELESS = ("unshare", "--uts", "sh", "-c", 'hostname nobody-knows-me; exec "$@"', "sh")
"""A machine whose name leads nowhere: its processes have to find each other all the same."""


def run_settings(make: MakeExperiment, architecture: str, processes: int = 1, **recipe: Any) -> TrainSettings:
    recipe = {"epochs": 2, "batch_size": 19, "processes": processes, **recipe}
    experiment = make(architectures=[architecture], training=recipe)
    return experiment.runs[0].training


def folder_in(path: Path) -> Path:
    return path / "x" / "digits" / "net" / "standard" / "seed0"


def start(settings: TrainSettings, folder: Path, *prefix: str) -> subprocess.Popen[str]:
    command = [*prefix, sys.executable, "-m", "augmix.suite.cli", "train", "--settings", json.dumps(settings.as_json())]
    command += ["--output", str(folder), "--log", str(folder / "train.log")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0)


def finish(process: "subprocess.Popen[str]") -> str:
    try:
        return process.communicate(timeout=120)[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def history(folder: Path) -> np.ndarray:
    with (folder / "history.csv").open() as file:
        return np.array(
            [[float(row[key]) for key in ("train_loss", "train_error", "test_error")] for row in csv.DictReader(file)]
        )


@pytest.mark.slow
def test_two_processes_have_the_curve_of_one(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    # 96 images in batches of 19: the last batch is of one image, fewer than there are processes.
    one, two = folder_in(tmp_path / "one"), folder_in(tmp_path / "two")
    process = start(run_settings(small_experiment, "vit", 2), two)
    training.train(run_settings(small_experiment, "vit"), one)
    errors = finish(process)
    assert process.returncode == 0, errors
    np.testing.assert_allclose(history(one), history(two), rtol=1e-4)
    expected, found = (torch.load(folder / "model.pt", weights_only=True) for folder in (one, two))
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)
    assert json.loads((two / "provenance.json").read_text())["processes"] == 2


def test_a_place_among_other_processes_is_not_taken_for_one_here(
    small_experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MPI's and SLURM's launchers, or a service's, set these for programs that do not train together."""
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "4"), ("MASTER_ADDR", "nowhere"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    settings, folder = run_settings(small_experiment, "smallnet", epochs=1), folder_in(tmp_path)
    (tmp_path / "log").write_text("an earlier start\n")
    command = [
        "train",
        "--settings",
        json.dumps(settings.as_json()),
        "--output",
        str(folder),
        "--log",
        str(tmp_path / "log"),
    ]
    assert main(command) == 0
    assert (folder / "model.pt").exists()
    assert "an earlier start" not in (tmp_path / "log").read_text()
    assert json.loads((folder / "provenance.json").read_text())["processes"] == 1


@pytest.mark.slow
@pytest.mark.nightly
def test_torchrun_starts_the_processes_as_well(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    settings, folder = run_settings(small_experiment, "smallnet", epochs=1), folder_in(tmp_path)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    command += [
        "-m",
        "augmix.suite.cli",
        "train",
        "--settings",
        json.dumps(settings.as_json()),
        "--output",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "provenance.json").read_text())["processes"] == 2


@pytest.mark.slow
def test_a_signal_leaves_a_checkpoint_that_another_number_of_processes_refuses(
    small_experiment: MakeExperiment, tmp_path: Path
) -> None:
    folder = folder_in(tmp_path)
    process = start(run_settings(small_experiment, "smallnet", 2, epochs=5000), folder)
    try:
        deadline = time.monotonic() + 90
        while not (folder / "progress.json").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        errors = finish(process)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert errors.strip().splitlines()[-1].startswith("augmix train: interrupted by SIGTERM")
    assert "Traceback" not in errors, errors
    assert (folder / "checkpoint.pt").exists()
    assert not (folder / "model.pt").exists()
    with pytest.raises(UserError, match=r"written by 2 processes and cannot be continued by 1; set") as caught:
        training.train(run_settings(small_experiment, "smallnet", 1, epochs=5000), folder)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_one_that_fails_says_why(small_experiment: MakeExperiment, tmp_path: Path) -> None:
    settings = replace(run_settings(small_experiment, "smallnet", 2), data=str(tmp_path / "nowhere"))
    folder = folder_in(tmp_path)
    process = start(settings, folder, *(NAMELESS if os.geteuid() == 0 else ()))
    errors = finish(process)
    assert process.returncode == 2, errors
    assert "Traceback" not in errors, errors
    assert (folder / "train.log").read_text().strip().splitlines()[-1].endswith("first, with `augmix prepare`")


def batches_of(split: datasets.Split, settings: TrainSettings, rank: int = 0, processes: int = 1) -> Batches:
    return Batches(split, settings.seed, settings.training["batch_size"], settings.flip, CPU, rank, processes)


def by_process(net: torch.nn.Module, settings: TrainSettings, split: datasets.Split, rank: int, steps: int) -> None:
    """Train in this process, as one of two."""
    group = distributed.Group(rank, 2, CPU)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    group.average_gradients_of(net, optimizer)
    batches = batches_of(split, settings, rank, 2)
    for step in range(steps):
        batch = batches(0, step)
        group.share = batch.share
        optimizer.zero_grad()
        F.cross_entropy(net.train()(batch.images), batch.labels).backward()
        optimizer.step()
    group.share_statistics(net)


def in_a_child(rank: int, path: Path, settings: TrainSettings, split: datasets.Split, net: torch.nn.Module) -> None:
    torch.set_num_threads(1)  # OpenMP's threads are not in a fork
    torch.distributed.init_process_group("gloo", f"file://{path}/meet", rank=rank, world_size=2)
    by_process(net, settings, split, rank, 3)
    torch.save(net.state_dict(), path / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_batch_norm_takes_each_process_by_itself(
    small_experiment: MakeExperiment, small_digits: Path, tmp_path: Path
) -> None:
    settings = run_settings(small_experiment, "smallnet", 2)
    split = datasets.read(small_digits, "train")
    torch.manual_seed(0)
    net = models.Normalised(models.build("smallnet", 10))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=in_a_child, args=(rank, tmp_path, settings, split, net)) for rank in (0, 1)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    # The same in one process: each half goes through the net by itself, and only the first leaves its statistics.
    other = models.Normalised(models.build("smallnet", 10))
    parts = [batches_of(split, settings, rank, 2) for rank in (0, 1)]
    for step in range(3):
        other.load_state_dict(net.state_dict())
        for module, batches in ((net, parts[0]), (other, parts[1])):
            batch = batches(0, step)
            module.zero_grad()
            (batch.share * F.cross_entropy(module.train()(batch.images), batch.labels)).backward()
        with torch.no_grad():
            for p, q in zip(net.parameters(), other.parameters(), strict=True):
                assert p.grad is not None
                assert q.grad is not None
                p.sub_(0.1 * (p.grad + q.grad))
    for name, value in net.state_dict().items():
        # Rounding grows quickly in batch norm over few images: compare with how far the steps went.
        off, went = (torch.linalg.vector_norm((value - start).double()) for start in (first[name], before[name]))
        assert off <= 0.05 * went, name


def test_processes_share_every_batch_with_the_cuts_of_one(small_experiment: MakeExperiment, small_digits: Path) -> None:
    settings = run_settings(small_experiment, "smallnet")
    split = datasets.read(small_digits, "train")
    whole = batches_of(split, settings)
    parts = [batches_of(split, settings, rank, 3) for rank in range(3)]
    for step in range(whole.steps):
        batch, shares = whole(4, step), [part(4, step) for part in parts]
        if step < whole.steps - 1:
            for rank, share in enumerate(shares):
                assert torch.equal(share.images, batch.images[rank::3])
                assert torch.equal(share.labels, batch.labels[rank::3])
        assert sum(share.share for share in shares) == pytest.approx(1)
        assert len({share.rng.random() for share in shares}) == 3
    assert [share.share for share in shares] == [1, 0, 0]
    assert [len(share.images) for share in shares] == [1, 1, 1]
