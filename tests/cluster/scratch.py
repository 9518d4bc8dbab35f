"""A folder for servers, and an end to all that was started there, however the tests end.

`python tests/cluster/scratch.py FOLDER` waits for the end of its input, then ends every process that has FOLDER in its
environment or a file in it open, and deletes it.
"""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

MARK = "AUGMIX_TEST_SCRATCH"
"""The environment variable that holds the folder: what processes start, and SLURM's jobs, inherit it."""
_PORTS = range(20_000, 32_000)  # below those that the system gives to outgoing connections


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A new folder that other users may enter; it and its processes go at the end, also when this process is killed."""
    folder = Path(tempfile.mkdtemp(prefix=f"augmix-{name}-"))
    folder.chmod(0o755)
    before = os.environ.pop(MARK, None)
    cleaner = subprocess.Popen([sys.executable, __file__, folder], stdin=subprocess.PIPE, start_new_session=True)
    os.environ[MARK] = str(folder)
    try:
        yield folder
    finally:
        del os.environ[MARK]
        if before is not None:
            os.environ[MARK] = before
        cleaner.communicate()


def free_ports(count: int) -> list[int]:
    """So many ports of the loopback device that nobody listens on now."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found


def _marked(folder: str) -> list[psutil.Process]:
    """The processes that belong to a folder; slurmstepd writes its title over its environment, but logs there."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            logs = (file.path for file in process.open_files())
            if process.environ().get(MARK) == folder or any(path.startswith(f"{folder}/") for path in logs):
                found.append(process)
    return found


def _clean(folder: str) -> None:
    for process in (processes := _marked(folder)):
        with suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(processes, timeout=5)
    while processes := _marked(folder):
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=5)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.read()
    _clean(sys.argv[1])
