import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from augmix.suite.run.workflow_log import WorkflowLog


def started(number: int, rule: str, log: str = "", **wildcards: str) -> dict[str, Any]:
    return {
        "event": "job_info", "jobid": number, "rule_name": rule, "wildcards": wildcards, "log": [log] if log else [],
        "message": "",
    }  # fmt: skip


def words(message: str) -> dict[str, Any]:
    return {"message": message}


SEEDS = [f"results/x/seed{seed}/train.log" for seed in (0, 1)]
START: list[dict[str, Any]] = [
    words("Building DAG of jobs..."),
    {"event": "run_info", "stats": {"train": 2, "evaluate": 1, "report": 1, "total": 4}, "message": "Job stats: …"},
    started(2, "train", SEEDS[0], dataset="digits", seed="0"),
    started(3, "train", SEEDS[1], dataset="digits", seed="1"),
]
STATUS = {"event": "error", "message": f"Command 'augmix train --log {SEEDS[1]}' returned non-zero exit status 2."}
FAILURE: list[dict[str, Any]] = [
    STATUS,
    {"event": "job_error", "jobid": 3, "rule_name": "train", "rule_msg": None, "log": [SEEDS[1]], "message": "Error"},
]
END: list[dict[str, Any]] = [
    {"event": "job_finished", "job_id": 2, "message": "Finished jobid: 2 (Rule: train)"},
    {"event": "progress", "done": 1, "total": 4, "message": "None"},
]


def log_of(*events: dict[str, Any]) -> WorkflowLog:
    log = WorkflowLog()
    for event in events:
        log.take(event)
    return log


def test_started_jobs_run() -> None:
    log = log_of(*START)
    assert log.counts == {"train": 2, "evaluate": 1, "report": 1}
    assert (log.done, log.total) == (0, 4)
    assert list(log.running) == [2, 3]
    assert log.running[3].wildcards == {"dataset": "digits", "seed": "1"}
    assert log.running[3].log == SEEDS[1]


def test_a_failed_job_has_the_exit_status_of_its_own_command() -> None:
    log = log_of(*START, *FAILURE, *END)
    assert not log.running
    assert (log.failed[3].log, log.failed[3].exit_status) == (SEEDS[1], 2)
    assert [(job.rule, job.exit_status) for job in log.finished] == [("train", None)]
    assert (log.done, log.total) == (1, 4)
    assert not log.made("train")
    assert not log.made("report")
    assert log.made("collect")  # nothing of it was to do


def test_a_job_tried_again_has_not_failed() -> None:
    assert not log_of(*START, *FAILURE, words("Trying to restart job 3.")).failed
    log = log_of(*START, *FAILURE, words("Trying to restart job 3."), START[-1])
    assert not log.failed
    assert list(log.running) == [2, 3]
    # A group has a name that may begin with a digit.
    assert log_of(*START, *FAILURE, words("Trying to restart job 3c552b0-7a04.")).failed


def test_a_killed_shell_counts_as_its_signal() -> None:
    killed = {"event": "error", "message": f"Command '… --log {SEEDS[0]}' died with <Signals.SIGKILL: 9>."}
    assert log_of(*START, killed).running[2].exit_status == 137


def test_nothing_to_do_leaves_nothing_unmade() -> None:
    log = log_of(words("Nothing to be done (all requested files are present and up to date)."))
    assert log.nothing_to_do
    assert log.made("report")
    assert not log_of().made("report")


def test_a_half_written_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    log, path = WorkflowLog(), tmp_path / "snakemake.jsonl"
    log.read(path)  # Snakemake has not begun
    lines = "".join(json.dumps(event) + "\n" for event in START)
    path.write_text(lines + json.dumps(END[1])[:15])
    log.read(path)
    assert (log.done, log.total, len(log.running)) == (0, 4, 2)
    path.write_text(lines + json.dumps(END[1]) + "\n")
    log.read(path)
    assert log.done == 1


def test_the_jobs_of_a_group_are_jobs() -> None:
    group: list[dict[str, Any]] = [
        {"event": "group_info", "message": "Group job benchmarks (jobs in lexicogr. order):"},
        started(6, "corrupt", "data/logs/fog.log"),
        started(8, "perturb", "data/logs/tilt.log"),
    ]
    log = log_of(*group)
    assert {number: job.rule for number, job in log.running.items()} == {6: "corrupt", 8: "perturb"}
    failure = {"event": "job_error", "jobid": 6, "rule_name": "corrupt", "rule_msg": None, "log": ["data/logs/fog.log"]}
    log = log_of(
        *group,
        {"event": "group_error", "message": "Error in group benchmarks"},
        {**failure, "message": "Error in rule corrupt, jobid: 6"},
        {"event": "job_finished", "job_id": 8, "message": "Finished jobid: 8 (Rule: perturb)"},
    )
    assert {number: (job.rule, job.log) for number, job in log.failed.items()} == {6: ("corrupt", "data/logs/fog.log")}
    assert [job.log for job in log.finished] == ["data/logs/tilt.log"]


def test_a_job_that_slurm_ended_has_its_reason_and_both_logs() -> None:
    said = "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. Detailed failure reason unavailable"
    job = log_of(*START, {**FAILURE[1], "rule_msg": said, "log": [SEEDS[1], "/x/slurm_logs/7.log"]}).failed[3]
    assert job.log == SEEDS[1]
    assert (job.cluster_status, job.cluster_log) == ("TIMEOUT", "/x/slurm_logs/7.log")


SNAKEFILE = """\
rule all:
    input: "one", "two"
rule good:
    output: "one"
    shell: "touch {output}"
rule bad:
    output: touch("{name}")
    log: "{name}, its log"
    retries: 1
    shell: "exit 3 # {log}"
"""


@pytest.mark.slow
def test_snakemake_says_so(tmp_path: Path) -> None:
    """The events of a true run, with one job that fails twice; Snakemake's own log is as it always is."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [
        sys.executable,
        "-m",
        "augmix.suite.run.events",
        "events.jsonl",
        ".snakemake",
        "--cores",
        "1",
        "--keep-going",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Finished jobid: " in done.stderr
    log = WorkflowLog()
    log.read(tmp_path / "events.jsonl")
    [failed] = log.failed.values()
    assert (failed.rule, failed.wildcards, failed.log) == ("bad", {"name": "two"}, "two, its log")
    assert failed.exit_status == 3
    assert [job.rule for job in log.finished] == ["good"]
    assert log.counts == {"good": 1, "bad": 1, "all": 1}
    assert (log.done, log.total, log.running, log.most_running) == (1, 3, {}, 1)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert sum(json.loads(line).get("event") == "job_error" for line in lines) == 2
