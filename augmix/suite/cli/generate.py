"""Make an experiment's test sets: generate -C and -P, check published files, prepare natural ones.

example: augmix generate --config config/fashion.yaml --testset C
"""

import argparse

from augmix.errors import UserError
from augmix.suite.cli.command import add_config, experiment_of, settings_of
from augmix.suite.io import times


def add(command: argparse.ArgumentParser) -> None:
    add_config(command)
    command.add_argument("--testset", metavar="NAME", help="only this one of the configured test sets")


def run(args: argparse.Namespace) -> None:
    from augmix.registry import nearest
    from augmix.suite.testsets import kinds
    from augmix.suite.testsets.base import make

    if args.settings:
        settings = settings_of(args, "testset", "shifts", "number")
        with times.spent("generation"):
            make(kinds.of_settings(settings["testset"]), settings["shifts"], settings["number"])
        return
    experiment = experiment_of(args)
    makings = experiment.makings()
    names = [making.testset.name for making in makings]
    if args.testset and args.testset not in names:
        raise UserError(f"no test set '{args.testset}' is made; {nearest(args.testset, names)}")
    for making in makings:
        if args.testset in (None, making.testset.name):
            make(making.testset, making.shifts, making.number)
            print(f"{making.title}: {', '.join(making.shifts)} ready in {making.folder}")
