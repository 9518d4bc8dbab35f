"""The tables of the appendix: hyper-parameters as they were resolved, and the code and machines behind the runs."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from reports.compute import compute_seconds, kind_of_compute, time_in_print
from reports.layout import Column, Row, Table, framed
from reports.loaded import Results, majority, records
from reports.names import architecture_title, spaced
from reports.words import plural, setting_in_print

MOST_DIGESTS = 4
"""The table of provenance lists the digests of the code where there are no more."""


def recipe_changes(results: Results) -> list[str]:
    """The settings in which an architecture or a method departs from the common recipe."""
    entries = [(architecture_title(e["name"]), e) for e in results.config["architectures"]]
    entries += [(results.titles[e["name"]], e) for e in results.config["methods"]]
    return [f"{title}: {_in_print(entry['training'], ', ')}" for title, entry in entries if entry.get("training")]


def settings_table(results: Results) -> Table:
    """Every setting of the trainings and parameter of the methods, as they were resolved."""
    own = {entry["name"]: entry.get("training") or {} for entry in results.config["methods"]}
    said = {"all runs": ("All runs", "", results.config["training"])}
    said |= {
        entry["name"]: (architecture_title(entry["name"]), "", entry["training"])
        for entry in results.config["architectures"]
        if entry.get("training")
    }
    said |= {
        method.name: (method.title, method.settings or "no parameters", own[method.name]) for method in results.methods
    }
    rows = [
        Row((name,), "", title, ["; ".join(filter(None, (parameters, _in_print(training, "; "))))])
        for name, (title, parameters, training) in said.items()
    ]
    caption = (
        "Hyper-parameters as they were resolved: the training's, then each method's with what its training changes"
    )
    return Table("settings", caption, framed(["of"], [Column("", "", "settings")], rows))


def _in_print(settings: Mapping[str, Any], between: str) -> str:
    return between.join(f"{spaced(key)} {setting_in_print(value)}" for key, value in settings.items())


def provenance_table(results: Results) -> Table:
    """The code, packages and machines of the finished runs; of several values, each with its number of runs."""
    done = results.runs[results.runs["status"] == "done"]
    recorded = [results.provenance(run) for run in records(done)]
    packages = [p.get("packages") or {} for p in recorded]
    facts: dict[str, Iterable[str]] = {
        "augmix": [str(p.get("augmix", "")) for p in recorded],
        "commit": done["commit"].str[:12],
        "uncommitted changes": done["dirty"].str.lower().replace({"true": "yes", "false": "no", "": "unknown"}),
        "code": _code(done["code"].str[:16]),
        "Python": done["python"],
        "torch": done["torch"],
        **{
            name: [str(p.get(name, "")) for p in packages]
            for name in sorted({key for p in packages for key in p} - {"torch"})
        },
        "platform": done["platform"],
        "processor": [str(p.get("cpu", "")) for p in recorded],
        "device": done["device"],
        **{
            title: [str(p[key]) for p in recorded if p.get(key)]
            for title, key in (
                ("precision", "precision"),
                ("driver", "driver"),
                ("CUDA", "cuda"),
                ("cuDNN", "cudnn"),
            )
        },
        "threads": [f"{threads:g}" for threads in done["threads"].dropna()],
        f"{kind_of_compute(results)} of all trainings": _total(done),
    }
    rows = [Row((name,), "", name, [tally]) for name, values in facts.items() if (tally := _tally(list(values)))]
    caption = "What the finished runs were made with"
    return Table("provenance", caption, framed(["fact"], [Column("", "", "value")], rows))


def _total(done: pd.DataFrame) -> list[str]:
    """The compute of the finished runs together, and of how many it is known."""
    seconds = compute_seconds(done).dropna()
    return [f"{time_in_print(seconds.sum())}, {plural(len(seconds), 'run')}"] if len(seconds) else []


def _tally(values: list[str]) -> str:
    """The distinct values; with the number of runs of each when there are several."""
    distinct = majority(values)
    if len(distinct) < 2:
        return distinct[0] if distinct else ""
    return ", ".join(f"{value} ({values.count(value)} run{'s' * (values.count(value) > 1)})" for value in distinct)


def _code(digests: pd.Series) -> list[str]:
    """The digests of the code of some runs, or how many there are: methods and architectures have their own."""
    count = len(majority(digests))
    return list(digests) if count <= MOST_DIGESTS else [f"{count} digests, as methods and nets differ: runs.csv"]
