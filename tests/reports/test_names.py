"""Names in print come from the methods' own files, none of which is imported."""

import sys
from pathlib import Path
from typing import Any

import pytest

from augmix.registry import module_names
from reports.names import PrintedMethod, architecture_title, hyperparameters, methods_of, shift_title, titled

FILES = {
    "cutout": '"""Cutout (DeVries & Taylor, 2017): one square hole per image."""\nraise SystemExit\n',
    "long": '"""A method whose title is far too long for any column: it does something."""\n',
    "plain": '"""It does something else."""\n',
    "bare": "x = 1\n",
    "broken": "def (:\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "some_methods"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "some_methods"


def named(package: str, *entries: dict[str, Any]) -> list[PrintedMethod]:
    return methods_of({"methods": list(entries), "method_packages": [package]})


@pytest.mark.parametrize(
    ("name", "title", "description"),
    [
        ("cutout", "Cutout", "One square hole per image."),
        ("long", "Long", "A method whose title is far too long for any column: it does something."),
        ("plain", "Plain", "It does something else."),
        ("bare", "Bare", ""),
        ("broken", "Broken", ""),
        ("absent_jsd", "Absent JSD", ""),
    ],
)
def test_title_and_description(package: str, name: str, title: str, description: str) -> None:
    assert named(package, {"name": name, "preset": name}) == [
        PrintedMethod(name, title, description, name, "DeVries & Taylor, 2017" if name == "cutout" else "")
    ]
    assert f"{package}.{name}" not in sys.modules


def test_a_value_of_a_sweep_is_titled_by_its_parameter(package: str) -> None:
    entry = {"name": "cutout_side_4", "preset": "cutout", "parameters": {"side": 4}}
    assert [m.title for m in named(package, entry, {**entry, "sweeps": {"side": 4}})] == [
        "Cutout side 4",
        "Cutout, side 4",
    ]


def test_a_changed_preset_is_not_the_method_itself(package: str) -> None:
    (method,) = named(package, {"name": "cutout_4", "preset": "cutout", "parameters": {"side": 4}})
    assert method[:2] == ("cutout_4", "Cutout 4")
    assert method.description == "Cutout with side 4."
    assert method.preset is None


def test_a_preset_with_parameters_under_its_own_name_is_that_method(package: str) -> None:
    (method,) = named(package, {"name": "cutout", "preset": "cutout", "parameters": {"side": 4}})
    assert method == PrintedMethod("cutout", "Cutout", "One square hole per image.", "cutout", method.source, "side 4")


@pytest.mark.parametrize(
    ("entry", "settings"),
    [
        (
            {"preset": "augmix", "parameters": {"weight": 4.5}},
            "width 3, depth 1 to 3 at random, α 1, severity 3, 2 augmented views, λ 4.5",
        ),
        (
            {"preset": "augmix", "parameters": {"all_ops": True, "depth": 2}},
            "width 3, depth 2, α 1, severity 3, all ops",
        ),
        ({"preset": "adversarial"}, "ε 8/255, step 2/255, steps 10"),
        ({"preset": "cutmix"}, "α 1, p 0.5"),
        ({"preset": "autoaugment"}, "policy cifar10"),
        ({"preset": "standard"}, ""),
        (
            {"views": {"autoaugment": {}}, "mix": {"fmix": {"alpha": 2}}, "loss": {"standard": {}}},
            "AutoAugment: policy cifar10; FMix: α 2, decay 3, masks formula",
        ),
    ],
)
def test_hyperparameters_are_those_of_the_configuration_and_the_defaults(entry: dict[str, Any], settings: str) -> None:
    assert hyperparameters({"name": "any", **entry}, ["baselines", "ablations"]).startswith(settings)


def test_a_composition_names_its_parts(package: str) -> None:
    entry = {"name": "fmix_autoaugment", "views": {"autoaugment": {}}, "mix": {"fmix": {"alpha": 2}}}
    (method,) = named(package, {**entry, "loss": {"standard": {}}})
    assert method.title == "FMix AutoAugment"
    assert method.description == "A composition: views of AutoAugment; mix of FMix (alpha 2); loss of Standard."
    assert method.preset is None


def test_a_shared_title_gives_way_to_the_names(package: str) -> None:
    methods = named(package, {"name": "cutout", "preset": "cutout"}, {"name": "Cutout", "preset": "bare"})
    assert [method.name for method in methods] == ["cutout", "Cutout"]


@pytest.mark.parametrize(
    ("name", "title"), [("no_jsd", "No JSD"), ("kl_only", "KL only"), ("single_chain", "Single chain")]
)
def test_titled(name: str, title: str) -> None:
    assert titled(name) == title


@pytest.mark.parametrize(("name", "title"), [("jpeg_compression", "JPEG"), ("tilt", "Tilt"), ("my_own", "My own")])
def test_shifts_at_the_head_of_a_column(name: str, title: str) -> None:
    assert shift_title(name) == title


def test_an_architecture_is_titled_by_its_own_file() -> None:
    titles = {name: architecture_title(name) for name in module_names("augmix.models")}
    assert titles["resnet50_maxblur"] == "ResNet-50 MaxBlur"
    assert titles["smallnet_thin"] == "SmallNet, thin"
    assert all(title != name.replace("_", " ") for name, title in titles.items())
    assert len(set(titles.values())) == len(titles)
    assert architecture_title("mean") == "Mean"
    assert architecture_title("from_elsewhere") == "from elsewhere"
