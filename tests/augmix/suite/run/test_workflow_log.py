from pathlib import Path

from augmix.suite.run.workflow_log import WorkflowLog

START = """\
Building DAG of jobs...
Job stats:
job         count
--------  -------
train           2
evaluate        1
report          1
total           4

[Mon Nov 23 12:29:40 2026]
localrule train:
    input: data/digits/train_images.npy
    output: results/x/seed0/model.pt
    log: results/x/seed0/train.log
    jobid: 2
    wildcards: dataset=digits, seed=0
[Mon Nov 23 12:29:40 2026]
rule train:
    log: results/x/seed1/train.log
    jobid: 3
    wildcards: dataset=digits, seed=1
"""
FAILURE = """\
    a job's own output, indented as details are
RuleException:
CalledProcessError in file "workflow/rules/train.smk", line 22:
Command 'augmix train --log results/x/seed1/train.log' returned non-zero exit status 2.
[Mon Nov 23 12:29:47 2026]
Error in rule train:
    message: None
    jobid: 3
    log: results/x/seed1/train.log (check log file(s) for error details)
"""
END = """\
Finished jobid: 2 (Rule: train)
1 of 4 steps (25%) done
"""


def log_of(text: str) -> WorkflowLog:
    log = WorkflowLog()
    for line in text.splitlines():
        log.take(line)
    return log


def test_started_jobs_run() -> None:
    log = log_of(START)
    assert log.counts == {"train": 2, "evaluate": 1, "report": 1}
    assert (log.done, log.total) == (0, 4)
    assert list(log.running) == ["2", "3"]
    assert log.running["3"].wildcards == {"dataset": "digits", "seed": "1"}
    assert log.running["3"].log == "results/x/seed1/train.log"


def test_a_failed_job_has_the_exit_status_of_its_own_command() -> None:
    log = log_of(START + FAILURE + END)
    assert not log.running
    assert (log.failed["3"].log, log.failed["3"].exit_status) == ("results/x/seed1/train.log", 2)
    assert [(job.rule, job.exit_status) for job in log.finished] == [("train", None)]
    assert (log.done, log.total) == (1, 4)
    assert not log.made("train")
    assert not log.made("report")
    assert log.made("collect")  # nothing of it was to do


def test_a_job_tried_again_has_not_failed() -> None:
    assert not log_of(START + FAILURE + "Trying to restart job 3.").failed
    log = log_of(START + FAILURE + "Trying to restart job 3.\n" + START[START.index("rule train:\n    log: r") :])
    assert not log.failed
    assert list(log.running) == ["2", "3"]


def test_a_killed_shell_counts_as_its_signal() -> None:
    log = log_of(START + "Command '… --log results/x/seed0/train.log' died with <Signals.SIGKILL: 9>.")
    assert log.running["2"].exit_status == 137


def test_nothing_to_do_leaves_nothing_unmade() -> None:
    log = log_of("Nothing to be done (all requested files are present and up to date).")
    assert log.nothing_to_do
    assert log.made("report")
    assert not log_of("").made("report")


def test_a_half_written_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    log, path = WorkflowLog(), tmp_path / "snakemake.log"
    path.write_text(START + "1 of 4 st")
    log.read(path)
    assert (log.done, log.total, len(log.running)) == (0, 4, 2)
    path.write_text(START + "1 of 4 steps (25%) done\n")
    log.read(path)
    assert log.done == 1


GROUP = """\
[Mon Nov 23 13:10:16 2026] Group job benchmarks (jobs in lexicogr. order):

    [Mon Nov 23 13:10:16 2026]
    rule corrupt:
        output: data/digits-C/fog.npy
        log: data/logs/fog.log
        jobid: 6
    [Mon Nov 23 13:10:16 2026]
    rule perturb:
        log: data/logs/tilt.log
        jobid: 8
"""
GROUP_FAILURE = """\
[Mon Nov 23 13:17:48 2026]
    message: Error in group benchmarks
    log: /x/1.log (check log file(s) for error details)
    jobs:
        rule corrupt:
            jobid: 6
        rule perturb:
            jobid: 8
[Mon Nov 23 13:17:48 2026]
    Error in rule corrupt:
        message: None
        jobid: 6
        log: data/logs/fog.log (check log file(s) for error details)
"""


def test_the_jobs_of_a_group_are_jobs() -> None:
    log = log_of(GROUP)
    assert {number: job.rule for number, job in log.running.items()} == {"6": "corrupt", "8": "perturb"}
    log = log_of(GROUP + GROUP_FAILURE + "Finished jobid: 8 (Rule: perturb)\n")
    assert {number: (job.rule, job.log) for number, job in log.failed.items()} == {
        "6": ("corrupt", "data/logs/fog.log")
    }
    assert [job.log for job in log.finished] == ["data/logs/tilt.log"]


def test_a_job_that_slurm_ended_has_its_reason_and_both_logs() -> None:
    lines = """\
Error in rule train:
    message: SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. Detailed failure reason unavailable
    jobid: 3
    log: results/x/seed1/train.log, /x/.snakemake/slurm_logs/7.log (check log file(s) for error details)
"""
    job = log_of(START + lines).failed["3"]
    assert job.log == "results/x/seed1/train.log"
    assert (job.cluster_status, job.cluster_log) == ("TIMEOUT", "/x/.snakemake/slurm_logs/7.log")
