"""The content of the typeset report, as data for report.typ: set-up, sentences, tables, figures, provenance."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from augmix.suite.data.datasets import read_images
from augmix.suite.evaluate.measures import MEASURES
from augmix.suite.io.files import read_mapping
from augmix.suite.testsets.base import TestSet
from reports.compute import times_table
from reports.findings import limits, of_methods, significant
from reports.layout import Column, Row, Table, as_data, columns_of, framed
from reports.loaded import Results, records
from reports.names import PrintedMethod, architecture_title, headline_phrase, sentence, spaced
from reports.provenance import provenance_table, recipe_changes, settings_table
from reports.quantities import MEAN, Cell, headline_of, measure_of
from reports.questions import answers
from reports.significance import statistics_in_words
from reports.style import Drawing
from reports.tables import main_table, printed_runs
from reports.verdict import judge
from reports.words import count_word, enumerated, setting_in_print

FEW_IMAGES = 2000
LONGEST_WITH_DEVIATIONS = 16
"""Rows; of a longer table of all headlines, the standard deviations would fill a page."""
UNSAID = [("warmup_epochs", 0), ("milestones", []), ("compile", False), ("processes", 1)]
"""Settings of a recipe that go without saying."""
REFERENCES = Path(__file__).with_name("references.yaml")


def document(results: Results, tables: list[Table], figures: Mapping[str, list[Drawing]]) -> dict[str, Any]:
    """Everything that the template prints, JSON-able."""
    verdict = judge(results)
    date = latest(results)
    known = yaml.safe_load(REFERENCES.read_text(encoding="utf-8"))
    loaders = {entry["loader"].removesuffix("100").removesuffix("10") for entry in results.datasets.values()}
    return {
        "title": str(results.config.get("title") or spaced(results.config["experiment"])),
        "experiment": results.config["experiment"],
        "date": _day(date) if date else None,
        "timestamp": int(date or 0),
        "abstract": verdict.abstract,
        "findings": verdict.findings,
        "warnings": verdict.warnings,
        "validation": f"{100 * results.config['validation']:g} %" if results.chosen is not None else None,
        "seeds": [str(seed) for seed in results.config["seeds"]],
        "tables": {
            table.name: as_data(table)
            for table in (
                *(_printed(results, table) for table in tables),
                _main(results),
                _datasets(results),
                _testsets(results),
                provenance_table(results),
                settings_table(results),
                times_table(results),
            )
        },
        "questions": [{**a._asdict(), "tables": [table.name for table in a.tables]} for a in answers(results)],
        "recipe": [
            [spaced(key), setting_in_print(value)]
            for key, value in results.config["training"].items()
            if (key, value) not in UNSAID
        ],
        "recipe_changes": recipe_changes(results),
        "architectures": [_architecture(results, name, known) for name in results.architectures],
        "methods": [_method(method, known) for method in results.methods],
        "references": sorted(loaders & known.keys()),
        "figures": {results.dataset_title(d): [f._asdict() for f in drawn] for d, drawn in figures.items() if drawn},
        "left_out": list(_left_out(results)),
        "measures": list(_measures(results)),
        "direction": _direction(results),
        "statistics": statistics_in_words(results),
        "samples": _samples(results),
        "shifts": _shifts(results, tables),
        "sources": [table.name for table in tables if table.name.startswith("sources_")],
        "generated": _generated(results),
        "few_images": list(_few_images(results)),
        "limits": list(limits(results)),
        "held_out": sorted(
            {
                spaced(shift)
                for dataset in results.datasets
                for testset in results.testsets[dataset]
                for shift in results.shifts(dataset, testset)
                if testset.entering and shift not in testset.entering
            }
        ),
    }


def _generated(results: Results) -> list[str]:
    """The titles of the test sets whose images were generated."""
    return [
        results.title_of(dataset, testset)
        for dataset in results.datasets
        for testset in results.testsets[dataset]
        if any(source.startswith("generated") for source in results.sources.get((dataset, testset.name), ()))
    ]


def _main(results: Results) -> Table:
    """The main table, whose caption says what it shows in the first of its figures; a long one has no deviations."""
    table = main_table(results)
    if len(table.cells) > LONGEST_WITH_DEVIATIONS and len(results.config["seeds"]) > 1:
        cells = table.cells.map(lambda cell: replace(cell, deviation=None) if isinstance(cell, Cell) else cell)
        table = replace(table, cells=cells, notes=(*table.notes, "Standard deviations over seeds: tables/summary.csv."))
    for family, quantity in results.judged[:1]:
        dataset, testset = next(iter(family.members.items()))
        what = f"{headline_phrase(testset)} on {results.title_of(dataset, testset)}"
        if finding := of_methods(results, dataset, quantity, what):
            return replace(table, caption=f"{table.caption}. {finding.removesuffix('.')}")
    return table


def _printed(results: Results, table: Table) -> Table:
    """A table as the report prints it."""
    if table.name == "differences" and (finding := significant(results)):
        return replace(table, caption=f"{table.caption}. {finding}")
    if "architecture" in table.cells.index.names:
        means = table.cells.index.get_level_values("architecture") == MEAN
        if means.any() and not means.all():
            each = f"each architecture is in tables/{table.name}.csv"
            return replace(table, caption=f"{table.caption}; {each}", cells=table.cells[means])
    return printed_runs(table) if table.name == "runs" else table


def _day(timestamp: float) -> str:
    day = datetime.fromtimestamp(timestamp, UTC)
    return f"{day.day} {day:%B %Y}"


def latest(results: Results) -> float | None:
    """The end of the latest run's last epoch in unix seconds: the report's date."""
    ends = [float(results.history(run)["timestamp"].max()) for run in records(results.runs)]
    return max((end for end in ends if end == end), default=None)


def _method(method: PrintedMethod, known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": method.title,
        "description": method.description,
        "source": method.source,
        "settings": method.settings,
        "reference": method.preset if method.preset in known and method.preset != "augmix" else None,
    }


def _architecture(results: Results, name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    sizes = results.runs[results.runs["arch"] == name]["parameters"].dropna().value_counts().index
    return {
        "title": architecture_title(name),
        "parameters": " or ".join(f"{size:,.0f}" for size in sizes),
        "reference": name if name in known else None,
    }


def _datasets(results: Results) -> Table:
    """The prepared data sets."""
    titles = {"train": "Train", "test": "Test", "classes": "Classes", "size": "Size", "flips": "Flips"}
    rows = [
        Row(
            (dataset,),
            "",
            results.dataset_title(dataset),
            [*_sizes(results.data / dataset), "yes" if entry.get("flip") else "no"],
        )
        for dataset, entry in results.datasets.items()
    ]
    return Table("datasets", "The data sets", framed(["dataset"], columns_of(titles), rows))


def _testsets(results: Results) -> Table:
    """The test sets: their shifts, how many images each shift has, and where they come from."""
    rows = []
    for dataset, entry in results.datasets.items():
        title = results.dataset_title(dataset)
        there = {testset.name: testset for testset in results.testsets[dataset]}
        for name in entry["testsets"]:
            testset = there.get(name)
            if testset is None:
                cells = ["–", "–", "left out"]
                rows.append(Row((dataset, name), "", f"{title}-{spaced(name)}", cells))
                continue
            size, sources = results.size(dataset, testset), results.sources.get((dataset, name))
            cells = [_shifts_of(testset), "–" if size is None else f"{size:,}"]
            cells.append(" and ".join(sources) if sources else "not evaluated")
            rows.append(Row((dataset, name), "", testset.title_on(title), cells))
    heads = [Column("", title, title.lower()) for title in ("Shifts", "Images", "Source")]
    return Table(
        "testsets", "The test sets, and the number of images of each shift", framed(["dataset", "testset"], heads, rows)
    )


def _shifts_of(testset: TestSet) -> str:
    """The shifts of a test set in a few words: `15 corruptions at 5 severities`."""
    if len(testset.shifts) == 1 and not testset.entering:
        return "–"
    count = len(testset.shifts)
    over = f" at {testset.levels} severities" if testset.levels > 1 else ""
    return f"{count} {testset.noun}{'s' if count > 1 else ''}{over}{' as sequences' if testset.sequence else ''}"


def _sizes(folder: Path) -> list[str]:
    """Counts of training images, test images and classes, and the image size; a dash where unknown."""
    counts, size = [], "–"
    for split in ("train", "test"):
        path = folder / f"{split}_images.npy"
        if path.is_file():
            count, height, width, _ = read_images(folder, split).shape
            counts.append(f"{count:,}")
            size = f"{height} × {width}"
        else:
            counts.append("–")
    classes = "–"
    if (folder / "dataset.json").is_file():
        classes = f"{len(read_mapping(folder / 'dataset.json', {'classes': list})['classes']):,}"
    return [*counts, classes, size]


def _left_out(results: Results) -> Iterator[str]:
    """The test sets without figures, and why they have none."""
    configured: list[str] = []
    unevaluated: list[str] = []
    for dataset, entry in results.datasets.items():
        title, testsets = results.dataset_title(dataset), results.testsets[dataset]
        configured += [
            f"{title}-{spaced(name)}"
            for name in entry["testsets"]
            if name not in {testset.name for testset in testsets}
        ]
        if any(results.shifts(dataset, testset) for testset in testsets):
            unevaluated += [t.title_on(title) for t in testsets if not results.shifts(dataset, t)]
    if unevaluated:
        yield f"No finished run was evaluated on {enumerated(unevaluated)}."
    if configured:
        yield f"The configuration leaves out {enumerated(configured)}."


def _measures(results: Results) -> Iterator[dict[str, str | None]]:
    """Each mean and each measure that the report has: its name, the work that it is from, and its definition."""
    for first in {family.first.kind: family.first for family, _ in results.judged}.values():
        if first.entering:
            over = f"{first.noun}s" + (f" and {count_word(first.levels)} severities" if first.levels > 1 else "")
            averaged = f"the {measure_of(first).phrase} averaged over {over}"
            yield {"term": f"{first.mean_title} ({first.mean})", "reference": None, "meaning": averaged}
    used = set(results.metrics["metric"])
    for measure in (measure for measure in MEASURES.values() if measure.name in used):
        yield {"term": measure.phrase, "reference": measure.reference or None, "meaning": measure.meaning}


def _direction(results: Results) -> str:
    """A sentence that says in which direction the measures are better."""
    used = set(results.metrics["metric"])
    higher = [measure.phrase for measure in MEASURES.values() if measure.name in used and not measure.lower_is_better]
    if not higher:
        return "Lower is better for all of them."
    return f"Lower is better, but for the {enumerated(higher)}."


def _samples(results: Results) -> list[list[str]]:
    """The kinds of sample sheets, each with how a sentence about them goes on."""
    said = {"views": "views of test images by AugMix"}
    for family in results.families:
        first = family.first
        each = (
            f"each {first.noun} at its {count_word(first.levels)} severities"
            if first.levels > 1
            else f"images of {first.title}"
        )
        if first.sequence:
            each = f"frames of the sequence of each {first.noun}"
        said.setdefault(family.stem(f"{first.noun}_sample"), each)
    return [[kind, text] for kind, text in said.items()]


def _shifts(results: Results, tables: list[Table]) -> list[dict[str, str]]:
    """A section on each test set of several shifts: its heading, its table, and the kinds of its figures."""
    names = {table.name for table in tables}
    return [
        {
            "title": f"{sentence(noun)} by {noun}" + ("" if family.usual else f": {family.first.title}"),
            "table": family.stem(f"{noun}s"),
            "curves": family.stem("severity") if family.first.levels > 1 else "",
            "said": f"break the {measure_of(family.first).phrase} down by {noun}",
        }
        for family in results.families
        for noun in [family.first.noun]
        if family.stem(f"{noun}s") in names
    ]


def _few_images(results: Results) -> Iterator[str]:
    """The figures that rest on the images of one shift alone, and these are few."""
    for dataset in results.datasets:
        for testset in results.testsets[dataset]:
            size = results.size(dataset, testset)
            if size is None or size >= FEW_IMAGES or testset.entering or headline_of(testset) is None:
                continue
            if testset.outside:  # its figure is no share of its images
                continue
            title, images = sentence(results.title_of(dataset, testset)), f"{size:,} test images"
            yield f"{title} has {images}: one of them is {100 / size:.2f} points of {headline_phrase(testset)}."
