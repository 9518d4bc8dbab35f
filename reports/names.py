"""The names in print of methods (from their own docstrings), architectures, shifts and test sets' figures."""

import ast
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from inspect import Parameter
from pathlib import Path
from typing import Any, NamedTuple

from augmix.errors import UserError
from augmix.registry import find_package, method_module, method_parameters, method_parts
from augmix.suite.testsets.base import TestSet
from reports.quantities import MEAN, measure_of

LONGEST_TITLE = 24
"""Characters; a longer title would not fit a table's column."""

# Shifts whose names are too long for the head of a column.
SHIFTS = {
    "gaussian_noise": "Gauss.", "shot_noise": "Shot", "impulse_noise": "Impulse", "speckle_noise": "Speckle",
    "defocus_blur": "Defocus", "glass_blur": "Glass", "motion_blur": "Motion", "zoom_blur": "Zoom",
    "gaussian_blur": "G. blur", "brightness": "Bright.", "contrast": "Contr.", "elastic_transform": "Elastic",
    "pixelate": "Pixel.", "jpeg_compression": "JPEG",
}  # fmt: skip


class PrintedMethod(NamedTuple):
    """A configured method as the report speaks of it."""

    name: str
    title: str
    description: str
    preset: str | None
    """The module that it is, unchanged or under its name; None for a variant under another name or a composition."""
    source: str = ""
    """The authors and the year, as its module has them."""
    settings: str = ""
    """Its hyper-parameters, those of the configuration and the defaults: `λ 12, width 3`."""


WORDS = {
    "augmax": "AugMax", "augmix": "AugMix", "autoaugment": "AutoAugment", "cutmix": "CutMix", "fmix": "FMix",
    "ipmix": "IPMix", "jsd": "JSD", "kl": "KL", "noisymix": "NoisyMix", "pgd": "PGD", "pixmix": "PixMix",
    "prime": "PRIME", "randaugment": "RandAugment", "trivialaugment": "TrivialAugment",
}  # fmt: skip


SYMBOLS = {
    "weight": "λ", "alpha": "α", "epsilon": "ε", "probability": "p", "views": "augmented views",
}  # fmt: skip
IN_GREY_LEVELS = ("epsilon", "step")
"""The parameters that are given as so many of 255 grey levels."""
UNSAID = ("folder", "mode")
"""The parameters that say where something lies, or how it is computed."""


def titled(name: str) -> str:
    """A method's name as a title: `fmix_autoaugment` as `FMix AutoAugment`, `no_jsd` as `No JSD`."""
    return sentence(" ".join(WORDS.get(word, word) for word in name.split("_")))


def sentence(text: str) -> str:
    """With a capital."""
    return text[:1].upper() + text[1:]


def spaced(name: str) -> str:
    """`gaussian_noise` as `gaussian noise`."""
    return name.replace("_", " ")


@cache
def architecture_title(name: str) -> str:
    """An architecture's title from its module, such as `ResNet-50`; of the mean over all, `Mean`."""
    if name == MEAN:
        return name.title()
    line = _first_line("augmix.models", name)
    return (_parsed(line)[0] if line else None) or spaced(name)


def shift_title(shift: str) -> str:
    """A shift's name at the head of a column."""
    return SHIFTS.get(shift, sentence(spaced(shift)))


def headline_phrase(testset: TestSet) -> str:
    """The name within a sentence of the figure that a test set is judged by: `mCE`, `clean error`, `error`."""
    if testset.entering:
        return testset.mean
    return f"{testset.adjective} {measure_of(testset).phrase}".lstrip()


def headline_title(testset: TestSet) -> str:
    """The same at the head of a column: `mCE`, `Clean error`, `Error`."""
    return testset.mean if testset.entering else sentence(headline_phrase(testset))


def methods_of(config: Mapping[str, Any]) -> list[PrintedMethod]:
    """The configured methods, titled by their modules; a title that two of them share gives way to the names."""
    packages = config.get("method_packages") or []
    methods = [_method(entry, packages) for entry in config["methods"]]
    titles = [method.title for method in methods]
    return [m if titles.count(m.title) == 1 else m._replace(title=titled(m.name)) for m in methods]


def _method(entry: Mapping[str, Any], packages: Sequence[str]) -> PrintedMethod:
    name = entry["name"]
    parts = method_parts(entry)
    settings = hyperparameters(entry, packages)
    if "preset" not in entry:
        said = "; ".join(f"{part} of {', then '.join(_given(*s) for s in sources)}" for part, sources in parts.items())
        return PrintedMethod(name, titled(name), f"A composition: {said}.", None, settings=settings)
    [(preset, parameters)] = parts["views"]
    title, description, source = _docstring(preset, packages)
    if name == preset or not parameters:
        return PrintedMethod(name, title if name == preset else titled(name), description, preset, source, settings)
    said = _settings(parameters)
    title_here = f"{title}, {said}" if entry.get("sweeps") else titled(name)
    return PrintedMethod(name, title_here, f"{title} with {said}.", None, source, settings)


def hyperparameters(entry: Mapping[str, Any], packages: Sequence[str]) -> str:
    """A configured method's parameters with their values, defaults too; of a composition by the method they are of."""
    said = {
        source: ", ".join(filter(None, (value_in_print(key, value) for key, value in parameters.items())))
        for source, parameters in parameters_of(entry, packages).items()
    }
    if "preset" in entry:
        return next(iter(said.values()))
    return "; ".join(f"{titled(source)}: {values}" for source, values in said.items() if values)


def parameters_of(entry: Mapping[str, Any], packages: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The parameters of a configured method, given and by default, by the method that each part of it is of."""
    given: dict[str, dict[str, Any]] = {}
    for source, parameters in (pair for sources in method_parts(entry).values() for pair in sources):
        given.setdefault(source, {}).update(parameters)
    return {source: {**_defaults(source, packages), **parameters} for source, parameters in given.items()}


def _defaults(preset: str, packages: Sequence[str]) -> dict[str, Any]:
    try:
        defaults = method_parameters(preset, packages)
    except (UserError, OSError):
        return {}  # The results may come from another checkout: what the configuration says is printed.
    return {key: value for key, value in defaults.items() if value is not Parameter.empty}


def value_in_print(key: str, value: Any) -> str:
    """One parameter in print; empty for a switch that is off, what was not given, and what goes without saying."""
    name = SYMBOLS.get(key, spaced(key))
    if value is None or key in UNSAID or (key, value) == ("label_smoothing", 0):
        return ""
    if isinstance(value, bool):
        return name if value else ""
    if key == "depth" and value == -1:
        return "depth 1 to 3 at random"
    if key == "views":
        return f"{value} {name}"
    if isinstance(value, float) and key in IN_GREY_LEVELS and abs(value * 255 - round(value * 255)) < 1e-6:
        return f"{name} {round(value * 255)}/255"
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _given(source: str, parameters: Mapping[str, Any]) -> str:
    return f"{titled(source)} ({_settings(parameters)})" if parameters else titled(source)


def _settings(parameters: Mapping[str, Any]) -> str:
    return ", ".join(spaced(key) if value is True else f"{spaced(key)} {value}" for key, value in parameters.items())


def _docstring(preset: str, packages: Sequence[str]) -> tuple[str, str, str]:
    """Title, description and source of a method, from the first line of its module's docstring."""
    try:
        package, _, name = method_module(preset, packages).rpartition(".")
    except (UserError, OSError):
        return titled(preset), "", ""  # The results may come from another checkout.
    line = _first_line(package, name)
    if not line:
        return titled(preset), "", ""
    title, rest, source = _parsed(line)
    return (title, sentence(rest), source) if title else (titled(preset), line, "")


def _first_line(package: str, name: str) -> str | None:
    """The first line of a module's docstring, without importing it; None where there is none."""
    text = None
    spec = find_package(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / f"{name}.py"
        file = file if file.is_file() else Path(folder) / name / "__init__.py"
        with suppress(OSError, SyntaxError):
            text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return text.splitlines()[0].strip() if text else None


def _parsed(line: str) -> tuple[str | None, str, str]:
    """Title, description and source: `Cutout (DeVries & Taylor, 2017): one square hole per image.` is titled "Cutout".

    There is no title where it would not fit a table's column.
    """
    head, colon, rest = line.partition(": ")
    found = re.search(r"\s*\(([^)]*)\)", head)
    title = head.replace(found[0], "") if found else head
    return title if colon and len(title) <= LONGEST_TITLE else None, rest, found[1] if found else ""
