"""What the commands of the command line share."""

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augmix.errors import UserError

if TYPE_CHECKING:
    from augmix.suite.config.experiment import Experiment

DEFAULT_CONFIG = "config/digits.yaml"


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], summary: str, example: str
) -> argparse.ArgumentParser:
    """A command with --log, and with an example below its options."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=f"example: {example}"
    )
    command.add_argument("--log", metavar="FILE", help="also write messages and errors to this file")
    command.set_defaults(run=run)
    return command


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


def required(args: argparse.Namespace, name: str) -> str:
    """The value of an option that goes with --settings or --download."""
    if not (value := getattr(args, name)):
        raise UserError(f"{'--settings' if args.settings else '--download'} needs --{name}")
    return str(value)
