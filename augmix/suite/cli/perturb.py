"""The command `augmix perturb`."""

import argparse
from pathlib import Path
from typing import Any

from augmix.suite.cli.command import add_generator, generator_folders


def add(commands: Any) -> None:
    example = "augmix perturb data/digits --perturbation tilt --images 100"
    command = add_generator(commands, "perturb", run, "perturbation", "-P", example)
    command.add_argument(
        "--gallery", type=Path, metavar="FOLDER", help="only write one image's sequences, as animated GIFs"
    )


def run(args: argparse.Namespace) -> None:
    from augmix.checks import nearest_preset
    from augmix.perturbations import perturbations_of
    from augmix.suite.data.datasets import read
    from augmix.suite.testsets.generation import write_perturbation

    if args.gallery:
        from augmix.suite.testsets import gallery

        image = gallery.pick(args.data, args.image)
        gallery.write_perturbations(args.gallery, image, args.names, args.preset, args.seed)
        return
    data, folder = generator_folders(args, "P")
    height, width = read(data, "test").images.shape[1:3]
    ten = perturbations_of(args.preset or nearest_preset(min(height, width)))
    for name in args.names or ten:
        write_perturbation(data, folder, name, args.images, args.preset, args.seed)
