"""Put two results folders, or two runs, side by side with intervals; exit 1 beyond a tolerance.

example: augmix compare results/fashion copies/fashion --tolerance 0.5
"""

import argparse
import math
from pathlib import Path

from augmix.errors import UserError
from augmix.suite.cli.command import needing_reports

TOLERANCE = 1.0
"""The default: of the order of what other seeds make in small experiments."""


def add(command: argparse.ArgumentParser) -> None:
    command.add_argument("first", type=Path, metavar="A", help="a results folder, or a run in one")
    command.add_argument("second", type=Path, metavar="B", help="another; a copy anywhere will do")
    command.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="X",
        help="exit 1 where any figure of B differs from A's by more than X of its unit: points of %% (default: 1)",
    )
    command.add_argument("--csv", type=Path, metavar="FILE", help="also write the comparison as CSV")


def run(args: argparse.Namespace) -> int:
    if not (math.isfinite(args.tolerance) and args.tolerance >= 0):
        raise UserError(f"--tolerance is {args.tolerance:g}; a finite number from 0 up is needed")
    with needing_reports():
        from reports import compare
    from augmix.suite.io.files import write_text
    from augmix.suite.io.text import table

    found = compare.lines(args.first, args.second)
    if args.csv:
        frame = compare.as_frame(found, args.tolerance)
        write_text(args.csv, frame.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    marks = ["*" if compare.beyond(line, args.tolerance) else "" for line in found]
    rows = [[*row, mark] for row, mark in zip(compare.printed(found), marks, strict=True)]
    print(table(("", "figure", "A", "B", "B − A", "95 % interval", ""), rows))
    count = sum(map(bool, marks))
    print(f"{count} of {len(found)} figures differ by more than {args.tolerance:g}{' (*)' if count else ''}")
    return int(count > 0)
