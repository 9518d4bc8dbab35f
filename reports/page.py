"""The report as one HTML file: the sentences and tables of report.typ, and figures that answer the mouse."""

import re
from collections.abc import Iterable
from pathlib import Path

from augmix.errors import UserError
from reports.hover import POINTS
from reports.style import WIDTH

HERE = Path(__file__).parent
UNWRAPPED = """\
#show selector.or(pad, align, block, place, box, columns, move, scale, rotate, rect): it => it.body
#let inner(one) = if type(one) == content { one.at("body", default: one) }
#show selector.or(grid, stack): it => it.children.map(inner).join(" ")
"""
"""Typst leaves out of HTML what lies in containers that are layout alone: their content takes their place."""
IMAGE = re.compile("<img [^>]*>")


def web_page(root: Path, figures: Path, names: Iterable[str], timestamp: int) -> str:
    """The page of what `root` holds: report.typ, report.json and its figures; `figures` has those as SVG.

    It refers to nothing outside of itself. The same inputs give the same text.
    """
    import typst

    (root / "page.typ").write_text(f'{UNWRAPPED}#include "report.typ"\n', encoding="utf-8")
    try:
        made = typst.compile(root / "page.typ", root=root, format="html", ignore_system_fonts=True, timestamp=timestamp)
    except typst.TypstError as error:
        raise UserError(f"the report cannot be written as HTML: {' '.join(str(error).split())}") from error
    text = bytes(made).decode("utf-8")
    for name in names:
        head, there, rest = text.partition(f'<figure id="figure-{name}">')
        drawn = (figures / f"{name}.svg").read_text(encoding="utf-8")
        if width := re.search(r'width="([\d.]+)pt"', drawn):
            share = float(width[1]) / (POINTS * WIDTH)  # of the page, as on paper
            drawn = drawn.replace("<svg ", f'<svg style="max-width: {100 * share:.4g}%" ', 1)
        text = head + there + IMAGE.sub(lambda _, drawn=drawn: drawn, rest, count=1)  # type: ignore[misc]
    text = text.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    text = re.sub(r"<body><p>(.*?)</p>", r"<body><h1>\1</h1>", text, count=1)
    ours = (HERE / "page.html").read_text(encoding="utf-8")
    style, _, rest = ours.partition("</style>\n")
    return text.replace("</head>", f"{style}</style></head>").replace("</body>", f"{rest}</body>")
