"""Write the tables of results from the runs of record: `python -m reports.readme results/fashion`.

The figures, the answers to the experiment's questions, and what they were made with go to docs/results/<experiment>/.
Between the marks `<!-- results: fashion -->` and `<!-- end of results -->` of README.md or docs/results.md stands what
is made of these files alone: the answers, or where there are none the figures. Without an argument, the text between
all marks is made again.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate import durations
from augmix.suite.io import times
from augmix.suite.io.files import read_csv, read_json, read_mapping, write_csv, write_json, write_text
from augmix.suite.io.progress import duration
from reports import beside
from reports.document import latest
from reports.evidence import between, compared_cells, control_names
from reports.layout import CONFIDENCE, as_markdown, decimal
from reports.loaded import Results, load, majority, records
from reports.names import architecture_title, headline_title
from reports.quantities import Place
from reports.questions import answers
from reports.words import count_word, enumerated, plural

CHECKOUT = Path(__file__).parents[1]
RECORDS = CHECKOUT / "docs" / "results"
PAGES = (CHECKOUT / "README.md", CHECKOUT / "docs" / "results.md")
FIGURES, ANSWERS, MADE = "figures.csv", "answers.json", "made.json"
COLUMNS = (
    "dataset", "architecture", "figure", "unit", "decimals", "method", "mean", "deviation", "seeds", "best",
    "against", "difference", "low", "high", "interval_over", "significant",
)  # fmt: skip
END = "<!-- end of results -->"


def record(results: Results, folder: Path) -> None:
    """Write the figures of record in their measures' units, the answers, and what they were made with into `folder`."""
    figures = list(_figures(results))
    if not figures:
        raise UserError(f"{results.folder}: no run has finished, so that there is nothing to record")
    write_csv(folder / FIGURES, COLUMNS, figures)
    found = [{**a._asdict(), "tables": [as_markdown(table) for table in a.tables]} for a in answers(results)]
    if found:
        write_json(folder / ANSWERS, found)
    else:  # nor those of a former record
        (folder / ANSWERS).unlink(missing_ok=True)
    write_csv(folder / beside.FILE, beside.COLUMNS, beside.rows(results))
    write_json(folder / MADE, _made(results))


def _figures(results: Results) -> Iterator[Sequence[Any]]:
    control = next(iter(control_names(results)), None)
    architecture = results.overall_architecture
    for family, quantity in ((family, quantity) for family, quantity in results.judged if family.usual):
        for dataset, testset in family.members.items():
            cells = compared_cells(results, dataset, architecture, quantity)
            told_apart = any(cell.apart for cell in cells)
            for method, cell in zip(results.methods, cells, strict=True):
                place = Place(dataset, architecture, method.name)
                found = None
                if control is not None and control != method.name:
                    found = between(results, place, place._replace(method=control), quantity)
                low, high = (found and found.interval) or (None, None)
                values = (cell.mean, cell.deviation, found and found.points, low, high)
                mean, deviation, *ends = map(beside.text, values)
                yield (
                    *(results.dataset_title(dataset), architecture_title(architecture), headline_title(testset)),
                    *(quantity.measure.unit, quantity.measure.decimals, method.title, mean, deviation),
                    *(cell.finished, beside.text(told_apart and cell.apart is False)),
                    *(results.titles[control] if found is not None and control else "", *ends),
                    "" if low is None or found is None else "seeds and images" if found.over_images else "seeds",
                    beside.text(found and found.significant),
                )


def _made(results: Results) -> dict[str, Any]:
    done = results.runs[results.runs["status"] == "done"]
    machines = [results.provenance(run).get("cpu") or run["platform"] for run in records(done)]
    folders = {"data": str(results.data), "results": str(results.folder.parent)}
    jobs = durations.jobs(Experiment({**results.config, "folders": folders}))
    last = latest(results)
    return {
        "experiment": results.config["experiment"],
        "day": pd.Timestamp(last, unit="s").strftime("%Y-%m-%d") if last else None,
        "runs": len(done),
        "asked": len(results.runs),
        "seeds": len(results.config["seeds"]),
        "taken_over": sum(_is_taken_over(results, run) for run in records(done)),
        "epochs": results.config["training"]["epochs"],
        "other_epochs": {
            results.titles[entry["name"]]: epochs
            for entry in results.config["methods"]
            if (epochs := (entry.get("training") or {}).get("epochs")) and entry["name"] in results.titles
        },
        "parameters": majority(f"{count:,.0f}" for count in done["parameters"].dropna()),
        "test_images": [count for count in results.test_images.values() if count],
        "commit": majority(done["commit"].str[:12]),
        "uncommitted_changes": bool(done["dirty"].str.lower().eq("true").any()),
        "torch": majority(done["torch"]),
        "machine": majority(machines),
        "device": majority(done["device"]),
        "threads": majority(f"{threads:g}" for threads in done["threads"].dropna()),
        "seconds": round(durations.elapsed(jobs)) if jobs else None,
        "at_a_time": round(sum(durations.spent(jobs).values()) / durations.elapsed(jobs), 1) if jobs else None,
    }


def _is_taken_over(results: Results, run: Mapping[str, Any]) -> bool:
    """Whether a run's net is another experiment's: its own job spent no time on training, or next to none."""
    job = times.read(results.run_folder(run) / "train.log")
    return job is not None and job.spent.get("training", 0.0) < float(run["train_seconds"]) / 10


def printed(folder: Path, page: Path) -> str:
    """The answers or the tables of a page, and the paragraph beneath them, of the files of record in `folder`."""
    rows = pd.DataFrame(read_csv(folder / FIGURES, COLUMNS))
    made = read_mapping(folder / MADE, {"experiment": str, "runs": int, "seeds": int, "machine": list})
    made_with = f"{_made_with(made)} [All figures]({os.path.relpath(folder / FIGURES, page.parent)})."
    made_with = " ".join(filter(None, [_unequal(rows, made), made_with]))
    if (folder / ANSWERS).exists():
        parts = []
        for answer in read_json(folder / ANSWERS):
            parts += [f"### {answer['title']}", " ".join(answer["text"]), *map(str.strip, answer["tables"])]
        return "\n\n".join([*parts, made_with])
    parts = [_table(title, part) for title, part in rows.groupby("dataset", sort=False)]
    return "\n\n".join([*parts, f"{_how_to_read(rows, made)} {made_with}"])


def _table(title: Any, rows: pd.DataFrame) -> str:
    """Methods down, and across each figure with its difference from the method that all are compared with."""
    against = next((name for name in rows["against"] if name), "")
    head, body = [str(title)], {method: [method] for method in dict.fromkeys(rows["method"])}
    for figure, part in rows.groupby("figure", sort=False):
        unit = part["unit"].iloc[0]
        head += [f"{figure}, {unit}", *([f"minus {against}"] if against else [])]
        by_method = {row["method"]: row for row in part.to_dict("records")}
        for method, cells in body.items():
            row = by_method.get(method)
            cells.append("–" if row is None or not row["mean"] else _mean(row))
            if against:
                cells.append("" if row is None or not row["against"] else difference(row))
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *body.values()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _mean(row: dict[Any, Any]) -> str:
    mean, decimals = float(row["mean"]), int(row["decimals"])
    text = decimal(mean, mean, decimals)
    text = f"**{text}**" if row["best"] == "true" else text
    return f"{text} ± {decimal(float(row['deviation']), mean, decimals)}" if row["deviation"] else text


def difference(row: Mapping[Any, Any]) -> str:
    """A difference of record in print, with its interval and whether it is significant."""
    points, decimals = float(row["difference"]), int(row["decimals"])
    said = f"{'+' if points > 0 else ''}{decimal(points, points, decimals)}"
    if row["low"]:
        said += f" [{', '.join(decimal(float(row[end]), points, decimals) for end in ('low', 'high'))}]"
    return said + (r"\*" if row["significant"] == "true" else "")


def _how_to_read(rows: pd.DataFrame, made: dict[str, Any]) -> str:
    seeds, several = made["seeds"], made["seeds"] > 1
    said = [f"Means over {count_word(seeds)} seeds ± their standard deviation." if several else "Of one seed."]
    if over := {row for row in rows["interval_over"] if row}:
        images = " and other test images" if over == {"seeds and images"} else ""
        said.append(
            f"In brackets stands the {CONFIDENCE} interval of a difference over other seeds{images}, which holds for "
            r"all methods at once in each figure; \*: the difference is significant."
        )
    if (rows["best"] == "true").any():
        said.append("Bold are the figures that are not told apart from the best.")
    return " ".join(said)


def _unequal(rows: pd.DataFrame, made: dict[str, Any]) -> str:
    """A sentence on the methods that have fewer seeds than were asked for; empty where there are none."""
    several = rows["dataset"].nunique() > 1
    counts: dict[str, int] = {}
    for row in rows.to_dict("records"):
        name = f"{row['method']} on {row['dataset']}" if several else row["method"]
        counts[name] = min(int(row["seeds"]), counts.get(name, made["seeds"]))
    few = [f"{name} has {count_word(n) if n else 'none'}" for name, n in counts.items() if n < made["seeds"]]
    return f"Not all methods have {plural(made['seeds'], 'seed')}: {enumerated(few)}." if few else ""


def _made_with(made: dict[str, Any]) -> str:
    finished = f"{made['runs']} runs" if made["runs"] == made["asked"] else f"{made['runs']} of {made['asked']} runs"
    jobs = f"{made['at_a_time']:g} job{'s' * (made['at_a_time'] != 1)} at a time" if made["seconds"] else ""
    took = f", in {duration(made['seconds'])}, {jobs}" if jobs else ""
    nets = f", nets of {enumerated(made['parameters'])} parameters" if made["parameters"] else ""
    tests = enumerated([f"{count:,}" for count in made["test_images"]]) if made["test_images"] else ""
    dirty = " with uncommitted changes" if made["uncommitted_changes"] else ""
    where = f"commit {_known(made['commit'])}{dirty}, torch {_known(made['torch'])}, {_known(made['machine'])}"
    longer = enumerated([f"{method} {epochs}" for method, epochs in made.get("other_epochs", {}).items()] or [""])
    of = f"{plural(made['epochs'], 'epoch')}{f' ({longer})' if longer else ''}"
    if taken := made.get("taken_over", 0):
        nets += f", {'all' if taken == made['runs'] else count_word(taken)} of them trained in another experiment"
    return (
        f"They are {finished} of {of}{nets}{f', {tests} test images' if tests else ''}; "
        f"{made['day']}, {where}{took}. Another machine gives other bits, and figures that differ from these within "
        "that spread: so may the order of methods that are not told apart."
    )


def _known(names: Sequence[str]) -> str:
    return enumerated(names) if names else "unknown"


def write(pages: Sequence[Path], recorded: Path) -> list[str]:
    """Make the tables of the pages again; returns the experiments whose figures are in them.

    Raises `UserError` where an experiment of `recorded` has no place in any, and leaves all as they are.
    """
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    names = sorted(path.parent.name for path in recorded.glob(f"*/{FIGURES}"))
    for name in names:
        mark = f"<!-- results: {name} -->"
        places = {
            page: re.search(rf"{re.escape(mark)}\n(.*?){re.escape(END)}", texts[page], re.DOTALL) for page in pages
        }
        if not any(places.values()):
            where = " and ".join(page.name for page in pages)
            raise UserError(f"{where} have no place for the figures of {name}: the lines `{mark}` and `{END}`")
        for page, place in places.items():
            if place is not None:
                text = f"{texts[page][: place.start(1)]}{printed(recorded / name, page)}\n{texts[page][place.end(1) :]}"
                texts[page] = text
    for page, text in texts.items():
        write_text(page, text)
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Record an experiment's figures and write the tables; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m reports.readme", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="results/<experiment>, to record its figures")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder of all data (default: data)")
    args = parser.parse_args(arguments)
    try:
        if args.folder is not None:
            results = load(args.folder, args.data)
            record(results, RECORDS / results.config["experiment"])
        names = write(PAGES, RECORDS)
        print(f"{' and '.join(map(str, PAGES))}: the figures of {', '.join(names) or 'none'}")
    except UserError as error:
        print(f"reports.readme: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
