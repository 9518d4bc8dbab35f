"""The MLflow mirror: equal to the files, idempotent, honest about what is incomplete, safe against accidents."""

import csv
import http.client
import json
import math
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from augmix.errors import UserError
from augmix.suite.track import store, system
from augmix.suite.track.mirror import is_elsewhere, sync
from augmix.suite.track.store import open_store

STARTED = 1_700_000_000.25
HISTORY = "epoch,step,learning_rate,train_loss,train_error,test_error,seconds,timestamp\n"
METRICS = ["dataset", "arch", "method", "seed", "testset", "source", "shift", "severity", "metric", "value"]
GENERATED = "generated (augmix 0.1.0)"
SCORES: list[tuple[str, str, str, str, str, float]] = [
    ("clean", "digits", "clean", "", "error", 0.031),
    ("clean", "digits", "clean", "", "brier", 0.052),
    ("clean", "digits", "clean", "", "rms_calibration", 0.013),
    ("C", GENERATED, "fog", "3", "error", 0.9),
    ("C", GENERATED, "fog", "", "error", 0.21),
    ("C", GENERATED, "mean", "3", "error", 0.8),
    ("C", GENERATED, "mean", "", "brier", 0.33),
    ("C", GENERATED, "pooled", "", "rms_calibration", 0.07),
    ("C", GENERATED, "mCE", "", "error", 0.25),
    ("P", GENERATED, "tilt", "", "flip_probability", 0.011),
    ("P", GENERATED, "mFP", "", "flip_probability", 0.019),
    ("other writers", "folder", "other writers", "", "error", 0.4),
    ("validation", "validation split, digits", "clean", "", "error", 0.05),
    ("validation", f"validation split, {GENERATED}", "gaussian_blur", "", "error", 0.1),
    ("validation", f"validation split, {GENERATED}", "mean", "", "error", 0.08),
]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh MLflow database; to copy it is faster than to make one."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    with open_store(f"sqlite:///{path}"):
        return path


@pytest.fixture
def experiment(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results of an experiment: two finished runs, one that diverged and one in progress."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "results" / "digits"
    write_run(folder, "standard", 0)
    write_run(folder, "augmix", 1)
    diverged = write_run(folder, "mixup", 0, epochs=2, finished=False)
    (diverged / "diverged.json").write_text('{"epoch": 3, "step": 7, "loss": "nan"}')
    write_run(folder, "cutmix", 0, epochs=1, finished=False)
    write_metrics(folder, [("standard", 0, row) for row in SCORES])
    (folder / "tables").mkdir()
    (folder / "tables" / "errors.csv").write_text("method,error\n")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7 \xff")
    shutil.copy(database, folder.parent / "mlflow.db")
    return folder


def write_run(
    folder: Path,
    method: str,
    seed: int,
    epochs: int = 3,
    finished: bool = True,
    settings: dict[str, Any] | None = None,
) -> Path:
    run = folder / "digits" / "smallnet" / method / f"seed{seed}"
    run.mkdir(parents=True, exist_ok=True)
    config = {
        "dataset": "digits",
        "data": "data/digits",
        "method": {"name": method, "loss": {"standard": {}}},
        "seed": seed,
        "training": {"epochs": 3, "learning_rate": 0.1, "device": None},
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config | (settings or {})))
    code = {"digest": "0f", "files": {"augmix/mixing.py": "12"}, "packages": {"torch": "2.9.0"}}
    provenance = {"commit": "abc123", "dirty": True, "code": code, "packages": {"torch": "2.9.0"}}
    provenance |= {"parameters": 51058, "fingerprint": "0f" * 32, "data_sha256": {"train_images": "1e" * 32}}
    (run / "provenance.json").write_text(json.dumps(provenance))
    lines = [f"{e},{10 * e},{0.1 / e},{2 / e},{0.5 / e},{0.6 / e},1.5,{STARTED + e}\n" for e in range(1, epochs + 1)]
    (run / "history.csv").write_text(HISTORY + "".join(lines))
    if finished:
        (run / "model.pt").write_bytes(b"weights")
    return run


def write_metrics(folder: Path, rows: list[tuple[str, int, tuple[str, str, str, str, str, float]]]) -> None:
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(METRICS)
        writer.writerows(["digits", "smallnet", method, seed, *row] for method, seed, row in rows)


def mirror(experiment: Path, uri: str | None = None) -> Any:
    with mock.patch.dict(os.environ, {"MLFLOW_TRACKING_URI": uri} if uri else {}):
        return sync(experiment)


def client_of(experiment: Path) -> Any:
    with open_store(f"sqlite:///{experiment.parent / 'mlflow.db'}") as client:
        return client


def mlflow_runs(experiment: Path, superseded: bool = False) -> dict[str, Any]:
    """The MLflow runs by path (`standard/seed0`); only those that are, or are not, superseded."""
    from mlflow.entities import ViewType

    client = client_of(experiment)
    view = ViewType.DELETED_ONLY if superseded else ViewType.ACTIVE_ONLY
    runs = client.search_runs([client.get_experiment_by_name("digits").experiment_id], run_view_type=view)
    return {run.data.tags["mlflow.augmix.path"].removeprefix("digits/smallnet/"): run for run in runs}


def dump(experiment: Path) -> list[str]:
    connection = sqlite3.connect(experiment.parent / "mlflow.db")
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_values_equal_the_files(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGMIX_PASSWORD", "hunter2-in-the-environment")
    summary = mirror(experiment)
    assert (summary.created, summary.updated, summary.unchanged, summary.skipped) == (4, 0, 0, [])
    runs = mlflow_runs(experiment)
    run = runs["standard/seed0"]
    assert run.data.params == {
        "dataset": "digits",
        "data": "data/digits",
        "method.name": "standard",
        "method.loss.standard": "{}",
        "seed": "0",
        "training.epochs": "3",
        "training.learning_rate": "0.1",
        "training.device": "null",
        "net.parameters": "51058",
    }
    finals = {key: value for key, value in run.data.metrics.items() if "/" in key}
    assert finals == {
        "clean/error": 0.031,
        "clean/brier": 0.052,
        "clean/rms_calibration": 0.013,
        "C/error/fog": 0.21,
        "C/mean_brier": 0.33,
        "C/pooled_rms_calibration": 0.07,
        "C/mCE": 0.25,
        "P/flip_probability/tilt": 0.011,
        "P/mFP": 0.019,
        "other writers/error": 0.4,
        "validation/error/clean": 0.05,
        "validation/error/gaussian_blur": 0.1,
        "validation/mean_error": 0.08,
    }
    client = client_of(experiment)
    for key, scale in {"train_loss": 2, "train_error": 0.5, "test_error": 0.6, "learning_rate": 0.1}.items():
        points = client.get_metric_history(run.info.run_id, key)
        assert [(p.step, p.value) for p in points] == [(e, scale / e) for e in (1, 2, 3)]
        assert [p.timestamp for p in points] == [1_700_000_000_250 + 1000 * e for e in (1, 2, 3)]
    (final,) = client.get_metric_history(run.info.run_id, "C/mCE")
    assert (final.step, final.timestamp) == (0, 1_700_000_003_250)  # MLflow draws what has one step, 0, as bars
    tags = run.data.tags
    assert (tags["dataset"], tags["architecture"], tags["method"], tags["seed"]) == (
        "digits",
        "smallnet",
        "standard",
        "0",
    )
    provenance = {key: value for key, value in tags.items() if key.startswith("provenance.")}
    assert provenance == {"provenance.dirty": "true", "provenance.packages.torch": "2.9.0"}
    assert tags["mlflow.source.name"] == "augmix train"
    names = {entry.pw_uid: entry.pw_name for entry in pwd.getpwall()}
    owner = experiment.stat().st_uid
    assert (tags["mlflow.source.git.commit"], tags["mlflow.user"]) == ("abc123", names.get(owner, str(owner)))
    assert run.info.run_name == "standard/seed0"
    [trained] = run.inputs.dataset_inputs
    assert (trained.dataset.name, json.loads(trained.dataset.source)) == ("digits", {"uri": "data/digits"})
    assert [(tag.key, tag.value) for tag in trained.tags] == [("mlflow.data.context", "training")]
    assert (tags["source.clean"], tags["source.C"]) == ("digits", GENERATED)
    assert tags["source.validation"] == f"validation split, digits; validation split, {GENERATED}"
    assert not {key for key in tags if re.fullmatch("[0-9a-f]{16,}", tags[key]) and not key.startswith("mlflow.")}
    assert not any("hunter2" in line for line in dump(experiment))
    assert (run.info.start_time, run.info.end_time) == (1_700_000_001_250 - 1500, 1_700_000_003_250)


def test_status_and_artifacts(experiment: Path) -> None:
    mirror(experiment)
    runs = mlflow_runs(experiment)
    assert {path: run.info.status for path, run in runs.items()} == {
        "standard/seed0": "FINISHED",
        "augmix/seed1": "FINISHED",
        "mixup/seed0": "FAILED",
        "cutmix/seed0": "RUNNING",
        "report": "FINISHED",
    }
    assert runs["mixup/seed0"].data.tags["diverged.step"] == "7"
    for path, run in runs.items():
        uri = run.info.artifact_uri
        stored = Path(urllib.parse.unquote(urllib.parse.urlsplit(uri).path))
        assert stored.is_relative_to(experiment.parent / "mlflow-artifacts")
        source = experiment if path == "report" else experiment / "digits" / "smallnet" / path
        files = {file.relative_to(stored).as_posix() for file in stored.rglob("*") if file.is_file()}
        expected = ["metrics.csv", "report.pdf", "tables/errors.csv"]
        assert files == set(expected if path == "report" else ["config.yaml", "history.csv", "provenance.json"])
        assert all((stored / name).read_bytes() == (source / name).read_bytes() for name in files)


def test_repeating_changes_nothing(experiment: Path) -> None:
    mirror(experiment)
    before = dump(experiment)
    assert mirror(experiment).unchanged == 4
    assert dump(experiment) == before


def test_a_run_that_goes_on_is_continued(experiment: Path) -> None:
    mirror(experiment)
    old = mlflow_runs(experiment)["cutmix/seed0"]
    write_run(experiment, "cutmix", 0, epochs=3, finished=True)
    write_metrics(experiment, [(method, 0, row) for method in ("standard", "cutmix") for row in SCORES])
    assert mirror(experiment).updated == 1
    run = mlflow_runs(experiment)["cutmix/seed0"]
    assert run.info.run_id == old.info.run_id
    assert run.info.status == "FINISHED"
    assert run.data.metrics["C/mCE"] == 0.25
    points = client_of(experiment).get_metric_history(run.info.run_id, "train_loss")
    assert [(p.step, p.value) for p in points] == [(1, 2), (2, 1), (3, 2 / 3)]


def test_every_parameter_of_a_method_is_there_also_its_defaults(experiment: Path) -> None:
    packages = {"method_packages": ["baselines", "ablations"]}
    preset = {"name": "wide", "preset": "augmix", "parameters": {"width": 5}}
    write_run(experiment, "wide", 0, settings={"method": preset, **packages})
    parts = {"views": {"augmix": {"severity": 1}}, "mix": {"standard": {}}, "loss": {"standard": {}}}
    write_run(experiment, "composed", 0, settings={"method": {"name": "composed", **parts}, **packages})
    mirror(experiment)
    runs = mlflow_runs(experiment)
    wide, composed = runs["wide/seed0"].data.params, runs["composed/seed0"].data.params
    assert (wide["method.parameters.width"], wide["method.parameters.severity"]) == ("5", "3")
    assert composed["method.views.augmix.width"] == "3"
    assert composed["method.views.augmix.severity"] == "1"


def test_the_page_has_the_headlines_as_columns_and_leads_to_the_report(experiment: Path) -> None:
    mirror(experiment)
    client = client_of(experiment)
    tags = client.get_experiment_by_name("digits").tags
    view = json.loads(tags["mlflow.sharedViewState.augmix"])
    assert view["selectedColumns"] == ["metrics.`clean/error`", "metrics.`C/mCE`", "metrics.`P/mFP`"]
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`C/mCE`", True)
    assert view["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "method"}]
    report = mlflow_runs(experiment)["report"].info
    note = tags["mlflow.note.content"]
    page = f"#/experiments/{report.experiment_id}/runs/{report.run_id}/artifacts/report.pdf"
    assert page in note.splitlines()[0]  # all of it that is seen at first
    assert "- `nll`: in nats; lower is better; " in note
    client.set_experiment_tag(report.experiment_id, "mlflow.note.content", "Mine.")
    write_run(experiment, "other", 0)
    mirror(experiment)
    assert client.get_experiment_by_name("digits").tags["mlflow.note.content"] == "Mine."


def test_runs_of_version_0_1_are_superseded(experiment: Path) -> None:
    client = client_of(experiment)
    path = {"augmix.path": "digits/smallnet/standard/seed0"}
    number = client.create_experiment("digits", (experiment.parent / "mlflow-artifacts/digits").as_uri())
    old = client.create_run(number, tags=path).info.run_id
    assert mirror(experiment).created == 4
    assert client.get_run(old).info.lifecycle_stage == "deleted"


def test_a_trained_net_is_read_back_by_mlflow(experiment: Path, small_digits: Path, tmp_path: Path) -> None:
    import mlflow
    import numpy as np
    import torch

    from augmix import models
    from augmix.suite.train.checkpoints import save

    trained = models.build("smallnet_thin", 10).eval()
    data = shutil.copytree(small_digits, tmp_path / "digits")
    noted = json.loads((data / "dataset.json").read_text())
    settings = {"architecture": "smallnet_thin", "data": str(data)}
    run = write_run(experiment, "standard", 0, settings=settings)
    save(run / "model.pt", trained.state_dict())
    (run / "provenance.json").write_text(json.dumps({"python": "3.11.7", "data_sha256": noted["sha256"]}))
    mirror(experiment)
    info = mlflow_runs(experiment)["standard/seed0"].info
    loaded = mlflow.pyfunc.load_model(f"{info.artifact_uri}/model")
    images = np.load(data / "test_images.npy")
    assert loaded.metadata.get_input_schema().to_dict()[0]["tensor-spec"] == {
        "dtype": "uint8", "shape": (-1, *images.shape[1:]),
    }  # fmt: skip
    assert (loaded.input_example == images[:1]).all()
    with torch.inference_mode():
        logits = models.Normalised(trained, *noted["normalisation"])(torch.from_numpy(images).permute(0, 3, 1, 2))
    torch.testing.assert_close(torch.from_numpy(loaded.predict(images)), logits.softmax(1))
    shutil.rmtree(data)
    assert mirror(experiment).updated == 1
    assert mlflow_runs(experiment)["standard/seed0"].info.run_id == info.run_id, "the net stays"


def test_the_machines_load_is_noted_where_it_is_asked_for(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = experiment / "digits" / "smallnet" / "standard" / "seed0"
    monkeypatch.delenv(system.SWITCH, raising=False)
    with system.watched(run):
        pass
    assert not (run / system.FILE).exists()
    monkeypatch.setenv(system.SWITCH, "true")
    monkeypatch.setenv(system.INTERVAL, "0.01")
    with system.watched(run):
        while len((run / system.FILE).read_text().splitlines() if (run / system.FILE).exists() else []) < 10:
            time.sleep(0.01)
    mirror(experiment)
    found = mlflow_runs(experiment)["standard/seed0"]
    assert 0 < found.data.metrics["system/system_memory_usage_percentage"] <= 100
    history = client_of(experiment).get_metric_history(found.info.run_id, "system/cpu_utilization_percentage")
    assert [point.step for point in history] == list(range(len(history)))
    assert len(history) >= 3
    (run / system.FILE).write_text("cut short")
    assert mirror(experiment).skipped == []


def change_config(run: Path) -> None:
    write_run(run.parents[3], "standard", 0, settings={"seed": 5})


def change_history(run: Path) -> None:
    path = run / "history.csv"
    path.write_text(path.read_text().replace(f",{2 / 3},", ",2.5,"))


def change_score(run: Path) -> None:
    path = run.parents[3] / "metrics.csv"
    path.write_text(path.read_text().replace(",0.25\n", ",0.24\n"))


@pytest.mark.parametrize("change", [change_config, change_history, change_score])
def test_what_changed_supersedes(experiment: Path, change: Any) -> None:
    mirror(experiment)
    old = mlflow_runs(experiment)["standard/seed0"]
    change(experiment / "digits" / "smallnet" / "standard" / "seed0")
    summary = mirror(experiment)
    assert (summary.created, summary.unchanged) == (1, 3)
    superseded = mlflow_runs(experiment, superseded=True)["standard/seed0"]
    assert superseded.info.run_id == old.info.run_id
    assert superseded.data.metrics == old.data.metrics
    run = mlflow_runs(experiment)["standard/seed0"]
    assert (run.data.params, run.data.metrics) != (old.data.params, old.data.metrics)
    assert mirror(experiment).unchanged == 4


def test_a_diverged_run_that_is_resumed_runs_again(experiment: Path) -> None:
    mirror(experiment)
    old = mlflow_runs(experiment)["mixup/seed0"]
    (experiment / "digits" / "smallnet" / "mixup" / "seed0" / "diverged.json").unlink()
    assert mirror(experiment).updated == 1
    run = mlflow_runs(experiment)["mixup/seed0"]
    assert (run.info.run_id, run.info.status) == (old.info.run_id, "RUNNING")
    assert "diverged.step" not in run.data.tags


def test_a_report_shows_no_table_that_is_gone(experiment: Path) -> None:
    mirror(experiment)
    old = mlflow_runs(experiment)["report"]
    (experiment / "tables" / "errors.csv").unlink()
    mirror(experiment)
    client = client_of(experiment)
    report = mlflow_runs(experiment)["report"]
    assert {entry.path for entry in client.list_artifacts(report.info.run_id)} == {"metrics.csv", "report.pdf"}
    assert mlflow_runs(experiment, superseded=True)["report"].info.run_id == old.info.run_id


def test_scores_of_an_earlier_training_are_left_out(experiment: Path) -> None:
    os.utime(experiment / "metrics.csv", (STARTED + 2, STARTED + 2))
    mirror(experiment)
    run = mlflow_runs(experiment)["standard/seed0"]
    assert "test_error" in run.data.metrics
    assert not any("/" in key for key in run.data.metrics)


def test_values_that_are_not_finite_and_names_that_mlflow_refuses(experiment: Path) -> None:
    settings = {"odd %[key]": {"..": 1, "a/b": float("inf")}, "long": "x" * 7000, "none": {}, "empty": ""}
    run = write_run(experiment, "standard", 0, settings=settings)
    path = run / "history.csv"
    path.write_text(path.read_text().replace(",2.0,", ",nan,").replace(",1.0,", ",-inf,").replace(",0.6,", ",,"))
    write_metrics(experiment, [("standard", 0, ("C", "x", "jpeg 50%", "", "error", math.inf))])
    mirror(experiment)
    mlflow_run = mlflow_runs(experiment)["standard/seed0"]
    params = mlflow_run.data.params
    assert params["odd _25__5b_key_5d_._2e__2e_"] == "1"
    assert params["odd _25__5b_key_5d_.a_2f_b"] == "Infinity"
    assert params["long"] == "x" * 5999 + "…"
    assert (params["none"], params["empty"]) == ("{}", "")
    client = client_of(experiment)
    losses = client.get_metric_history(mlflow_run.info.run_id, "train_loss")
    assert [p.step for p in losses if math.isnan(p.value)] == [1, 2]
    assert [p.step for p in client.get_metric_history(mlflow_run.info.run_id, "test_error")] == [2, 3]
    assert math.isnan(mlflow_run.data.metrics["C/error/jpeg 50_25_"])
    before = dump(experiment)
    assert mirror(experiment).unchanged == 4
    (run / "provenance.json").write_text('{"commit": "def", "parameters": 51058}')  # writes every NaN again
    assert mirror(experiment).updated == 1
    run_after = mlflow_runs(experiment)["standard/seed0"]
    assert [tag for tag in run_after.data.tags if tag.startswith("provenance.")] == []
    metric_rows = [line for line in before if line.startswith('INSERT INTO "metrics"')]
    assert [line for line in dump(experiment) if line.startswith('INSERT INTO "metrics"')] == metric_rows


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("config.yaml", None, "config.yaml is missing"),
        ("config.yaml", b"- a list\n", "holds no mapping"),
        ("config.yaml", b"a: [", "config.yaml is not readable YAML"),
        ("provenance.json", None, "provenance.json is missing"),
        ("provenance.json", b'{"commit": ', "provenance.json is not readable JSON"),
        ("history.csv", None, "history.csv is missing"),
        ("history.csv", b"", "history.csv lacks the column epoch"),
        ("history.csv", b"epoch,step\n1,2\n", "lacks the column timestamp"),
        ("history.csv", HISTORY.encode(), "holds no epoch"),
        ("history.csv", HISTORY.encode() + b"1,10,0.1,2,0.5,0.6,1.5,1700000001.2", "cut short"),
        ("history.csv", HISTORY.encode() + b"1,10,0.1,2\n", "cut short"),
        ("history.csv", HISTORY.encode() + b"1,10,0.1,two,0.5,0.6,1.5,1700000001\n", "damaged at epoch 1"),
        ("history.csv", HISTORY.encode() + b"2,10,0.1,2,0.5,0.6,1.5,1700000001\n", "damaged at epoch 1"),
        ("history.csv", HISTORY.encode() + b"1,10,0.1,2,0.5,0.6,1.5,1700000001\n", "holds 1 epochs, expected 3"),
    ],
)
def test_damaged_runs_are_left_out_by_name(
    experiment: Path, name: str, content: bytes | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = experiment / "digits" / "smallnet" / "standard" / "seed0" / name
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    summary = mirror(experiment)
    (message,) = summary.skipped
    assert capsys.readouterr().err == f"left out: {message}\n"
    assert str(file.parent) in message
    assert complaint in message
    assert summary.created == 3
    assert "standard/seed0" not in mlflow_runs(experiment)


def test_history_older_than_the_config_is_not_of_this_training(experiment: Path) -> None:
    run = experiment / "digits" / "smallnet" / "cutmix" / "seed0"
    os.utime(run / "history.csv", (STARTED, STARTED))
    (message,) = mirror(experiment).skipped
    assert "cutmix/seed0 has no finished epoch yet" in message


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (",0.25\n", ",a quarter\n", "line 10: value is 'a quarter'"),
        (",fog,,", ",mCE,,", "line 10: a second value of C/mCE"),
        (",severity,", ",,", "lacks the column severity"),
    ],
)
def test_damaged_metrics_are_refused(experiment: Path, old: str, new: str, complaint: str) -> None:
    path = experiment / "metrics.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=re.escape(complaint)):
        mirror(experiment)


def test_folders_and_addresses_that_cannot_be_used(tmp_path: Path, experiment: Path) -> None:
    with pytest.raises(UserError, match="holds no runs"):
        mirror(tmp_path)
    with pytest.raises(UserError, match=r"postgresql://host/db is not supported"):
        mirror(experiment, "postgresql://user:secret@host/db")
    with pytest.raises(UserError, match=r"mlflow\.db does not exist yet: run `augmix track sync` first"):
        store.serve(tmp_path)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(UserError, match="choose another with --port"):
            store.serve(experiment.parent, listener.getsockname()[1])
    (experiment.parent / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(UserError, match="not a usable MLflow database"):
        mirror(experiment)


def test_a_store_that_cannot_be_used_is_refused_before_any_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.check(tmp_path / "results")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://user:secret@host/db")
    with pytest.raises(UserError, match=r"postgresql://host/db is not supported"):
        store.check(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://nobody:5000")
    store.check(tmp_path)
    # /proc is what even root cannot write.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/sys/mlflow.db")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith("/proc"))
    with pytest.raises(UserError, match=r"/proc/sys/mlflow\.db cannot be written: no permission to write /proc/sys"):
        store.check(tmp_path)


def test_another_store_is_noticed(experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert not is_elsewhere(experiment)
    mirror(experiment)
    assert not is_elsewhere(experiment)
    moved = shutil.copytree(experiment.parent, experiment.parents[1] / "moved") / experiment.name
    assert not is_elsewhere(moved)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@elsewhere")
    assert is_elsewhere(experiment)
    store.serve(experiment.parent)
    assert capsys.readouterr().out == "MLflow UI: http://elsewhere, the server that MLFLOW_TRACKING_URI names\n"


HOLD = "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE'); print(flush=True); "


def test_a_locked_database_is_waited_for(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror(experiment)
    database = experiment.parent / "mlflow.db"
    for seconds, patience in ((3, 60), (60, 1)):
        monkeypatch.setattr(store, "_SECONDS_LOCKED", patience)
        command = [sys.executable, "-c", f"{HOLD} time.sleep({seconds})", str(database)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            locked = f"{database} is locked by process {holder.pid} (python"
            if patience > seconds:
                mirror(experiment)
                assert capsys.readouterr().err.startswith(f"waiting: {locked}")
                continue
            with pytest.raises(UserError, match=re.escape(locked)):
                mirror(experiment)
            holder.kill()


def test_results_below_any_name(experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    moved = tmp_path / "it's a 100% #1 ü 数? {a}"
    (moved / "results").mkdir(parents=True)
    shutil.move(experiment, moved / "results/digits")
    assert mirror(moved / "results/digits").created == 4
    assert (moved / "results/mlflow.db").is_file()
    assert mirror(moved / "results/digits").unchanged == 4
    assert list((tmp_path / "here").iterdir()) == []


def test_an_interrupted_sync_is_completed(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifacts", fail)
        with pytest.raises(UserError, match="No space left on device"):
            mirror(experiment)
    (half,) = mlflow_runs(experiment).values()
    assert half.info.status == "RUNNING"
    assert (mirror(experiment).created, mirror(experiment).unchanged) == (3, 4)
    assert len(mlflow_runs(experiment)) == 5


def test_moved_results_keep_their_artifacts(experiment: Path, tmp_path: Path) -> None:
    mirror(experiment)
    moved = tmp_path / "elsewhere 100%" / "results"
    moved.parent.mkdir()
    experiment.parent.rename(moved)
    assert mirror(moved / "digits").unchanged == 4
    run = mlflow_runs(moved / "digits")["standard/seed0"]
    text = (moved / "digits" / "digits" / "smallnet" / "standard" / "seed0" / "config.yaml").read_text()
    from mlflow.artifacts import load_text

    assert load_text(f"{run.info.artifact_uri}/config.yaml") == text
    write_run(moved / "digits", "augmix", 2)
    assert mirror(moved / "digits").created == 1
    assert not experiment.parent.exists()
    assert not any((experiment.parent.as_uri() + "/") in line for line in dump(moved / "digits"))


def test_artifacts_that_were_deleted_are_sent_again(experiment: Path) -> None:
    mirror(experiment)
    shutil.rmtree(experiment.parent / "mlflow-artifacts")
    assert mirror(experiment).updated == 4
    test_status_and_artifacts(experiment)
    test_repeating_changes_nothing(experiment)


def test_a_database_of_another_version_is_told(experiment: Path, tmp_path: Path) -> None:
    mirror(experiment)
    older = experiment.parent.rename(tmp_path / "older")  # MLflow remembers which databases it has looked at
    with closing(sqlite3.connect(older / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'bd07f7e963c5'")
    with pytest.raises(UserError, match=r"was made by another version of MLflow: `mlflow db upgrade 'sqlite:"):
        mirror(older / experiment.name)


def test_two_first_starts_at_once_after_one_was_killed(experiment: Path) -> None:
    results = experiment.parent
    (results / "mlflow.db").write_bytes(b"")
    (results / ".mlflow.db.1.tmp").write_bytes(b"what a killed start left behind")
    code = "import sys, pathlib, augmix.suite.track.mirror as t; print(t.sync(pathlib.Path(sys.argv[1])).created)"
    command = [sys.executable, "-c", code, str(experiment)]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [start.communicate(timeout=120) for start in starts]
    assert [start.returncode for start in starts] == [0, 0], outputs
    first, second = sorted(errors for _, errors in outputs)
    assert first == ""
    assert second.startswith(f"waiting: the mirror of {experiment} is in use by process ")
    assert second.count("\n") == 1
    assert sorted(output for output, _ in outputs) == ["0\n", "4\n"]
    assert len(mlflow_runs(experiment)) == 5
    assert not list(results.glob(".mlflow.db.*tmp*"))


@pytest.mark.parametrize("listening", [False, True])
def test_a_server_that_is_down_fails_at_once(
    experiment: Path, listening: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:  # it takes the connection and never answers
            server.listen()
        port = server.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{port}")
        began = time.monotonic()
        with pytest.raises(UserError) as caught:
            mirror(experiment)
        assert time.monotonic() - began < 10
    assert f"the MLflow server at http://127.0.0.1:{port} does not answer" in str(caught.value)
    assert str(caught.value).endswith("start it and run `augmix track sync` again")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_proxy_that_does_not_reach_the_server_is_named(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"\(ProxyError\): ask it without the proxy, by NO_PROXY=localhost, and run"):
        mirror(experiment, "http://user:secret@localhost:9")


def test_the_environment_stays_as_it_was(experiment: Path) -> None:
    before = dict(os.environ)
    mirror(experiment)
    assert dict(os.environ) == before


def test_a_user_without_a_home_has_one_for_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> None:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with store._environment():
        assert Path.home().is_dir()
    assert "HOME" not in os.environ


def test_mlflow_is_imported_only_when_needed() -> None:
    code = "import sys, augmix.suite.track.mirror, augmix.suite.track.store; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.fixture
def ui(experiment: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    code = "import sys, pathlib, augmix.suite.track.store as t; t.serve(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(experiment.parent), str(port)], stdout=subprocess.PIPE, text=True
    )
    yield process, port
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.slow
def test_the_ui_serves_on_loopback_takes_a_sync_and_ends(
    experiment: Path, ui: tuple[subprocess.Popen[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, port = ui
    assert process.stdout is not None
    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/health")
    assert connection.getresponse().read() == b"OK"
    with pytest.raises(OSError, match="refused"):  # 127.0.0.2 is this machine too: only 127.0.0.1 is served
        socket.create_connection(("127.0.0.2", port), timeout=5)

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    path = experiment / "digits" / "smallnet" / "standard" / "seed0" / "history.csv"
    path.write_text(path.read_text().replace(",2.0,", ",nan,"))
    assert mirror(experiment, f"http://127.0.0.1:{port}").created == 4
    assert mirror(experiment, f"http://127.0.0.1:{port}").unchanged == 4
    run = mlflow_runs(experiment)["standard/seed0"]
    points = client_of(experiment).get_metric_history(run.info.run_id, "train_loss")
    assert [str(point.value) for point in points] == ["nan", "1.0", str(2 / 3)]
    connection.close()  # the server itself closes one that was idle for five seconds
    connection.request("GET", f"/get-artifact?path=history.csv&run_uuid={run.info.run_id}")
    assert connection.getresponse().read() == path.read_bytes()

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)
