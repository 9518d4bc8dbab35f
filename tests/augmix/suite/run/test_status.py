import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml

from augmix.suite.config.experiment import Experiment, load
from augmix.suite.config.runs import Run, code_of_evaluation
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.predictions import NUMBERS, Predictions
from augmix.suite.io.digests import code_of
from augmix.suite.io.locks import locked
from augmix.suite.run.status import print_status


@pytest.fixture
def experiment(write_config: Callable[..., Path]) -> Experiment:
    training = {"epochs": 10, "batch_size": 32}
    return load(write_config(methods=["standard", "augmix"], seeds=[0, 1, 2], training=training))


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def progress(folder: Path, silent: float = 0) -> None:
    noted = {
        "epoch": 4,
        "epochs": 10,
        "step": 2,
        "steps": 4,
        "seconds_per_epoch": 10.0,
        "updated": time.time() - silent,
    }
    (folder / "progress.json").write_text(json.dumps(noted))


def finish(experiment: Experiment, run: Run) -> None:
    """Leave what a finished run leaves, with the stamps of now, but for real weights and predictions."""
    folder = touch(experiment.folder / run.path, "train.log", "model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(run.training.as_json()))))
    code = code_of(run.training.roots()).as_json()
    (folder / "provenance.json").write_text(json.dumps({"fingerprint": "1", "code": code}))
    for testset in run.testsets:
        stamp = {"settings": testset.evaluated_with(), "run": "1", "images": "gone"}
        stamp["code"] = code_of_evaluation(run.architecture, testset).as_json()
        numbers = {shift: np.zeros(1, NUMBERS) for shift in testset.shifts}
        found = Predictions(numbers, np.zeros(1, np.int64), "made up")
        predictions.write(predictions.path_of(folder, "predictions", testset.name), found, stamp)


def test_every_state_is_shown(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    _, running, failed, diverged, interrupted, trained = (
        touch(experiment.folder / run.path, "train.log") for run in experiment.runs
    )
    finish(experiment, experiment.runs[0])
    progress(running)
    (failed / "train.log").write_text("augmix train: error: no space left\n")
    (diverged / "diverged.json").write_text('{"loss": "nan", "epoch": 2, "step": 7}')
    touch(interrupted, "checkpoint.pt")
    progress(interrupted, silent=1000)
    touch(trained, "model.pt")
    with locked(running / ".lock", "this test"):
        print_status(experiment)
    lines = [line.split(maxsplit=3) for line in capsys.readouterr().out.splitlines()]
    assert lines[1:7] == [
        ["digits/smallnet/standard/seed0", "done", "10/10"],
        ["digits/smallnet/standard/seed1", "running", "4/10", "about 1 min 5 s left"],
        ["digits/smallnet/standard/seed2", "failed", "no", "space left"],
        ["digits/smallnet/augmix/seed0", "diverged", "loss", "nan in epoch 2, step 7"],
        ["digits/smallnet/augmix/seed1", "interrupted", "4/10", "continues from its checkpoint"],
        ["digits/smallnet/augmix/seed2", "trained", "10/10", "waits for its evaluation"],
    ]


def test_a_folder_that_is_closed_hides_no_other_run(
    experiment: Experiment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for run in experiment.runs[:4]:
        finish(experiment, run)
    closed, damaged = (experiment.folder / run.path for run in experiment.runs[1:3])
    (damaged / "provenance.json").write_text("{")
    closed.chmod(0)
    try:
        command = [sys.executable, "-m", "augmix.suite.cli", "status", "--config", str(tmp_path / "small.yaml")]
        with suppress(PermissionError):
            os.stat(closed / ".")  # unlike `os.access`, it knows of capabilities
            if os.getuid() != 0 or not shutil.which("setpriv"):
                pytest.skip("this user may enter every folder")
            command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        closed.chmod(0o755)
    assert (done.stderr, done.returncode) == ("", 0)
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert lines[2][:2] == ["digits/smallnet/standard/seed1", "unreadable"]
    assert lines[2][2].startswith(str(closed))
    assert lines[2][2].endswith(": Permission denied")
    assert lines[3][1:2] == ["unreadable"]
    assert str(damaged / "provenance.json") in lines[3][2]
    assert [line[1] for line in (lines[1], *lines[4:7])] == ["done", "done", "pending", "pending"]
    assert "2 of 6 runs done, 2 unreadable, 2 pending\n" in done.stdout


def test_counts_and_the_report(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    finish(experiment, experiment.runs[0])
    print_status(experiment)
    said = capsys.readouterr().out
    assert "\nsmall: 1 of 6 runs done, 5 pending\n" in said
    assert "report: made when the runs are done" in said
    touch(experiment.folder, "report.pdf")
    print_status(experiment)
    assert f"report: {experiment.folder / 'report.pdf'} (20" in capsys.readouterr().out


def test_a_running_job_without_news_says_so(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    starting, silent = (touch(experiment.folder / run.path, "train.log") for run in experiment.runs[:2])
    progress(silent, silent=300)
    with locked(starting / ".lock", "this test"), locked(silent / ".lock", "this test"):
        print_status(experiment)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("starting")
    assert "silent for 5 min" in lines[2]


def test_asking_does_not_import_torch() -> None:
    code = "import sys, augmix.suite.run.status; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_results_of_other_code_or_settings_are_outdated(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in experiment.runs[:3]:
        finish(experiment, run)
    first, second, third = (experiment.folder / run.path for run in experiment.runs[:3])
    noted = json.loads((first / "provenance.json").read_text())
    noted["code"]["files"]["augmix/crops.py"] = "0" * 12
    (first / "provenance.json").write_text(json.dumps(noted))
    config = yaml.safe_load((second / "config.yaml").read_text())
    config["training"]["epochs"] = 7
    (second / "config.yaml").write_text(yaml.safe_dump(config))
    (third / "provenance.json").write_text('{"fingerprint": "1"}')
    print_status(experiment)
    said = capsys.readouterr().out
    assert "outdated         code: augmix/crops.py\n" in said
    assert "outdated         settings: training.epochs 7 → 10\n" in said
    assert "outdated         unknown: it does not say which code made it\n" in said
    assert "\nsmall: 0 of 6 runs done, 3 outdated, 3 pending\n" in said
