"""The page that MLflow's UI opens on: its columns, order and groups, and what it says of the experiment."""

import json
from collections.abc import Iterable, Sequence

from augmix.suite.evaluate.measures import MEASURES

VIEW = "augmix"
"""The name of the view, as the page's address gives it."""
_TRAINING = "workflowType=machine_learning"  # the menu for nets, and not for language models
NOTE = "mlflow.note.content"
_FIRST = "Written by `augmix track sync`."


def address(server: str, experiment: str) -> str:
    """The page of an experiment, by its identifier."""
    return f"{server}/#/experiments/{experiment}/runs?viewStateShareKey={VIEW}&{_TRAINING}"


def tags(
    experiment: str, note: str | None, paths: Iterable[str], columns: Sequence[str], report: str | None
) -> dict[str, str]:
    """The tags of an experiment with runs at `paths` that make its page.

    `columns` are its headlines' names, `report` is the identifier of the run with the report. A `note` of somebody's
    own stays.
    """
    found = {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(_view(paths, columns)),
    }
    return found if note and not note.startswith(_FIRST) else {**found, NOTE: _note(experiment, columns, report)}


def _view(paths: Iterable[str], columns: Sequence[str]) -> dict[str, object]:
    """The state of the page, as its button "Share" stores it."""
    values = zip(*(path.split("/")[:3] for path in paths), strict=True)
    differing = [
        key for key, found in zip(("dataset", "architecture", "method"), values, strict=True) if len(set(found)) > 1
    ]
    names = [f"metrics.`{name}`" for name in columns]
    order = {"orderByKey": next((name for name in names if name.endswith("/mCE`")), names[0])} if names else {}
    return {
        "selectedColumns": names,
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": key} for key in differing or ["method"]],
        },
        **order,
        "orderByAsc": True,
    }


def _note(experiment: str, columns: Sequence[str], report: str | None) -> str:
    """The experiment's description, in Markdown."""
    first = [_FIRST]  # the page shows the first line alone, unless it is asked for more
    if report is not None:
        page = f"#/experiments/{experiment}/runs/{report}/artifacts"
        links = {"The report": "/report.html", "as PDF": "/report.pdf", "all its files": ""}
        said = [f"[{title}]({page}{path}?{_TRAINING})" for title, path in links.items()]
        first.append(f"{', '.join(said)}.")
    lines = [" ".join(first), "The files in the results folder are the truth, and this mirrors them."]
    if columns:
        lines.append(f"{', '.join(f'`{name}`' for name in columns)} are fractions; lower is better.")
    lines.append("\n".join(f"- `{measure.name}`: {measure.remark}" for measure in MEASURES.values()))
    return "\n\n".join(lines)
