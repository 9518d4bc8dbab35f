"""The same predictions on a published -C and on a generated one: from the files to the report's tables."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from augmix.corruptions import corrupt
from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.data import datasets
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.predictions import NUMBERS, Predictions
from augmix.suite.evaluate.results import COLUMNS, RUN_COLUMNS, run_metrics
from augmix.suite.testsets.base import TestSet, make
from reports.layout import as_csv
from reports.loaded import load
from reports.tables import all_tables

CORRUPTIONS = ["fog", "pixelate"]


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Prepared digits, with published files: their fog is that of another seed, their pixelate all black."""
    entry = {"shifts": CORRUPTIONS}
    published = {"published": str(tmp_path / "Digits-C"), **entry}
    experiment = Experiment(
        {
            "experiment": "small",
            "datasets": {"digits": {"loader": "digits", "flip": False, "subset": {"train": 96, "test": 40}}},
            "testsets": {"C": published, "C_generated": {"kind": "corruptions", **entry}, "P": None},
            "architectures": ["smallnet"],
            "methods": ["standard"],
            "folders": {"data": str(tmp_path / "data"), "results": str(tmp_path / "results")},
        }
    )
    datasets.prepare(experiment.preparation("digits"), experiment.data / "digits")
    test = datasets.read(experiment.data / "digits", "test")
    (tmp_path / "Digits-C").mkdir()
    fog = [corrupt(np.array(test.images), "fog", severity, seed=7) for severity in range(1, 6)]
    np.save(tmp_path / "Digits-C" / "fog.npy", np.concatenate(fog))
    np.save(tmp_path / "Digits-C" / "pixelate.npy", np.zeros((200, 32, 32, 3), np.uint8))
    np.save(tmp_path / "Digits-C" / "labels.npy", np.tile(test.labels, 5).astype(np.uint8))
    return experiment


def predicted(testset: TestSet, data: Path) -> Predictions:
    """The predictions of a classifier by brightness, which is sure of itself."""
    opened = testset.open(datasets.read(data, "test"), datasets.record(data)["classes"])
    found = {}
    for name in testset.shifts:
        shift = opened.read(name)
        numbers = np.ones(len(shift.labels), NUMBERS)
        numbers["prediction"] = np.asarray(shift.images).reshape(len(numbers), -1).mean(axis=1) // 10 % 10
        numbers["true_probability"] = numbers["prediction"] == shift.labels
        found[name] = numbers.reshape(shift.shape)
    return Predictions(found, opened.labels, opened.source)


def collected(experiment: Experiment) -> list[dict[str, Any]]:
    """Make the test sets, predict, and write what `augmix collect` does of one finished run; returns its metrics."""
    for making in experiment.makings():
        make(making.testset, making.shifts, making.number)
    [run] = experiment.runs
    folder = experiment.folder / run.path / "predictions"
    for testset in run.testsets:
        archive = predicted(testset, experiment.data / "digits")
        predictions.write(predictions.path_of(folder.parent, folder.name, testset.name), archive, {})
    key = {"dataset": run.dataset, "arch": run.architecture, "method": run.method, "seed": run.seed}
    rows = [key | dict(zip(COLUMNS[4:], row, strict=True)) for row in run_metrics(folder, run.testsets)]
    text = yaml.safe_dump(experiment.record(), sort_keys=False)
    (experiment.folder / "experiment.yaml").write_text(text, encoding="utf-8")
    tables = {"metrics.csv": (COLUMNS, rows), "runs.csv": (RUN_COLUMNS, [{**key, "status": "done"}])}
    for name, (columns, lines) in tables.items():
        with (experiment.folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(lines)
    return rows


def test_both_sources_reach_the_metrics_and_the_report(experiment: Experiment) -> None:
    rows = collected(experiment)

    def error(testset: str, shift: str) -> float:
        keys = ("testset", "shift", "severity", "metric")
        [row] = [row for row in rows if tuple(row[key] for key in keys) == (testset, shift, "", "error")]
        assert row["source"].partition(" ")[0] == {"C": "published", "C_generated": "generated"}[testset]
        return float(row["value"])

    test = datasets.read(experiment.data / "digits", "test")
    black = error("C", "pixelate")
    assert black == float(np.mean(test.labels != 0))
    tables = {table.name: table for table in all_tables(load(experiment.folder, experiment.data))}
    [line] = csv.DictReader(as_csv(tables["sources_C_generated_C"]).splitlines())
    for name in CORRUPTIONS:
        difference = 100 * (error("C_generated", name) - error("C", name))
        assert float(line[name]) == pytest.approx(difference, abs=1e-3)
    assert "mCE" not in line  # two of fifteen corruptions have none
    [line] = csv.DictReader(as_csv(tables["corruptions"]).splitlines())
    assert float(line["pixelate"]) == pytest.approx(100 * black, abs=1e-3)


def test_published_files_of_other_images_are_refused(experiment: Experiment) -> None:
    labels = Path(experiment.testsets("digits")[1].folder) / "labels.npy"
    np.save(labels, (np.load(labels) + 1) % 10)
    with pytest.raises(UserError, match="does not have the labels of the data set's test images"):
        collected(experiment)
