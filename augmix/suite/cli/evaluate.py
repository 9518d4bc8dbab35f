"""Evaluate a trained run, or anybody's weights, on every test set.

example: augmix evaluate --checkpoint w.pt --arch wideresnet --dataset-folder data/cifar10 --output results/theirs
"""

import argparse
from pathlib import Path
from typing import Any

from augmix.errors import UserError
from augmix.suite.cli.command import add_config, importing, run_settings
from augmix.suite.io import times

GENERATORS = {"C": "corrupt", "CBar": "corrupt --bar", "P": "perturb"}
"""The commands that generate the test sets beside a data set, by their names."""


def add(command: argparse.ArgumentParser) -> None:
    add_config(command)
    command.add_argument("path", nargs="?", metavar="RUN", help="<data set>/<architecture>/<method>/seed<k>")
    command.add_argument("--output", metavar="FOLDER", help="the run's folder, with --settings; with --checkpoint, any")
    command.add_argument("--checkpoint", metavar="FILE", help="weights from anywhere, in place of a run: a state dict")
    command.add_argument(
        "--arch", metavar="NAME", help="the checkpoint's architecture: ours, timm's, or package.module:function"
    )
    command.add_argument(
        "--dataset-folder",
        metavar="FOLDER",
        help="prepared data; -C, -P and -CBar beside it are used as far as they go",
    )
    constants: dict[str, Any] = {
        "type": float,
        "nargs": "+",
        "metavar": "X",
        "help": "the net's normalisation, of values in [0, 1]",
    }
    command.add_argument("--mean", **constants)
    command.add_argument("--std", **constants)
    command.add_argument("--preset", metavar="NAME", help="... by name: none, half, cifar10, cifar100, imagenet")
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="with --checkpoint")


def run(args: argparse.Namespace) -> None:
    if args.checkpoint:
        _evaluate_checkpoint(args)
        return
    from augmix.suite.config.runs import EvaluateSettings
    from augmix.suite.evaluate import stamps

    settings, folder = run_settings(args, "evaluation", EvaluateSettings)
    if not (folder / "model.pt").exists():
        raise UserError(f"{folder / 'model.pt'} is missing: train this run first")
    if not stamps.pending(settings, folder):
        # Torch takes seconds to import, and the training has evaluated its net already.
        stamps.finish(settings, folder, {}, None)
        return
    with importing():
        from augmix.suite.evaluate.evaluation import evaluate

    with times.spent("evaluation"):
        evaluate(settings, folder)


def _evaluate_checkpoint(args: argparse.Namespace) -> None:
    for option in ("arch", "dataset_folder", "output"):
        if not getattr(args, option):
            raise UserError(f"--checkpoint needs --{option.replace('_', '-')}")
    from augmix.suite.evaluate.checkpoint import evaluate_checkpoint

    data, output = Path(args.dataset_folder), Path(args.output)
    used, found = evaluate_checkpoint(
        Path(args.checkpoint), args.arch, data, output, args.device, args.mean, args.std, args.preset
    )
    print(f"{'normalisation':<15}{used}")
    for title, value, testset in found:
        if value is None:
            needed = f"the {len(testset.entering)} {testset.noun}s in {testset.folder}"
            print(f"{title:<15}needs {needed}: augmix {GENERATORS[testset.name]} {data}")
        else:
            print(f"{title:<15}{value:7.2%}")
    print(f"{'all numbers':<15}{output / 'metrics.csv'}")
