"""Helpers that the commands share."""

import argparse
import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augmix.errors import UserError
from augmix.suite.io.settings import of_json

if TYPE_CHECKING:
    from augmix.suite.config.experiment import Experiment

DEFAULT_CONFIG = "config/fashion.yaml"


def add_config(command: argparse.ArgumentParser, settings: bool = True) -> None:
    """The option --config and, for what the workflow calls, --settings."""
    command.add_argument(
        "--config", default=DEFAULT_CONFIG, metavar="FILE", help="the experiment's YAML (default: %(default)s)"
    )
    if settings:
        command.add_argument(
            "--settings", metavar="JSON", help="resolved settings in place of --config; what the workflow passes"
        )


def settings_of(args: argparse.Namespace, *needed: str) -> dict[str, Any]:
    """The value of --settings, an object with at least the `needed` keys."""
    try:
        settings = json.loads(args.settings)
    except ValueError as error:
        raise UserError(f"--settings is not valid JSON: {error}") from None
    if not isinstance(settings, dict):
        raise UserError("--settings is not a JSON object")
    if missing := [key for key in needed if key not in settings]:
        raise UserError(f"--settings lacks '{missing[0]}'")
    return settings


def experiment_of(args: argparse.Namespace) -> "Experiment":
    """The experiment of --settings or of --config."""
    from augmix.suite.config.experiment import Experiment, load

    return Experiment(settings_of(args)) if getattr(args, "settings", None) else load(args.config)


def tell_outdated(args: argparse.Namespace, experiment: "Experiment") -> None:
    """Say what a start would make again, of a command by hand: the workflow has made it by then."""
    if args.settings:
        return
    from augmix.suite.evaluate import stages
    from augmix.suite.run import outdated

    for line in outdated.sentences(experiment, stages.unkept(experiment, stages.changes(experiment))):
        print(f"outdated: {line}; see `augmix reproduce`", file=sys.stderr)


@contextmanager
def importing() -> Iterator[None]:
    """Around imports of many modules, none of which is garbage: to look for it, then and at the end, takes its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def needing_reports() -> Iterator[None]:
    """Around an import of the reports package, which the commands that need it do without others' paying for it."""
    os.environ["MPLBACKEND"] = "Agg"  # a notebook's, say, is not there for the figures' files
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "reports":
            raise
        raise UserError(
            "the reports package is not installed: reports are made from a checkout of the repository"
        ) from None


def required(args: argparse.Namespace, name: str) -> str:
    """The value of an option that goes with --settings or --download."""
    if not (value := getattr(args, name)):
        raise UserError(f"{'--settings' if args.settings else '--download'} needs --{name}")
    return str(value)


def run_settings(args: argparse.Namespace, stage: str, kind: Any) -> tuple[Any, Path]:
    """The settings of a stage, of the dataclass `kind`, and the folder of the run that a command names."""
    if args.settings:
        return of_json(kind, settings_of(args)), Path(required(args, "output"))
    experiment = experiment_of(args)
    if not args.path:
        raise UserError(
            f"which run? for example: augmix {args.command} {experiment.runs[0].path} --config {args.config}"
        )
    from augmix.suite.evaluate.stages import refuse_other_files

    run = experiment.run(args.path)
    refuse_other_files(experiment, run, with_testsets=stage == "evaluation")
    return getattr(run, stage), experiment.folder / run.path


def add_generator(command: argparse.ArgumentParser, kind: str, suffix: str) -> None:
    """The options of a command that generates a -C or -P test set, or draws a gallery of it."""
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


def generator_testset(args: argparse.Namespace, name: str) -> Any:
    """The test set `name` (C, CBar or P) that a command generates of a prepared data set."""
    if args.data is None:
        raise UserError(f"which data set? for example: augmix {args.command} data/digits")
    if not (args.data / "test_images.npy").is_file():
        raise UserError(f"{args.data / 'test_images.npy'} is missing: run `augmix prepare` first")
    if args.images is not None and args.images < 1:
        raise UserError(f"--images is {args.images}; at least 1 is needed")
    from augmix.suite.testsets import folder

    where = Path(args.output) if args.output else args.data.with_name(f"{args.data.name}-{name}")
    return folder.of_folder(name, args.data, where, args.names or None, args.images, args.preset, args.seed)
