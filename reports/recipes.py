"""How a run departs from the recipe of a published figure: the recipes are data, in recipes.yaml."""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from augmix.suite.io.configuration import merge
from reports.loaded import Results, records, remembered
from reports.names import parameters_of, spaced, value_in_print
from reports.quantities import CLEAN_ERROR, MCE, MFP, Place
from reports.words import setting_in_print

RECIPES = Path(__file__).with_name("recipes.yaml")
MEASURED_ON = {
    "clean error": CLEAN_ERROR.testset, "mCE": MCE.testset, "CE": MCE.testset, "mFR": MFP.testset, "FR": MFP.testset,
}  # fmt: skip
"""The test set of each measure, by the beginning of its name."""
UNREAD = {"adamw": ("momentum", "nesterov"), "cosine": ("milestones",), "steps": ("minimum_learning_rate",)}
"""The settings that an optimiser or a schedule does not read."""


class Recipe(NamedTuple):
    """The recipe of a published figure as far as it is known; see recipes.yaml."""

    settings: Mapping[str, Any]
    """The keys of its entries, later ones on top of earlier ones."""
    departures: list[str]
    unprinted: list[str]


@cache
def _entries() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load(RECIPES.read_text(encoding="utf-8"))
    return loaded


def recipe_of(loader: str, architecture: str, method: str) -> Recipe:
    """The recipe of a published figure, whose method is named as paper_results.yaml names it."""
    of = {"loader": loader, "architecture": architecture, "method": method}
    settings: dict[str, Any] = {"training": {}, "parameters": {}}
    departures, unprinted = [], []
    for entry in _entries():
        if all(of[key] in names for key, names in entry["of"].items()):
            settings = merge(settings, entry)
            departures += entry.get("departures", [])
            unprinted += entry.get("unprinted", [])
    return Recipe(settings, departures, unprinted)


@remembered
def differences(results: Results, place: Place, theirs: str, measure: str) -> str:
    """Everything in which a run of ours differs from a published one, each once; a dash where that is nothing.

    `theirs` is the published method, `measure` the published measure.
    """
    recipe = recipe_of(results.datasets[place.dataset]["loader"], place.architecture, theirs)
    architectures, methods = ({e["name"]: e for e in results.config[key]} for key in ("architectures", "methods"))
    method = methods[place.method]
    training: Mapping[str, Any] = results.config["training"]
    for entry in (architectures[place.architecture], method):
        training = merge(training, entry.get("training") or {})
    training = {**training, **_used(results, place)}
    given = parameters_of(method, results.config.get("method_packages") or [])
    said = [
        *_test_images(results, place.dataset, recipe, measure),
        *_training_images(results, place.dataset, recipe),
        *_training(training, recipe),
        *_parameters(given, recipe),
        *recipe.departures,
    ]
    return "; ".join(said) or "–"


def _used(results: Results, place: Place) -> dict[str, Any]:
    """The precision that a run was trained in, which `auto` leaves open; nothing where no run says so."""
    done = (run for run in records(results.runs_at(place)) if run["status"] == "done")
    used = (results.provenance(run).get("precision") for run in done)
    return {"precision": found} if (found := next(filter(None, used), None)) else {}


def _test_images(results: Results, dataset: str, recipe: Recipe, measure: str) -> Iterator[str]:
    name = next(name for said, name in MEASURED_ON.items() if measure.startswith(said))
    if few := (results.datasets[dataset].get("subset") or {}).get("test"):
        yield f"{few:,} test images"
    testset = results.testset(dataset, name)
    if testset is None or name not in recipe.settings["published"]:
        return
    sources = results.sources.get((dataset, name), [])
    if any(source.startswith("generated") for source in sources):
        yield f"generated {testset.title}"
    elif sources and name == MCE.testset and recipe.settings.get("resize") and not getattr(testset, "resize", False):
        yield f"{testset.title} taken as it is, not scaled and cropped once more"
    size, whole = results.size(dataset, testset), results.test_images[dataset]
    if size is not None and size != whole:
        yield f"{testset.title} of {size:,} images"


def _training_images(results: Results, dataset: str, recipe: Recipe) -> Iterator[str]:
    entry = results.datasets[dataset]
    if few := (entry.get("subset") or {}).get("train"):
        yield f"{few:,} training images"
    if share := results.config.get("validation"):
        yield f"{100 * share:g}\u00a0% of the training images kept for validation"
    side = recipe.settings.get("side")
    if side and (ours := entry["options"].get("side", side)) != side:
        yield f"images of {ours} pixels, not {side}"
    if entry["flip"] != recipe.settings["flip"]:
        yield "no random flips" if recipe.settings["flip"] else "random flips"


def _training(ours: Mapping[str, Any], recipe: Recipe) -> Iterator[str]:
    theirs = dict(recipe.settings["training"])
    if recipe.settings.get("scaled_rate"):
        theirs["learning_rate"] *= ours["batch_size"] / theirs["batch_size"]
    unread = {*UNREAD.get(ours.get("optimizer", ""), ()), *UNREAD.get(ours["schedule"], ())}
    for key, value in theirs.items():
        if key not in ours or key in unread or ours[key] == "auto" or _equal(ours[key], value):
            continue
        if key == "nesterov":
            yield "Nesterov momentum" if ours[key] else "momentum without Nesterov"
        elif key == "epochs":
            yield f"{ours[key]} epochs, not {value}"
        else:
            scaled = " for such batches" if key == "learning_rate" and value != recipe.settings["training"][key] else ""
            yield f"{spaced(key)} {setting_in_print(ours[key])}, not {setting_in_print(value)}{scaled}"


def _parameters(ours: Mapping[str, Mapping[str, Any]], recipe: Recipe) -> Iterator[str]:
    for source, wanted in recipe.settings["parameters"].items():
        for key, value in wanted.items():
            if source not in ours or key not in ours[source]:
                continue
            accepted = value if isinstance(value, list) else [value]
            if not any(_equal(ours[source][key], one) for one in accepted):
                yield _parameter(key, ours[source][key], accepted)


def _parameter(key: str, ours: Any, theirs: list[Any]) -> str:
    """`severity 3, not 1`, `all ops`, `without all ops`."""
    if isinstance(ours, bool):
        return spaced(key) if ours else f"without {spaced(key)}"
    said = value_in_print(key, ours) or f"the policy's own {spaced(key)}"
    name = value_in_print(key, "").strip()
    return f"{said}, not {' or '.join(value_in_print(key, one).removeprefix(f'{name} ') for one in theirs if one)}"


def _equal(one: Any, other: Any) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
    return math.isclose(one, other, rel_tol=1e-9) if numbers else bool(one == other)
