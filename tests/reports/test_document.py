"""The data that the template prints."""

import json
from typing import Any

import pytest

from reports.document import document, latest
from reports.results import load
from reports.tables import all_tables
from tests.reports.synthetic import Synthetic


def document_of(synthetic: Synthetic) -> dict[str, Any]:
    results = load(synthetic.folder, synthetic.data)
    made = document(results, synthetic.data, all_tables(results), {})
    return dict(json.loads(json.dumps(made)))


def rows_of(made: dict[str, Any], table: str) -> dict[str, list[str]]:
    rows = [row for block in made["tables"][table]["blocks"] for row in block["rows"]]
    return {row["label"]: [cell["text"] for cell in row["cells"]] for row in rows}


def test_the_set_up_is_that_of_the_configuration(synthetic: Synthetic) -> None:
    synthetic.datasets["digits"] |= {"flip": True, "perturbation_images": 100}
    synthetic.methods[1]["training"] = {"weight_decay": 1e-5, "epochs": 9, "milestones": [3, 6]}
    synthetic.write()
    synthetic.write_arrays(side=8)
    made = document_of(synthetic)
    source = "generated (augmix 0.1.0)"
    assert rows_of(made, "datasets") == {"Digits": ["9", "6", "4", "8 × 8", "yes", source, f"{source}, 100 images"]}
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
    assert rows_of(made, "datasets")["Digits"][-2:] == ["published", "published"]


def test_provenance_counts_the_runs_of_each_value(synthetic: Synthetic) -> None:
    synthetic.run_changes = {0: {"device": "NVIDIA H100", "dirty": True}}
    synthetic.write()
    facts = rows_of(document_of(synthetic), "provenance")
    assert facts["device"] == ["cpu (5 runs), NVIDIA H100 (1 run)"]
    assert facts["uncommitted changes"] == ["no (5 runs), yes (1 run)"]
    assert facts["numpy"] == ["2.3.0"]
    assert facts["commit"] == ["f" * 12]


def test_wall_times_are_means_over_the_finished_seeds(synthetic: Synthetic) -> None:
    synthetic.status = {("augmix", 1): "diverged"}
    synthetic.run_changes = {0: {"train_seconds": 20.0}, 1: {"train_seconds": 30.0}, 2: {"train_seconds": 7200.0}}
    synthetic.write()
    assert rows_of(document_of(synthetic), "times") == {
        "Training, Digits": ["25 s", "2.0 h", "62 s"],
        "Evaluation, Digits": ["12 s", "12 s", "12 s"],
    }


def test_the_date_is_that_of_the_latest_run(synthetic: Synthetic) -> None:
    synthetic.write()
    path = synthetic.folder / "digits/smallnet/augmix/seed1/history.csv"
    path.write_text(path.read_text().replace("1700000004.0", "1800000000.0"))
    assert latest(load(synthetic.folder, synthetic.data)) == 1.8e9
    assert document_of(synthetic)["date"] == "15 January 2027"


@pytest.mark.parametrize(("seeds", "rows"), [(20, 60), (21, 1)])
def test_a_long_list_of_runs_is_cut_to_the_unfinished(synthetic: Synthetic, seeds: int, rows: int) -> None:
    synthetic.seeds, synthetic.benchmarks = tuple(range(seeds)), ("clean",)
    synthetic.status = {("augmix", 3): "diverged"}
    synthetic.write()
    runs = rows_of(document_of(synthetic), "runs")
    assert len(runs) == rows
    assert runs["AugMix, seed 3"][0] == "diverged"
