"""The command `augmix report`."""

import argparse
import os
from typing import Any

from augmix.errors import UserError
from augmix.suite.cli.command import add_command, add_config, experiment_of, tell_outdated
from augmix.suite.io import times


def add(commands: Any) -> None:
    command = add_command(
        commands,
        "report",
        run,
        "draw the figures and typeset report.pdf from what `collect` wrote",
        "augmix report --config config/fashion.yaml",
    )
    add_config(command)


def run(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate import summaries

    experiment = experiment_of(args)
    os.environ["MPLBACKEND"] = "Agg"  # a notebook's, say, is not there for the figures' files
    try:
        from reports.make import build_report
    except ModuleNotFoundError as error:
        if error.name != "reports":
            raise
        raise UserError(
            "the reports package is not installed: reports are made from a checkout of the repository"
        ) from None
    tell_outdated(args, experiment)
    with times.spent("report"):
        path = build_report(experiment.folder, experiment.data)
    summaries.note(experiment, "report")
    print(path)
