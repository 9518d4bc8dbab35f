"""The machine that submits to SLURM dies: its jobs go on, and the next start does none of their work again."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.checkout import Checkout, wait_for
from tests.cluster.slow import STEPS, slow, steps
from tests.cluster.slurm import Slurm
from tests.faults.tally import tried

pytestmark = pytest.mark.timeout(1800)


def test_jobs_of_a_start_that_was_killed_are_not_doubled(slurm: Slurm, site: Checkout) -> None:
    methods = [slow(site, name, seconds=0.5, epochs=8) for name in ("first", "second", "third")]
    config = site.write("orphans", methods=methods, method_packages=["baselines", "waits"])
    front = site.start(config, site.folder / "killed.txt")
    wait_for(lambda: len(steps(site, "first") + steps(site, "second") + steps(site, "third")) > 1, 900)
    kill_all(front.pid)
    front.wait()
    said = site.folder / "again.txt"
    again = site.start(config, said)
    try:
        wait_for(lambda: all((path / "model.pt").exists() for path in run_folders(site)), 900)
    finally:
        again.send_signal(signal.SIGINT)
        assert again.wait(300) == 130
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
