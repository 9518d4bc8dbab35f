"""A SLURM of one node in a folder, with its own configuration, ports, key and daemons: not the system's."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.cluster.scratch import free_ports

DAEMONS = ("munged", "slurmctld", "slurmd")
CONFIGURATION = """\
ClusterName=augmix
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=2
KillWait=20
SlurmdParameters=config_overrides
MinJobAge=86400
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=60 State=UP
"""


def missing() -> str:
    """Why a cluster cannot be started here; empty where it can."""
    if os.geteuid() != 0:
        return "needs root: SLURM's daemons start jobs as their users"
    absent = [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=_path()) is None]
    return f"needs {', '.join(absent)}: apt-get install slurm-wlm munge" if absent else ""


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin"


class Slurm:
    """The cluster in `folder`, one of `scratch`, which ends it; `environment` has what its commands need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname().partition(".")[0]
        path = f"{folder / 'bin'}:{_path()}"
        self.environment: Mapping[str, str] = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the daemons and wait until the node is idle."""
        for name in ("state", "spool", "munge", "bin"):
            (self.folder / name).mkdir(parents=True)
        # Snakemake's jobs hide SLURM's variables from srun, and with them a configuration outside of /etc.
        srun = self.folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.environment["SLURM_CONF"]} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        controller, node = free_ports(2)
        text = CONFIGURATION.format(host=self.host, folder=self.folder, controller_port=controller, node_port=node)
        (self.folder / "slurm.conf").write_text(text)
        self._start_munge()
        for name in ("slurmctld", "slurmd"):
            self._spawn(name, "-D", "-f", str(self.folder / "slurm.conf"))
        self._wait_until(lambda: self.node_state() == "idle")

    def _start_munge(self) -> None:
        folder, user = self.folder / "munge", pwd.getpwnam("munge")
        (folder / "key").write_bytes(os.urandom(128))
        for path in (folder, folder / "key"):
            os.chown(path, user.pw_uid, user.pw_gid)
        (folder / "key").chmod(0o400)
        folder.chmod(0o755)
        options = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        arguments = [f"--{option}={folder / name}" for option, name in options.items()]
        # --force: anybody may write where this folder lies, in /tmp.
        self._spawn("munged", "--foreground", "--force", *arguments, user="munge")
        self._wait_until((folder / "socket").exists)

    def _spawn(self, name: str, *arguments: str, user: str | None = None) -> None:
        program = shutil.which(name, path=_path())
        assert program is not None
        with (self.folder / f"{name}.out").open("wb") as output:
            self._daemons[name] = subprocess.Popen(
                [program, *arguments], env={**os.environ, **self.environment}, stdout=output, stderr=output, user=user
            )

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for the daemons to come so far; when one ends, say how."""
        deadline = time.monotonic() + 120
        while not condition():
            for name, daemon in self._daemons.items():
                assert daemon.poll() is None, f"{name} ended: {(self.folder / f'{name}.out').read_text()}"
            assert time.monotonic() < deadline, (self.folder / "slurmctld.log").read_text()
            time.sleep(0.1)

    def run(self, *command: str) -> str:
        """The output of one of SLURM's commands."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    def node_state(self) -> str:
        try:
            return self.run("sinfo", "--noheader", "--format=%T").strip()
        except subprocess.CalledProcessError:
            return "no answer"

    def jobs(self, *states: str) -> dict[str, str]:
        """The comment of each job in one of these states, by its number."""
        lines = self.run("squeue", "--noheader", f"--states={','.join(states) or 'all'}", "--format=%i|%k").splitlines()
        return dict(line.split("|", 1) for line in lines)
