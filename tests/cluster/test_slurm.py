"""A whole experiment through SLURM, whatever happens to its jobs."""

import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.checkout import BIN, Checkout, wait_for
from tests.cluster.slow import STEPS, slow, steps
from tests.cluster.slurm import Slurm
from tests.faults.tally import tried

# Four minutes on an idle machine; a busy one only takes longer.
pytestmark = pytest.mark.timeout(1800)


def job_of(slurm: Slurm, comment: str, *states: str) -> str:
    """The number of the job whose comment holds this text, once it is in one of these states."""
    found: list[str] = []

    def look() -> bool:
        found[:] = [number for number, about in slurm.jobs(*states).items() if comment in about]
        return bool(found)

    wait_for(look, 900)
    return found[0]


def test_an_experiment_ends_right_whatever_happens_to_its_jobs(slurm: Slurm, site: Checkout) -> None:
    methods = [
        {"name": "standard", "preset": "standard"},
        slow(site, "cancelled", seconds=1, epochs=15),
        slow(site, "late", seconds=1, epochs=50),
        {"name": "hot", "preset": "standard", "training": {"learning_rate": 1e30}},
    ]
    # Jobs that make test sets share a submission: side by side, they would need more CPUs than the node has.
    testsets = {"C": {"shifts": ["contrast", "brightness", "fog"]}, "P": {"shifts": ["brightness", "tilt"]}}
    config = site.write("faults", methods=methods, method_packages=["baselines", "waits"], testsets=testsets)
    said = site.folder / "faults.txt"
    front = site.start(config, said)
    try:
        job = job_of(slurm, "cancelled", "RUNNING")
        wait_for(lambda: len(steps(site, "cancelled")) >= 2 * STEPS, 900)
        slurm.run("scontrol", "update", f"NodeName={slurm.host}", "State=DRAIN", "Reason=test")
        slurm.run("scancel", job)
        wait_for(lambda: "SLURM lets jobs wait, perhaps for ever, for 'Nodes required" in said.read_text(), 900)
        slurm.run("scontrol", "update", f"NodeName={slurm.host}", "State=RESUME")
        assert front.wait(1500) == 1, said.read_text()
    finally:
        front.send_signal(signal.SIGINT)
        front.wait()
    assert (site.folder / "results/faults/report.pdf").stat().st_size > 10_000

    # A job that fails for good is tried again, and then said with its two logs; the rest is reported.
    text = said.read_text()
    assert "failed: train digits/smallnet/hot/seed0\n  error: results/faults/digits/smallnet/hot/seed0 diverged" in text
    assert "  log:   results/faults/digits/smallnet/hot/seed0/train.log\n" in text
    [line] = [line for line in text.splitlines() if line.startswith("  SLURM: ")]
    assert Path(line.removeprefix("  SLURM: ")).is_file()
    assert "3 of 4 runs finished, and results/faults/report.pdf is about those" in text

    # Nothing ran twice: each training and evaluation completed once, and no step was taken twice.
    completed = Counter(slurm.jobs("COMPLETED").values())
    assert set(completed.values()) == {1}
    assert sum("rule_testsets" in comment for comment in completed) == 1
    assert sum("rule_train" in comment for comment in completed) == 3
    assert len(steps(site, "cancelled")) == 15 * STEPS
    assert len(steps(site, "late")) == 50 * STEPS
    ended = "\n".join(slurm.jobs("CANCELLED", "FAILED", "TIMEOUT").values())
    assert ended.count("cancelled") >= 1
    assert ended.count("late") >= 1
    assert ended.count("hot") == 3
    for fault in ("cancelled with scancel", "past its time limit", "on a node that is drained and resumed"):
        tried(f"SLURM job {fault}", 1)

    # The same bits as trained here at one go; a method's parameters differ, its name and its arithmetic do not.
    for name, epochs in (("cancelled", 15), ("late", 50)):
        alone = [slow(site, name, seconds=0, epochs=epochs)]
        reference = site.write(
            "alone", methods=alone, method_packages=["baselines", "waits"], folders={"results": "elsewhere"}
        )
        run = f"digits/smallnet/{name}/seed0"
        assert site.run(str(BIN / "augmix"), "train", run, "--config", reference).returncode == 0
        expected = (site.folder / "elsewhere/alone" / run / "model.pt").read_bytes()
        assert (site.folder / "results/faults" / run / "model.pt").read_bytes() == expected
