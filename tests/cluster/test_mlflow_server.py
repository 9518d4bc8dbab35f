"""The mirror on an MLflow server with PostgreSQL, both started here: a crowd, a restart in the middle, and again."""

import json
import os
import pwd
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.checkout import wait_for
from tests.cluster.scratch import free_ports, scratch
from tests.faults.tally import tried
from tests.faults.test_crowd import PROCESSES, crowd, missing

EPOCHS = 20
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a PostgreSQL of this test's own, on loopback."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs or os.geteuid() != 0:
        pytest.skip("needs root and PostgreSQL: apt-get install postgresql")
    user = pwd.getpwnam("postgres")
    [port] = free_ports(1)
    with scratch("postgres") as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)
        program, data = programs[-1].parent, folder / "data"

        def control(*command: str | Path) -> None:
            subprocess.run(
                command, user="postgres", group="postgres", cwd=folder, check=True, stdout=subprocess.DEVNULL
            )

        control(program / "initdb", "-D", data, "-A", "trust", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        control(program / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "300", "-o", options, "start")
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


@contextmanager
def server(database: str, port: int, artifacts: Path) -> Iterator[None]:
    """An MLflow server, once it answers."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
    command += ["--backend-store-uri", database, "--artifacts-destination", artifacts.as_uri()]
    switches = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (artifacts.parent / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=os.environ | switches, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 400
        while not _answers(port):
            assert process.poll() is None, (artifacts.parent / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def experiments(port: int) -> int:
    """How many experiments a server knows; none where it is too busy to say."""
    address = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=100"
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return len(json.load(answer)["experiments"])
    except OSError:
        return 0


def test_a_server_that_restarts_in_the_middle_ends_up_complete(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    [port] = free_ports(1)
    uri, artifacts, results = f"http://127.0.0.1:{port}", tmp_path / "artifacts", tmp_path / "results"
    artifacts.mkdir()
    with server(database, port, artifacts):
        # SIGKILL for the server while they write.
        command = [sys.executable, "-m", "tests.faults.crowd", str(results), uri, str(PROCESSES), str(EPOCHS), "1"]
        writers = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: experiments(port) >= PROCESSES // 4, 900)
    said = writers.communicate(timeout=900)[1]
    assert writers.returncode == 0, said
    refusals = [line for line in said.splitlines() if "does not answer" in line]
    assert len(refusals) > 0
    assert "Traceback" not in said
    with server(database, port, artifacts):
        # Sixteen at once may be more than it answers in time; who is refused comes again, as people do.
        rounds = [crowd(results, uri, EPOCHS, rounds=1)[0]]
        while rounds[-1]["ended"] != [12] * PROCESSES and len(rounds) < 6:
            rounds += crowd(results, uri, EPOCHS, rounds=1)
    # Created, updated, unchanged or refused in a line: no process ends in any other way, in any round.
    assert {status for found in rounds for status in found["ended"]} <= {2, 10, 11, 12}
    assert rounds[-1]["ended"] == [12] * PROCESSES
    lost = missing(rounds[-1], EPOCHS)
    tried("MLflow server on PostgreSQL killed while 16 processes write, then synchronised again", PROCESSES, lost)
    assert lost == 0
