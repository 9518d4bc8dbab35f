"""The times that jobs leave beside their logs, and what is made of them."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from augmix.suite.cli import main
from augmix.suite.config import experiment
from augmix.suite.evaluate import durations
from augmix.suite.io import times
from augmix.suite.io.files import write_json
from augmix.suite.io.times import Times
from augmix.suite.plan import tables

CHECKOUT = Path(__file__).parents[4]


@pytest.fixture
def trial(tmp_path: Path) -> experiment.Experiment:
    folders = {"data": str(tmp_path / "data"), "results": str(tmp_path / "results")}
    return experiment.load(CHECKOUT / "config" / "quick.yaml", overrides={"folders": folders})


def left(log: Path, began: float, ended: float, **spent: float) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    write_json(times.path_of(log), Times(began, ended, spent, {})._asdict())


def test_a_command_notes_what_it_did_and_the_rest_is_its_start(tmp_path: Path) -> None:
    log = tmp_path / "prepare.log"
    config = CHECKOUT / "config" / "quick.yaml"
    [folder] = experiment.load(config).folders
    settings = experiment.load(config).preparation(folder).made_of()
    given = ["--settings", json.dumps(settings), "--output", str(tmp_path / "digits")]
    assert main(["prepare", *given, "--log", str(log)]) == 0
    found = times.read(log)
    assert found is not None
    assert 0 < found.spent["preparation"] < found.ended - found.began
    assert found.start_up == pytest.approx(found.ended - found.began - sum(found.spent.values()))


def test_time_is_that_of_the_clock_and_of_processors_here_and_in_children() -> None:
    def turn(seconds: float) -> str:
        return f"import time\nwhile time.process_time() < {seconds}: pass"

    before = times.cpu_time()
    with times.spent("a test"):
        subprocess.run([sys.executable, "-c", turn(0.2)], check=True)
        time.sleep(0.1)
    took = times._cpu["a test"]
    assert 0.15 < took <= times._spent["a test"] - 0.09
    assert times.cpu_time() - before == pytest.approx(took, abs=0.05)


def test_a_command_that_fails_notes_its_time_too(tmp_path: Path) -> None:
    assert main(["prepare", "--settings", "{}", "--output", str(tmp_path), "--log", str(tmp_path / "x.log")]) == 2
    assert times.read(tmp_path / "x.log") is not None


@pytest.mark.parametrize("text", ["", "[]", '{"began": 1}', '{"began": 1, "ended": 2, "spent": []}'])
def test_times_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    times.path_of(tmp_path / "x.log").write_text(text)
    assert times.read(tmp_path / "x.log") is None


def test_the_jobs_logs_are_those_of_the_workflow(trial: experiment.Experiment) -> None:
    rules = "\n".join(path.read_text() for path in (CHECKOUT / "workflow" / "rules").glob("*.smk"))
    named = {match.rpartition("/")[2] for match in re.findall(r'log:\s+f"([^"]+\.log)"', rules)}
    assert named == {
        "prepare-{{folder}}.log",
        "generate-{making.id}.log",
        *(f"{name}.log" for name in (*durations.OF_RUN, *durations.OF_EXPERIMENT)),
    }
    for number, making in enumerate(trial.makings()):
        left(trial.data / "logs" / f"generate-{making.id}.log", number, number + 1)
    assert len(durations.jobs(trial)) == len(trial.makings())


def test_overlapping_jobs_count_once_in_what_elapsed() -> None:
    found = [Times(a, b, {}, {}) for a, b in ((0, 10), (0, 10), (5, 12), (6, 7), (20, 21))]
    assert durations.elapsed(found) == 13
    assert durations.elapsed([]) == 0


def test_the_plan_says_where_the_time_went(trial: experiment.Experiment) -> None:
    first, second = (trial.folder / run.path for run in trial.runs[:2])
    left(first / "train.log", 100, 160, training=50, evaluation=4)
    left(second / "train.log", 100, 140, training=30, evaluation=6)
    left(trial.folder / "logs" / "report.log", 160, 172, report=10)
    lines = tables.actual(trial).splitlines()
    assert [line.split() for line in lines[1:7]] == [
        ["training", "1", "min", "20", "s", "71.4", "%"],
        ["start-up", "12", "s", "10.7", "%"],
        ["evaluation", "10", "s", "8.9", "%"],
        ["report", "10", "s", "8.9", "%"],
        ["all", "1", "min", "52", "s"],
        [],
    ]
    assert lines[-1].startswith("3 jobs in 1 min 12 s, 1.6 at a time")
