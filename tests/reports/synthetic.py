"""Synthetic results folders in the formats that `augmix collect` and the data commands write."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.stats import norm

from augmix.corruptions import CORRUPTIONS
from augmix.perturbations import PERTURBATIONS
from augmix.suite.config.parse import build_testset, origin_of
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.predictions import NUMBERS, Predictions
from augmix.suite.evaluate.results import COLUMNS, RUN_COLUMNS, run_metrics
from augmix.suite.testsets.base import TestSet

PRESETS = {"imagenet": "imagenet"}
BASE = {"standard": 0.30, "augmix": 0.14, "no_jsd": 0.18}
SHIFTED: dict[str, Any] = {"images": None, "seed": 0, "published": None, "resize": False}
NATURAL: dict[str, Any] = {
    "kind": "natural",
    "loader": "digits",
    "options": {"split": "unseen_writers"},
    "split": "test",
    "classes": None,
    "images": None,
}
FOURIER: dict[str, Any] = {"kind": "fourier", "images": None, "seed": 0, "norm": None, "radius": 2}
Metrics = list[tuple[str, str, str, Any, str, float]]


class Synthetic:
    """An experiment to be written; change its attributes first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "results" / "trial"
        self.data = folder / "data"
        self.datasets: dict[str, dict[str, Any]] = {"digits": {"loader": "digits", "title": "Digits"}}
        self.architectures: Sequence[str] = ("smallnet",)
        self.methods: list[dict[str, Any]] = [{"name": name, "preset": name} for name in BASE]
        self.seeds: Sequence[int] = (0, 1)
        self.status: dict[tuple[str, int], str] = {}  # (method, seed) to anything but done
        self.testsets: dict[str, dict[str, Any] | None] = {
            "clean": {"kind": "clean"},
            "C": {"kind": "corruptions", "shifts": list(CORRUPTIONS), **SHIFTED},
            "P": {"kind": "perturbations", "shifts": list(PERTURBATIONS), **SHIFTED},
        }
        self.evaluated: Sequence[str] | None = None  # the test sets with figures; None for all of them
        self.calibrated = True
        self.images = 0  # test images whose predictions are written, which the metrics are then those of
        self.source = "generated (augmix 0.1.0)"
        self.validation: float | None = None
        self.chosen: dict[str, str] = {}  # sweep to method; the same on every data set and architecture
        self.run_changes: dict[int, dict[str, Any]] = {}  # row number in runs.csv to columns
        self.metrics: list[dict[str, Any]] = []

    def write(self) -> Path:
        """Write everything but arrays; returns the experiment's folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.metrics = []
        training: dict[str, Any] = {
            "epochs": 4,
            "batch_size": 128,
            "learning_rate": 0.1,
            "minimum_learning_rate": 1e-6,
        }
        training |= {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "threads": 1, "device": "auto"}
        training |= {"schedule": "cosine", "warmup_epochs": 0, "milestones": [], "compile": False, "processes": 1}
        datasets = {
            name: {"options": {}, "flip": False, "preset": PRESETS.get(entry["loader"], "cifar"), **entry}
            | {"testsets": self.testsets}
            for name, entry in self.datasets.items()
        }
        config = {
            "experiment": "trial",
            "title": "A trial of #1 & $2_@",
            "datasets": datasets,
            "architectures": [{"name": name, "training": {}} for name in self.architectures],
            "methods": self.methods,
            "seeds": list(self.seeds),
            "validation": self.validation,
            "method_packages": ["baselines", "ablations"],
            "training": training,
            "folders": {"data": "data", "results": "results"},
        }
        (self.folder / "experiment.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        runs = list(self._runs())
        for row, changes in self.run_changes.items():
            runs[row].update(changes)
        _write_csv(self.folder / "runs.csv", RUN_COLUMNS, runs)
        self.rewrite_metrics()
        if self.validation is not None:
            self._write_chosen()
        return self.folder

    def rewrite_metrics(self) -> None:
        """Write `metrics` again, after a change."""
        _write_csv(self.folder / "metrics.csv", COLUMNS, self.metrics)

    def write_arrays(self, side: int = 8) -> None:
        """Write the images that the sample sheets show."""
        rng = np.random.default_rng(0)
        for dataset in self.datasets:
            arrays: dict[str, tuple[int, ...]]
            arrays = {f"{dataset}/test_images": (6, side, side, 3), f"{dataset}/train_images": (9, side, side, 3)}
            arrays |= {f"{dataset}-C/{name}": (30, side, side, 3) for name in CORRUPTIONS}
            arrays |= {f"{dataset}-P/{name}": (2, 7, side, side, 3) for name in self.shifts("P")}
            for name, shape in arrays.items():
                path = self.data / f"{name}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, rng.integers(256, size=shape).astype(np.uint8))
            np.save(self.data / dataset / "test_labels.npy", np.arange(6, dtype=np.int64) % 4)
            (self.data / dataset / "dataset.json").write_text(json.dumps({"classes": list("0123")}))

    def shifts(self, testset: str) -> list[str]:
        """The configured shifts of a test set."""
        return list((self.testsets[testset] or {})["shifts"])

    def value(self, **row: Any) -> float:
        """The value of the one metrics row that matches."""
        found = [r["value"] for r in self.metrics if all(r[key] == row[key] for key in row)]
        assert len(found) == 1, (row, found)
        return float(found[0])

    def _write_chosen(self) -> None:
        rows = [
            {"dataset": d, "arch": a, "sweep": sweep, "method": entry["name"], "value": value}
            | {"chosen": self.chosen.get(sweep) == entry["name"]}
            for d in self.datasets
            for a in self.architectures
            for entry in self.methods
            for sweep, value in entry.get("sweeps", {}).items()
        ]
        columns = ("dataset", "arch", "sweep", "method", "value", "validation_error", "chosen")
        _write_csv(self.folder / "chosen.csv", columns, rows)

    def _runs(self) -> Any:
        rng = np.random.default_rng(7)
        for dataset in self.datasets:
            for a, architecture in enumerate(self.architectures):
                for i, entry in enumerate(self.methods):
                    for seed in self.seeds:
                        status = self.status.get((entry["name"], seed), "done")
                        key = {"dataset": dataset, "arch": architecture, "method": entry["name"], "seed": seed}
                        base = BASE.get(entry["name"], 0.2 + 0.013 * i) + 0.01 * a
                        if status == "done":
                            tested = not entry.get("sweeps") or entry["name"] in self.chosen.values()
                            rows = []
                            if tested or self.validation is None:
                                rows = self._predicted(key, base) if self.images else self._metrics(base, rng)
                            if self.validation is not None:
                                value = self._validated(key, base) if self.images else base
                                rows.append(("validation", "validation split", "mean", "", "error", value))
                            for row in rows:
                                self.metrics.append(key | dict(zip(COLUMNS[4:], row, strict=True)))
                        if status != "missing":
                            self._write_run(key, base, rng)
                        yield key | self._run_record(status)

    def _run_record(self, status: str) -> dict[str, Any]:
        if status != "done":
            return {"status": status, "message": "loss nan in epoch 2" if status == "diverged" else ""}
        return {
            "status": status, "message": "", "epochs": 4, "parameters": 136_282, "train_seconds": 61.5,
            "train_cpu_seconds": 55.25, "evaluate_seconds": 12.25, "code": "0123456789abcdef", "commit": "f" * 40,
            "dirty": False, "device": "cpu", "threads": 1, "torch": "2.9.0", "python": "3.11.9",
            "platform": "Linux-x86_64",
        }  # fmt: skip

    def _metrics(self, base: float, rng: np.random.Generator) -> Metrics:
        def noisy(value: float) -> float:
            return float(value * rng.uniform(0.9, 1.1))

        measures = ["error", "brier", *(["rms_calibration"] if self.calibrated else []), "nll", "ece"]
        rows: Metrics = []
        for name, entry in self.testsets.items():
            if entry is None or (self.evaluated is not None and name not in self.evaluated):
                continue
            if entry["kind"] in ("clean", "natural"):
                rows += [(name, "digits", name, "", metric, noisy(base / 4)) for metric in measures]
            if entry["kind"] == "outside":
                rows += [(name, "digits", name, "", metric, noisy(0.5)) for metric in ("ood_auroc", "ood_fpr95")]
            if entry["kind"] == "corruptions":
                rows += self._corrupted(name, measures, base, noisy)
                rows.append((name, self.source, "pooled", "", "rms_calibration", noisy(base / 3)))
            if entry["kind"] == "perturbations":
                flips = {p: noisy(base / 5) for p in self.shifts(name)}
                rows += [(name, self.source, p, "", "flip_probability", v) for p, v in flips.items()]
                rows.append((name, self.source, "mFP", "", "flip_probability", float(np.mean(list(flips.values())))))
        return rows

    def _predicted(self, key: dict[str, Any], base: float) -> Metrics:
        """Write a run's archives of predictions; returns the measures of them."""
        folder = self.folder / key["dataset"] / key["arch"] / key["method"] / f"seed{key['seed']}" / "predictions"
        settings = {"options": {}, "preset": "cifar", "testsets": self.testsets}
        config = {"datasets": {name: {**settings, **e} for name, e in self.datasets.items()}}
        origin = origin_of({**config, "folders": {"data": str(self.data)}}, key["dataset"])
        testsets = [
            build_testset(name, entry, origin)
            for name, entry in self.testsets.items()
            if entry is not None and (self.evaluated is None or name in self.evaluated)
        ]
        rng = np.random.default_rng([len(key["method"]), key["seed"], ord(key["arch"][0])])
        for testset in testsets:
            predictions.write(folder / f"{testset.name}.npz", self._answers(testset, base, rng), {})
        return list(run_metrics(folder, testsets))

    def _validated(self, key: dict[str, Any], base: float) -> float:
        """Write a run's archive of predictions on the validation split; returns the error by which a sweep is read."""
        entry = {"kind": "corruptions_validation", "shifts": None, **SHIFTED}
        settings = {"options": {}, "preset": "cifar", "testsets": self.testsets}
        config = {"datasets": {name: {**settings, **e} for name, e in self.datasets.items()}}
        origin = origin_of({**config, "folders": {"data": str(self.data)}}, key["dataset"])
        testset = build_testset("C", entry, origin)
        rng = np.random.default_rng([len(key["method"]), key["seed"], ord(key["arch"][0]), 1])
        found = self._answers(testset, base, rng)
        folder = self.folder / key["dataset"] / key["arch"] / key["method"] / f"seed{key['seed']}" / "validation"
        predictions.write(folder / "C.npz", found, {})
        labels = found.labels.reshape(testset.levels, -1)
        return float(np.mean([np.mean(numbers["prediction"] != labels) for numbers in found.shifts.values()]))

    def _answers(self, testset: TestSet, base: float, rng: np.random.Generator) -> Predictions:
        """Predictions with an error of about `base`, on images of which some are harder than others to all runs."""
        difficulty = np.random.default_rng(0).normal(size=(self.images, 1))
        labels = np.random.default_rng(1).integers(0, 4, self.images)
        level = 1.6 * (float(norm.ppf(base)) + 0.1 * rng.normal())
        copies = 7 if testset.sequence else testset.levels
        found = {}
        for shift in testset.shifts:
            hard = difficulty + rng.normal(size=(self.images, copies)) + np.linspace(-0.7, 0.7, copies) + level
            numbers = np.zeros((self.images, copies), NUMBERS)
            numbers["prediction"] = np.where(hard > 0, (labels[:, None] + 1) % 4, labels[:, None])
            numbers["confidence"] = 1 / (1 + np.exp(-np.abs(hard))) * 0.6 + 0.4
            numbers["true_probability"] = np.where(hard > 0, 0.2, numbers["confidence"])
            numbers["squared_sum"] = numbers["confidence"] ** 2
            by_level = np.ascontiguousarray(numbers.T)
            found[shift] = numbers if testset.sequence else by_level[0] if testset.levels == 1 else by_level
        cues = labels[::-1] if testset.cues else None
        return Predictions(found, labels if testset.sequence else np.tile(labels, testset.levels), self.source, cues)

    def _corrupted(
        self, name: str, measures: Sequence[str], base: float, noisy: Callable[[float], float]
    ) -> Iterator[tuple[str, str, str, Any, str, float]]:
        for metric in measures:
            cells = {c: [noisy(base * (0.5 + 0.2 * s)) for s in range(1, 6)] for c in self.shifts(name)}
            for c, values in cells.items():
                yield from ((name, self.source, c, s, metric, v) for s, v in enumerate(values, 1))
                yield name, self.source, c, "", metric, float(np.mean(values))
            grid = np.array(list(cells.values()))
            yield from ((name, self.source, "mean", s + 1, metric, float(grid[:, s].mean())) for s in range(5))
            yield name, self.source, "mCE" if metric == "error" else "mean", "", metric, float(grid.mean())

    def _write_run(self, key: dict[str, Any], base: float, rng: np.random.Generator) -> None:
        folder = self.folder / key["dataset"] / key["arch"] / key["method"] / f"seed{key['seed']}"
        folder.mkdir(parents=True, exist_ok=True)
        columns = (
            "epoch",
            "step",
            "learning_rate",
            "train_loss",
            "train_error",
            "test_error",
            "seconds",
            "timestamp",
        )
        rows = [
            (e, 12 * e, 0.1, 2 / e + base, 0.9 / e, base / 4 + 0.5 / e**2 + rng.uniform(0, 0.02), 15, 1.7e9 + e)
            for e in range(1, 5)
        ]
        table = [dict(zip(columns, row, strict=True)) for row in rows]
        _write_csv(folder / "history.csv", columns, table)
        (folder / "provenance.json").write_text(
            json.dumps(
                {
                    "augmix": "0.1.0",
                    "packages": {"torch": "2.9.0", "numpy": "2.3.0"},
                    "started": "2026-01-02T03:04:05+00:00",
                    "data_sha256": {"train_images": "ab" * 32},
                }
            )
        )


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
