"""Show a results folder's numbers in the terminal.

example: augmix show results/fashion --by corruption --measure brier
"""

import argparse
from pathlib import Path


def add(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, metavar="RESULTS", help="a results folder, such as results/fashion")
    command.add_argument(
        "--by",
        choices=("method", "seed", "corruption", "perturbation", "severity", "class"),
        default="method",
        help="the rows (default: method, means over seeds ± their deviation)",
    )
    command.add_argument("--testset", metavar="NAME", help="only this one; --by corruption takes C unless named")
    command.add_argument(
        "--measure",
        metavar="NAME",
        help="a metric of metrics.csv, such as brier or nll; default: the test set's first",
    )
    command.add_argument("--runs", action="store_true", help="what became of each run, in place of numbers")


def run(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate import browse
    from augmix.suite.io.text import table

    by = (args.folder, args.by, args.testset, args.measure)
    shown = [browse.runs_of(args.folder)] if args.runs else browse.tables(*by)
    print("\n\n".join(f"{one.title}\n{table(one.header, one.rows, numbers=not args.runs)}" for one in shown))
