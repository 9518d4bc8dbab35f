"""The command line. Each command imports what it needs only when it runs, so that `augmix --help` is quick."""

import argparse
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from augmix import __version__
from augmix.errors import RunError, UserError

if TYPE_CHECKING:
    from augmix.experiment import Experiment

DEFAULT_CONFIG = "config/digits.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 1 failed, 2 bad input, 128 + n ended by signal n."""
    args = build_parser().parse_args(arguments)
    with _log(args.log):
        status, line = _run(args)
        if line:
            print(f"augmix {args.command}: {line}", file=sys.stderr)
    return status


def _run(args: argparse.Namespace) -> tuple[int, str]:
    """The exit status of a command and the line that explains it."""
    try:
        return args.run(args) or 0, ""
    except UserError as error:
        return 2, f"error: {error}"
    except RunError as error:
        return 1, f"error: {error}"
    except KeyboardInterrupt:
        return 130, "interrupted"
    except BrokenPipeError:
        # The reader (head, less) has gone; nothing is left to tell it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141, ""
    except MemoryError:
        return 1, "error: out of memory; lower the batch size or the number of jobs side by side"
    except Exception as error:
        if (number := getattr(error, "signal", None)) is not None:
            return (
                128 + number,
                f"interrupted by {error}; the next start continues from the checkpoint",
            )
        traceback.print_exc()
        return 1, f"error: {type(error).__name__}: {error}"


class _Tee:
    """Standard error that also goes to the log, but for what redraws a line (progress bars)."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self.stream, self.log = stream, log

    def write(self, text: str) -> int:
        if "\r" not in text:
            self.log.write(text)
            self.log.flush()
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def _log(path: str | None) -> Iterator[None]:
    if path is None:
        yield
        return
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        log = Path(path).open("w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        print(f"augmix: error: cannot write the log {path}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    with log, contextlib.redirect_stderr(_Tee(sys.stderr, log)):
        yield


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(
        prog="augmix",
        description="AugMix: prepare data, train, evaluate on -C and -P, and report. "
        "`augmix reproduce` does it all; the other commands are its steps.",
        epilog="example: augmix reproduce --config config/digits.yaml --cores 2",
    )
    parser.add_argument("--version", action="version", version=f"augmix {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for add in (
        _add_reproduce, _add_status, _add_prepare, _add_corrupt, _add_perturb, _add_train, _add_evaluate,
        _add_choose, _add_collect, _add_report, _add_track,
    ):  # fmt: skip
        add(commands)
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], summary: str, example: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=f"example: {example}"
    )
    command.add_argument("--log", metavar="FILE", help="also write messages and errors to this file")
    command.set_defaults(run=run)
    return command


def _add_config(command: argparse.ArgumentParser, settings: bool = True) -> None:
    command.add_argument(
        "--config", default=DEFAULT_CONFIG, metavar="FILE", help="the experiment's YAML (default: %(default)s)"
    )
    if settings:
        command.add_argument(
            "--settings", metavar="JSON", help="resolved settings in place of --config; what the workflow passes"
        )


# What the resolved settings of a command must have.
_KEYS = {
    "prepare": ("loader", "options", "subset"),
    "train": ("dataset", "data", "flip", "architecture", "method", "method_packages", "seed", "training"),
    "evaluate": ("data", "corruptions", "perturbations", "output"),
}


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    try:
        settings = json.loads(args.settings)
    except ValueError as error:
        raise UserError(f"--settings is not valid JSON: {error}") from None
    if not isinstance(settings, dict):
        raise UserError("--settings is not a JSON object")
    if missing := [key for key in _KEYS.get(args.command, ()) if key not in settings]:
        raise UserError(f"--settings lacks '{missing[0]}'")
    return settings


def _experiment(args: argparse.Namespace) -> "Experiment":
    from augmix.experiment import Experiment, load

    return Experiment(_settings(args)) if getattr(args, "settings", None) else load(args.config)


def _add_reproduce(commands: Any) -> None:
    command = _command(
        commands,
        "reproduce",
        _reproduce,
        "run a whole experiment: data, training, evaluation, report",
        "augmix reproduce --config config/digits.yaml --cores 2",
    )
    _add_config(command, settings=False)
    command.add_argument("--cores", default="all", help="CPU cores to use (default: all)")
    command.add_argument("--profile", metavar="NAME", help="a profile of workflow/profiles, such as slurm")
    command.add_argument("--dry-run", action="store_true", help="say what would run, and stop")


def _reproduce(args: argparse.Namespace) -> int:
    from augmix.reproduce import reproduce

    return reproduce(Path(args.config), args.cores, args.profile, args.dry_run)


def _add_status(commands: Any) -> None:
    command = _command(
        commands,
        "status",
        _status,
        "show which runs are done, running, failed or pending",
        "augmix status --config config/digits.yaml",
    )
    _add_config(command, settings=False)


def _status(args: argparse.Namespace) -> None:
    from augmix.status import print_status

    print_status(_experiment(args))


def _add_prepare(commands: Any) -> None:
    command = _command(
        commands,
        "prepare",
        _prepare,
        "turn a data set into arrays, downloading it and its published benchmarks where the configuration says so",
        "augmix prepare --config config/digits.yaml --dataset digits",
    )
    _add_config(command)
    command.add_argument("--dataset", metavar="NAME", help="only this one of the configured data sets")
    command.add_argument("--download", metavar="NAME", help="only fetch a published set, such as CIFAR-10-C")
    command.add_argument("--output", metavar="PATH", help="where to write, with --settings or --download")


def _prepare(args: argparse.Namespace) -> None:
    from augmix import datasets, published
    from augmix.configuration import nearest

    if args.download:
        print(published.download(args.download, Path(_required(args, "output"))))
        return
    if args.settings:
        settings = _settings(args)
        prepare = published.prepare if "kind" in settings else datasets.prepare
        prepare(settings, Path(_required(args, "output")))
        return
    experiment = _experiment(args)
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


def _required(args: argparse.Namespace, name: str) -> str:
    if not (value := getattr(args, name)):
        raise UserError(f"{'--settings' if args.settings else '--download'} needs --{name}")
    return str(value)


def _add_benchmark(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], kind: str, suffix: str, example: str
) -> None:
    command = _command(commands, name, run, f"generate a {suffix} benchmark from prepared test images", example)
    command.add_argument("data", help="a prepared data set's folder, such as data/digits")
    command.add_argument(f"--{kind}", action="append", dest="names", metavar="NAME", help="only this one (repeatable)")
    command.add_argument("--output", metavar="FOLDER", help=f"default: the data set's folder with {suffix} added")
    command.add_argument("--images", type=int, metavar="N", help="at most N test images, evenly spaced")
    command.add_argument("--preset", choices=("cifar", "tiny", "imagenet"), help="default: by the images' side")
    command.add_argument("--seed", type=int, default=0, help="default: 0")


def _add_corrupt(commands: Any) -> None:
    example = "augmix corrupt data/digits --corruption fog"
    _add_benchmark(commands, "corrupt", _corrupt, "corruption", "-C", example)


def _add_perturb(commands: Any) -> None:
    example = "augmix perturb data/digits --perturbation tilt --images 100"
    _add_benchmark(commands, "perturb", _perturb, "perturbation", "-P", example)


def _corrupt(args: argparse.Namespace) -> None:
    from augmix.corruptions import CORRUPTIONS
    from augmix.generation import write_corruption

    for name in args.names or CORRUPTIONS:
        write_corruption(Path(args.data), _benchmark_folder(args, "C"), name, args.images, args.preset, args.seed)


def _perturb(args: argparse.Namespace) -> None:
    from augmix.checks import nearest_preset
    from augmix.datasets import read
    from augmix.generation import write_perturbation
    from augmix.perturbations import perturbations_of

    height, width = read(Path(args.data), "test").images.shape[1:3]
    ten = perturbations_of(args.preset or nearest_preset(min(height, width)))
    for name in args.names or ten:
        write_perturbation(Path(args.data), _benchmark_folder(args, "P"), name, args.images, args.preset, args.seed)


def _benchmark_folder(args: argparse.Namespace, suffix: str) -> Path:
    data = Path(args.data)
    if args.images is not None and args.images < 1:
        raise UserError(f"--images is {args.images}; at least 1 is needed")
    return Path(args.output) if args.output else data.with_name(f"{data.name}-{suffix}")


def _add_train(commands: Any) -> None:
    command = _command(
        commands,
        "train",
        _train,
        "train one run, or go on with it",
        "augmix train digits/smallnet/augmix/seed0 --config config/digits.yaml",
    )
    _add_config(command)
    command.add_argument("path", nargs="?", metavar="RUN", help="<data set>/<architecture>/<method>/seed<k>")
    command.add_argument("--output", metavar="FOLDER", help="the run's folder, with --settings")


def _train(args: argparse.Namespace) -> None:
    settings, folder = _run_settings(args, "training")
    from augmix.training import train

    train(settings, folder)


def _add_evaluate(commands: Any) -> None:
    command = _command(
        commands,
        "evaluate",
        _evaluate,
        "evaluate a trained run on the clean test set, -C and -P",
        "augmix evaluate digits/smallnet/augmix/seed0 --config config/digits.yaml",
    )
    _add_config(command)
    command.add_argument("path", nargs="?", metavar="RUN", help="<data set>/<architecture>/<method>/seed<k>")
    command.add_argument("--output", metavar="FOLDER", help="the run's folder, with --settings")


def _evaluate(args: argparse.Namespace) -> None:
    settings, folder = _run_settings(args, "evaluation")
    from augmix.evaluation import evaluate

    evaluate(settings, folder)


def _run_settings(args: argparse.Namespace, stage: str) -> tuple[Any, Path]:
    """The settings and the folder of the run that a command names."""
    if args.settings:
        return _settings(args), Path(_required(args, "output"))
    experiment = _experiment(args)
    if not args.path:
        raise UserError(
            f"which run? for example: augmix {args.command} {experiment.runs[0].path} --config {args.config}"
        )
    run = experiment.run(args.path)
    return getattr(run, stage), experiment.folder / run.path


def _add_choose(commands: Any) -> None:
    command = _command(
        commands,
        "choose",
        _choose,
        "choose each sweep's value by the validation split and the held-out corruptions",
        "augmix choose --config config/sweeps_digits.yaml",
    )
    _add_config(command)


def _choose(args: argparse.Namespace) -> None:
    from augmix.sweeps import choose

    for row in choose(_experiment(args)):
        if row["chosen"]:
            print(f"{row['dataset']} {row['arch']}: {row['sweep']} = {row['value']}")


def _add_collect(commands: Any) -> None:
    command = _command(
        commands,
        "collect",
        _collect,
        "compute every metric into metrics.csv",
        "augmix collect --config config/digits.yaml",
    )
    _add_config(command)


def _collect(args: argparse.Namespace) -> int:
    from augmix.results import collect

    experiment = _experiment(args)
    missing = collect(experiment)
    if missing:
        print(f"{experiment.folder}: no result from {', '.join(missing)}", file=sys.stderr)
    return 0


def _add_report(commands: Any) -> None:
    command = _command(
        commands,
        "report",
        _report,
        "draw the figures and typeset report.pdf from what `collect` wrote",
        "augmix report --config config/digits.yaml",
    )
    _add_config(command)


def _report(args: argparse.Namespace) -> None:
    from augmix.registry import find_package

    experiment = _experiment(args)
    if find_package("reports") is None:
        raise UserError("the reports package is not installed: reports are made from a checkout of the repository")
    from importlib import import_module

    path = import_module("reports.make").build_report(experiment.folder, experiment.data)
    print(path)


def _add_track(commands: Any) -> None:
    command = _command(
        commands,
        "track",
        _track,
        "bring MLflow up to date with the results (sync), or open its page (ui)",
        "augmix track sync --config config/digits.yaml",
    )
    _add_config(command)
    command.add_argument("action", choices=("sync", "ui"))
    command.add_argument("--port", type=int, default=5000, help="of the page; this machine only (default: 5000)")


def _track(args: argparse.Namespace) -> None:
    from augmix import tracking

    experiment = _experiment(args)
    if args.action == "sync":
        tracking.sync(experiment.folder)
    else:
        tracking.serve(experiment.results, args.port)


if __name__ == "__main__":
    sys.exit(main())
