"""The methods' cards: docs/methods.md and, all of one shape, docs/methods/<method>.md; `python -m docs.generated`.

They are made of the methods' docstrings and defaults, of docs/methods/steps.csv, which `python -m benchmarks.methods
--write` measures, and of docs/results/*/beside_standard.csv, which `python -m reports.readme` records. Their pictures
are drawn by `python -m docs.views`.
"""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from augmix.registry import method_file, method_names
from augmix.suite.io.files import read_csv, read_mapping
from reports import beside, readme
from reports.compute import time_in_print
from reports.layout import decimal
from reports.names import PrintedMethod, methods_of
from reports.words import enumerated, plural

CHECKOUT = Path(__file__).parents[1]
PAGE = CHECKOUT / "docs" / "methods.md"
CARDS = CHECKOUT / "docs" / "methods"
PACKAGES = ("baselines", "ablations")
STEPS = {row["method"]: row for row in read_csv(CARDS / "steps.csv", ("method", "step", "passes"))}
"""The costs of each method's step. A method without, such as one of the reader's own, has no card."""
NAMES = sorted(
    filter(STEPS.__contains__, method_names(PACKAGES)), key=("augmix", "standard").__contains__, reverse=True
)
SHOWN = ("Clean error", "mCE")
"""The figures that stand in the table of all methods."""
MOST = 3
"""The most corruptions that a card names on either side."""
MARKS = re.compile(r"(?<=<!-- methods -->\n).*(?=<!-- end of methods -->)", re.DOTALL)
"""The place of the table of all methods in docs/methods.md, whose other words are written by hand."""
INTERVALS = (
    "Differences are in points, with 95 % intervals that hold for all methods of an experiment at once; those of "
    "[an answer of record](../results.md#answers-of-record) hold for its own contrasts, and may be narrower."
)
IN_YAML = {"None": "null", "True": "true", "False": "false"}
Row = Mapping[str, str]


class Documented(NamedTuple):
    """A method as its file has it."""

    paragraphs: list[str]
    """The account of what it does, after the first line."""
    departures: list[str]
    defaults: dict[str, str]
    described: dict[str, tuple[str, str]]
    """The meaning of each parameter, and the source of its default."""


@cache
def documented(name: str) -> Documented:
    """Read a method's docstrings and signature.

    The module's docstring ends in `Departures:`, a list. That of its function `method` ends in `Args:`, with entries
    `name: meaning. Source: whose the default is.` or, for one or more parameters, ``one, other: As in `method`.``
    """
    module = ast.parse(method_file(name, PACKAGES).read_text(encoding="utf-8"))
    [method] = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "method"]
    text, departures = _section(module, "Departures")
    arguments = zip(method.args.kwonlyargs, method.args.kw_defaults, strict=True)
    values = {argument.arg: ast.unparse(value).strip("'") if value else "required" for argument, value in arguments}
    return Documented(
        [" ".join(paragraph.split()) for paragraph in text.split("\n\n")[1:]],
        [entry.removeprefix("- ") for entry in departures],
        {key: IN_YAML.get(value, value) for key, value in values.items()},
        dict(_described(_section(method, "Args")[1])),
    )


def _section(node: ast.Module | ast.FunctionDef, heading: str) -> tuple[str, list[str]]:
    """The text of a docstring, and the entries of the section that it ends in."""
    text, _, section = (ast.get_docstring(node) or "").partition(f"\n\n{heading}:\n")
    entries = re.split(r"\n(?! )", textwrap.dedent(section))
    return text, [" ".join(entry.split()) for entry in entries if entry]


def _described(entries: Sequence[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for entry in entries:
        names, _, words = entry.partition(": ")
        meaning, _, source = words.partition(" Source: ")
        other = re.fullmatch(r"As in `(\w+)`\.", words)
        for name in names.split(", "):
            yield name, documented(other[1]).described[name] if other else (meaning, source)


@cache
def printed() -> dict[str, PrintedMethod]:
    """The title, the first sentence and the source of each method."""
    entries = [{"name": name, "preset": name} for name in NAMES]
    return {method.name: method for method in methods_of({"methods": entries, "method_packages": PACKAGES})}


@cache
def recorded(name: str) -> dict[tuple[str, str, str], list[Row]]:
    """A method's figures by data set, architecture and number of test images, which tells a data set from parts of it.

    Each is of the experiment with the most runs that has it.
    """
    folders = [path.parent for path in readme.RECORDS.glob(f"*/{beside.FILE}")]
    made = {folder: read_mapping(folder / readme.MADE, {"runs": int, "test_images": list}) for folder in folders}
    found: dict[tuple[str, str, str], dict[tuple[str, str], Row]] = {}
    for folder in sorted(folders, key=lambda folder: (-made[folder]["runs"], folder.name)):
        for row in read_csv(folder / beside.FILE, beside.COLUMNS):
            if row["method"] == name:
                place = found.setdefault((row["dataset"], row["architecture"], str(made[folder]["test_images"])), {})
                place.setdefault((row["kind"], row["figure"]), row | {"experiment": folder.name})
    return {place: list(rows.values()) for place, rows in found.items()}


def card(name: str) -> str:
    """The text of a method's card."""
    method, known = printed()[name], documented(name)
    file = method_file(name, PACKAGES).relative_to(CHECKOUT)
    picture = f"![Photographs and clothes, and what {method.title} shows the net]({name}.jpg)"
    parts = [
        f"# {method.title}",
        " · ".join(filter(None, [method.source, f"[`{file}`](../../{file})", "[all methods](../methods.md)"])),
        " ".join([f"**{method.description}**", *known.paragraphs[:1]]),
        *known.paragraphs[1:],
        picture if (CARDS / f"{name}.jpg").exists() else "There is no picture: its images are yours to make.",
        "## Parameters",
        "\n".join(_parameters(known)) if known.defaults else "There are none.",
        "## Cost",
        " ".join(_cost(name)),
        "## When it helps and hurts",
        *([INTERVALS] if name != "standard" and recorded(name) else []),
        *(_results(name) or ["It was not run here: no experiment of record has it."]),
        "## What differs from its authors' code",
        "\n".join(f"- {entry}" for entry in known.departures),
    ]
    return "\n\n".join(parts).replace("`docs/quirks.md`", "[docs/quirks.md](../quirks.md)") + "\n"


def _parameters(known: Documented) -> Iterator[str]:
    yield "| parameter | default | meaning | source of the default |\n|---|---|---|---|"
    for key, default in known.defaults.items():
        meaning, source = known.described.get(key, ("", ""))
        yield f"| `{key}` | `{default}` | {meaning} | {source[:1].upper()}{source[1:]} |"


def _cost(name: str) -> Iterator[str]:
    step = STEPS[name]
    passes = (
        "one forward and backward pass" if step["passes"] == "1" else f"{step['passes']} forward and backward passes"
    )
    yield f"A step takes {step['step']} times as long as one of standard training, with {passes} of each image."
    for (dataset, architecture, _), rows in recorded(name).items():
        for row in rows:
            if row["kind"] == beside.COMPUTE:
                seconds, standard = float(row["mean"]), float(row["standard"])
                beyond = "" if name == "standard" else f", {seconds / standard:.2f} times standard training's"
                took = f"{time_in_print(seconds)} of {row['figure']}{beyond}"
                where = _with_settings(f"`{row['experiment']}`", row)
                yield f"A training on {dataset}, {architecture}, took {took} ({where})."


def _with_settings(text: str, row: Row) -> str:
    """A text, and what the row's configuration changes of its method."""
    return f"{text}, with {row['settings']}" if row["settings"] else text


def _results(name: str) -> list[str]:
    """The figures and the corruptions on each data set and architecture."""
    parts = []
    for (dataset, architecture, _), rows in recorded(name).items():
        tested = [row for row in rows if row["kind"] == beside.TEST_SET]
        runs = dict.fromkeys(
            _with_settings(f"`{row['experiment']}`, {plural(int(row['seeds']), 'seed')}", row) for row in tested
        )
        head, ruler = "| figure | standard training |", "|---|--:|"
        if name != "standard":
            head, ruler = f"{head} {printed()[name].title} | difference |", f"{ruler}--:|--:|"
        nets = "the mean over its nets" if architecture == "Mean" else architecture
        parts += [f"On {dataset}, {nets} ({'; '.join(runs)}):", "\n".join([head, ruler, *map(_line, tested)])]
        if corrupted := [row for row in rows if row["kind"] == beside.CORRUPTION and row["difference"]]:
            parts.append(extremes(corrupted))
    return parts


def _line(row: Row) -> str:
    cells = [f"{row['figure']}, {row['unit']}", _value(row, "standard")]
    cells += [_value(row, "mean"), readme.difference(row)] if row["difference"] else []
    return f"| {' | '.join(cells)} |"


def _value(row: Row, column: str) -> str:
    return decimal(float(row[column]), float(row[column]), int(row["decimals"]))


def extremes(rows: Sequence[Row]) -> str:
    """The corruptions whose errors fall and rise most, of those whose difference is significant."""
    changes = sorted(
        (float(row["difference"]), row["figure"], readme.difference(row))
        for row in rows
        if row["significant"] == "true"
    )
    if not changes:
        return f"Of the {len(rows)} corruptions of -C, none changes the error significantly."
    said = []
    for verb, found in (
        ("fall", [change for change in changes if change[0] < 0][:MOST]),
        ("rise", [change for change in reversed(changes) if change[0] > 0][:MOST]),
    ):
        names = [f"{figure} ({difference})" for _, figure, difference in found]
        said.append(f"{verb} most under {enumerated(names)}" if names else f"{verb} significantly under none")
    return f"Of the {len(rows)} corruptions of -C, errors {'; they '.join(said)}."


def overview() -> str:
    """The text of docs/methods.md: what it says, and a row for every method."""
    [place, *_] = recorded("standard")
    of = {name: {row["figure"]: row for row in recorded(name).get(place, [])} for name in NAMES}
    lines = [f"Errors are on {', '.join(place[:2])}. Each difference is from standard training in the same experiment:"]
    lines += [f"{'; '.join(_beside(rows for name, rows in of.items() if name != 'standard'))}.\n"]
    lines += [f"| method | | step | {' | '.join(f'{figure}, %' for figure in SHOWN)} | experiment |"]
    lines += ["|---|---|--:|--:|--:|---|"]
    for name, rows in of.items():
        shown = [rows.get(figure) for figure in SHOWN]
        cells = ["–" if row is None else _brief(row) for row in shown]
        cells += [" and ".join(dict.fromkeys(f"`{row['experiment']}`" for row in shown if row)) or "–"]
        method = printed()[name]
        link = f"[{method.title}](methods/{name}.md)"
        lines.append(f"| {link} | {method.description} | {STEPS[name]['step']}× | {' | '.join(cells)} |")
    return MARKS.sub(lambda _: "\n".join([*lines, ""]), PAGE.read_text(encoding="utf-8"))


def _beside(methods: Iterable[Mapping[str, Row]]) -> Iterator[str]:
    """Standard training's figures in each experiment that the table's differences are of."""
    said: dict[tuple[str, str], dict[str, str]] = {}
    for rows in methods:
        for figure in SHOWN:
            if (row := rows.get(figure)) is not None:
                said.setdefault((row["experiment"], row["seeds"]), {})[figure] = _value(row, "standard")
    for (experiment, seeds), values in sorted(said.items()):
        figures = enumerated([f"{figure.replace('Clean', 'clean')} {value} %" for figure, value in values.items()])
        yield f"`{experiment}` ({plural(int(seeds), 'seed')}), {figures}"


def _brief(row: Row) -> str:
    return readme.difference(row) if row["difference"] else _value(row, "mean")


def pages() -> dict[Path, str]:
    """Every page that is made here."""
    return {PAGE: overview(), **{CARDS / f"{name}.md": card(name) for name in NAMES}}
