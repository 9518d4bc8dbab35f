"""The command `augmix choose`."""

import argparse
from typing import Any

from augmix.suite.cli.command import add_command, add_config, experiment_of


def add(commands: Any) -> None:
    command = add_command(
        commands,
        "choose",
        run,
        "choose each sweep's value by the validation split and the validation corruptions",
        "augmix choose --config config/sweeps_digits.yaml",
    )
    add_config(command)


def run(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate.choosing import choose

    for row in choose(experiment_of(args)):
        if row["chosen"]:
            print(f"{row['dataset']} {row['arch']}: {row['sweep']} = {row['value']}")
