"""The command `augmix status`."""

import argparse
from typing import Any

from augmix.suite.cli.command import add_command, add_config, experiment_of


def add(commands: Any) -> None:
    command = add_command(
        commands,
        "status",
        run,
        "show which runs are done, running, failed or pending",
        "augmix status --config config/fashion.yaml",
    )
    add_config(command, settings=False)


def run(args: argparse.Namespace) -> None:
    from augmix.suite.run.status import print_status

    print_status(experiment_of(args))
