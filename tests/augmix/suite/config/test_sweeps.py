"""Sweeps: which methods they add, and that the choice sees the validation split and validation corruptions only."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from augmix.corruptions.validation import VALIDATION_CORRUPTIONS
from augmix.errors import UserError
from augmix.registry import method_parameters
from augmix.suite.cli import main
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.config.runs import code_of_evaluation
from augmix.suite.config.sweeps import definitions, expand
from augmix.suite.data import datasets
from augmix.suite.data.loaders import digits
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.choosing import choose, to_test
from augmix.suite.evaluate.predictions import NUMBERS, Predictions
from augmix.suite.evaluate.results import collect
from augmix.suite.io import digests
from augmix.suite.run import outdated

WriteConfig = Callable[..., Path]


@pytest.mark.parametrize("name", definitions())
def test_every_sweep_varies_a_parameter_that_exists_and_includes_its_default(name: str) -> None:
    sweep = definitions()[name]
    defaults = method_parameters(sweep["method"], ["baselines", "ablations"])
    assert sweep["parameter"] in defaults
    assert len(set(map(str, sweep["values"]))) == len(sweep["values"])
    assert sweep["parameter"] == "weight" or defaults[sweep["parameter"]] in sweep["values"]


def test_expansion_shares_the_default_run() -> None:
    config = expand({"methods": [{"name": "standard", "preset": "standard"}], "sweeps": ["width", "views"]}, {})
    names = [method["name"] for method in config["methods"]]
    assert names == [
        "standard", "augmix_width_1", "augmix_width_2", "augmix", "augmix_width_4", "augmix_width_5",
        "augmix_views_1", "augmix_views_3",
    ]  # fmt: skip
    assert config["methods"][3]["sweeps"] == {"width": 3, "views": 2}
    assert config["methods"][1]["parameters"] == {"width": 1}
    assert "sweeps" not in config


def test_unknown_sweeps_are_refused(write_config: WriteConfig) -> None:
    with pytest.raises(UserError, match=r"\.yaml:\d+: unknown sweep 'widht'; did you mean 'width'"):
        load(write_config(sweeps=["widht"]))
    with pytest.raises(UserError, match="methods must be a list, not 'augmix'"):
        load(write_config(sweeps=["width"], methods="augmix"))
    with pytest.raises(UserError, match=r"methods\[0\] lacks 'name'"):
        load(write_config(sweeps=["width"], methods=[{"preset": "augmix"}]))
    with pytest.raises(UserError, match=r"sweeps\[0\] must be text"):
        load(write_config(sweeps=[["width"]]))
    with pytest.raises(UserError, match="sweeps must be a list"):
        load(write_config(sweeps=3))


def test_the_validation_split_is_stratified_and_apart_from_the_test_set(tmp_path: Path) -> None:
    datasets.prepare(datasets.Preparation("digits", {}, {"train": None, "test": None}, validation=0.25), tmp_path)
    train, held = (datasets.read(tmp_path, split) for split in datasets.SPLITS)
    whole = digits.load()
    assert len(train.images) + len(held.images) == 1437
    together = {image.tobytes() for image in np.concatenate([train.images, held.images])}
    assert together == {image.tobytes() for image in whole.train_images}
    share = np.bincount(held.labels) / np.bincount(whole.train_labels)
    assert share.min() > 0.24
    assert share.max() < 0.26


@pytest.fixture
def validated(write_config: WriteConfig) -> Experiment:
    """An experiment whose predictions are made up: width 2 is best on validation, width 5 on the test set."""
    without: dict[str, Any] = {"P": {"shifts": []}}
    experiment = load(write_config(sweeps=["width"], validation=0.25, seeds=[0, 1], testsets=without))
    rng = np.random.default_rng(0)
    rates = {"standard": 0.8, "augmix_width_1": 0.5, "augmix_width_2": 0.2, "augmix": 0.4, "augmix_width_4": 0.5}
    for run in experiment.runs:
        folder = experiment.folder / run.path
        for output, testsets, rate in (
            ("validation", experiment.validation_testsets(run.dataset), rates.get(run.method, 0.6)),
            ("predictions", run.testsets, 0.0 if run.method == "augmix_width_5" else 0.5),
        ):
            for testset in testsets:
                arrays = {name: np.zeros((testset.levels, 20), NUMBERS) for name in testset.shifts}
                for array in arrays.values() if testset.name == "C" else ():
                    array["prediction"] = rng.random((5, 20)) < rate
                labels = np.zeros(testset.levels * 20, np.int64)
                made = {
                    "settings": testset.evaluated_with(), "run": "f", "images": "made up",
                    "code": code_of_evaluation(run.architecture, testset).as_json(),
                }  # fmt: skip
                found = Predictions(arrays, labels, "made up")
                predictions.write(predictions.path_of(folder, output, testset.name), found, made)
            (folder / f"{output}.json").write_text('{"seconds": 1}')
        (folder / "model.pt").write_text("")
        (folder / "config.yaml").write_text(yaml.safe_dump(run.training.as_json()))
        code = digests.code_of(run.training.roots()).as_json()
        (folder / "provenance.json").write_text(json.dumps({"packages": {}, "fingerprint": "f", "code": code}))
        (folder / "history.csv").write_text("epoch\n1\n")
    return experiment


def test_the_choice_is_made_by_validation_alone(validated: Experiment) -> None:
    rows = choose(validated)
    assert [row["method"] for row in rows if row["chosen"]] == ["augmix_width_2"]
    assert rows[1]["validation_error"] == pytest.approx(0.2, abs=0.05)
    assert to_test(validated) == [
        f"digits/smallnet/{method}/seed{seed}" for method in ("standard", "augmix_width_2") for seed in (0, 1)
    ]


def test_only_the_chosen_have_test_figures(validated: Experiment) -> None:
    choose(validated)
    assert collect(validated) == []
    with (validated.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows if row["testset"] == "C"} == {"standard", "augmix_width_2"}
    assert len({row["method"] for row in rows if row["testset"] == "validation"}) == 6
    assert {row["shift"] for row in rows if row["testset"] == "validation"} == {
        "clean",
        "mean",
        *VALIDATION_CORRUPTIONS,
    }


def test_a_missing_choice_is_named(validated: Experiment) -> None:
    with pytest.raises(UserError, match=r"chosen\.csv is missing; run `augmix choose` again"):
        to_test(validated)


def test_a_choice_that_an_earlier_configuration_left_is_ignored(
    validated: Experiment, write_config: WriteConfig
) -> None:
    choose(validated)
    plain = load(write_config(seeds=[0, 1], testsets={"P": {"shifts": []}}))
    assert (plain.folder / "chosen.csv").exists()
    found, lines = outdated.targets(plain, dry_run=True)
    assert plain.folder / "chosen.csv" not in found  # no rule makes it
    assert "chosen.csv" not in "".join(lines)


@pytest.mark.parametrize(("changes", "lacking"), [({}, "sweeps"), ({"sweeps": ["width"]}, "validation")])
def test_an_experiment_that_chooses_nothing_is_refused(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], lacking: str
) -> None:
    path = write_config(**changes)
    assert main(["choose", "--config", str(path)]) == 2
    said = f"experiment 'small' chooses nothing: it has no `{lacking}`; see config/sweeps_digits.yaml"
    assert capsys.readouterr().err == f"augmix choose: error: {said}\n"
    assert not (load(path).folder / "chosen.csv").exists()
