"""Choose each sweep's value by the validation split and the validation corruptions.

example: augmix choose --config config/sweeps_digits.yaml
"""

import argparse

from augmix.errors import UserError
from augmix.suite.cli.command import add_config, experiment_of


def add(command: argparse.ArgumentParser) -> None:
    add_config(command)


def run(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate.choosing import choose

    experiment = experiment_of(args)
    # The workflow chooses wherever there is a validation split; by hand, nobody means a choice of nothing.
    if experiment.validation is None or not (experiment.sweeps or args.settings):
        lacking = "validation" if experiment.sweeps else "sweeps"
        raise UserError(
            f"experiment '{experiment.name}' chooses nothing: it has no `{lacking}`; see config/sweeps_digits.yaml"
        )
    for row in choose(experiment):
        if row["chosen"]:
            print(f"{row['dataset']} {row['arch']}: {row['sweep']} = {row['value']}")
