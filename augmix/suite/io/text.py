"""Tables for people, as plain text."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = False) -> str:
    """Columns under their titles, flush left; with `numbers`, all but the first are flush right."""
    align = ["right" if numbers and index else "left" for index in range(len(header))]
    # As a header, the titles would be given two more spaces.
    text = tabulate([header, *rows], tablefmt="plain", colalign=align, disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.splitlines())
