"""SLURM's answers, played by scripts; tests/cluster asks a real one."""

from pathlib import Path

import pytest

from augmix.errors import UserError
from augmix.suite.run import slurm


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH for SLURM's commands."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def play(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def configure(folder: Path, accounting: str, age: str) -> None:
    lines = f"AccountingStorageType   = {accounting}\\nMinJobAge               = {age}"
    play(folder, "scontrol", f'printf "Configuration data:\\n{lines}\\n"')


@pytest.mark.parametrize(
    ("accounting", "age", "options"),
    [
        ("accounting_storage/slurmdbd", "300 sec", []),
        ("accounting_storage/none", "300 sec", ["--slurm-status-command", "squeue"]),
        ("(null)", "86400 sec", ["--slurm-status-command", "squeue"]),
    ],
)
def test_states_are_asked_for_where_they_are_known(
    command: Path, accounting: str, age: str, options: list[str]
) -> None:
    configure(command, accounting, age)
    assert slurm.options() == options


@pytest.mark.parametrize("age", [5, 179])
def test_a_slurm_that_forgets_between_two_questions_is_refused(command: Path, age: int) -> None:
    configure(command, "accounting_storage/none", f"{age} sec")
    with pytest.raises(UserError, match=f"forgets a finished job after {age} s"):
        slurm.options()


def test_a_slurm_that_is_down_says_so(command: Path) -> None:
    for name in ("sbatch", "squeue", "scancel"):
        play(command, name, "")
    play(command, "scontrol", "echo 'scontrol: error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(UserError, match="SLURM does not answer: scontrol: error: Unable to contact"):
        slurm.check()


def test_jobs_that_may_wait_for_ever_are_reported_once(command: Path, tmp_path: Path) -> None:
    log = tmp_path / "snakemake.log"
    queue = slurm.Queue(log)
    assert queue.complaints(every=0) == []  # nothing was submitted yet
    log.write_text("Building DAG of jobs...\nSLURM run ID: 1234-ab\n")
    play(command, "squeue", 'printf "Priority\\nPartitionConfig\\nPartitionConfig\\nQOSMaxJobsPerUserLimit\\nNone\\n"')
    [line] = queue.complaints(every=0)
    assert line.startswith(
        "SLURM lets jobs wait, perhaps for ever, for 'PartitionConfig': 2 of them (see `squeue --name 1234-ab`"
    )
    assert queue.complaints(every=0) == []
    assert queue.complaints(every=60) == []


def test_what_a_killed_start_left_is_cancelled_or_waited_for(command: Path, tmp_path: Path) -> None:
    log, left = tmp_path / "snakemake.log", tmp_path / "left"
    log.write_text("SLURM run ID: one\nSLURM run ID: two\n")
    left.write_text("1\n2\n")
    play(command, "squeue", f'[ "$3" = --name=one,two ] && cat {left}; true')
    play(command, "scancel", f'echo "$*" > {tmp_path}/cancelled; echo 1 > {left}')
    counts = []
    for count in slurm.Queue(log).drain():
        counts.append(count)
        left.write_text("")
    assert counts == [1]
    assert (tmp_path / "cancelled").read_text() == "--state=PENDING --name=one,two\n"
