"""Bring MLflow up to date with the results (sync), or open its page (ui).

example: augmix track sync --config config/fashion.yaml
"""

import argparse

from augmix.suite.cli.command import add_config, experiment_of
from augmix.suite.io import times


def add(command: argparse.ArgumentParser) -> None:
    add_config(command)
    command.add_argument("action", choices=("sync", "ui"))
    command.add_argument("--port", type=int, default=5000, help="the page's port, on this machine only (default: 5000)")


def run(args: argparse.Namespace) -> None:
    from augmix.suite.track import mirror, store

    experiment = experiment_of(args)
    if args.action == "sync":
        with times.spent("MLflow"):
            mirror.sync(experiment.folder)
    else:
        store.serve(experiment.results, args.port, experiment.name)
