"""What these tests start for themselves; they run with `make test-cluster` alone."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.checkout import Checkout, copy_checkout
from tests.cluster.slurm import Slurm, missing

SLOW_METHOD = '''
"""Images as they are, after a wait; every step is noted in a file."""
import os
import time

from augmix.losses import cross_entropy
from augmix.methods import Method, unmixed


def method(*, seconds: float = 0.0, note: str = "") -> Method:
    def views(images, labels, net, rng):
        time.sleep(seconds)
        if note:
            with open(note, "a") as file:
                file.write(f"{os.getpid()}\\n")
        return [images]

    return Method(views, unmixed, cross_entropy)
'''


@pytest.fixture(scope="session", autouse=True)
def _asked_for() -> None:
    if "AUGMIX_TEST_CLUSTER" not in os.environ:
        pytest.skip("starts servers of its own: make test-cluster")


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A running cluster, and the environment in which its commands find it."""
    if reason := missing():
        pytest.skip(reason)
    # Not pytest's folder: munge wants one that others may pass.
    folder = Path(tempfile.mkdtemp(prefix="augmix-slurm-"))
    folder.chmod(0o755)
    cluster = Slurm(folder)
    before = {name: os.environ.get(name, "") for name in cluster.environment}
    try:
        os.environ.update(cluster.environment)
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        os.environ.update(before)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def site(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose SLURM profile was fitted to this cluster, with a method `slow` in the package `waits`."""
    folder = tmp_path_factory.mktemp("site") / "checkout"
    copy_checkout(folder)
    (folder / "waits").mkdir()
    (folder / "waits" / "slow.py").write_text(SLOW_METHOD)
    profile = folder / "workflow/profiles/slurm/config.yaml"
    settings = yaml.safe_load(profile.read_text())
    settings["default-resources"] = {"runtime": 15, "mem_mb": 500}
    settings["set-resources"]["train"] = {"runtime": "attempt", "mem_mb": 500}
    settings["set-resources"]["evaluate"] = {"runtime": 15, "mem_mb": 500}
    settings["latency-wait"] = 10
    settings["slurm-init-seconds-before-status-checks"] = 2
    profile.write_text(yaml.safe_dump(settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield Checkout(folder, ("--profile", "slurm"))
