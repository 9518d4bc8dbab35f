"""Whole experiments through SLURM, whatever happens to their jobs and to who submitted them."""

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.checkout import BIN, Checkout, wait_for
from tests.cluster.slurm import Slurm
from tests.faults.tally import tried

STEPS = 2  # an epoch

# Two minutes on an idle machine; a busy one only takes longer.
pytestmark = pytest.mark.timeout(1800)


def slow(site: Checkout, name: str, seconds: float, epochs: int) -> dict[str, Any]:
    note = str(site.folder / f"{name}.steps") if seconds else ""
    return {
        "name": name,
        "preset": "slow",
        "parameters": {"seconds": seconds, "note": note},
        "training": {"epochs": epochs},
    }


def steps(site: Checkout, name: str) -> list[str]:
    """The process of each step that a slow method has done."""
    path = site.folder / f"{name}.steps"
    return path.read_text().splitlines() if path.exists() else []


def job_of(slurm: Slurm, comment: str, *states: str) -> str:
    """The number of the job whose comment holds this text, once it is in one of these states."""
    found: list[str] = []

    def look() -> bool:
        found[:] = [number for number, about in slurm.jobs(*states).items() if comment in about]
        return bool(found)

    wait_for(look, 300)
    return found[0]


def test_an_experiment_ends_right_whatever_happens_to_its_jobs(slurm: Slurm, site: Checkout) -> None:
    methods = [
        {"name": "standard", "preset": "standard"},
        slow(site, "cancelled", seconds=0.5, epochs=15),
        slow(site, "late", seconds=0.5, epochs=78),
        {"name": "hot", "preset": "standard", "training": {"learning_rate": 1e30}},
    ]
    config = site.write("faults", methods=methods, method_packages=["baselines", "waits"])
    said = site.folder / "faults.txt"
    front = site.start(config, said)
    try:
        job = job_of(slurm, "cancelled", "RUNNING")
        wait_for(lambda: len(steps(site, "cancelled")) >= 2 * STEPS, 300)
        slurm.run("scontrol", "update", f"NodeName={slurm.host}", "State=DRAIN", "Reason=test")
        slurm.run("scancel", job)
        wait_for(lambda: "SLURM lets jobs wait" in said.read_text(), 300)
        slurm.run("scontrol", "update", f"NodeName={slurm.host}", "State=RESUME")
        assert front.wait(1500) == 1, said.read_text()
    finally:
        front.send_signal(signal.SIGINT)
        front.wait()
    assert (site.folder / "results/faults/report.pdf").stat().st_size > 10_000

    # What fails for good is tried again, and then said with its two logs; the rest is reported.
    text = said.read_text()
    assert "failed: train digits/smallnet/hot/seed0\n  error: results/faults/digits/smallnet/hot/seed0 diverged" in text
    assert "  log:   results/faults/digits/smallnet/hot/seed0/train.log\n" in text
    [line] = [line for line in text.splitlines() if line.startswith("  SLURM: ")]
    assert Path(line.removeprefix("  SLURM: ")).is_file()
    assert "3 of 4 runs finished, and results/faults/report.pdf is about those" in text

    # Nothing ran twice: each training and evaluation completed once, and no step was taken twice.
    completed = Counter(slurm.jobs("COMPLETED").values())
    assert set(completed.values()) == {1}
    assert sum("rule_train" in comment for comment in completed) == 3
    assert len(steps(site, "cancelled")) == 15 * STEPS
    assert len(steps(site, "late")) == 78 * STEPS
    ended = "\n".join(slurm.jobs("CANCELLED", "FAILED", "TIMEOUT").values())
    assert ended.count("cancelled") >= 1
    assert ended.count("late") >= 1
    assert ended.count("hot") == 3
    for fault in ("cancelled with scancel", "past its time limit", "on a node that is drained and resumed"):
        tried(f"SLURM job {fault}", 1)

    # The same bits as trained here at one go; a method's parameters differ, its name and its arithmetic do not.
    for name, epochs in (("cancelled", 15), ("late", 78)):
        alone = [slow(site, name, seconds=0, epochs=epochs)]
        reference = site.write(
            "alone", methods=alone, method_packages=["baselines", "waits"], folders={"results": "elsewhere"}
        )
        run = f"digits/smallnet/{name}/seed0"
        assert site.run(str(BIN / "augmix"), "train", run, "--config", reference).returncode == 0
        expected = (site.folder / "elsewhere/alone" / run / "model.pt").read_bytes()
        assert (site.folder / "results/faults" / run / "model.pt").read_bytes() == expected


def test_jobs_of_a_start_that_was_killed_are_not_doubled(slurm: Slurm, site: Checkout) -> None:
    methods = [slow(site, name, seconds=0.5, epochs=8) for name in ("first", "second", "third")]
    config = site.write("orphans", methods=methods, method_packages=["baselines", "waits"])
    front = site.start(config, site.folder / "killed.txt")
    wait_for(lambda: len(steps(site, "first") + steps(site, "second") + steps(site, "third")) > 1, 300)
    kill_all(front.pid)
    front.wait()
    said = site.folder / "again.txt"
    again = site.start(config, said)
    try:
        wait_for(lambda: all((path / "model.pt").exists() for path in run_folders(site)), 600)
    finally:
        again.send_signal(signal.SIGINT)
        assert again.wait(120) == 130
    assert "SLURM jobs of a killed start to end" in said.read_text()
    for name in ("first", "second", "third"):
        assert len(steps(site, name)) == 8 * STEPS
        assert len(set(steps(site, name))) == 1, "one process trained it all"
    tried("submitting machine dies while SLURM jobs run and wait", 1)


def run_folders(site: Checkout) -> list[Path]:
    return [site.folder / f"results/orphans/digits/smallnet/{name}/seed0" for name in ("first", "second", "third")]


def kill_all(pid: int) -> None:
    """A start and all its helpers, as when the machine that submits dies."""
    front = psutil.Process(pid)
    helpers = front.children(recursive=True)
    for process in (front, *helpers):
        process.suspend()
    for process in (front, *helpers):
        process.kill()
