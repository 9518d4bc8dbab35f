"""Resolve an experiment's configuration: bare names spelled out, defaults filled in, every name checked."""

import inspect
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from augmix.checks import nearest_preset
from augmix.errors import UserError
from augmix.registry import (
    architecture_module,
    find_module,
    find_package,
    method_names,
    method_parameters,
    method_parts,
    module_names,
    nearest,
)
from augmix.suite.config.schema import fill, schema, validate
from augmix.suite.config.sweeps import expand
from augmix.suite.data import datasets
from augmix.suite.io.configuration import Lines, Position, merge, place
from augmix.suite.io.files import expanded
from augmix.suite.testsets import kinds, known
from augmix.suite.testsets.base import Origin, TestSet

VALIDATION = "-validation"
"""The ending of the folder of a data set whose test images are a part of its training images."""
USUAL = {"clean": "clean", "C": "corruptions", "P": "perturbations"}
"""The kinds of the test sets that every data set has unless the configuration says otherwise, by name."""


def resolve(config: Mapping[str, Any], lines: Lines) -> dict[str, Any]:
    """The configuration as `experiment.yaml` records it; resolving it once more changes nothing.

    Raises `UserError` with the file and line of the first fault.
    """
    spelled = expand(_spell_out(config), lines)
    validate(spelled, schema(), lines)
    resolved: dict[str, Any] = fill(spelled, schema(), schema())
    for key, folder in resolved["folders"].items():
        if {"{", "}"} & set(folder):
            where = place(("folders", key), lines)
            raise UserError(
                f"{where}: the folder {folder} has braces, which Snakemake takes for wildcards; name another"
            )
    _check_packages(resolved, lines)
    _check_loaders(resolved, lines)
    for dataset, entry in resolved["datasets"].items():
        entry["testsets"] = _testsets(resolved, dataset, lines)
    _check_folders(resolved, lines)
    _check_architectures(resolved, lines)
    _check_methods(resolved, lines)
    for key in ("architectures", "methods"):
        names = [entry["name"] for entry in resolved[key]]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise UserError(f"{place((key, i), lines)}: {key} lists the name '{name}' twice")
    return resolved


def origin_of(config: Mapping[str, Any], dataset: str, folder: str | None = None) -> Origin:
    """The data set as test sets are made of it, prepared in `<data>/<folder>`, its own name unless given."""
    entry, root = config["datasets"][dataset], expanded(config["folders"]["data"])
    preset = entry["preset"]
    if preset is None:
        preset = nearest_preset(datasets.loader_module(entry["loader"]).side(**entry["options"]))
    return Origin(root, folder or dataset, entry["loader"], entry["options"], preset, entry["testsets"])


def build_testset(name: str, entry: Mapping[str, Any], origin: Origin) -> TestSet:
    """A test set of a resolved entry."""
    testset: TestSet = kinds.kind(entry["kind"]).of_entry(name, entry, origin)
    return testset


def to_choose_by(config: Mapping[str, Any], dataset: str, folder: str | None = None) -> TestSet:
    """The corruptions that sweeps choose by, of the images prepared in `<data>/<folder>`."""
    configured = config["datasets"][dataset]["testsets"]["C"] or {}
    entry = {"kind": "corruptions_validation", "shifts": None, "published": None, "resize": False}
    entry |= {"images": configured.get("images"), "seed": configured.get("seed", 0)}
    return build_testset("C", entry, origin_of(config, dataset, folder))


def _spell_out(config: Mapping[str, Any]) -> dict[str, Any]:
    """Bare names as mappings: `smallnet` is `{name: smallnet}`, `augmix` also gets `preset: augmix`."""
    config = dict(config)
    named = config.get("datasets")
    if isinstance(named, list) and all(isinstance(name, str) for name in named):
        config["datasets"] = {name: {"loader": name} for name in named}
    for key in ("architectures", "methods"):
        entries = config.get(key)
        if isinstance(entries, list):
            config[key] = [_named(entry) if isinstance(entry, str) else entry for entry in entries]
            config[key] = [{"training": {}, **e} if isinstance(e, dict) else e for e in config[key]]
    for i, method in enumerate(config["methods"] if isinstance(config.get("methods"), list) else ()):
        if isinstance(method, dict) and not {"preset", "views", "mix", "loss"} & set(method):
            config["methods"][i] = {"parameters": {}, **method, "preset": method.get("name")}
    return config


def _named(entry: str) -> dict[str, Any]:
    """A bare name; of `package.module:function` it is the function's."""
    _, colon, function = entry.partition(":")
    return {"name": function, "build": entry} if colon else {"name": entry}


def _refuse(where: str, what: str, name: str, valid: Collection[str], of: str = "") -> None:
    if name not in valid:
        raise UserError(f"{where}: unknown {what} '{name}'{of}; {nearest(name, valid)}")


def _check_packages(config: Mapping[str, Any], lines: Lines) -> None:
    for i, package in enumerate(config["method_packages"]):
        if find_package(package) is None:
            where = place(("method_packages", i), lines)
            raise UserError(f"{where}: no Python package '{package}' (looked along PYTHONPATH)")


def _check_loaders(config: dict[str, Any], lines: Lines) -> None:
    downloads = expanded(config["folders"]["data"]) / "downloads"
    for dataset, entry in config["datasets"].items():
        position: Position = ("datasets", dataset)
        try:
            datasets.check_loader(entry["loader"])
        except UserError as error:
            raise UserError(f"{place((*position, 'loader'), lines)}: {error}") from None
        if getattr(datasets.loader_module(entry["loader"]), "TESTS_ONLY", False):
            where = place((*position, "loader"), lines)
            raise UserError(
                f"{where}: '{entry['loader']}' has test images alone: it is for a test set of the kind natural"
            )
        entry["options"] = datasets.with_downloads(entry["loader"], entry["options"], downloads)
        try:
            datasets.check_options(entry["loader"], entry["options"])
        except datasets.OptionError as error:
            at: Position = (*position, "options", error.option) if error.option else (*position, "options")
            raise UserError(f"{place(at, lines)}: {error}") from None


def _testsets(config: Mapping[str, Any], dataset: str, lines: Lines) -> dict[str, Any]:
    """The entries of a data set's test sets, with every default; null for one that is left out."""
    own = config["datasets"][dataset]["testsets"]
    found: dict[str, Any] = {}
    places: dict[str, str] = {}
    for name in dict.fromkeys((*USUAL, *config["testsets"], *own)):
        entries = [source[name] for source in (config["testsets"], own) if name in source]
        if entries and entries[-1] is None:
            found[name] = None
            continue
        said = any("kind" in given for given in entries if given)
        entry: dict[str, Any] = {"kind": USUAL.get(name), **({} if said else known.entry(name))}
        for given in entries:
            entry = merge(entry, given or {})
        named: list[Position] = [("datasets", dataset, "testsets", name), ("testsets", name)]
        position = next((at for at in named if at in lines), named[0])
        where = places[name] = place(position, lines)
        if entry["kind"] is None:
            lacking = f"the test set '{name}' needs a 'kind' ({', '.join(sorted(kinds.names()))})"
            raise UserError(f"{where}: {lacking}, or the name of a known one; {nearest(name, known.sets())}")
        _refuse(where, "kind of test set", entry["kind"], kinds.names())
        properties = {"kind": {"type": "string"}, **kinds.kind(entry["kind"]).schema}
        settings = {"type": "object", "additionalProperties": False, "properties": properties}
        validate(entry, settings, lines, position)
        found[name] = fill(entry, settings, settings)
    origin = replace(origin_of(config, dataset), testsets=found)
    for name, where in places.items():
        try:
            build_testset(name, found[name], origin)
        except UserError as error:
            raise UserError(f"{where}: test set '{name}': {error}") from None
    return found


def _check_folders(config: Mapping[str, Any], lines: Lines) -> None:
    """Refuse two things that would be kept in one folder of data, or made by jobs of one name."""
    owners = {name: f"the data set '{name}'" for name in config["datasets"]}
    if config["validation"] is not None:
        for name in config["datasets"]:
            owners[name + VALIDATION] = f"the validation split of '{name}'"
            owners[f"{name}{VALIDATION}-C"] = f"the corruptions of the validation split of '{name}'"
    jobs: dict[str, str] = {}
    for dataset, entry in config["datasets"].items():
        origin = origin_of(config, dataset)
        for name, settings in entry["testsets"].items():
            if settings is None:
                continue
            testset, where = build_testset(name, settings, origin), place(("datasets", dataset), lines)
            what, folder = f"the test set '{name}' of '{dataset}'", f"{dataset}-{name}"
            its_own = testset.folder == origin.root / folder  # others read files that are not theirs
            if its_own and owners.setdefault(folder, what) != what:
                raise UserError(f"{where}: {what} and {owners[folder]} would share the folder {folder}")
            for making in testset.jobs():
                if jobs.setdefault(making.id, what) != what:
                    raise UserError(f"{where}: {what} and {jobs[making.id]} would have jobs of one name; rename one")


def _check_architectures(config: Mapping[str, Any], lines: Lines) -> None:
    for i, architecture in enumerate(config["architectures"]):
        where, name, known = place(("architectures", i), lines), architecture["name"], module_names("augmix.models")
        if "build" not in architecture:
            _refuse(where, "architecture", name, known)
        elif name in known:
            raise UserError(
                f"{where}: augmix has an architecture '{name}'; give {architecture['build']} another 'name'"
            )
        elif not find_module(module := architecture_module(architecture["build"])):
            raise UserError(f"{where}: no Python module '{module}' (looked along PYTHONPATH)")


def _check_methods(config: Mapping[str, Any], lines: Lines) -> None:
    packages = config["method_packages"]
    known = method_names(packages)
    for i, method in enumerate(config["methods"]):
        for part, name, parameters in _parts(method, place(("methods", i), lines)):
            of = "" if part == "preset" else f" in '{part}'"
            changes = method.get("parameters") or method.get("training")
            if name not in known and part == "preset" and name == method["name"] and changes:
                where, hint = place(("methods", i), lines), f"{{name: {name}, preset: augmix, …}}"
                raise UserError(f"{where}: unknown method '{name}'; a name of your own needs a preset: {hint}")
            _refuse(place(("methods", i), lines), "method", name, known, of)
            where, valid = place(("methods", i, part, name), lines), method_parameters(name, packages)
            for parameter in parameters:
                _refuse(where, "parameter", parameter, valid, f" of method '{name}'")
            for parameter, default in valid.items():
                if default is inspect.Parameter.empty and parameter not in parameters:
                    raise UserError(f"{where}: method '{name}' needs the parameter '{parameter}'")


def _parts(method: Mapping[str, Any], where: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(part, method name, parameters) of each part, after checking that the entry is a preset or a triple."""
    composed = [part for part in ("views", "mix", "loss") if part in method]
    if "preset" in method and not composed:
        return [("preset", method["preset"], method.get("parameters", {}))]
    if "preset" in method or len(composed) < 3 or method.get("parameters"):
        raise UserError(f"{where}: method '{method['name']}' takes a 'preset', or all of 'views', 'mix' and 'loss'")
    return [(part, *source) for part, sources in method_parts(method).items() for source in sources]
