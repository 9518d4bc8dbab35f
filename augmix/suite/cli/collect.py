"""The command `augmix collect`."""

import argparse
import sys
from typing import Any

from augmix.suite.cli.command import add_command, add_config, experiment_of, tell_outdated
from augmix.suite.io import times


def add(commands: Any) -> None:
    command = add_command(
        commands,
        "collect",
        run,
        "compute every metric into metrics.csv",
        "augmix collect --config config/fashion.yaml",
    )
    add_config(command)


def run(args: argparse.Namespace) -> int:
    from augmix.suite.evaluate.results import collect

    experiment = experiment_of(args)
    tell_outdated(args, experiment)
    with times.spent("collection"):
        missing = collect(experiment)
    if missing:
        print(f"{experiment.folder}: no result from {', '.join(missing)}", file=sys.stderr)
    return 0
