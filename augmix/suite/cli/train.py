"""The command `augmix train`."""

import argparse
from typing import Any

from augmix.suite.cli.command import add_command, add_config, run_settings
from augmix.suite.io.processes import joined


def add(commands: Any) -> None:
    command = add_command(
        commands,
        "train",
        run,
        "train one run, or go on with it",
        "augmix train digits/smallnet/augmix/seed0 --config config/digits.yaml",
    )
    add_config(command)
    command.add_argument("path", nargs="?", metavar="RUN", help="<data set>/<architecture>/<method>/seed<k>")
    command.add_argument("--output", metavar="FOLDER", help="the run's folder, with --settings")


def run(args: argparse.Namespace) -> None:
    from augmix.suite.train.settings import TrainSettings

    settings, folder = run_settings(args, "training", TrainSettings)
    if (processes := settings.training["processes"]) > 1 and not joined():
        from augmix.suite.train.launcher import launch

        launch(processes, args.arguments)
        return
    from augmix.suite.train.training import train

    train(settings, folder)
