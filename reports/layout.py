"""A table, and its writing as CSV, Markdown, LaTeX and as data for the Typst template."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from augmix.files import write_text
from reports.results import Cell

WIDEST = 12
"""Columns; a table of cells with more is printed with rows and columns exchanged."""

PARTIAL = "(k of n): a mean over only k of the n seeds asked for; the others did not finish."


class Column(NamedTuple):
    """A column: its name in CSV, its heading, and the heading that it shares with its neighbours."""

    name: str
    title: str
    group: str = ""


class Row(NamedTuple):
    """A row: its keys in CSV, the block it belongs to, its label, and a cell or text per column."""

    keys: tuple[str, ...]
    block: str
    label: str
    cells: Sequence[Cell | str]


@dataclass(frozen=True)
class Table:
    """A table. `best` says where the lowest figure is set in bold: of each row, or of each column in a block."""

    name: str
    caption: str
    corner: str
    key_names: tuple[str, ...]
    columns: Sequence[Column]
    rows: Sequence[Row]
    best: Literal["row", "column"] | None = None
    deviations: bool = True
    notes: tuple[str, ...] = ()

    @property
    def blocks(self) -> list[str]:
        return list(dict.fromkeys(row.block for row in self.rows))

    def best_cells(self) -> set[tuple[int, int]]:
        """Positions (row, column) of the lowest figures as printed; one figure alone is not a best."""
        lines: list[list[tuple[int, int]]] = []
        if self.best == "row":
            lines = [[(i, j) for j in range(len(self.columns))] for i in range(len(self.rows))]
        elif self.best == "column":
            lines = [
                [(i, j) for i, row in enumerate(self.rows) if row.block == block]
                for block in self.blocks
                for j in range(len(self.columns))
            ]
        found: set[tuple[int, int]] = set()
        for line in lines:
            means = {(i, j): printed_mean(self.rows[i].cells[j]) for i, j in line}
            numbers = [float(value) for value in means.values() if value is not None]
            if len(numbers) > 1:
                found |= {p for p, value in means.items() if value is not None and float(value) == min(numbers)}
        return found

    @property
    def partial(self) -> bool:
        """Whether a cell is a mean over fewer seeds than asked for."""
        return any(isinstance(cell, Cell) and cell.partial for row in self.rows for cell in row.cells)

    def all_notes(self) -> list[str]:
        """The table's notes, with what bold and ± mean."""
        cells = [cell for row in self.rows for cell in row.cells if isinstance(cell, Cell)]
        notes = list(self.notes)
        if self.best and len(self.best_cells()) > 0:
            notes.append(f"Bold: the lowest of each {self.best}.")
        if self.deviations and any(cell.deviation is not None for cell in cells):
            notes.append("±: the sample standard deviation over seeds.")
        elif any(cell.deviation is not None for cell in cells):
            notes.append(f"Standard deviations over seeds: tables/{self.name}.csv.")
        return notes

    def transposed(self) -> "Table":
        """Rows and columns exchanged; blocks become the columns' groups."""
        columns = [Column(" ".join(row.keys), row.label, row.block) for row in self.rows]
        rows = [
            Row((column.name,), column.group, column.title, [row.cells[j] for row in self.rows])
            for j, column in enumerate(self.columns)
        ]
        best: dict[str | None, Literal["row", "column"]] = {"row": "column", "column": "row"}
        return replace(self, corner="", columns=columns, rows=rows, best=best.get(self.best))


def flattened(rows: Sequence[Row]) -> Sequence[Row]:
    """`rows` with the blocks' titles as labels where no block has more than one row."""
    if len({row.block for row in rows}) < len(rows):
        return rows
    return [row._replace(block="", label=row.block) for row in rows]


def printed_mean(cell: Cell | str) -> str | None:
    """The mean as it is printed, or nothing where there is none."""
    return decimal(cell.mean, cell.mean) if isinstance(cell, Cell) and cell.mean is not None else None


def decimal(value: float, beside: float) -> str:
    """`value` with one decimal, or with two where the figure that it stands `beside` is below 1."""
    return f"{value:.{2 if 0 < abs(beside) < 0.995 else 1}f}"


def write_table(folder: Path, table: Table) -> None:
    """Write `table` as CSV, Markdown and LaTeX into `folder`."""
    write_text(folder / f"{table.name}.csv", as_csv(table))
    write_text(folder / f"{table.name}.md", as_markdown(table))
    write_text(folder / f"{table.name}.tex", as_latex(table))


def as_csv(table: Table) -> str:
    """Figures in percent with four decimals; then each column's standard deviation (`_sd`), and remarks."""
    spread = [
        j
        for j in range(len(table.columns))
        if any(isinstance(row.cells[j], Cell) and row.cells[j].deviation is not None for row in table.rows)  # type: ignore[union-attr]
    ]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [*table.key_names, *(column.name for column in table.columns)]
        + [f"{table.columns[j].name}_sd" for j in spread]
        + (["remarks"] if table.partial else [])
    )
    for row in table.rows:
        remarks = "; ".join(
            f"{column.name}: {cell.finished} of {cell.asked} seeds"
            for column, cell in zip(table.columns, row.cells, strict=True)
            if isinstance(cell, Cell) and cell.partial
        )
        writer.writerow(
            [*row.keys, *(_csv_value(cell) for cell in row.cells)]
            + [_csv_deviation(row.cells[j]) for j in spread]
            + ([remarks] if table.partial else [])
        )
    return stream.getvalue()


def _csv_value(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return cell
    return cell.word if cell.mean is None else f"{cell.mean:.4f}"


def _csv_deviation(cell: Cell | str) -> str:
    return f"{cell.deviation:.4f}" if isinstance(cell, Cell) and cell.deviation is not None else ""


def as_markdown(table: Table) -> str:
    """A pipe table per block, captioned, the best figures in bold."""
    best = table.best_cells()
    lines = [f"**{escape_markdown(table.caption)}**", ""]
    for block in table.blocks:
        if block:
            lines += [f"*{escape_markdown(block)}*", ""]
        heads = [table.corner, *(column.title for column in table.columns)]
        lines.append("| " + " | ".join(map(escape_markdown, heads)) + " |")
        textual = all(isinstance(cell, str) for row in table.rows for cell in row.cells)
        lines.append("|---" + ("|---" if textual else "|--:") * len(table.columns) + "|")
        for i, row in enumerate(table.rows):
            if row.block == block:
                texts = [
                    _marked(cell, table.deviations, (i, j) in best, "**{}**", "±", escape_markdown)
                    for j, cell in enumerate(row.cells)
                ]
                lines.append("| " + " | ".join([escape_markdown(row.label), *texts]) + " |")
        lines.append("")
    lines += [escape_markdown(note) + "  " for note in [*table.all_notes(), *[PARTIAL] * table.partial]]
    return "\n".join(lines).rstrip() + "\n"


def as_latex(table: Table) -> str:
    """A `table` environment for the booktabs package."""
    best = table.best_cells()
    width = len(table.columns) + 1
    lines = [r"% needs \usepackage{booktabs}", r"\begin{table}", r"\centering"]
    lines += [rf"\caption{{{escape_latex(table.caption)}}}", rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}"]
    lines += [r"\toprule"]
    if any(column.group for column in table.columns):
        spans = "".join(rf" & \multicolumn{{{n}}}{{c}}{{{escape_latex(g)}}}" for g, n in groups(table.columns))
        lines.append(spans.lstrip() + r" \\")
    lines.append(" & ".join(escape_latex(t) for t in [table.corner, *(c.title for c in table.columns)]) + r" \\")
    for block in table.blocks:
        lines.append(r"\midrule")
        if block:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape_latex(block)}}}}} \\")
        for i, row in enumerate(table.rows):
            if row.block == block:
                texts = [
                    _marked(cell, table.deviations, (i, j) in best, r"\textbf{{{}}}", r"$\pm$", escape_latex)
                    for j, cell in enumerate(row.cells)
                ]
                lines.append(" & ".join([escape_latex(row.label), *texts]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = " ".join(escape_latex(note) for note in [*table.all_notes(), *[PARTIAL] * table.partial])
    lines += [rf"\par\smallskip\footnotesize {notes}"] if notes else []
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _marked(cell: Cell | str, deviations: bool, best: bool, bold: str, sign: str, escape: Any) -> str:
    mean = printed_mean(cell)
    if mean is None:
        return str(escape(cell if isinstance(cell, str) else cell.word))
    assert isinstance(cell, Cell)
    assert cell.mean is not None
    text = bold.format(mean) if best else mean
    if deviations and cell.deviation is not None:
        text += f" {sign} {decimal(cell.deviation, cell.mean)}"
    return text + (f" ({cell.finished} of {cell.asked})" if cell.partial else "")


def as_data(table: Table) -> dict[str, Any]:
    """The table as JSON-able data for the template; a table too wide for the page is turned round."""
    cells = [cell for row in table.rows for cell in row.cells]
    if (
        len(table.columns) > max(WIDEST, len(table.rows))
        and table.deviations
        and all(isinstance(cell, Cell) for cell in cells)
    ):
        table = table.transposed()
    best = table.best_cells()
    return {
        "name": table.name,
        "caption": table.caption,
        "corner": table.corner,
        "columns": [column.title for column in table.columns],
        "groups": [[title, n] for title, n in groups(table.columns)]
        if any(column.group for column in table.columns)
        else [],
        "blocks": [
            {
                "title": block,
                "rows": [
                    _row_data(row, table.deviations, [(i, j) in best for j in range(len(row.cells))])
                    for i, row in enumerate(table.rows)
                    if row.block == block
                ],
            }
            for block in table.blocks
        ],
        "notes": table.all_notes(),
    }


def _row_data(row: Row, deviations: bool, best: Sequence[bool]) -> dict[str, Any]:
    cells = [_cell_data(cell, deviations, b) for cell, b in zip(row.cells, best, strict=True)]
    data: dict[str, Any] = {"label": row.label, "cells": cells}
    marks = {cell.get("partial") for cell in cells}
    if not deviations and len(marks) == 1 and None not in marks:
        data["partial"] = marks.pop()
        for cell in cells:
            del cell["partial"]
    return data


def _cell_data(cell: Cell | str, deviations: bool, best: bool) -> dict[str, Any]:
    if isinstance(cell, str):
        return {"text": cell}
    if cell.mean is None:
        return {"word": cell.word}
    data: dict[str, Any] = {"text": printed_mean(cell), "best": best}
    if deviations and cell.deviation is not None:
        data["deviation"] = decimal(cell.deviation, cell.mean)
    if cell.partial:
        data["partial"] = f"{cell.finished} of {cell.asked}"
    return data


def groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Runs of neighbouring columns with one group heading, and how many columns each spans."""
    found: list[tuple[str, int]] = []
    for column in columns:
        if found and found[-1][0] == column.group:
            found[-1] = (column.group, found[-1][1] + 1)
        else:
            found.append((column.group, 1))
    return found


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~^@])", r"\\\1", " ".join(text.split()))


def escape_latex(text: str) -> str:
    """Text that LaTeX typesets as it is."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    escaped = re.sub(r"[\\~^{}#$%&_]", lambda m: special.get(m[0], "\\" + m[0]), " ".join(text.split()))
    return escaped.replace("±", r"$\pm$").replace("−", "$-$").replace("→", r"$\rightarrow$").replace("×", r"$\times$")
