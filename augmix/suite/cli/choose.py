"""Choose each sweep's value by the validation split and the validation corruptions.

example: augmix choose --config config/sweeps_digits.yaml
"""

import argparse

from augmix.suite.cli.command import add_config, experiment_of


def add(command: argparse.ArgumentParser) -> None:
    add_config(command)


def run(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate.choosing import choose

    for row in choose(experiment_of(args)):
        if row["chosen"]:
            print(f"{row['dataset']} {row['arch']}: {row['sweep']} = {row['value']}")
