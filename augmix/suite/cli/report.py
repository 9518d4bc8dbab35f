"""Draw the figures, typeset report.pdf and write report.html, from what `collect` wrote.

example: augmix report --config config/fashion.yaml
"""

import argparse

from augmix.suite.cli.command import add_config, experiment_of, needing_reports, tell_outdated
from augmix.suite.io import times


def add(command: argparse.ArgumentParser) -> None:
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
