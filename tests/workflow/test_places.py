"""The workflow from anywhere: another folder, another workflow, a path with blanks and a quote. All are dry runs."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.checkout import ROOT, TINY, copy_checkout, run_snakemake

# Numbers of the tiny experiment.
JOBS = {
    "prepare", "generate_digits_C_1", "generate_digits_C_2", "generate_digits_P_1", "generate_digits_P_2", "train",
    "evaluate", "collect", "report", "track",
}  # fmt: skip
MODULE = """
configfile: "outer.yaml"

module augmix:
    snakefile: {snakefile!r}
    config: config["inner"]

use rule * from augmix as augmix_*

rule mine:
    default_target: True
    input: "results/tiny/mlflow.synced"
"""


def dry_run(folder: Path, *options: str, checkout: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return run_snakemake(folder, checkout, "-n", "--printshellcmds", *options)


def planned(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The jobs of a dry run but for its target."""
    assert done.returncode == 0, done.stderr
    table = (done.stdout + done.stderr).partition("Job stats:")[2].partition("\n\n")[0]
    return set(re.findall(r"^(\w+) +\d+$", table, re.MULTILINE)) - {"all", "default", "mine", "total"}


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "title": "A {title} in {wildcards.braces}"}))
    return str(tmp_path / "tiny.yaml")


def test_from_another_folder(tmp_path: Path, config: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    snakefile = str(ROOT / "workflow" / "Snakefile")
    done = dry_run(tmp_path, "-s", snakefile, "--directory", str(tmp_path / "elsewhere"), "--configfile", config)
    assert planned(done) == JOBS
    # Its own default is found beside it, and not in the folder that it works in.
    plain = dry_run(tmp_path / "elsewhere", "-s", snakefile)
    assert planned(plain) > {job.replace("digits", "fashion") for job in JOBS}
    assert "results/fashion/" in plain.stdout + plain.stderr
    assert list((tmp_path / "elsewhere").iterdir()) in ([], [tmp_path / "elsewhere" / ".snakemake"])


def test_as_a_module_of_another_workflow(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(MODULE.format(snakefile=str(ROOT / "workflow" / "Snakefile")))
    (tmp_path / "outer.yaml").write_text(yaml.safe_dump({"inner": TINY, "its own": 3}))
    done = dry_run(tmp_path)
    assert planned(done) == {f"augmix_{name}" for name in JOBS}
    assert "input: results/tiny/mlflow.synced" in done.stdout + done.stderr
    (tmp_path / "outer.yaml").write_text(yaml.safe_dump({"inner": {**TINY, "metods": []}}))
    odd = dry_run(tmp_path)
    assert odd.returncode == 2
    assert "unknown key 'metods' in the experiment; did you mean 'methods'?" in odd.stderr
    assert "Traceback" not in odd.stderr


def test_from_a_path_with_blanks_and_quotes(tmp_path: Path, config: str) -> None:
    name = 'it\'s a "quoted" ü'
    checkout = tmp_path / name
    copy_checkout(checkout)
    done = dry_run(checkout, "--configfile", config, checkout=checkout)
    assert planned(done) == JOBS
    # Into a folder of such a name as well: every command quotes it.
    folders = f"folders={{results: {json.dumps(name)}}}"
    elsewhere = dry_run(checkout, "--configfile", config, "--config", folders, checkout=checkout)
    assert planned(elsewhere) == JOBS


def test_the_small_test_that_the_catalog_of_workflows_asks_for(tmp_path: Path) -> None:
    snakefile, config = (str(ROOT / path) for path in ("workflow/Snakefile", ".test/config/config.yaml"))
    assert planned(dry_run(tmp_path, "-s", snakefile, "--configfile", config)) == JOBS
