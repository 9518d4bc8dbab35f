"""The command `augmix prepare`."""

import argparse
from pathlib import Path
from typing import Any

from augmix.errors import UserError
from augmix.suite.cli.command import add_command, add_config, experiment_of, required, settings_of


def add(commands: Any) -> None:
    command = add_command(
        commands,
        "prepare",
        run,
        "turn a data set into arrays, downloading it and its published test sets where the configuration says so",
        "augmix prepare --config config/digits.yaml --dataset digits",
    )
    add_config(command)
    command.add_argument("--dataset", metavar="NAME", help="only this one of the configured data sets")
    command.add_argument(
        "--published", action="store_true", help="--settings describe a published test set, not a data set"
    )
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
        output = Path(required(args, "output"))
        if args.published:
            published.prepare(settings_of(args, "kind", "where", "folder", "data", "shifts", "resize"), output)
        else:
            datasets.prepare(settings_of(args, "loader", "options", "subset"), output)
        return
    experiment = experiment_of(args)
    if args.dataset and args.dataset not in experiment.datasets:
        raise UserError(f"unknown data set '{args.dataset}'; {nearest(args.dataset, experiment.datasets)}")
    for name in [args.dataset] if args.dataset else experiment.datasets:
        datasets.prepare(experiment.dataset_settings(name), experiment.data / name)
        for kind in ("C", "P"):
            if experiment.published(name, kind):
                published.prepare(
                    experiment.published_settings(name, kind), *experiment.benchmark_files(name, kind, [])
                )
        print(f"{experiment.data / name} is ready")
