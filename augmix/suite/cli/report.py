"""The command `augmix report`."""

import argparse
from typing import Any

from augmix.suite.cli.command import add_command, add_config, experiment_of, needing_reports, tell_outdated
from augmix.suite.io import times


def add(commands: Any) -> None:
    command = add_command(
        commands,
        "report",
        run,
        "draw the figures, typeset report.pdf and write report.html, from what `collect` wrote",
        "augmix report --config config/fashion.yaml",
    )
    add_config(command)


def run(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate import summaries

    experiment = experiment_of(args)
    with needing_reports():
        from reports.make import build_report
    tell_outdated(args, experiment)
    with times.spent("report"):
        path = build_report(experiment.folder, experiment.data)
    summaries.note(experiment, "report")
    print(path)
