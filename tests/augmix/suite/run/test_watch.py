import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from augmix.suite.config.experiment import Experiment
from augmix.suite.io.progress import duration
from augmix.suite.run.watch import Display, position, seconds_left
from augmix.suite.run.workflow_log import Job, WorkflowLog
from tests.checkout import TINY

NOTED: dict[str, Any] = {"epoch": 3, "epochs": 10, "step": 5, "steps": 10, "seconds_per_epoch": 4.0}


def log_of(counts: dict[str, int], running: list[Job], finished: list[Job]) -> WorkflowLog:
    log = WorkflowLog()
    log.counts.update(counts)
    log.total, log.done = sum(counts.values()), len(finished)
    log.running = dict(enumerate(running))
    log.most_running = len(running)
    log.finished = finished
    return log


def taken(rule: str, seconds: float) -> Job:
    return Job(rule, 0.0, seconds=seconds)


def progress(folder: Path) -> Path:
    (folder / "progress.json").write_text(json.dumps({**NOTED, "updated": time.time()}))
    return folder / "progress.json"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (599.4, "9 min 59 s")],
        *[(599.6, "10 min"), (652, "11 min"), (1500, "25 min"), (3569, "59 min"), (3570, "1 h 0 min")],
        *[(7500, "2 h 5 min"), (7535, "2 h 6 min")],
    ],
)
def test_durations_are_as_precise_as_they_need_to_be(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_no_forecast_before_a_training_can_be_judged() -> None:
    running = [Job("train", time.monotonic())]
    assert seconds_left(log_of({"train": 2, "corrupt": 1}, running, [taken("corrupt", 1)]), {0: {}}) is None


def test_the_forecast_adds_up_what_runs_and_what_waits() -> None:
    """A training has 7.5 epochs of 4 s left; another of 40 s and an evaluation of 20 s wait."""
    log = log_of({"train": 2, "evaluate": 2, "all": 1}, [Job("train", time.monotonic())], [taken("evaluate", 20)])
    assert seconds_left(log, {0: NOTED}) == pytest.approx(30 + 40 + 20)
    log.most_running = 2
    assert seconds_left(log, {0: NOTED}) == pytest.approx((30 + 40 + 20) / 2)
    log.running[1] = Job("evaluate", time.monotonic() - 5)
    assert seconds_left(log, {0: NOTED, 1: {}}) == pytest.approx((30 + 40 + 15) / 2, abs=0.1)


def test_the_forecast_puts_a_rules_only_job_after_the_others() -> None:
    running = [Job("train", time.monotonic()), Job("train", time.monotonic())]
    log = log_of({"train": 2, "report": 1}, running, [taken("collect", 8)])
    usual = (40 * 8) ** 0.5
    assert seconds_left(log, {0: NOTED, 1: NOTED}) == pytest.approx(30 + usual)


def test_a_job_that_takes_longer_than_those_before_prolongs_the_forecast() -> None:
    log = log_of({"evaluate": 3}, [Job("evaluate", time.monotonic() - 40)], [taken("evaluate", 10)])
    assert seconds_left(log, {0: {}}) == pytest.approx(10 + 50, abs=0.1)


def test_the_forecast_does_not_rise_while_a_rules_only_job_takes_longer_than_was_thought() -> None:
    """Nothing is known of the report's time: what comes after it is left, and after the last one nobody can tell."""
    counts, before = {"train": 1, "report": 1, "track": 1}, [taken("train", 10)]
    found = []
    for elapsed in (4, 20, 40):
        log = log_of(counts, [Job("report", time.monotonic() - elapsed)], before)
        found.append(seconds_left(log, {0: {}}))
    assert found == [pytest.approx(6 + 10, abs=0.1), pytest.approx(10), pytest.approx(10)]
    log = log_of(counts, [Job("track", time.monotonic() - 40)], [*before, taken("report", 10)])
    assert seconds_left(log, {0: {}}) is None


def test_the_forecast_is_no_shorter_than_the_longest_job() -> None:
    log = log_of({"train": 2}, [Job("train", 0.0), Job("train", 0.0)], [])
    first, last = {**NOTED, "epoch": 1, "step": 0}, {**NOTED, "epoch": 10, "step": 10}
    assert seconds_left(log, {0: first, 1: last}) == pytest.approx(40)


def test_progress_of_an_earlier_attempt_is_not_shown(tmp_path: Path) -> None:
    job = Job("train", time.monotonic() - 10, log=str(tmp_path / "train.log"))
    path = progress(tmp_path)
    assert position(job)["epoch"] == 3
    os.utime(path, (time.time() - 20,) * 2)
    assert position(job) == {}


def test_a_rule_without_a_log_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The last job, `all`, has none; a look at the log just while it runs is rare."""
    log = log_of({"all": 1, "track": 1}, [Job("all", time.monotonic())], [taken("track", 1)])
    display = Display(Experiment({**TINY}), log)
    display._line_time -= 20
    display.update()
    display.close()
    assert capsys.readouterr().err.endswith("left; running: all\n")


def test_lines_name_what_differs_and_the_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"dataset": "digits", "architecture": "smallnet", "method": "augmix", "seed": "0"}
    job = Job("train", time.monotonic() - 10, names, str(tmp_path / "train.log"))
    progress(tmp_path)
    log = log_of({"train": 1, "evaluate": 1, "corrupt": 1}, [job], [])
    failed = log.failed[7] = Job("corrupt", 0.0, {"dataset": "digits", "shift": "fog"})
    display = Display(Experiment({**TINY}), log)
    display._line_time -= 20
    display.update()
    display.update()
    display.close()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"failed: {display.name(failed)}; the other jobs go on"
    assert display.name(failed) == "corrupt fog"
    assert said[1].endswith("0 of 3 jobs, about 1 min 10 s left; running: train augmix seed0 epoch 3/10")
    assert len(said) == 2


def test_where_nothing_runs_after_a_failure_nothing_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    log = log_of({"prepare": 1, "train": 4}, [], [])
    log.failed[0] = Job("prepare", 0.0, {"folder": "mine"})
    display = Display(Experiment({**TINY}), log)
    display._line_time -= 20
    display.update()
    display.close()
    failed, line = capsys.readouterr().err.splitlines()
    assert failed == "failed: prepare mine"
    assert line.endswith("  0 of 5 jobs, 1 failed")
