import csv
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from PIL import Image

from augmix.errors import RunError, UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate.stages import State
from augmix.suite.io.locks import locked
from augmix.suite.run import front as reproduce
from augmix.suite.run import surroundings
from augmix.suite.run.front import results
from augmix.suite.run.workflow_log import Job, WorkflowLog
from tests.checkout import BIN, TINY, Checkout, wait_for


@pytest.fixture
def tiny(finished: Checkout, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """The finished checkout as the current folder."""
    monkeypatch.chdir(finished.folder)
    return finished


@pytest.mark.slow
def test_a_finished_experiment_has_its_report_and_says_where(finished: Checkout) -> None:
    said = (finished.folder / "first.txt").read_text()
    assert (finished.folder / "results/tiny/report.pdf").read_bytes().startswith(b"%PDF")
    assert "results/tiny/report.pdf" in said
    assert "results/tiny/metrics.csv" in said
    assert "make ui" in said
    assert "done in" in said
    assert "running: " in said


@pytest.mark.slow
def test_a_second_start_has_nothing_to_do(finished: Checkout) -> None:
    again = finished.reproduce("config/tiny.yaml")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == "Nothing to do: results/tiny/report.pdf is up to date\n"


@pytest.mark.slow
def test_a_diverged_run_does_not_cost_the_report(finished: Checkout) -> None:
    hot = {"name": "hot", "preset": "standard", "training": {"learning_rate": 1e30}}
    config = finished.write("diverging", methods=["standard", hot])
    done = finished.reproduce(config)
    assert done.returncode == 1
    log = "results/diverging/digits/smallnet/hot/seed0/train.log"
    assert "failed: train digits/smallnet/hot/seed0\n  error: results/diverging" in done.stderr
    assert f"  log:   {log}" in done.stderr
    assert "1 of 2 runs finished, and results/diverging/report.pdf is about those" in done.stderr
    with (finished.folder / "results/diverging/runs.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done", "diverged"]
    assert "diverged" in (finished.folder / "results/diverging/tables/clean_error.md").read_text()
    # Without that method the report of the rest is not taken for the whole one.
    finished.write("diverging", methods=["standard"])
    dry = finished.reproduce(config, "--dry-run")
    assert dry.stdout == "Would run 3 jobs: 1 collect, 1 report, 1 track\n"


@pytest.mark.slow
def test_a_damaged_image_fails_alone_and_by_name(finished: Checkout) -> None:
    source = finished.folder / "images"
    write_images(source)
    damaged = source / "train/b/1.png"
    damaged.write_bytes(damaged.read_bytes()[:300])
    config = finished.write("damaged", datasets={"photos": {"loader": "image_folder", "options": {"folder": "images"}}})
    done = finished.reproduce(config)
    assert done.returncode == 2
    assert "failed: prepare photos\n  error: images/train/b/1.png is damaged" in done.stderr
    assert "0 of 2 runs finished, and there is no new report" in done.stderr
    assert not list((finished.folder / "data").glob("photos*/*"))


def write_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("a", "b"):
            (folder / split / name).mkdir(parents=True)
            for i in range(3):
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / split / name / f"{i}.png")


@pytest.mark.slow
def test_after_sigterm_and_sigkill_the_next_start_goes_on_to_the_same_bits(finished: Checkout) -> None:
    run, epochs = "digits/smallnet/standard/seed0", {"epochs": 150, "batch_size": 32}
    config = finished.write("stopped", methods=["standard"], training=epochs)
    reference = finished.write(
        "stopped_reference", methods=["standard"], training=epochs, folders={"results": "elsewhere"}
    )
    folder = finished.folder / "results/stopped" / run
    whole = subprocess.Popen([BIN / "augmix", "train", run, "--config", reference], cwd=finished.folder)

    assert stop(finished, config, folder, signal.SIGTERM, after=20) == 143
    assert "stopped by SIGTERM" in (finished.folder / "stopped.txt").read_text()
    assert (folder / "checkpoint.pt").exists()
    assert not (folder / "model.pt").exists()

    # The next start comes at once, while the killed one's jobs still write their checkpoints.
    assert stop(finished, config, folder, signal.SIGKILL, after=epochs_done(folder) + 10) == -9
    front = finished.start(config, finished.folder / "stopped.txt")
    wait_for((folder / "model.pt").exists)
    front.send_signal(signal.SIGINT)
    assert front.wait(120) == 130
    assert whole.wait(300) == 0
    resumed = re.search(r"resuming at epoch (\d+)", (folder / "train.log").read_text())
    assert resumed is not None
    assert int(resumed[1]) > 30
    trained = finished.folder / "elsewhere/stopped_reference" / run / "model.pt"
    assert (folder / "model.pt").read_bytes() == trained.read_bytes()


def stop(checkout: Checkout, config: str, folder: Path, number: int, after: int) -> int:
    """End `augmix reproduce` by a signal after some epochs; its status. Unless it is killed, it leaves no process."""
    front = checkout.start(config, checkout.folder / "stopped.txt")
    wait_for(lambda: epochs_done(folder) >= after)
    helpers = psutil.Process(front.pid).children(recursive=True)
    assert any("train" in helper.cmdline() for helper in helpers)
    front.send_signal(number)
    status = front.wait(120)
    if number != signal.SIGKILL:
        wait_for(lambda: not any(helper.is_running() for helper in helpers))
    return status


def epochs_done(folder: Path) -> int:
    path = folder / "history.csv"
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


FOREIGN = {
    "MPLBACKEND": "module://nonexistent", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "3", "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "nowhere", "MASTER_PORT": "1", "TORCHELASTIC_RUN_ID": "another", "GIT_DIR": "/nowhere",
    "GIT_WORK_TREE": "/nowhere", "SNAKEMAKE_OUTPUT_CACHE": "/nowhere", "AUGMIX_FINISHED_ONLY": "1",
    "BASH_ENV": "/nowhere", "SHELLOPTS": "xtrace",
}  # fmt: skip


def test_the_users_environment_is_kept_without_what_is_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    switches = {"PYTHONINSPECT": "1", "PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error"}
    for name, value in {**FOREIGN, **switches, "SNAKEMAKE_PROFILE": "dry"}.items():
        monkeypatch.setenv(name, value)
    kept = {"CUDA_VISIBLE_DEVICES": "1", "GIT_SSH": "ssh", "MLFLOW_TRACKING_URI": "http://x", "RANKING": "1"}
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    found = surroundings.environment()
    assert kept.items() <= found.items()
    assert {name: found[name] for name in FOREIGN if name in found} == {"MPLBACKEND": "Agg"}
    assert not [name for name in found if name.startswith("SNAKEMAKE_") or name in switches]


@pytest.mark.slow
def test_neither_the_users_environment_nor_a_clock_that_was_wrong_changes_anything(
    copied: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = copied.folder / "dry"
    profile.mkdir()
    (profile / "config.yaml").write_text("dry-run: true\n")
    for name, value in {**FOREIGN, "SNAKEMAKE_PROFILE": str(profile)}.items():
        monkeypatch.setenv(name, value)
    missing = [copied.folder / "results/tiny" / name for name in ("report.pdf", "mlflow.synced")]
    for path in missing:
        path.unlink()
    for name in ("metrics.csv", "runs.csv"):
        os.utime(copied.folder / "results/tiny" / name, (time.time() + 600,) * 2)
    done = copied.reproduce("config/tiny.yaml")
    assert done.returncode == 0, done.stderr
    assert all(path.exists() for path in missing)
    assert "in the future" in done.stderr


@pytest.mark.slow
def test_an_mlflow_that_is_down_fails_no_experiment(copied: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    (copied.folder / "results/tiny/mlflow.synced").unlink()
    done = copied.reproduce("config/tiny.yaml")
    assert done.returncode == 0, done.stderr
    assert "the MLflow server at http://127.0.0.1:9 does not answer" in done.stderr
    assert "MLflow is behind: the next start" in done.stderr
    assert "report   results/tiny/report.pdf" in done.stdout
    assert copied.reproduce("config/tiny.yaml", "--dry-run").stdout == "Would run 1 jobs: 1 track\n"


@pytest.mark.slow
def test_a_second_start_beside_the_first_is_refused(tiny: Checkout) -> None:
    config = Path(tiny.write("held"))
    with locked(Path("results/held/.lock"), "this test"), pytest.raises(RunError) as refused:
        reproduce.reproduce(config)
    assert str(refused.value).startswith(f"results/held is in use by process {os.getpid()} on ")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    folders = {"data": str(tmp_path / "data"), "results": str(tmp_path / "results")}
    return Experiment({**TINY, "folders": folders})


@contextmanager
def held_for_a_while(path: Path, by: str | None = None) -> Iterator[None]:
    """A file's lock is held, and let go half a second after the block began."""
    with ExitStack() as stack:
        stack.enter_context(locked(path, "this test"))
        if by is not None:
            path.write_text(by)
        timer = threading.Timer(0.5, stack.close)
        timer.start()
        yield
        timer.join()


def test_jobs_that_outlive_a_killed_start_are_waited_for(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    path = experiment.folder / ".lock"
    dead = psutil.Popen(["true"])
    dead.wait()
    with (
        held_for_a_while(path, f"process {dead.pid} on {os.uname().nodename}"),
        reproduce._lock(experiment),
    ):
        pass
    assert capsys.readouterr().err == f"{experiment.folder}: waiting for the jobs of a killed start to end\n"


def test_trainings_without_a_workflow_are_waited_for(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    run = experiment.runs[1].path
    with held_for_a_while(experiment.folder / run / ".lock"):
        reproduce._wait_for_runs(experiment)
    assert f"waiting for {run}, in use by process {os.getpid()}" in capsys.readouterr().err


def test_outside_of_a_checkout_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="has no workflow/Snakefile: experiments run in a checkout"):
        reproduce.reproduce(Path("config/digits.yaml"))


def test_a_job_that_was_killed_is_explained(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("resuming\n")
    job = Job("train", 0.0, {"dataset": "digits", "seed": "1"}, str(log), exit_status=137)
    assert reproduce.explain(job, tmp_path / "snakemake.log").splitlines() == [
        "failed: train digits/seed1",
        "  error: killed, most likely for want of memory",
        f"  log:   {log}",
        "  | resuming",
    ]


def test_a_job_without_a_log_is_explained_by_the_workflows(tmp_path: Path) -> None:
    (tmp_path / "snakemake.log").write_text("No module named augmix\n")
    job = Job("train", 0.0, {"seed": "1"}, str(tmp_path / "train.log"), exit_status=134)
    assert reproduce.explain(job, tmp_path / "snakemake.log").splitlines()[1:] == [
        "  error: ended by SIGABRT",
        f"  log:   {tmp_path / 'snakemake.log'}",
        "  | No module named augmix",
    ]


def test_a_job_whose_log_found_no_room_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "track.log").touch()
    job = Job("track", 0.0, {}, str(tmp_path / "track.log"), exit_status=2)
    monkeypatch.setattr(reproduce.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))  # type: ignore[attr-defined]
    said = reproduce.explain(job, tmp_path / "snakemake.log").splitlines()[1]
    assert said == f"  error: ended without a result; the disk of {tmp_path} is full"


def test_predictions_that_collect_has_set_aside_are_no_success(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduce, "run_state", lambda *_: State("trained"))
    (tmp_path / "again").touch()
    front = reproduce.Front(experiment, [], 0, None, tmp_path / "again")
    monkeypatch.setattr(front, "_snakemake", lambda *_: (0, WorkflowLog()))
    with pytest.raises(RunError, match="predictions of the others are damaged; start again"):
        front.run()


def test_the_guard_ends_the_jobs_when_the_front_errs() -> None:
    # A shell's background job hands down that interrupts are ignored; the front's own children take them.
    jobs = psutil.Popen(
        ["sleep", "60"], process_group=0, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    with pytest.raises(OSError, match="nobody listens"), reproduce._guard(jobs.pid):
        raise OSError("nobody listens")
    assert jobs.wait(10) == -signal.SIGINT


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["a pipe that nobody reads", pytest.param("a full disk", marks=pytest.mark.nightly)])
def test_nobody_has_to_listen(copied: Checkout, stream: str) -> None:
    run, config = (
        "digits/smallnet/standard/seed0",
        copied.write("mute", methods=["standard"], training={"epochs": 5000, "batch_size": 32}),
    )
    reader, writer = os.pipe() if stream.startswith("a pipe") else (-1, os.open("/dev/full", os.O_WRONLY))
    front = psutil.Popen(copied.reproduce_command(config), cwd=copied.folder, stdout=writer, stderr=writer)
    os.close(writer)
    wait_for((copied.folder / "results/mute" / run / "checkpoint.pt").exists)
    helpers = front.children(recursive=True)
    if reader != -1:
        os.close(reader)
    front.send_signal(signal.SIGINT)
    assert front.wait(120) == 130
    wait_for(lambda: not any(helper.is_running() for helper in helpers))
    assert not (copied.folder / "results/mute" / run / "model.pt").exists()


def test_results_are_summed_up_by_the_mean_over_seeds(experiment: Experiment) -> None:
    experiment.folder.mkdir(parents=True)
    header = "dataset,arch,method,seed,testset,source,shift,severity,metric,value\n"
    rows = [("standard", 0, "C", 0.15), ("standard", 1, "C", 0.17), ("augmix", 0, "C", 0.0626)]
    rows.append(("augmix", 0, "C_adapted", 0.9))
    text = "".join(
        f"digits,smallnet,{method},{seed},{name},x,mCE,,error,{value}\n" for method, seed, name, value in rows
    )
    (experiment.folder / "metrics.csv").write_text(header + text)
    assert results(experiment).splitlines()[3:] == [
        "mCE (%)   digits/smallnet",
        "standard             16.0",
        "augmix                6.3",
    ]


def test_a_job_that_slurm_ended_is_explained(tmp_path: Path) -> None:
    job = Job("train", 0.0, {"seed": "1"}, str(tmp_path / "none.log"), cluster_status="TIMEOUT", cluster_log="7.log")
    assert reproduce.explain(job, tmp_path / "snakemake.log").splitlines()[1:] == [
        "  error: ended without a result (SLURM: TIMEOUT)",
        f"  log:   {tmp_path / 'none.log'}",
        "  SLURM: 7.log",
    ]
