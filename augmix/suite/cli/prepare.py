"""Turn data sets into arrays, downloading them where the configuration says so.

example: augmix prepare --config config/fashion.yaml --dataset fashion
"""

import argparse
from pathlib import Path

from augmix.errors import UserError
from augmix.suite.cli.command import add_config, experiment_of, required, settings_of
from augmix.suite.io import times
from augmix.suite.io.settings import of_json


def add(command: argparse.ArgumentParser) -> None:
    add_config(command)
    command.add_argument("--dataset", metavar="NAME", help="only this one of the configured data sets")
    command.add_argument("--download", metavar="NAME", help="only fetch a published set, such as CIFAR-10-C")
    command.add_argument("--output", metavar="PATH", help="where to write, with --settings or --download")


def run(args: argparse.Namespace) -> None:
    from augmix.registry import nearest
    from augmix.suite.data import datasets
    from augmix.suite.testsets import published

    if args.download:
        print(published.download(args.download, Path(required(args, "output"))))
        return
    if args.settings:
        settings = of_json(datasets.Preparation, settings_of(args))
        with times.spent("preparation"):
            datasets.prepare(settings, Path(required(args, "output")))
        return
    experiment = experiment_of(args)
    if args.dataset and args.dataset not in experiment.datasets:
        raise UserError(f"unknown data set '{args.dataset}'; {nearest(args.dataset, experiment.datasets)}")
    for name in [args.dataset] if args.dataset else experiment.datasets:
        datasets.prepare(experiment.preparation(name), experiment.data / name)
        print(f"{experiment.data / name} is ready")
