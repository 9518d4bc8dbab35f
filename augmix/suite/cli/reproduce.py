"""Run a whole experiment: data, training, evaluation, report.

example: augmix reproduce --config config/fashion.yaml --cores 2
"""

import argparse
import contextlib
import sys
from pathlib import Path

from augmix.suite.cli.command import add_config
from augmix.suite.io.streams import Steady, settle


def add(command: argparse.ArgumentParser) -> None:
    add_config(command, settings=False)
    command.add_argument("--cores", default="all", help="CPU cores to use (default: all)")
    command.add_argument("--profile", metavar="NAME", help="a profile of workflow/profiles, such as slurm")
    command.add_argument(
        "--keep", action="store_true", help="go on with results that other code made; the report names them"
    )
    command.add_argument(
        "--retrain", action="append", default=[], metavar="RUN", help="train this run again (repeatable)"
    )
    command.add_argument("--dry-run", action="store_true", help="say what would run, and stop")


def run(args: argparse.Namespace) -> int:
    from augmix.suite.run.front import reproduce

    # Its last words decide nothing: the results are in files.
    with contextlib.redirect_stdout(Steady(sys.stdout)):
        status = reproduce(Path(args.config), args.cores, args.profile, args.dry_run, args.keep, args.retrain)
    settle(sys.stdout)
    return status
