"""Generate a -P test set from prepared test images.

example: augmix perturb data/digits --perturbation tilt --images 100
"""

import argparse
from pathlib import Path

from augmix.suite.cli.command import add_generator, generator_testset


def add(command: argparse.ArgumentParser) -> None:
    add_generator(command, "perturbation", "-P")
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
