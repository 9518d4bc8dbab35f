"""Snakemake silently ignores a profile's key that it does not know, and a rule that there is not."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from snakemake.cli import get_argument_parser

from augmix.errors import UserError
from augmix.suite.run import preflight, slurm
from tests.checkout import BIN, ROOT, Checkout

PROFILES = sorted(path.parent.name for path in ROOT.glob("workflow/profiles/*/config.yaml"))
RULES = {name for file in ROOT.glob("workflow/rules/*.smk") for name in re.findall(r"rule (\w+):", file.read_text())}
RULES |= {"choose"}
GROUPS = {
    name for file in ROOT.glob("workflow/rules/*.smk") for name in re.findall(r'group:\n.*"(\w+)"', file.read_text())
}
RESOURCES = {"runtime", "mem_mb", "in_turn", "slurm_account", "slurm_partition", "gres"}
REMARK = re.compile(r"^( *)# site: (?=[a-z_-]+:)")


def read(name: str, spelt_out: bool = False) -> dict[str, Any]:
    """A profile's settings; with what it offers a site in comments when `spelt_out`."""
    lines = (ROOT / "workflow/profiles" / name / "config.yaml").read_text().splitlines()
    text = "\n".join(REMARK.sub(r"\1", line) if spelt_out else line for line in lines)
    settings: dict[str, Any] = yaml.safe_load(text)
    return settings


@pytest.mark.parametrize("spelt_out", [False, True])
@pytest.mark.parametrize("name", PROFILES)
def test_every_key_means_something(name: str, spelt_out: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # Snakemake's parser fails without one
    settings = read(name, spelt_out)
    options = {option.removeprefix("--") for a in get_argument_parser()._actions for option in a.option_strings}
    assert set(settings) <= options
    assert (
        set(settings["default-resources"])
        | {resource for resources in settings["set-resources"].values() for resource in resources}
        <= RESOURCES
    )
    assert set(settings["set-resources"]) | set(settings.get("groups", {})) <= RULES
    assert set(settings.get("group-components", {})) == GROUPS & set(settings.get("group-components", {}))
    assert "cores" not in settings
    assert "set-threads" not in settings


@pytest.mark.slow
@pytest.mark.parametrize("name", PROFILES)
def test_an_experiment_is_planned(finished: Checkout, name: str) -> None:
    config = finished.write(f"on_{name}", experiment=f"on_{name}")
    done = finished.snakemake("-n", "--configfile", config, "--workflow-profile", f"workflow/profiles/{name}")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^train +2$", done.stdout + done.stderr, re.MULTILINE)


def test_without_slurm_its_profile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", str(BIN))
    assert preflight.executor("slurm") == "slurm"
    assert preflight.executor(None) is None
    with pytest.raises(UserError, match="the profile submits to SLURM, but sbatch is not on PATH"):
        slurm.check()


def test_every_profile_is_described() -> None:
    text = (ROOT / "workflow/profiles/README.md").read_text()
    assert [name for name in PROFILES if f"| `{name}` |" not in text] == []


KUBECTL = """\
#!{python}
import os, subprocess, sys, yaml
if sys.argv[1] == "create":
    manifest = yaml.safe_load(sys.stdin)
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    yaml.safe_dump(manifest, open("manifest.yaml", "w"))
    failed = subprocess.run(container["command"], cwd=container["workingDir"]).returncode != 0
    open("job-7", "w").write(f"job-7:{{'' if failed else 1}}:{{1 if failed else ''}}")
    print("job-7", end="")
elif os.path.exists(sys.argv[3]):
    print(open(sys.argv[3]).read(), end="")
elif os.path.exists("away"):
    sys.exit(1)
"""


def test_kubernetes_jobs_are_submitted_and_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile, kubectl = ROOT / "workflow/profiles/kubernetes", tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(KUBECTL.format(python=sys.executable))
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(kubectl.parent), prepend=":")
    monkeypatch.chdir(tmp_path)
    # This stand-in's jobs run as they are submitted; Snakemake calls both scripts in just this way.
    command = yaml.safe_load((profile / "config.yaml").read_text())["cluster-generic-submit-cmd"]
    _, *values = command.format(threads=2, resources=SimpleNamespace(mem_mb=4000, runtime=30)).split()

    def run(script: str, *arguments: str) -> str:
        return subprocess.run([profile / script, *arguments], capture_output=True, text=True, check=True).stdout

    assert run("status.sh", "job-7") == "failed\n"
    (tmp_path / "away").touch()
    assert run("status.sh", "job-7") == "running\n"
    for body, state in (("touch done", "success"), ("exit 3", "failed")):
        (tmp_path / "a job.sh").write_text(f"#!/bin/sh\n{body}\n")
        assert run("submit.sh", *values, str(tmp_path / "a job.sh")) == "job-7"
        assert run("status.sh", "job-7") == f"{state}\n"
    assert (tmp_path / "done").exists()
    spec = yaml.safe_load((tmp_path / "manifest.yaml").read_text())["spec"]
    [container] = spec["template"]["spec"]["containers"]
    assert spec["activeDeadlineSeconds"] == 1800
    assert container["resources"] == {"requests": {"cpu": "2", "memory": "4000M"}, "limits": {"memory": "4000M"}}
    run("submit.sh", *values[:-1], "2", str(tmp_path / "a job.sh"))
    spec = yaml.safe_load((tmp_path / "manifest.yaml").read_text())["spec"]
    assert spec["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 2
