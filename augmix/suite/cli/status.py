"""Show which runs are done, running, failed or pending.

example: augmix status --config config/fashion.yaml
"""

import argparse

from augmix.suite.cli.command import add_config, experiment_of


def add(command: argparse.ArgumentParser) -> None:
    add_config(command, settings=False)


def run(args: argparse.Namespace) -> None:
    from augmix.suite.run.status import print_status

    print_status(experiment_of(args))
