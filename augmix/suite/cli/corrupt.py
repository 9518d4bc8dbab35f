"""The command `augmix corrupt`."""

import argparse
from pathlib import Path
from typing import Any

from augmix.suite.cli.command import add_generator, generator_folders


def add(commands: Any) -> None:
    example = "augmix corrupt data/digits --corruption fog"
    command = add_generator(commands, "corrupt", run, "corruption", "-C", example)
    command.add_argument(
        "--gallery", type=Path, metavar="FILE", help="only draw one image under every corruption at every severity"
    )


def run(args: argparse.Namespace) -> None:
    from augmix.corruptions import CORRUPTIONS
    from augmix.suite.testsets.generation import write_corruption

    if args.gallery:
        from augmix.suite.testsets import gallery

        image = gallery.pick(args.data, args.image)
        gallery.write_corruptions(args.gallery, image, args.names, args.preset, args.seed)
        return
    data, folder = generator_folders(args, "C")
    for name in args.names or CORRUPTIONS:
        write_corruption(data, folder, name, args.images, args.preset, args.seed)
