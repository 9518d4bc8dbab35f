"""Generate a -C test set from prepared test images.

example: augmix corrupt data/digits --corruption fog
"""

import argparse
from pathlib import Path

from augmix.suite.cli.command import add_generator, generator_testset


def add(command: argparse.ArgumentParser) -> None:
    add_generator(command, "corruption", "-C")
    command.add_argument("--bar", action="store_true", help="the corruptions of C̄ (-CBar) in place of -C's")
    command.add_argument(
        "--gallery", type=Path, metavar="FILE", help="only draw one image under every corruption at every severity"
    )


def run(args: argparse.Namespace) -> None:
    name = "CBar" if args.bar else "C"
    if args.gallery:
        from augmix.suite.testsets import gallery

        image = gallery.pick(args.data, args.image)
        gallery.write_corruptions(args.gallery, image, args.names, args.preset, args.seed, name)
        return
    testset = generator_testset(args, name)
    testset.make(testset.shifts)
