"""One model on the published -C and on a generated one: from the files to the report's table of differences."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augmix.corruptions import corrupt
from augmix.errors import UserError
from augmix.suite.cli import main
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.data import datasets
from augmix.suite.run.preflight import check_published
from augmix.suite.track.records import read_metrics
from reports.layout import as_csv
from reports.results import load as load_results
from reports.tables import all_tables

Write = Callable[..., Path]
CORRUPTIONS = ("fog", "pixelate")


@pytest.fixture
def experiment(write_config: Write, tmp_path: Path) -> Experiment:
    """Prepared digits with files in the published layout: their fog of another seed, their pixelate all black."""
    entry = {"loader": "digits", "flip": False, "subset": {"train": 96, "test": 40}}
    published = {"C": str(tmp_path / "Digits-C"), "compare": True}
    experiment = load(write_config(datasets={"digits": {**entry, "published": published}}))
    datasets.prepare(experiment.dataset_settings("digits"), experiment.data / "digits")
    test = datasets.read(experiment.data / "digits", "test")
    (tmp_path / "Digits-C").mkdir()
    fog = [corrupt(np.array(test.images), "fog", severity, seed=7) for severity in range(1, 6)]
    np.save(tmp_path / "Digits-C" / "fog.npy", np.concatenate(fog))
    np.save(tmp_path / "Digits-C" / "pixelate.npy", np.zeros((200, 32, 32, 3), np.uint8))
    np.save(tmp_path / "Digits-C" / "labels.npy", np.tile(test.labels, 5).astype(np.uint8))
    return experiment


def augmix(*arguments: str | Path) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def evaluated(experiment: Experiment, config: Path) -> list[dict[str, str]]:
    """Check the files, generate, train, evaluate and collect, as the workflow's rules do; returns metrics.csv."""
    check_published(experiment)
    augmix("prepare", "--config", config)
    for name in CORRUPTIONS:
        augmix("corrupt", experiment.data / "digits", "--corruption", name)
    for name in experiment.perturbations("digits"):
        augmix("perturb", experiment.data / "digits", "--perturbation", name)
    files = experiment.benchmark_files("digits", "C", CORRUPTIONS)
    assert [file.name for file in files] == ["published-C.json", "fog.npy", "pixelate.npy"]
    assert all(file.is_file() for file in files)
    [run] = experiment.runs
    for command in ("train", "evaluate"):
        augmix(command, run.path, "--config", config)
    augmix("collect", "--config", config)
    with (experiment.folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_both_sources_reach_the_metrics_the_report_and_the_mirror(experiment: Experiment, tmp_path: Path) -> None:
    rows = evaluated(experiment, tmp_path / "small.yaml")
    assert {row["source"].partition(" ")[0] for row in rows if row["benchmark"] == "C"} == {"published", "generated"}

    def error(source: str, shift: str) -> float:
        [value] = [
            float(row["value"])
            for row in rows
            if row["source"].startswith(source)
            and (row["benchmark"], row["shift"], row["severity"], row["metric"]) == ("C", shift, "", "error")
        ]
        return value

    black = error("published", "pixelate")
    test = datasets.read(experiment.data / "digits", "test")
    assert black in [float(np.mean(test.labels != label)) for label in range(10)]  # one answer to all of them
    tables = {table.name: table for table in all_tables(load_results(experiment.folder, experiment.data))}
    [line] = list(csv.DictReader(as_csv(tables["sources"]).splitlines()))
    for name in CORRUPTIONS:
        difference = 100 * (error("generated", name) - error("published", name))
        assert float(line[name]) == pytest.approx(difference, abs=1e-3)
    [line] = list(csv.DictReader(as_csv(tables["corruptions"]).splitlines()))
    assert float(line["pixelate"]) == pytest.approx(100 * black, abs=1e-3)

    scores = read_metrics(experiment.folder / "metrics.csv")[0][experiment.runs[0].path]
    assert scores.values["C/error/fog"] == pytest.approx(error("published", "fog"))
    assert scores.values["C_generated/error/fog"] == pytest.approx(error("generated", "fog"))
    assert scores.sources["C"] == "published"


def test_a_generated_folder_is_nothing_to_compare_with(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "Digits-C" / "source.json").write_text(json.dumps({"source": "generated (augmix 1.0)"}))
    with pytest.raises(UserError, match="Digits-C was generated; 'compare' takes published files"):
        check_published(experiment)


def test_comparing_takes_published_files(write_config: Write) -> None:
    entry: dict[str, Any] = {"loader": "digits", "published": {"compare": True}}
    with pytest.raises(UserError, match=r"small.yaml:.*: .compare. needs published files; name their folder as C"):
        load(write_config(datasets={"digits": entry}))
