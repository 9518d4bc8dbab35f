"""Experiments: defaults, names, and the runs they expand to."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augmix.corruptions import CORRUPTIONS
from augmix.corruptions.validation import VALIDATION_CORRUPTIONS
from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.testsets.kinds import of_settings

CHECKOUT = Path(__file__).parents[4]
WriteConfig = Callable[..., Path]


LISTED = re.findall(r"^\| `(\w+)\.yaml` \|", (CHECKOUT / "config/README.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", LISTED)
def test_every_shipped_experiment_is_valid(name: str) -> None:
    experiment = load(CHECKOUT / f"config/{name}.yaml")
    assert experiment.name == name
    assert experiment.runs


def test_defaults_are_filled_in(write_config: WriteConfig) -> None:
    experiment = load(write_config(testsets={}, training={}))
    clean, corruptions, perturbations = experiment.testsets("digits")
    assert (clean.name, corruptions.name, perturbations.name) == ("clean", "C", "P")
    assert corruptions.shifts == CORRUPTIONS
    assert len(perturbations.shifts) == 10
    assert experiment.config["training"]["weight_decay"] == 5e-4
    assert experiment.config["datasets"]["digits"]["testsets"]["C"] == {
        "kind": "corruptions", "shifts": None, "images": None, "seed": 0, "published": None, "resize": False,
    }  # fmt: skip


def test_runs_are_the_product_and_recipes_stack(write_config: WriteConfig) -> None:
    architectures = ["smallnet", {"name": "wideresnet", "training": {"epochs": 7, "weight_decay": 1e-4}}]
    methods = ["standard", {"name": "long", "preset": "standard", "training": {"epochs": 9}}]
    runs = load(write_config(architectures=architectures, methods=methods, seeds=[3, 1])).runs
    assert [run.path for run in runs[:3]] == [
        "digits/smallnet/standard/seed3", "digits/smallnet/standard/seed1", "digits/smallnet/long/seed3",
    ]  # fmt: skip
    assert len(runs) == 8
    recipe = runs[-1].training.training
    assert (recipe["epochs"], recipe["weight_decay"], recipe["batch_size"]) == (9, 1e-4, 32)


def test_views_can_stand_in_a_row(write_config: WriteConfig) -> None:
    row = [{"autoaugment": {"full": True}}, {"augmix": {}}]
    methods = [{"name": "m", "views": row, "mix": {"fmix": {}}, "loss": {"augmix": {}}}]
    assert load(write_config(methods=methods)).runs[0].training.method["views"] == row


def test_a_new_seed_leaves_the_other_runs_settings_alone(write_config: WriteConfig) -> None:
    before = load(write_config()).runs[0]
    after = load(write_config(seeds=[0, 5], title="another")).runs[0]
    assert before == after


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"metods": ["augmix"]}, "unknown key 'metods' in the experiment; did you mean 'methods'?"),
        ({"training": {"epoch": 3}}, "unknown key 'epoch' in training; did you mean 'epochs'?"),
        ({"training": {"epochs": 15.0}}, "training.epochs must be a whole number, not 15.0"),
        ({"training": {"epochs": 0}}, "training.epochs is 0; it must be ≥ 1"),
        ({"training": {"learning_rate": 0}}, "training.learning_rate is 0; it must be > 0"),
        ({"training": {"device": "gpu"}}, "training.device is 'gpu'; valid: auto, cpu, cuda, mps"),
        ({"epochs": 3}, "unknown key 'epochs' in the experiment; it belongs under training:"),
        ({"flip": False}, "unknown key 'flip' in the experiment; it belongs under datasets: {<name>: …}"),
        ({"methods": [{"name": "augmix", "epochs": 3}]}, "unknown key 'epochs' in methods[0]; it belongs under train"),
        ({"training": {"seeds": [3]}}, "unknown key 'seeds' in training; it belongs at the top of the file"),
        ({"methods": "augmix"}, "methods must be a list, not 'augmix'; write [augmix]"),
        ({"seeds": 3}, "seeds must be a list, not 3; write [3]"),
        ({"datasets": "digits"}, "datasets must be a mapping, not 'digits'; write [digits]"),
        ({"methods": [{"name": "augmix", "views": "augmix"}]}, "must be a mapping or a list, not 'augmix'"),
        (
            {"methods": [{"name": "depth_1", "parameters": {"depth": 1}}]},
            "unknown method 'depth_1'; a name of your own needs a preset: {name: depth_1, preset: augmix, …}",
        ),
        ({"methods": ["augmux"]}, "unknown method 'augmux'; did you mean 'augmix'?"),
        ({"methods": []}, "methods is empty"),
        ({"methods": ["augmix", "augmix"]}, "methods lists the name 'augmix' twice"),
        ({"architectures": ["smalnet"]}, "unknown architecture 'smalnet'; did you mean 'smallnet'?"),
        ({"datasets": {"d": {"loader": "digit"}}}, "unknown data set loader 'digit'; did you mean 'digits'?"),
        (
            {"datasets": {"d": {"loader": "digits"}, "d-C": {"loader": "digits"}}},
            "the test set 'C' of 'd' and the data set 'd-C' would share the folder d-C",
        ),
        ({"datasets": {"d": {"loader": "image_folder"}}}, "this loader needs the option 'folder'"),
        (
            {"datasets": {"d": {"loader": "image_folder", "options": {"foldr": "x", "folder": "y"}}}},
            "unknown option 'foldr'; did you mean 'folder'?",
        ),
        (
            {"datasets": {"d": {"loader": "image_folder", "options": {"folder": 5}}}},
            "option 'folder' is 5; text is expected",
        ),
        (
            {"datasets": {"d": {"loader": "image_folder", "options": {"folder": "x", "side": "32"}}}},
            "option 'side' is '32'; a whole number is expected",
        ),
        (
            {"datasets": {"d": {"loader": "imagenet", "options": {"folder": "x", "val_labels": True}}}},
            "option 'val_labels' is True; text or null is expected",
        ),
        ({"testsets": {"C": {"shifts": ["frog"]}}}, "unknown corruption 'frog'; did you mean"),
        ({"testsets": {"P": {"shifts": ["tild"]}}}, "unknown perturbation 'tild'; did you mean 'tilt'?"),
        ({"testsets": {"C": {"shifts": ["fog", "fog"]}}}, "testsets.C.shifts names 'fog' twice"),
        ({"testsets": {"C": {"shift": ["fog"]}}}, "unknown key 'shift' in testsets.C; did you mean 'shifts'?"),
        ({"testsets": {"C": {"images": 0}}}, "testsets.C.images is 0; it must be ≥ 1"),
        ({"testsets": {"P": {"seed": -1}}}, "testsets.P.seed is -1; it must be ≥ 0"),
        ({"testsets": {"mine": {}}}, "the test set 'mine' needs a 'kind' (adapted, adversarial, as_outside, clean"),
        ({"testsets": {"mine": {"kind": "natral"}}}, "unknown kind of test set 'natral'; did you mean 'natural'?"),
        ({"testsets": {"clean": {"images": 3}}}, "unknown key 'images' in testsets.clean; valid: kind"),
        ({"testsets": {"../up": {"kind": "natural"}}}, "'../up'"),
        ({"testsets": {"mine": {"kind": "natural"}}}, "test set 'mine': a natural test set needs a 'loader'"),
        ({"testsets": {"mine": {"kind": "natural", "loader": "digit"}}}, "did you mean 'digits'?"),
        (
            {"testsets": {"mine": {"kind": "natural", "loader": "digits", "options": {"splt": "random"}}}},
            "test set 'mine': unknown option 'splt'; did you mean 'split'?",
        ),
        (
            {"validation": 0.25, "testsets": {"validation": {"kind": "natural", "loader": "fashion_small"}}},
            "the test set 'validation' of 'digits' and the validation split of 'digits' would share the folder",
        ),
        (
            {
                "datasets": {"d": {"loader": "digits"}, "d-C": {"loader": "digits"}},
                "testsets": {"C": None, "C-x": {"kind": "corruptions"}, "x": {"kind": "corruptions"}},
            },
            "the test set 'x' of 'd-C' and the test set 'C-x' of 'd' would share the folder d-C-x",
        ),
        (
            {"datasets": {"a_b": {"loader": "digits"}, "a-b": {"loader": "digits"}}},
            "the test set 'C' of 'a-b' and the test set 'C' of 'a_b' would have jobs of one name; rename one",
        ),
        ({"benchmarks": {"corruptions": ["fog"]}}, "'benchmarks' is no key of the experiment any more; write testsets"),
        (
            {"datasets": {"d": {"loader": "digits", "perturbation_images": 9}}},
            "'perturbation_images' is no key of datasets.d any more; write testsets: {P: {images: …}}",
        ),
        (
            {"datasets": {"d": {"loader": "digits", "published": {"C": "download"}}}},
            "'published' is no key of datasets.d any more; write testsets: {C: {published: …, resize: …}",
        ),
        ({"method_packages": ["no_such_package"]}, "no Python package 'no_such_package'"),
        ({"seeds": [1, 2, 2]}, "seeds names 2 twice"),
        ({"seeds": [True]}, "seeds[0] must be a whole number"),
        (
            {"methods": [{"name": "m", "preset": "augmix", "parameters": {"sevrity": 3}}]},
            "unknown parameter 'sevrity' of method 'augmix'; did you mean 'severity'?",
        ),
        ({"methods": [{"name": "m", "views": {"augmix": {}}}]}, "takes a 'preset', or all of 'views', 'mix'"),
        ({"methods": [{"name": "m", "views": {"augmx": {}}, "mix": {"standard": {}}, "loss": {"augmix": {}}}]},
         "unknown method 'augmx' in 'views'"),
        ({"methods": ["stylized_imagenet"]}, "method 'stylized_imagenet' needs the parameter 'folder'"),
        ({"methods": [{"name": "m", "views": [], "mix": {"standard": {}}, "loss": {"augmix": {}}}]},
         "methods[0].views is empty"),
        ({"methods": [{"name": "m", "views": ["augmix"], "mix": {"standard": {}}, "loss": {"augmix": {}}}]},
         "methods[0].views[0] must be a mapping"),
        ({"methods": [{"name": "m", "views": [{"standard": {}}, {"augmix": {"widht": 3}}], "mix": {"standard": {}},
                       "loss": {"augmix": {}}}]},
         "unknown parameter 'widht' of method 'augmix'; did you mean 'width'?"),
        ({"experiment": "../up"}, "experiment is '../up'"),
    ],
)  # fmt: skip
def test_faults_name_place_and_remedy(write_config: WriteConfig, changes: dict[str, Any], complaint: str) -> None:
    path = write_config(**changes)
    with pytest.raises(UserError) as caught:
        load(path)
    message = str(caught.value)
    assert complaint in message
    assert "\n" not in message
    assert message.startswith(str(path) + ":")


@pytest.mark.parametrize(
    ("source", "parameters", "complaint"),
    [
        ("def method(side, *, share=0.5): ...", {"side": 3}, None),
        ("def method(side, share=0.5): ...", {"side": 3, "share": 1}, None),
        ("def method(side, share=0.5): ...", {"share": 1}, "method 'own' needs the parameter 'side'"),
        ("def method(side=1): ...", {"sidee": 1}, "unknown parameter 'sidee' of method 'own'; did you mean 'side'?"),
        ("def method(): ...", {"side": 1}, "unknown parameter 'side' of method 'own'; valid: none"),
        ("def method(:", {}, "own.py: not valid Python: invalid syntax"),
        ("side = 1", {}, "own.py defines no function `method`"),
    ],
)
def test_a_method_file_of_ones_own(
    write_config: WriteConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    source: str, parameters: dict[str, Any], complaint: str | None,
) -> None:  # fmt: skip
    package = tmp_path / f"own_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "own.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    methods = [{"name": "own", "preset": "own", "parameters": parameters}]
    path = write_config(methods=methods, method_packages=[package.name])
    if complaint is None:
        assert load(path).runs[0].training.method["parameters"] == parameters
    else:
        with pytest.raises(UserError, match=re.escape(complaint)):
            load(path)


def test_test_sets_of_the_experiment_and_of_a_data_set_are_merged(write_config: WriteConfig) -> None:
    mine = {"kind": "natural", "loader": "digits", "options": {"split": "unseen_writers"}}
    seen = {"loader": "digits", "options": {"split": "seen_writers"}}
    experiment = load(
        write_config(
            datasets={
                "a": {**seen, "testsets": {"P": None, "C": {"images": 5}}},
                "b": {**seen, "testsets": {"mine": None}},
            },
            testsets={"C": {"shifts": ["fog"], "images": 9, "seed": 4}, "mine": mine},
        )
    )
    names = {name: [testset.name for testset in experiment.testsets(name)] for name in "ab"}
    assert names == {"a": ["clean", "C", "mine"], "b": ["clean", "C", "P"]}
    corruptions = [experiment.testsets(name)[1].settings() for name in "ab"]
    assert [(c["names"], c["images"], c["seed"]) for c in corruptions] == [(("fog",), 5, 4), (("fog",), 9, 4)]
    natural = experiment.testsets("a")[2]
    assert natural.folder == experiment.data / "a-mine"
    assert of_settings(json.loads(json.dumps(natural.settings()))) == natural
    assert [run.testsets for run in experiment.runs] == [experiment.testsets(name) for name in "ab"]
    recorded = experiment.record()["datasets"]["b"]["testsets"]
    assert recorded["mine"] is None
    assert recorded["C"]["shifts"] == ["fog"]
    assert len(recorded["P"]["shifts"]) == 10


def test_validation_takes_the_images_and_seed_of_c_whatever_c_is(write_config: WriteConfig) -> None:
    for entry, expected in (
        ({"images": 7, "seed": 3}, (7, 3)),
        (None, (None, 0)),
        ({"kind": "natural", "loader": "fashion_small", "images": 7}, (7, 0)),
    ):
        experiment = load(write_config(sweeps=["width"], validation=0.25, testsets={"C": entry}))
        clean, corruptions = experiment.validation_testsets("digits")
        assert clean.data == corruptions.data == str(experiment.data / "digits-validation")
        assert corruptions.shifts == VALIDATION_CORRUPTIONS
        assert (corruptions.settings()["images"], corruptions.settings()["seed"]) == expected


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "--settings lacks 'kind'"),
        ({"kind": "cleen"}, "unknown kind of test set 'cleen'; did you mean 'clean'?"),
        ({"kind": "../clean"}, "unknown kind of test set"),
        ({"kind": "clean", "name": "clean"}, "--settings lacks 'data'"),
        ({"kind": "clean", "name": "clean", "data": "d", "images": 3}, "--settings has the unknown key 'images'"),
    ],
)
def test_settings_of_a_test_set_that_cannot_be_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=re.escape(complaint)):
        of_settings(settings)


def test_run_lookup_suggests(write_config: WriteConfig) -> None:
    experiment = load(write_config())
    assert experiment.run("digits/smallnet/standard/seed0").seed == 0
    with pytest.raises(UserError, match="did you mean 'digits/smallnet/standard/seed0'"):
        experiment.run("digits/smallnet/standrd/seed0")


def test_a_resolved_configuration_resolves_to_itself(write_config: WriteConfig) -> None:
    experiment = load(write_config())
    assert Experiment(experiment.config).config == experiment.config
    assert [run.training for run in Experiment(experiment.record()).runs] == [r.training for r in experiment.runs]


@pytest.mark.parametrize(
    ("training", "complaint"),
    [
        ({"epochs": 9, "schedule": "steps"}, "schedule is steps; name its epochs as training.milestones"),
        ({"epochs": 9, "schedule": "steps", "milestones": [3, 9]}, "milestones has 9, but training ends after 9"),
        ({"epochs": 5, "warmup_epochs": 5}, "warmup_epochs has 5, but training ends after 5 epochs"),
    ],
)
def test_a_schedule_that_does_not_fit_its_epochs_is_refused(
    write_config: WriteConfig, training: dict[str, Any], complaint: str
) -> None:
    path = write_config(training=training)
    with pytest.raises(UserError) as caught:
        load(path)
    place, _, message = str(caught.value).partition(": ")
    assert message.startswith(f"digits/smallnet/standard/seed0: training.{complaint}")
    file, _, line = place.rpartition(":")
    assert file == str(path)
    assert path.read_text(encoding="utf-8").splitlines()[int(line) - 1].lstrip().startswith(complaint.split()[0])
    own = [{"name": "standard", "training": {"epochs": 9} | training}]
    with pytest.raises(UserError, match="seed0: training"):
        load(write_config(methods=own))


def test_the_paper_s_imagenet_recipe() -> None:
    runs = {run.method: run.training.training for run in load(CHECKOUT / "config" / "imagenet.yaml").runs}
    for method, recipe in runs.items():
        longer = method in ("autoaugment", "augmix", "augmix_stylized")
        assert recipe["epochs"] == (180 if longer else 90)
        assert recipe["learning_rate"] == 0.1 * recipe["batch_size"] / 256
        assert [epoch / recipe["epochs"] for epoch in recipe["milestones"]] == pytest.approx([1 / 3, 2 / 3, 8 / 9])
        assert (recipe["warmup_epochs"], recipe["nesterov"], recipe["weight_decay"]) == (5, False, 1e-4)
