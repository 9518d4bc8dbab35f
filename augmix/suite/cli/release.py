"""Write an experiment's trained nets, with cards, as files for augmix.models.load.

example: augmix release --config config/fashion.yaml --output weights --method augmix --licence CC-BY-4.0
"""

import argparse
from pathlib import Path

from augmix.suite.cli.command import add_config, experiment_of


def add(command: argparse.ArgumentParser) -> None:
    add_config(command, settings=False)
    command.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="the folder to write")
    command.add_argument("--seed", type=int, default=0, help="the seed whose nets are released (default: 0)")
    command.add_argument(
        "--method", action="append", default=[], dest="methods", metavar="NAME", help="only this one (repeatable)"
    )
    command.add_argument("--url", default="", help="where the files will be found, for those who have only the index")
    command.add_argument("--licence", default="", help="the licence of the nets, for their cards to say")


def run(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate.release import release

    names = release(experiment_of(args), args.output, args.seed, args.methods, args.url, args.licence)
    for name in names:
        print(f'augmix.models.load("{name}", "{args.output}")')
