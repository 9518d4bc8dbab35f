"""A checkout of its own in which tests run experiments as users do: through the commands."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from augmix.suite.io.digests import PROJECT
from augmix.suite.run.surroundings import find_home

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SECRET = "a-password-that-no-file-may-hold"
TINY: dict[str, Any] = {
    "experiment": "tiny",
    "datasets": {"digits": {"loader": "digits", "flip": False, "subset": {"train": 60, "test": 20}}},
    "architectures": ["smallnet"],
    "methods": ["standard", "augmix"],
    "seeds": [0],
    "training": {"epochs": 1, "batch_size": 32},
    "testsets": {
        "C": {"shifts": ["contrast", "brightness"]},
        "P": {"shifts": ["brightness", "tilt"], "images": 4},
    },
}


class Checkout:
    """A copy of the repository in `folder`."""

    def __init__(self, folder: Path, cores: Sequence[str] = ("--cores", "2")) -> None:
        self.folder, self.cores = folder, cores

    def write(self, name: str, **changes: Any) -> str:
        """Write `config/<name>.yaml`: the tiny experiment with some keys replaced; its path in the checkout."""
        text = yaml.safe_dump({**TINY, "experiment": name, **changes}, sort_keys=False)
        (self.folder / "config" / f"{name}.yaml").write_text(text)
        return f"config/{name}.yaml"

    def reproduce(self, config: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run(*self.reproduce_command(config), *options)

    def start(self, config: str, output: Path, *options: str) -> subprocess.Popen[bytes]:
        """Start `augmix reproduce` in the background; it writes to the file `output`."""
        with output.open("wb") as file:
            return subprocess.Popen(
                [*self.reproduce_command(config), *options], cwd=self.folder, stdout=file, stderr=subprocess.STDOUT
            )

    def reproduce_command(self, config: str) -> list[str]:
        return [str(BIN / "augmix"), "reproduce", "--config", config, *self.cores]

    def snakemake(self, *options: str) -> subprocess.CompletedProcess[str]:
        return run_snakemake(self.folder, self.folder, *options)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SERVICE_TOKEN": SECRET}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


def shipped() -> list[str]:
    """The files and folders of the repository that containers hold."""
    return [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]


def run_snakemake(folder: Path, checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Snakemake's outcome in `folder` with the code of `checkout`: in a fork, as half of a dry run are its imports."""
    import snakemake.cli

    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            status = 1
            try:
                os.dup2(output.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
                os.chdir(folder)
                os.environ["SERVICE_TOKEN"] = SECRET
                find_home(Path(tempfile.gettempdir()))  # without one, or a name, Snakemake itself fails
                sys.path.insert(0, str(checkout))
                for name in list(sys.modules):
                    if name.partition(".")[0] in PROJECT:
                        del sys.modules[name]
                snakemake.cli.main(["--cores", "2", *options])
            except SystemExit as end:
                status = int(end.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(["snakemake", *options], status, *texts)


def copy_checkout(folder: Path) -> None:
    """Copy what containers hold: experiments need no more."""
    for name in shipped():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder)


def make_finished(base: Path) -> Checkout:
    """A checkout below `base` with `config/tiny.yaml` reproduced; made once for all processes that ask.

    `first.txt` in it is what `augmix reproduce` said.
    """
    checkout = Checkout(base / "checkout")
    with (base / "checkout.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (checkout.folder / "first.txt").exists():
            return checkout
        copy_checkout(checkout.folder)
        done = checkout.reproduce(checkout.write("tiny"))
        assert done.returncode == 0, done.stderr
        (checkout.folder / "first.txt").write_text(done.stderr + done.stdout)
    return checkout


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Return as soon as `condition()` holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
