"""The servers that these tests start for themselves; they run with `make test-cluster` alone."""

import os
from collections.abc import Iterator

import pytest
import yaml

from tests.checkout import Checkout, copy_checkout
from tests.cluster.scratch import scratch
from tests.cluster.slow import METHOD
from tests.cluster.slurm import Slurm, missing


@pytest.fixture(scope="session", autouse=True)
def _asked_for() -> None:
    if "AUGMIX_TEST_CLUSTER" not in os.environ:
        pytest.skip("starts servers of its own: make test-cluster")


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A running cluster, and the environment in which its commands find it."""
    if reason := missing():
        pytest.skip(reason)
    with scratch("slurm") as folder, pytest.MonkeyPatch.context() as patch:
        cluster = Slurm(folder)
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        cluster.start()
        yield cluster


@pytest.fixture(scope="session")
def site(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose SLURM profile was fitted to this cluster, with a method `slow` in the package `waits`."""
    folder = tmp_path_factory.mktemp("site") / "checkout"
    copy_checkout(folder)
    (folder / "waits").mkdir()
    (folder / "waits" / "slow.py").write_text(METHOD)
    profile = folder / "workflow/profiles/slurm/config.yaml"
    settings = yaml.safe_load(profile.read_text())
    settings["default-resources"] = {"runtime": 10, "mem_mb": 500}
    # The shortest limit is a minute, looked at every 30 seconds: `late` trains for longer, and ends in its second try.
    settings["set-resources"]["train"] = {
        "runtime": "9 * attempt - 8 if wildcards.method == 'late' else 15",
        "mem_mb": 500,
    }
    settings["set-resources"]["evaluate"] = {"runtime": 15, "mem_mb": 500}
    settings["latency-wait"] = 10
    settings["slurm-init-seconds-before-status-checks"] = 2
    profile.write_text(yaml.safe_dump(settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield Checkout(folder, ("--profile", "slurm"))
