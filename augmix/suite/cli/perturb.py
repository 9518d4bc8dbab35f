"""The command `augmix perturb`."""

import argparse
from pathlib import Path
from typing import Any

from augmix.suite.cli.command import add_generator, generator_testset


def add(commands: Any) -> None:
    example = "augmix perturb data/digits --perturbation tilt --images 100"
    command = add_generator(commands, "perturb", run, "perturbation", "-P", example)
    command.add_argument(
        "--gallery", type=Path, metavar="FOLDER", help="only write one image's sequences, as animated GIFs"
    )


def run(args: argparse.Namespace) -> None:
    if args.gallery:
        from augmix.suite.testsets import gallery

        image = gallery.pick(args.data, args.image)
        gallery.write_perturbations(args.gallery, image, args.names, args.preset, args.seed)
        return
    testset = generator_testset(args, "P")
    testset.make(testset.shifts)
