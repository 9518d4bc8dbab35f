"""The commands that make data: prepare, corrupt, perturb."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augmix.errors import UserError
from augmix.suite.cli.command import add_command, add_config, experiment_of, required, settings_of


def add_prepare(commands: Any) -> None:
    command = add_command(
        commands,
        "prepare",
        _prepare,
        "turn a data set into arrays, downloading it and its published benchmarks where the configuration says so",
        "augmix prepare --config config/digits.yaml --dataset digits",
    )
    add_config(command)
    command.add_argument("--dataset", metavar="NAME", help="only this one of the configured data sets")
    command.add_argument(
        "--published", action="store_true", help="--settings are of a published benchmark, not of a data set"
    )
    command.add_argument("--download", metavar="NAME", help="only fetch a published set, such as CIFAR-10-C")
    command.add_argument("--output", metavar="PATH", help="where to write, with --settings or --download")


def _prepare(args: argparse.Namespace) -> None:
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


def _add_benchmark(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], kind: str, suffix: str, example: str
) -> argparse.ArgumentParser:
    command = add_command(commands, name, run, f"generate a {suffix} benchmark from prepared test images", example)
    command.add_argument("data", nargs="?", type=Path, help="a prepared data set's folder, such as data/digits")
    command.add_argument(
        f"--{kind}", action="append", default=[], dest="names", metavar="NAME", help="only this one (repeatable)"
    )
    command.add_argument("--output", metavar="FOLDER", help=f"default: the data set's folder with {suffix} added")
    command.add_argument("--images", type=int, metavar="N", help="at most N test images, evenly spaced")
    command.add_argument("--preset", choices=("cifar", "tiny", "imagenet"), help="default: by the images' side")
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    command.add_argument(
        "--image", default="0", metavar="INDEX|FILE", help="the image of the gallery: a test image or a file"
    )
    return command


def add_corrupt(commands: Any) -> None:
    example = "augmix corrupt data/digits --corruption fog"
    command = _add_benchmark(commands, "corrupt", _corrupt, "corruption", "-C", example)
    command.add_argument(
        "--gallery", type=Path, metavar="FILE", help="only draw one image under every corruption at every severity"
    )


def add_perturb(commands: Any) -> None:
    example = "augmix perturb data/digits --perturbation tilt --images 100"
    command = _add_benchmark(commands, "perturb", _perturb, "perturbation", "-P", example)
    command.add_argument(
        "--gallery", type=Path, metavar="FOLDER", help="only write one image's sequences, as animated GIFs"
    )


def _corrupt(args: argparse.Namespace) -> None:
    from augmix.corruptions import CORRUPTIONS
    from augmix.suite.testsets.generation import write_corruption

    if args.gallery:
        from augmix.suite.testsets import gallery

        image = gallery.pick(args.data, args.image)
        gallery.write_corruptions(args.gallery, image, args.names, args.preset, args.seed)
        return
    data, folder = _folders(args, "C")
    for name in args.names or CORRUPTIONS:
        write_corruption(data, folder, name, args.images, args.preset, args.seed)


def _perturb(args: argparse.Namespace) -> None:
    from augmix.checks import nearest_preset
    from augmix.perturbations import perturbations_of
    from augmix.suite.data.datasets import read
    from augmix.suite.testsets.generation import write_perturbation

    if args.gallery:
        from augmix.suite.testsets import gallery

        image = gallery.pick(args.data, args.image)
        gallery.write_perturbations(args.gallery, image, args.names, args.preset, args.seed)
        return
    data, folder = _folders(args, "P")
    height, width = read(data, "test").images.shape[1:3]
    ten = perturbations_of(args.preset or nearest_preset(min(height, width)))
    for name in args.names or ten:
        write_perturbation(data, folder, name, args.images, args.preset, args.seed)


def _folders(args: argparse.Namespace, suffix: str) -> tuple[Path, Path]:
    """The data set's folder and the benchmark's."""
    if args.data is None:
        raise UserError(f"which data set? for example: augmix {args.command} data/digits")
    if not (args.data / "test_images.npy").is_file():
        raise UserError(f"{args.data / 'test_images.npy'} is missing: run `augmix prepare` first")
    if args.images is not None and args.images < 1:
        raise UserError(f"--images is {args.images}; at least 1 is needed")
    return args.data, Path(args.output) if args.output else args.data.with_name(f"{args.data.name}-{suffix}")
