"""A table, and its writing as CSV, as Markdown and as data for the Typst template."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, product
from typing import Any, Literal, NamedTuple

import pandas as pd

from reports.loaded import Results
from reports.names import architecture_title
from reports.quantities import MEAN, Cell

CONFIDENCE = "95\u00a0%"
"""That of every interval, in print."""
WIDEST = 14
"""Columns; a table of cells with more is printed with rows and columns exchanged."""

ENDS = ("_low", "_high")
PARTIAL = "(k of n): a mean over only k of the n seeds asked for; the others have no such figure."


class Column(NamedTuple):
    """A column: the heading that it shares with its neighbours, its own, and its name in CSV."""

    group: str
    title: str
    name: str


class Row(NamedTuple):
    """A row: its keys in CSV, the block it belongs to, its label, and a cell or text per column."""

    keys: tuple[str, ...]
    block: str
    label: str
    cells: Sequence[Cell | str]


def method_columns(results: Results) -> list[Column]:
    """A column per method."""
    return columns_of({method.name: method.title for method in results.methods})


def columns_of(heads: Mapping[str, str]) -> list[Column]:
    """A column for each name, under its title."""
    return [Column("", title, name) for name, title in heads.items()]


def blocks(results: Results, *, overall: bool = False) -> Iterator[tuple[str, str, str]]:
    """Every data set and architecture, with the title that heads their block of a table.

    With `overall` the mean over the architectures comes last, where there are several.
    """
    over_all = [MEAN] if overall and len(results.architectures) > 1 else []
    for dataset, architecture in product(results.datasets, [*results.architectures, *over_all]):
        title = "mean over the architectures" if architecture == MEAN else architecture_title(architecture)
        yield dataset, architecture, f"{results.dataset_title(dataset)}, {title}"


def framed(keys: Sequence[str], columns: Iterable[Column], rows: Iterable[Row]) -> pd.DataFrame:
    """Rows by block, label and `keys`; columns by group, title and name."""
    rows = list(rows)
    index = pd.MultiIndex.from_tuples([(row.block, row.label, *row.keys) for row in rows], names=["", "", *keys])
    heads = pd.MultiIndex.from_tuples(list(columns), names=["", "", "name"])
    return pd.DataFrame([list(row.cells) for row in rows], index, heads, dtype=object)


class Answer(NamedTuple):
    """A section of the report that answers a question; `figure` is the kind of its figures, if it has any."""

    title: str
    text: list[str]
    tables: list["Table"]
    figure: str = ""


@dataclass(frozen=True)
class Table:
    """A table. `best` says among which figures the best are set in bold: of a row, or of a column in a block."""

    name: str
    caption: str
    cells: pd.DataFrame
    """Cells or texts, as `framed` makes them."""
    best: Literal["row", "column"] | None = None
    deviations: bool = True
    notes: tuple[str, ...] = ()
    full: pd.DataFrame | None = None
    """The CSV's content where that is more than is printed."""

    @cached_property
    def bold(self) -> pd.DataFrame:
        """Whether each figure is one of those that may be the best, where others surely are not."""
        if self.best is None:
            return self.cells.map(lambda cell: False)
        may_be = self.cells.map(lambda cell: isinstance(cell, Cell) and cell.mean is not None and cell.apart is False)
        is_not = self.cells.map(lambda cell: isinstance(cell, Cell) and cell.mean is not None and cell.apart is True)
        if self.best == "row":
            return may_be.mul(is_not.any(axis=1), axis=0)
        return may_be & is_not.groupby(level=0, sort=False).transform("max").astype(bool)

    @cached_property
    def decimals(self) -> pd.DataFrame:
        """The decimals of each figure: those of all of its row where rows are compared along, else of its column."""
        needed = self.cells.map(
            lambda c: decimals_of(c.mean, c.measure.decimals) if isinstance(c, Cell) and c.mean is not None else 0
        )
        axis: Literal["columns", "index"] = "columns" if self.best == "row" else "index"
        return needed.apply(lambda line: line * 0 + line.max(), axis=axis)

    def all_notes(self) -> list[str]:
        """The table's notes, with what bold, ± and brackets mean."""
        cells = [cell for cell in self.cells.to_numpy().ravel() if isinstance(cell, Cell) and cell.mean is not None]
        notes = list(self.notes)
        if self.best is not None and sum(cell.apart is not None for cell in cells) > 1:
            if self.bold.to_numpy().any():
                notes.append(
                    f"Bold: not told apart from the best of its {self.best} (one-sided, {CONFIDENCE} confidence over "
                    "all of it); where none is bold, none is told apart."
                )
            else:
                notes.append(f"None is bold: none is told apart from the best of its {self.best}.")
        if any(cell.deviation is not None for cell in cells):
            where = f"Standard deviations over seeds: tables/{self.name}.csv."
            notes.append("± is the standard deviation over seeds." if self.deviations else where)
        if any(cell.interval is not None for cell in cells):
            notes.append(f"In brackets: the {CONFIDENCE} interval.")
        return notes

    def texts(self, bold: str, sign: str, escape: Callable[[str], str]) -> pd.DataFrame:
        """Every cell, label and heading in a markup."""
        looks = zip(self.cells.to_numpy(), self.bold.to_numpy(), self.decimals.to_numpy(), strict=True)
        rows = [
            [_marked(*look, self.deviations, bold, sign, escape) for look in zip(*row, strict=True)] for row in looks
        ]
        index, columns = self.cells.index, self.cells.columns
        return pd.DataFrame(rows, index, columns, dtype=object).rename(index=escape, columns=escape)

    def remarks(self) -> pd.Series:
        """Name, row by row, the cells that are means over fewer seeds than asked for."""

        def said(row: pd.Series) -> str:
            names = self.cells.columns.get_level_values("name")
            cells = zip(names, row, strict=True)
            partial = {name: cell for name, cell in cells if isinstance(cell, Cell) and cell.partial}
            return "; ".join(f"{name}: {cell.finished} of {cell.asked} seeds" for name, cell in partial.items())

        return pd.Series([said(row) for _, row in self.cells.iterrows()], self.cells.index, dtype=object)


def flattened(rows: Sequence[Row]) -> Sequence[Row]:
    """`rows` with the blocks' titles as labels where no block has more than one row."""
    if len({row.block for row in rows}) < len(rows):
        return rows
    return [row._replace(block="", label=row.block) for row in rows]


def printed_mean(cell: Cell) -> str | None:
    """The mean as it is printed outside tables, or nothing where there is none."""
    return None if cell.mean is None else decimal(cell.mean, cell.mean, cell.measure.decimals)


def decimals_of(figure: float, decimals: int) -> int:
    """So many decimals, or one more where they would show the figure by fewer than two digits."""
    return decimals + (0 < abs(figure) < 0.995 * 10 ** (1 - decimals))


def decimal(value: float, beside: float, decimals: int) -> str:
    """`value` with the decimals that suit the figure `beside` it."""
    return _fixed(value, decimals_of(beside, decimals))


def _fixed(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "−")


def signed(value: float) -> str:
    """A difference with its sign, as typeset: `−4.1`."""
    return f"{value:+.1f}".replace("-", "−")


def as_csv(table: Table) -> str:
    """Figures in their measures' units with four decimals; then deviations (`_sd`), intervals, and remarks."""
    if table.full is not None:
        return str(table.full.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    cells = table.cells.droplevel([0, 1]).droplevel([0, 1], axis=1)
    means = cells.map(lambda c: c if isinstance(c, str) else c.word if c.mean is None else f"{c.mean:.4f}")
    spread = cells.map(lambda c: "" if isinstance(c, str) or c.deviation is None else f"{c.deviation:.4f}")
    spread = spread.loc[:, (spread != "").any()].add_suffix("_sd")
    bounds = [
        cells.map(lambda c, i=i: f"{c.interval[i]:.4f}" if isinstance(c, Cell) and c.interval else "") for i in range(2)
    ]
    ends = [found.loc[:, (found != "").any()].add_suffix(end) for found, end in zip(bounds, ENDS, strict=True)]
    remarks = pd.DataFrame({"remarks": table.remarks().to_numpy()}, cells.index)
    parts = [means, spread, *ends, remarks.loc[:, (remarks != "").any()]]
    return str(pd.concat(parts, axis=1).to_csv(lineterminator="\n"))


def as_markdown(table: Table) -> str:
    """A pipe table per block, captioned, the best figures in bold."""
    texts = table.texts("**{}**", "±", escape_markdown)
    rule = "|---" + ("|---" if _textual(table) else "|--:") * texts.shape[1] + "|"
    lines = [f"**{escape_markdown(table.caption)}**", ""]
    heads = texts.columns.get_level_values(1)
    if not heads.is_unique:  # a pipe table has one row of them, so that they name their groups
        heads = texts.columns.map(lambda column: ": ".join(filter(None, column[:2])))
    for block, part in texts.groupby(level=0, sort=False):
        lines += [f"*{block}*", ""] if block else []
        rows = [
            ["", *heads],
            *([key[1], *row] for key, row in zip(part.index, part.to_numpy(), strict=True)),
        ]
        head, *body = ("| " + " | ".join(row) + " |" for row in rows)
        lines += [head, rule, *body, ""]
    return "\n".join([*lines, *(escape_markdown(note) + "  " for note in written_notes(table))]).rstrip() + "\n"


def written_notes(table: Table) -> list[str]:
    """The notes of a table as a file, whose cells say in brackets how many seeds they rest on."""
    return [*table.all_notes(), *([PARTIAL] if table.remarks().any() else [])]


def _textual(table: Table) -> bool:
    return all(isinstance(cell, str) for cell in table.cells.to_numpy().ravel())


def _marked(
    cell: Any, best: bool, decimals: int, deviations: bool, bold: str, sign: str, escape: Callable[[str], str]
) -> str:
    shown = _cell_data(cell, best, decimals, deviations)
    if "best" not in shown:
        return escape(shown["text"] if "text" in shown else shown["word"])
    text = bold.format(shown["text"]) if best else shown["text"]
    text += f" {sign} {shown['deviation']}" if "deviation" in shown else ""
    text += f" {escape(shown['interval'])}" if "interval" in shown else ""
    return f"{text} ({shown['partial']})" if "partial" in shown else str(text)


def upright(table: Table) -> Table:
    """A table too wide for a page with each block turned round: the rows' labels head its columns."""
    labels = dict.fromkeys(table.cells.index.get_level_values(1))
    if table.cells.shape[1] <= max(WIDEST, len(labels)) or not table.deviations:
        return table
    rows = [
        Row((name,), block, title, [found.get(label, "–") for label in labels])
        for block, part in table.cells.groupby(level=0, sort=False)
        for (_, title, name), cells in part.items()
        for found in [dict(zip(part.index.get_level_values(1), cells, strict=True))]
    ]
    best: dict[Any, Any] = {"row": "column", "column": "row"}
    cells = framed(["method"], columns_of({label: label for label in labels}), rows)
    return replace(table, cells=cells, best=best.get(table.best))


def as_data(table: Table) -> dict[str, Any]:
    """The table as JSON-able data for the template; a table too wide for the page is turned round."""
    table = upright(table)
    looks = (table.cells.to_numpy().tolist(), table.bold.to_numpy().tolist(), table.decimals.to_numpy().tolist())
    rows = [
        (key[0], _row_data(key[1], zip(*row, strict=True), table.deviations))
        for key, *row in zip(table.cells.index, *looks, strict=True)
    ]
    groups = [(group, len(list(keys))) for group, keys in groupby(table.cells.columns.get_level_values(0))]
    return {
        "name": table.name,
        "caption": table.caption,
        "columns": list(table.cells.columns.get_level_values(1)),
        "groups": groups if any(group for group, _ in groups) else [],
        "blocks": [
            {"title": title, "rows": [row for block, row in rows if block == title]}
            for title in dict.fromkeys(block for block, _ in rows)
        ],
        "notes": table.all_notes(),
    }


def _row_data(label: str, looks: Iterable[tuple[Cell | str, bool, int]], deviations: bool) -> dict[str, Any]:
    cells = [_cell_data(*look, deviations) for look in looks]
    data: dict[str, Any] = {"label": label, "cells": cells}
    marks = {cell.get("partial") for cell in cells}
    if not deviations and len(marks) == 1 and None not in marks:
        data["partial"] = marks.pop()
        for cell in cells:
            del cell["partial"]
    return data


def _cell_data(cell: Cell | str, best: bool, decimals: int, deviations: bool) -> dict[str, Any]:
    if isinstance(cell, str):
        return {"text": cell}
    if cell.mean is None:
        return {"word": cell.word}
    data: dict[str, Any] = {"text": _fixed(cell.mean, decimals), "best": best}
    if deviations and cell.deviation is not None:
        data["deviation"] = _fixed(cell.deviation, decimals)
    if cell.interval is not None:
        data["interval"] = f"[{', '.join(_fixed(bound, decimals) for bound in cell.interval)}]"
    if cell.partial:
        data["partial"] = f"{cell.finished} of {cell.asked}"
    return data


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~^@])", r"\\\1", " ".join(text.split()))
