"""Tables as LaTeX that fits a two-column article: in a column or across the page, scaled down where needed."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import pandas as pd

from reports.layout import Table, upright, written_notes

COLUMN = 50
"""Characters side by side that fit a column in \\footnotesize; a wider table goes across the page."""
PAGE = 105
"""Characters that fit the page; the longest texts share what the other columns leave of it."""
LONG = 24
"""Characters; longer texts are set as paragraphs, and longer words may be broken."""
NARROWEST = 16
"""Characters that a column of paragraphs has at least."""
LINES = 34
"""Lines of a table on one page, beside its caption and its notes; one with more is continued on the next."""
ROTATED = 8
"""Columns; of more, the headings stand upright."""
SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\u200b": r"\allowbreak{}",
    "±": r"$\pm$", "−": "$-$", "→": r"$\rightarrow$", "×": r"$\times$", "·": r"$\cdot$", "‖": r"$\Vert$",
    "≤": r"$\leq$", "≥": r"$\geq$", "†": r"$\dagger$", "λ": r"$\lambda$", "α": r"$\alpha$", "β": r"$\beta$",
    "ε": r"$\varepsilon$", "σ": r"$\sigma$", "<": "$<$", ">": "$>$", "|": "$|$",
}  # fmt: skip


def as_latex(table: Table) -> str:
    """`table` or `table*` environments with caption and label, for the packages array, booktabs and graphicx.

    There are several where the rows need more than a page. Letters beyond Latin and Greek ask for XeLaTeX or LuaLaTeX.
    """
    table = upright(table)
    plain = table.texts("{}", "±", str)
    texts = table.texts(r"\textbf{{{}}}", r"$\pm$", escape_latex)
    rotated = plain.shape[1] > ROTATED
    widths = [max([len(title) * (not rotated), *map(len, cells)]) for (_, title, _), cells in plain.items()]
    label = max(map(len, plain.index.get_level_values(1)))
    shares = _shares(widths, label)
    across = label + sum(width + 2 for width in widths) > COLUMN
    columns = "".join(_column(share, cells) for share, (_, cells) in zip(shares, plain.items(), strict=True))
    pages = list(_pages(plain, shares))
    lines = ["% needs \\usepackage{array,booktabs,graphicx}"]
    for number, rows in enumerate(pages):
        caption = rf"\caption{{{escape_latex(table.caption)}.}}\label{{tab:{table.name}}}"
        notes = escape_latex(" ".join(written_notes(table))) if number == len(pages) - 1 else ""
        lines += [
            rf"\begin{{table{'*' * across}}}\centering\sloppy\footnotesize\setlength{{\tabcolsep}}{{3pt}}",
            r"\addtocounter{table}{-1}\caption[]{(continued)}" if number else caption,
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{@{{}}l{columns}@{{}}}}",
            r"\toprule",
            *_headings(texts.columns, rotated),
            *_body(texts.iloc[rows]),
            r"\bottomrule",
            r"\end{tabular}}",
            *([rf"\par\smallskip\raggedright {notes}"] if notes else []),
            rf"\end{{table{'*' * across}}}",
        ]
    return "\n".join([*lines, ""])


def _shares(widths: Sequence[int], label: int) -> list[int]:
    """The characters that each column of paragraphs has; 0 for the other columns."""
    long = [width for width in widths if width > LONG]
    left = PAGE - label - 2 * len(widths) - sum(width for width in widths if width <= LONG)
    return [min(width, max(NARROWEST, left // len(long))) if width > LONG else 0 for width in widths]


def _column(share: int, cells: pd.Series) -> str:
    if share:
        return rf">{{\raggedright\arraybackslash}}p{{{share / 2:g}em}}"
    return "r" if any(re.match(r"[−<]?\s?\d", cell) for cell in cells) else "l"


def _pages(plain: pd.DataFrame, shares: Sequence[int]) -> Iterator[slice]:
    """The rows that go on a page together."""
    begin, filled, block = 0, 0, ""
    for i, (key, row) in enumerate(zip(plain.index, plain.to_numpy(), strict=True)):
        wrapped = (-(-len(cell) // share) for share, cell in zip(shares, row, strict=True) if share)
        need = max([1, *wrapped]) + (key[0] != block)
        if filled and filled + need > LINES:
            yield slice(begin, i)
            begin, filled = i, 0
        filled, block = filled + need, key[0]
    yield slice(begin, len(plain))


def _headings(columns: pd.MultiIndex, rotated: bool) -> Iterator[str]:
    """The lines above the first row: the headings that columns share, and their own."""
    if any(columns.get_level_values(0)):
        spans = [(group, len(list(keys))) for group, keys in groupby(columns.get_level_values(0))]
        yield " & ".join(["", *(rf"\multicolumn{{{span}}}{{c}}{{\emph{{{group}}}}}" for group, span in spans)]) + r" \\"
    titles = list(columns.get_level_values(1))
    if any(titles):
        shown = [rf"\rotatebox{{90}}{{{title}}}" if rotated else title for title in titles]
        yield " & ".join(["", *shown]) + r" \\"
        yield r"\midrule"


def _body(texts: pd.DataFrame) -> Iterator[str]:
    """The rows, under the titles of their blocks."""
    for number, (block, part) in enumerate(texts.groupby(level=0, sort=False)):
        if number:
            yield r"\midrule"
        if block:
            yield rf"\multicolumn{{{texts.shape[1] + 1}}}{{@{{}}l@{{}}}}{{\emph{{{block}}}}} \\"
        for key, row in zip(part.index, part.to_numpy(), strict=True):
            # A bracket or a star would be an argument of the line before.
            label = "{}" + key[1] if key[1][:1] in ("[", "*") else key[1]
            yield " & ".join([label, *row]) + r" \\"


def escape_latex(text: str) -> str:
    """Text that LaTeX typesets as it is, with places where a very long word may be broken."""
    text = re.sub(r"[^\s-]{25,}", lambda word: re.sub(r".{12}(?=.)", "\\g<0>\u200b", word[0]), " ".join(text.split()))
    return re.sub(
        r"[#$%&_{}\\~^<>|]|[^\x00-\x7f]",
        lambda found: SPECIAL.get(found[0], found[0] if found[0] > "\x7f" else "\\" + found[0]),
        text,
    )
