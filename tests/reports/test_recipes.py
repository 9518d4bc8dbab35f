"""The differences between our runs and the published ones are exactly those that there are."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from augmix.suite.config import experiment
from augmix.suite.evaluate.results import RUN_COLUMNS
from reports.literature import comparisons
from reports.loaded import Results
from reports.quantities import Place
from reports.recipes import RECIPES, differences, recipe_of

CONFIGS = Path(__file__).parents[2] / "config"
GOYAL = "γ of each block's last batch norm starts at 1, not 0; batch norm's γ and β decay, too"
PLAIN = "momentum without Nesterov"
AS_IT_IS = "-C taken as it is, not scaled and cropped once more"


def configured(name: str, tmp_path: Path, source: str = "published", **changes: Any) -> Results:
    """An experiment of config/ without any run, on published images."""
    loader = name.partition("_")[0]
    own = {"options": {"folder": str(tmp_path)}} if loader == "imagenet" else {}
    if own:
        (tmp_path / "train" / "a").mkdir(parents=True, exist_ok=True)
        for folder in ("train/b", "val/a", "val/b"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    found = experiment.load(CONFIGS / f"{name}.yaml", overrides={"datasets": {loader: own}, **changes})
    testsets = {d: found.testsets(d) for d in found.datasets}
    rows = [{"dataset": d, "testset": t.name, "source": source} for d, there in testsets.items() for t in there]
    runs = pd.DataFrame(columns=list(RUN_COLUMNS))
    return Results(tmp_path, tmp_path, found.record(), runs, pd.DataFrame(rows), None, {loader: 10_000}, testsets, {})


def differs(results: Results, method: str, architecture: str, theirs: str = "", measure: str = "mCE") -> str:
    [dataset] = results.datasets
    return differences(results, Place(dataset, architecture, method), theirs or method, measure)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_cifar_grids_have_the_papers_recipes(name: str, tmp_path: Path) -> None:
    results = configured(name, tmp_path)
    table = ("standard", "cutout", "mixup", "cutmix", "autoaugment", "adversarial", "augmix")
    for architecture in results.architectures:
        assert {method: differs(results, method, architecture) for method in table} == dict.fromkeys(table, "–")
    for method in ("random_autoaugment", "no_mixing", "no_jsd"):
        assert differs(results, method, "wideresnet") == "–"
    generated = configured(name, tmp_path, "generated (augmix 0.1.0)")
    assert differs(generated, "augmix", "wideresnet") == "generated -C"
    assert differs(generated, "augmix", "wideresnet", measure="clean error") == "–"


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"batch_size": 64}, "batch size 64, not 128"),
        ({"learning_rate": 0.05}, "learning rate 0.05, not 0.1"),
        ({"minimum_learning_rate": 0.0}, "minimum learning rate 0, not 10⁻⁶"),
        ({"weight_decay": 0.05}, "weight decay 0.05, not 0.0005"),
        ({"precision": "bfloat16"}, "precision bfloat16, not float32"),
        ({"nesterov": False}, PLAIN),
        ({"warmup_epochs": 5}, "warmup epochs 5, not 0"),
        ({"schedule": "steps", "milestones": [30]}, "schedule steps, not cosine"),
        ({"optimizer": "adamw"}, "optimizer adamw, not sgd"),
        ({"epochs": 12, "momentum": 0.5}, "momentum 0.5, not 0.9; 12 epochs, not 100"),
        ({"threads": 4, "device": "cpu", "channels_last": False}, "–"),
    ],
)
def test_every_setting_of_a_recipe_is_compared(training: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert differs(configured("cifar10", tmp_path, training=training), "augmix", "wideresnet") == said


@pytest.mark.parametrize(
    ("used", "said"), [("bfloat16", "precision bfloat16, not float32"), ("float32", "–"), (None, "–")]
)
def test_the_precision_is_the_one_that_a_run_was_trained_in(used: str | None, said: str, tmp_path: Path) -> None:
    results = configured("cifar10", tmp_path)
    run = {"dataset": "cifar10", "arch": "wideresnet", "method": "augmix", "seed": 0, "status": "done"}
    results = replace(results, runs=pd.DataFrame([run], columns=list(RUN_COLUMNS)))
    folder = results.run_folder(run)
    folder.mkdir(parents=True)
    (folder / "provenance.json").write_text(json.dumps({"precision": used} if used else {}))
    assert results.config["training"]["precision"] == "auto"
    assert differs(results, "augmix", "wideresnet") == said


def test_an_architectures_and_a_methods_own_settings_are_theirs(tmp_path: Path) -> None:
    architectures = [{"name": "wideresnet", "training": {"batch_size": 32}}]
    results = configured("cifar10", tmp_path, architectures=architectures, methods=["mixup", "augmix"])
    assert differs(results, "augmix", "wideresnet") == "batch size 32, not 128"
    assert differs(results, "mixup", "wideresnet") == "batch size 32, not 128; weight decay 0.0005, not 0.0001"


@pytest.mark.parametrize(
    ("method", "theirs", "said"),
    [
        ({"name": "augmix", "preset": "augmix", "parameters": {"severity": 1}}, "augmix", "severity 1, not 3"),
        ({"name": "augmix", "preset": "augmix", "parameters": {"width": 3}}, "augmix", "–"),
        (
            {"name": "augmix", "preset": "augmix", "parameters": {"depth": 2, "all_ops": True, "weight": 1}},
            "augmix",
            "depth 2, not 1 to 3 at random; all ops; λ 1, not 12",
        ),
        ({"name": "cutout", "preset": "cutout", "parameters": {"size": 0.25}}, "cutout", "size 0.25, not 0.5"),
        (
            {"name": "autoaugment", "preset": "autoaugment", "parameters": {"policy": "cifar10_released"}},
            "autoaugment",
            "–",
        ),
        (
            {"name": "autoaugment", "preset": "autoaugment", "parameters": {"policy": "imagenet", "full": True}},
            "autoaugment",
            "policy imagenet, not cifar10 or cifar10_released; full",
        ),
    ],
)
def test_parameters_are_compared_with_their_defaults(
    method: dict[str, Any], theirs: str, said: str, tmp_path: Path
) -> None:
    results = configured("cifar10", tmp_path, methods=[method])
    assert differs(results, method["name"], "wideresnet", theirs) == said


def test_fewer_images_are_named(tmp_path: Path) -> None:
    entry = {"subset": {"train": 10_000, "test": 2_000}, "testsets": {"C": {"images": 500}}, "flip": False}
    results = configured("cifar10", tmp_path, datasets={"cifar10": entry}, validation=0.25)
    assert differs(results, "augmix", "wideresnet") == (
        "2,000 test images; -C of 500 images; 10,000 training images; 25\u00a0% of the training images kept for "
        "validation; no random flips"
    )


def test_the_imagenet_grid_differs_in_what_its_configuration_says(tmp_path: Path) -> None:
    results = configured("imagenet", tmp_path)
    stylised = "; stylised images are neither cropped at random nor flipped"
    for method in (entry["name"] for entry in results.config["methods"]):
        more = stylised if "stylized" in method else ""
        assert differs(results, method, "resnet50", measure="clean error") == f"{PLAIN}; {GOYAL}{more}"
        assert differs(results, method, "resnet50") == f"{AS_IT_IS}; {PLAIN}; {GOYAL}{more}"
        assert differs(results, method, "resnet50", measure="mFR") == f"-P of 5,000 images; {PLAIN}; {GOYAL}{more}"
    assert differs(configured("imagenet_maxblur", tmp_path), "standard", "resnet50_maxblur") == AS_IT_IS
    resized = configured("imagenet", tmp_path, testsets={"C": {"resize": True}}, training={"nesterov": True})
    assert differs(resized, "standard", "resnet50") == GOYAL


def test_a_rate_in_proportion_to_the_batch_is_none_of_the_differences(tmp_path: Path) -> None:
    changed = {"batch_size": 512, "learning_rate": 0.2, "nesterov": True}
    results = configured("imagenet", tmp_path, training=changed)
    assert differs(results, "standard", "resnet50", measure="clean error") == f"batch size 512, not 256; {GOYAL}"
    results = configured("imagenet", tmp_path, training={**changed, "learning_rate": 0.1})
    said = differs(results, "standard", "resnet50", measure="clean error")
    assert said == f"batch size 512, not 256; learning rate 0.1, not 0.2 for such batches; {GOYAL}"


def test_severity_of_a_composition_is_that_of_its_views(tmp_path: Path) -> None:
    parts = {"views": [{"stylized_imagenet": {"folder": "x"}}, {"augmix": {}}], "mix": {"augmix": {}}}
    results = configured("imagenet", tmp_path, methods=[{"name": "both", **parts, "loss": {"augmix": {}}}])
    assert "severity 3, not 1" in differs(results, "both", "resnet50", "augmix_stylized")


def test_every_published_figure_has_a_recipe_with_its_sources(tmp_path: Path) -> None:
    entries = yaml.safe_load(RECIPES.read_text(encoding="utf-8"))
    assert all(
        entry.get("sources") or entry.keys() <= {"of", "unprinted", "departures", "parameters"} for entry in entries
    )
    assert not list(comparisons(configured("cifar10", tmp_path, methods=["kl_only"])))
    for loader, architecture in (("cifar10", "densenet"), ("imagenet", "resnet50_maxblur")):
        training = recipe_of(loader, architecture, "standard").settings["training"]
        assert {"batch_size", "optimizer", "learning_rate", "schedule", "weight_decay", "epochs"} <= training.keys()
