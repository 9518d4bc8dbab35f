"""The command `augmix corrupt`."""

import argparse
from pathlib import Path
from typing import Any

from augmix.suite.cli.command import add_generator, generator_testset


def add(commands: Any) -> None:
    example = "augmix corrupt data/digits --corruption fog"
    command = add_generator(commands, "corrupt", run, "corruption", "-C", example)
    command.add_argument(
        "--gallery", type=Path, metavar="FILE", help="only draw one image under every corruption at every severity"
    )


def run(args: argparse.Namespace) -> None:
    if args.gallery:
        from augmix.suite.testsets import gallery

        image = gallery.pick(args.data, args.image)
        gallery.write_corruptions(args.gallery, image, args.names, args.preset, args.seed)
        return
    testset = generator_testset(args, "C")
    testset.make(testset.shifts)
