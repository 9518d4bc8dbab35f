"""The machine that submits to SLURM dies: its jobs go on, and the next start does none of their work again."""

import signal

import psutil
import pytest

from tests.checkout import Checkout, wait_for
from tests.cluster.slow import STEPS, slow, steps
from tests.cluster.slurm import Slurm
from tests.faults.tally import tried

pytestmark = pytest.mark.timeout(1800)


EPOCHS = 2
METHODS = ("first", "second", "third", "fourth")  # with the test sets' job one more than the node has CPUs


def test_jobs_of_a_start_that_was_killed_are_not_doubled(slurm: Slurm, site: Checkout) -> None:
    gate = site.folder / "gate"
    methods = [slow(site, name, 0.1, EPOCHS, str(gate)) for name in METHODS]
    config = site.write("orphans", methods=methods, method_packages=["baselines", "waits"])
    front = site.start(config, site.folder / "killed.txt")
    wait_for(lambda: sum(len(steps(site, name)) for name in METHODS) > 1, 900)
    kill_all(front.pid)
    front.wait()
    said = site.folder / "again.txt"
    again = site.start(config, said)
    try:
        wait_for(lambda: "SLURM jobs of a killed start to end" in said.read_text(), 900)
        gate.touch()
        runs = [site.folder / f"results/orphans/digits/smallnet/{name}/seed0" for name in METHODS]
        wait_for(lambda: all((run / "model.pt").exists() for run in runs), 900)
    finally:
        gate.touch()
        again.send_signal(signal.SIGINT)
        assert again.wait(300) == 130
    for name in METHODS:
        assert len(steps(site, name)) == EPOCHS * STEPS
        assert len(set(steps(site, name))) == 1, "one process trained it all"
    tried("submitting machine dies while SLURM jobs run and wait", 1)


def kill_all(pid: int) -> None:
    """A start and all its helpers, as when the machine that submits dies."""
    front = psutil.Process(pid)
    helpers = front.children(recursive=True)
    for process in (front, *helpers):
        process.suspend()
    for process in (front, *helpers):
        process.kill()
