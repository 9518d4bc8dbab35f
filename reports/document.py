"""What the typeset report says, as data for report.typ: set-up, sentences, tables, figures, provenance."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from augmix.errors import UserError
from augmix.suite.data.datasets import read_images
from augmix.suite.io.files import read_json
from reports.layout import Column, Row, Table, as_data, flattened, framed
from reports.names import HELD_OUT, Method, architecture_title, group_of, spaced
from reports.questions import answers
from reports.results import CLEAN_ERROR, Place, Results, majority, records
from reports.style import Drawing
from reports.tables import duration, main_table, method_columns, printed_runs
from reports.verdict import judge
from reports.words import listed, sentence

FEW_IMAGES = 2000
UNSAID = [("warmup_epochs", 0), ("milestones", []), ("compile", False), ("processes", 1)]
"""Settings of a recipe that go without saying."""
REFERENCES = Path(__file__).with_name("references.yaml")


def document(results: Results, data: Path, tables: list[Table], figures: Mapping[str, list[Drawing]]) -> dict[str, Any]:
    """Everything that the template prints, JSON-able."""
    verdict = judge(results)
    date = latest(results)
    known = yaml.safe_load(REFERENCES.read_text(encoding="utf-8"))
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
                *(printed_runs(table) if table.name == "runs" else table for table in tables),
                main_table(tables),
                _datasets(results, data),
                _provenance(results),
                _times(results),
            )
        },
        "questions": [{**a._asdict(), "tables": [table.name for table in a.tables]} for a in answers(results)],
        "recipe": [
            [spaced(key), _setting(value)]
            for key, value in results.config["training"].items()
            if (key, value) not in UNSAID
        ],
        "recipe_changes": _recipe_changes(results),
        "architectures": [_architecture(results, name, known) for name in results.architectures],
        "methods": [_method(method, known) for method in results.methods],
        "references": sorted(
            {entry["loader"].removesuffix("100").removesuffix("10") for entry in results.datasets.values()}
            & known.keys()
        ),
        "figures": {results.dataset_title(d): [f._asdict() for f in drawn] for d, drawn in figures.items() if drawn},
        "left_out": _left_out(results),
        "generated": [
            results.dataset_title(dataset) + f"-{benchmark}"
            for (dataset, benchmark), sources in results.sources.items()
            if benchmark in ("C", "P") and any(source.startswith("generated") for source in sources)
        ],
        "few_images": [
            f"{sentence(results.dataset_title(dataset))} has {images:,} test images: one of them is "
            f"{100 / images:.2f} points of clean error."
            for dataset, images in results.test_images.items()
            if images is not None and images < FEW_IMAGES
        ],
        "held_out": sorted(
            {spaced(s) for d in results.datasets for s in results.shifts("C", d) if group_of(s) == HELD_OUT}
        ),
    }


def _day(timestamp: float) -> str:
    day = datetime.fromtimestamp(timestamp, UTC)
    return f"{day.day} {day:%B %Y}"


def latest(results: Results) -> float | None:
    """When the latest run ended its last epoch, in unix seconds: the report's date."""
    ends = [float(results.history(run)["timestamp"].max()) for run in records(results.runs)]
    return max((end for end in ends if end == end), default=None)


def _method(method: Method, known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": method.title,
        "description": method.description,
        "source": method.source,
        "reference": method.preset if method.preset in known and method.preset != "augmix" else None,
    }


def _architecture(results: Results, name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    sizes = results.runs[results.runs["arch"] == name]["parameters"].dropna().value_counts().index
    return {
        "title": architecture_title(name),
        "parameters": " or ".join(f"{size:,.0f}" for size in sizes),
        "reference": name if name in known else None,
    }


def _datasets(results: Results, data: Path) -> Table:
    columns = ("train", "test", "classes", "size", "flips", "-C", "-P")
    titles = ("Train", "Test", "Classes", "Size", "Flips", "Source of -C", "Source of -P")
    rows = [
        Row(
            (dataset,),
            "",
            results.dataset_title(dataset),
            [*_sizes(data / dataset), "yes" if entry.get("flip") else "no"]
            + [_benchmark(results, dataset, benchmark) for benchmark in ("C", "P")],
        )
        for dataset, entry in results.datasets.items()
    ]
    heads = [Column("", title, name) for name, title in zip(columns, titles, strict=True)]
    return Table("datasets", "The data sets and their benchmarks", framed(["dataset"], heads, rows))


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
        noted = read_json(folder / "dataset.json")
        if not isinstance(noted, dict) or not isinstance(noted.get("classes"), list):
            raise UserError(f"{folder / 'dataset.json'} lists no classes; run `augmix prepare` again")
        classes = f"{len(noted['classes']):,}"
    return [*counts, classes, size]


def _benchmark(results: Results, dataset: str, benchmark: str) -> str:
    """The benchmark's source and, where it is not the whole test set, how many images."""
    sources = results.sources.get((dataset, benchmark))
    if not sources:
        return "not evaluated"
    images = results.datasets[dataset].get({"C": "corruption_images", "P": "perturbation_images"}[benchmark])
    return " and ".join(sources) + (f", {images:,} images" if images else "")


def _recipe_changes(results: Results) -> list[str]:
    """Where an architecture or a method departs from the common recipe."""
    titles = {method.name: method.title for method in results.all_methods}
    entries = [(architecture_title(e["name"]), e) for e in results.config["architectures"]]
    entries += [(titles[e["name"]], e) for e in results.config["methods"]]
    return [
        f"{title}: " + ", ".join(f"{spaced(key)} {_setting(value)}" for key, value in entry["training"].items())
        for title, entry in entries
        if entry.get("training")
    ]


def _setting(value: Any) -> str:
    if isinstance(value, float):
        factor, power, exponent = f"{value:g}".partition("e")
        if not power:
            return factor
        return f"{factor}·10{exponent_of(exponent)}".removeprefix("1·")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return listed([str(item) for item in value]) if value else "none"
    return str(value)


def exponent_of(text: str) -> str:
    """`-06` as ⁻⁶."""
    return str(int(text)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _provenance(results: Results) -> Table:
    """What the finished runs were made with; several values are all listed, with the number of runs of each."""
    done = results.runs[results.runs["status"] == "done"]
    recorded = [results.provenance(run) for run in records(done)]
    packages = [p.get("packages") or {} for p in recorded]
    facts: dict[str, Iterable[str]] = {
        "augmix": [str(p.get("augmix", "")) for p in recorded],
        "commit": done["commit"].str[:12],
        "uncommitted changes": done["dirty"].str.lower().replace({"true": "yes", "false": "no"}),
        "source hash": done["source_hash"].str[:16],
        "Python": done["python"],
        "torch": done["torch"],
        **{
            name: [str(p.get(name, "")) for p in packages]
            for name in sorted({key for p in packages for key in p} - {"torch"})
        },
        "platform": done["platform"],
        "device": done["device"],
        "threads": [f"{threads:g}" for threads in done["threads"].dropna()],
    }
    rows = [Row((name,), "", name, [tally]) for name, values in facts.items() if (tally := _tally(list(values)))]
    caption = "What the finished runs were made with"
    return Table("provenance", caption, framed(["fact"], [Column("", "", "value")], rows))


def _tally(values: list[str]) -> str:
    """The distinct values; with the number of runs of each when there are several."""
    distinct = majority(values)
    if len(distinct) < 2:
        return distinct[0] if distinct else ""
    return ", ".join(f"{value} ({values.count(value)} run{'s' * (values.count(value) > 1)})" for value in distinct)


def _times(results: Results) -> Table:
    """Wall time of a run: methods across, architectures down, the mean over the seeds that finished."""
    rows = [
        Row(
            (stage, dataset, architecture),
            f"{title}, {results.dataset_title(dataset)}",
            architecture_title(architecture),
            [
                duration(results.runs_at(Place(dataset, architecture, method.name))[f"{stage}_seconds"].mean())
                for method in results.methods
            ],
        )
        for stage, title in (("train", "Training"), ("evaluate", "Evaluation"))
        for dataset in results.datasets
        for architecture in results.architectures
    ]
    cells = framed(["stage", "dataset", "architecture"], method_columns(results), flattened(rows))
    return Table("times", "Wall time of a run, the mean over seeds", cells)


def _left_out(results: Results) -> list[str]:
    """Which sections are missing, and why."""
    said = []
    for benchmark in ("C", "P"):
        without = [
            results.dataset_title(d)
            for d in results.datasets
            if results.has(CLEAN_ERROR, d) and not results.shifts(benchmark, d)
        ]
        if without:
            said.append(f"No finished run was evaluated on {', '.join(f'{title}-{benchmark}' for title in without)}.")
    return said
