"""Train one run, or go on with it.

example: augmix train fashion/smallnet_thin/augmix/seed0 --config config/fashion.yaml
"""

import argparse
import contextlib
import json
from pathlib import Path

from augmix.errors import UserError
from augmix.suite.cli.command import add_config, importing, run_settings
from augmix.suite.io import times
from augmix.suite.io.processes import joined
from augmix.suite.io.settings import of_json


def add(command: argparse.ArgumentParser) -> None:
    add_config(command)
    command.add_argument("path", nargs="?", metavar="RUN", help="<data set>/<architecture>/<method>/seed<k>")
    command.add_argument("--output", metavar="FOLDER", help="the run's folder, with --settings")
    command.add_argument(
        "--evaluation", metavar="JSON", help="also evaluate, if the test sets are there; what the workflow passes"
    )


def run(args: argparse.Namespace) -> None:
    from augmix.suite.train.settings import TrainSettings

    settings, folder = run_settings(args, "training", TrainSettings)
    if (processes := settings.training["processes"]) > 1 and not joined():
        from augmix.suite.train.launcher import launch

        with times.spent("training"):
            launch(processes, args.arguments)
        return
    with importing():
        from augmix.suite.track.system import watched
        from augmix.suite.train.training import train

    with times.spent("training"), watched(folder):
        train(settings, folder)
    if args.evaluation and not joined():
        _evaluate(args.evaluation, folder)


def _evaluate(text: str, folder: Path) -> None:
    """Evaluate in this process: a job of its own would import torch anew. A failure is left for that job to tell."""
    from augmix.suite.config.runs import EvaluateSettings
    from augmix.suite.evaluate import stamps
    from augmix.suite.evaluate.evaluation import evaluate

    with contextlib.suppress(UserError):
        settings = of_json(EvaluateSettings, json.loads(text))
        if stamps.are_made(settings):
            with times.spent("evaluation"):
                evaluate(settings, folder)
