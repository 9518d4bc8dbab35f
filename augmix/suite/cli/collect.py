"""Compute every metric into metrics.csv.

example: augmix collect --config config/fashion.yaml
"""

import argparse
import sys

from augmix.suite.cli.command import add_config, experiment_of, tell_outdated
from augmix.suite.io import times


def add(command: argparse.ArgumentParser) -> None:
    add_config(command)


def run(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate.results import collect

    experiment = experiment_of(args)
    tell_outdated(args, experiment)
    with times.spent("collection"):
        missing = collect(experiment)
    if missing:
        print(f"{experiment.folder}: no result from {', '.join(missing)}", file=sys.stderr)
