"""The data that the template prints."""

import json
from typing import Any

import numpy as np
import pytest

from augmix.suite.evaluate.measures import MEASURES
from reports.document import document, latest
from reports.loaded import load
from reports.tables import all_tables
from tests.reports.synthetic import NATURAL, Synthetic


def document_of(synthetic: Synthetic) -> dict[str, Any]:
    results = load(synthetic.folder, synthetic.data)
    made = document(results, all_tables(results), {})
    return dict(json.loads(json.dumps(made)))


def rows_of(made: dict[str, Any], table: str) -> dict[str, list[str]]:
    rows = [row for block in made["tables"][table]["blocks"] for row in block["rows"]]
    return {row["label"]: [cell["text"] for cell in row["cells"]] for row in rows}


def test_the_set_up_is_that_of_the_configuration(synthetic: Synthetic) -> None:
    synthetic.datasets["digits"] |= {"flip": True}
    synthetic.testsets["P"] = {**(synthetic.testsets["P"] or {}), "images": 4}
    synthetic.methods[1]["training"] = {"weight_decay": 1e-5, "epochs": 9, "milestones": [3, 6]}
    synthetic.write()
    synthetic.write_arrays(side=8)
    made = document_of(synthetic)
    source = "generated (augmix 0.1.0)"
    assert rows_of(made, "datasets") == {"Digits": ["9", "6", "4", "8 × 8", "yes"]}
    assert rows_of(made, "testsets") == {
        "Digits": ["–", "6", "digits"],
        "Digits-C": ["15 corruptions at 5 severities", "6", source],
        "Digits-P": ["10 perturbations as sequences", "4", source],
    }
    assert ["minimum learning rate", "10⁻⁶"] in made["recipe"]
    assert ["epochs", "4"] in made["recipe"]
    assert ["nesterov", "yes"] in made["recipe"]
    assert not {"milestones", "compile"} & {key for key, _ in made["recipe"]}
    assert made["recipe_changes"] == ["AugMix: weight decay 10⁻⁵, epochs 9, milestones 3 and 6"]
    assert made["generated"] == ["Digits-C", "Digits-P"]
    assert made["few_images"] == ["Digits has 6 test images: one of them is 16.67 points of clean error."]
    assert made["references"] == ["digits"]
    assert made["architectures"] == [{"title": "SmallNet", "parameters": "136,282", "reference": None}]


def test_published_files_are_not_called_generated(synthetic: Synthetic) -> None:
    synthetic.source = "published"
    synthetic.write()
    made = document_of(synthetic)
    assert made["generated"] == []
    assert [row[-1] for row in rows_of(made, "testsets").values()] == ["digits", "published", "published"]


def test_test_sets_without_figures_are_named(synthetic: Synthetic) -> None:
    synthetic.testsets["P"], synthetic.testsets["writers"] = None, NATURAL
    synthetic.evaluated = ("clean", "C")
    synthetic.write()
    made = document_of(synthetic)
    assert made["left_out"] == [
        "No finished run was evaluated on Digits-writers.",
        "The configuration leaves out Digits-P.",
    ]
    assert rows_of(made, "testsets")["Digits-P"] == ["–", "–", "left out"]
    assert rows_of(made, "testsets")["Digits-writers"] == ["–", "–", "not evaluated"]


@pytest.mark.parametrize("kind", ["natural", "outside"])
def test_a_few_images_of_another_source_are_remarked_on(synthetic: Synthetic, kind: str) -> None:
    synthetic.testsets["writers"] = {**NATURAL, "kind": kind}
    synthetic.write()
    folder = synthetic.data / "digits-writers"
    folder.mkdir(parents=True)
    np.save(folder / "test_labels.npy", np.zeros(40, np.int64))
    made = document_of(synthetic)
    said = ["Digits-writers has 40 test images: one of them is 2.50 points of error."]
    assert made["few_images"] == (said if kind == "natural" else []), "an AUROC is no share of images"
    assert rows_of(made, "testsets")["Digits-writers"] == ["–", "40", "digits"]


def test_every_measure_and_mean_is_defined_once(synthetic: Synthetic) -> None:
    synthetic.testsets |= {"C_generated": synthetic.testsets["C"], "writers": NATURAL}
    synthetic.write()
    made = document_of(synthetic)
    assert [it["term"] for it in made["measures"]] == [
        "mean corruption error (mCE)",
        "mean flip probability (mFP)",
        *(MEASURES[name].phrase for name in ("error", "brier", "rms_calibration", "nll", "ece", "flip_probability")),
    ]
    assert all(it["meaning"] for it in made["measures"])
    assert made["direction"] == "Lower is better for all of them."


def test_methods_and_nets_have_code_of_their_own(synthetic: Synthetic) -> None:
    synthetic.run_changes = {row: {"code": f"{row // 2}" * 16} for row in range(6)}
    synthetic.write()
    made = document_of(synthetic)
    assert rows_of(made, "provenance")["code"] == [
        "0000000000000000 (2 runs), 1111111111111111 (2 runs), 2222222222222222 (2 runs)"
    ]
    assert made["warnings"] == []
    synthetic.run_changes = {row: {"code": f"{row}" * 16} for row in range(6)}
    synthetic.write()
    assert rows_of(document_of(synthetic), "provenance")["code"] == ["6 digests, as methods and nets differ: runs.csv"]


def test_provenance_counts_the_runs_of_each_value(synthetic: Synthetic) -> None:
    synthetic.run_changes = {0: {"device": "NVIDIA H100", "dirty": True}}
    synthetic.write()
    facts = rows_of(document_of(synthetic), "provenance")
    assert facts["device"] == ["cpu (5 runs), NVIDIA H100 (1 run)"]
    assert facts["uncommitted changes"] == ["no (5 runs), yes (1 run)"]
    assert facts["numpy"] == ["2.3.0"]
    assert facts["commit"] == ["f" * 12]


def test_a_gpus_runs_are_told_with_their_precision_and_its_driver(synthetic: Synthetic) -> None:
    synthetic.write()
    assert "precision" not in rows_of(document_of(synthetic), "provenance")
    noted = {"precision": "bfloat16", "driver": "580.65", "cuda": "13.0", "cudnn": 91002}
    for path in synthetic.folder.rglob("provenance.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), **noted}))
    facts = rows_of(document_of(synthetic), "provenance")
    assert [facts[name] for name in ("precision", "driver", "CUDA", "cuDNN")] == [
        ["bfloat16"],
        ["580.65"],
        ["13.0"],
        ["91002"],
    ]


def test_compute_is_the_mean_over_the_finished_seeds_of_cpu_time_or_of_a_gpu(synthetic: Synthetic) -> None:
    synthetic.status = {("augmix", 1): "diverged"}
    cpu = {0: 20.0, 1: 30.0, 2: 7200.0, 4: "", 5: ""}
    synthetic.run_changes = {row: {"train_cpu_seconds": seconds} for row, seconds in cpu.items()}
    synthetic.write()
    made = document_of(synthetic)
    assert rows_of(made, "times") == {"Digits": ["25 s", "2 h 0 min", "–"]}
    assert made["tables"]["times"]["caption"].startswith("CPU time of a training")
    assert rows_of(made, "provenance")["CPU time of all trainings"] == ["2 h 1 min, three runs"]
    synthetic.run_changes = {row: {"device": "NVIDIA H100", "train_seconds": 40.0} for row in (0, 1, 2, 4, 5)}
    synthetic.write()
    made = document_of(synthetic)
    assert rows_of(made, "times") == {"Digits": ["40 s"] * 3}
    assert made["tables"]["times"]["caption"].startswith("GPU time of a training")


def test_hyper_parameters_are_listed_as_they_were_resolved(synthetic: Synthetic) -> None:
    synthetic.methods[1]["training"] = {"weight_decay": 1e-5}
    synthetic.write()
    settings = rows_of(document_of(synthetic), "settings")
    assert settings["AugMix"] == [
        "width 3, depth 1 to 3 at random, α 1, severity 3, 2 augmented views, λ 12; weight decay 10⁻⁵"
    ]
    assert settings["Standard training"] == ["no parameters"]
    assert "momentum 0.9; nesterov yes; weight decay 0.0005" in settings["All runs"][0]


def test_the_date_is_that_of_the_latest_run(synthetic: Synthetic) -> None:
    synthetic.write()
    path = synthetic.folder / "digits/smallnet/augmix/seed1/history.csv"
    path.write_text(path.read_text().replace("1700000004.0", "1800000000.0"))
    assert latest(load(synthetic.folder, synthetic.data)) == 1.8e9
    assert document_of(synthetic)["date"] == "15 January 2027"


@pytest.mark.parametrize(("seeds", "rows"), [(10, 30), (11, 1)])
def test_a_long_list_of_runs_is_cut_to_the_unfinished(synthetic: Synthetic, seeds: int, rows: int) -> None:
    synthetic.seeds, synthetic.evaluated = tuple(range(seeds)), ("clean",)
    synthetic.status = {("augmix", 3): "diverged"}
    synthetic.write()
    runs = rows_of(document_of(synthetic), "runs")
    assert len(runs) == rows
    assert runs["AugMix, seed 3"][0] == "diverged"


def test_of_several_architectures_the_mean_is_printed_and_a_long_main_table_has_no_deviations(
    synthetic: Synthetic,
) -> None:
    synthetic.architectures = ("allconv", "wideresnet")
    synthetic.datasets = {name: {"loader": "digits", "title": name} for name in ("one", "two", "three")}
    synthetic.write()
    made = document_of(synthetic)["tables"]
    for name in ("calibration", "corruptions", "perturbations"):
        titles = [block["title"] for block in made[name]["blocks"]]
        assert titles == [f"{dataset}, mean over the architectures" for dataset in ("one", "two", "three")]
        assert made[name]["caption"].endswith(f"each architecture is in tables/{name}.csv")
    cells = [cell for block in made["main"]["blocks"] for row in block["rows"] for cell in row["cells"]]
    assert len(cells) == 3 * 9 * 3
    assert not any("deviation" in cell for cell in cells)
    note = "Standard deviations over seeds: tables/summary.csv."
    assert note in made["main"]["notes"]
    synthetic.seeds = (0,)
    synthetic.write()
    assert note not in document_of(synthetic)["tables"]["main"]["notes"]
