"""Draw an image, AugMix's views of it and its corruptions on a sheet, with what a net says of each.

example: augmix demo photo.jpg --model results/fashion/fashion/smallnet_thin/augmix/seed0
"""

import argparse
from pathlib import Path


def add(command: argparse.ArgumentParser) -> None:
    command.add_argument("image", type=Path, metavar="IMAGE", help="a file; its central square is taken")
    command.add_argument("--output", type=Path, default=Path("demo.png"), metavar="FILE", help="default: demo.png")
    command.add_argument("--model", type=Path, metavar="RUN", help="a run's folder, whose net says what it sees")
    command.add_argument("--severity", type=int, choices=range(1, 6), default=3, help="of corruptions (default: 3)")
    command.add_argument("--seed", type=int, default=0, help="default: 0")


def run(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate.demo import write_sheet

    write_sheet(args.image, args.output, args.model, args.severity, args.seed)
    print(args.output)
