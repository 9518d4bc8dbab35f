"""The command line. Each command imports what it needs only when it runs, so that `augmix --help` is quick."""

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TextIO

from augmix import __version__
from augmix.errors import RunError, UserError
from augmix.suite.cli.command import add_command, add_config, experiment_of, required, settings_of
from augmix.suite.cli.data import add_corrupt, add_perturb, add_prepare
from augmix.suite.cli.plan import add_plan
from augmix.suite.io.processes import joined
from augmix.suite.train.launcher import launch


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 1 failed, 2 bad input, 128 + n ended by signal n."""
    args = build_parser().parse_args(arguments)
    args.arguments = sys.argv[1:] if arguments is None else arguments
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
        return 2, f"error: {' '.join(str(error).splitlines())}"
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

    def __init__(self, stream: TextIO, log: BinaryIO) -> None:
        self.stream, self.log = stream, log

    def write(self, text: str) -> int:
        # A disk that is full is the work's to report, not the log's.
        with contextlib.suppress(OSError):
            if "\r" not in text:
                self.log.write(text.encode())
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
        if not joined():
            Path(path).write_text("")
        # Several processes that train together add to one log.
        log = Path(path).open("ab", buffering=0)  # noqa: SIM115
    except OSError as error:
        print(f"augmix: error: cannot write the log {path}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    with log, contextlib.redirect_stderr(_Tee(sys.stderr, log)):
        yield


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a call."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see `{self.prog} --help`)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = _Parser(
        prog="augmix",
        description="AugMix: prepare data, train, evaluate on -C and -P, and report. "
        "`augmix reproduce` does it all; the other commands are its steps.",
        epilog="example: augmix reproduce --config config/digits.yaml --cores 2",
    )
    parser.add_argument("--version", action="version", version=f"augmix {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for add in (
        _add_reproduce, add_plan, _add_status, add_prepare, add_corrupt, add_perturb, _add_train, _add_evaluate,
        _add_choose, _add_collect, _add_report, _add_track,
    ):  # fmt: skip
        add(commands)
    return parser


def _add_reproduce(commands: Any) -> None:
    command = add_command(
        commands,
        "reproduce",
        _reproduce,
        "run a whole experiment: data, training, evaluation, report",
        "augmix reproduce --config config/digits.yaml --cores 2",
    )
    add_config(command, settings=False)
    command.add_argument("--cores", default="all", help="CPU cores to use (default: all)")
    command.add_argument("--profile", metavar="NAME", help="a profile of workflow/profiles, such as slurm")
    command.add_argument("--dry-run", action="store_true", help="say what would run, and stop")


def _reproduce(args: argparse.Namespace) -> int:
    from augmix.suite.run.front import reproduce

    return reproduce(Path(args.config), args.cores, args.profile, args.dry_run)


def _add_status(commands: Any) -> None:
    command = add_command(
        commands,
        "status",
        _status,
        "show which runs are done, running, failed or pending",
        "augmix status --config config/digits.yaml",
    )
    add_config(command, settings=False)


def _status(args: argparse.Namespace) -> None:
    from augmix.suite.run.status import print_status

    print_status(experiment_of(args))


def _add_train(commands: Any) -> None:
    command = add_command(
        commands,
        "train",
        _train,
        "train one run, or go on with it",
        "augmix train digits/smallnet/augmix/seed0 --config config/digits.yaml",
    )
    add_config(command)
    command.add_argument("path", nargs="?", metavar="RUN", help="<data set>/<architecture>/<method>/seed<k>")
    command.add_argument("--output", metavar="FOLDER", help="the run's folder, with --settings")


def _train(args: argparse.Namespace) -> None:
    keys = ("dataset", "data", "flip", "architecture", "method", "method_packages", "seed", "training")
    settings, folder = _run_settings(args, "training", *keys)
    if (processes := settings["training"]["processes"]) > 1 and not joined():
        launch(processes, args.arguments)
        return
    from augmix.suite.train.training import train

    train(settings, folder)


def _add_evaluate(commands: Any) -> None:
    command = add_command(
        commands,
        "evaluate",
        _evaluate,
        "evaluate a trained run, or anybody's weights, on the clean test set, -C and -P",
        "augmix evaluate --checkpoint w.pt --arch wideresnet --dataset-folder data/cifar10 --output results/theirs",
    )
    add_config(command)
    command.add_argument("path", nargs="?", metavar="RUN", help="<data set>/<architecture>/<method>/seed<k>")
    command.add_argument("--output", metavar="FOLDER", help="the run's folder, with --settings; with --checkpoint, any")
    command.add_argument("--checkpoint", metavar="FILE", help="weights from anywhere, in place of a run: a state dict")
    command.add_argument("--arch", metavar="NAME", help="the checkpoint's architecture")
    command.add_argument(
        "--dataset-folder", metavar="FOLDER", help="prepared data; the -C and -P beside it are used as far as they go"
    )
    command.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="with --checkpoint")


def _evaluate(args: argparse.Namespace) -> None:
    if args.checkpoint:
        _evaluate_checkpoint(args)
        return
    keys = ("data", "corruptions", "perturbations", "folders", "images", "resize", "compared", "output")
    settings, folder = _run_settings(args, "evaluation", *keys)
    from augmix.suite.evaluate.evaluation import evaluate

    evaluate(settings, folder)


def _evaluate_checkpoint(args: argparse.Namespace) -> None:
    for option in ("arch", "dataset_folder", "output"):
        if not getattr(args, option):
            raise UserError(f"--checkpoint needs --{option.replace('_', '-')}")
    from augmix.suite.evaluate.weights import evaluate_checkpoint

    data, output = Path(args.dataset_folder), Path(args.output)
    found = evaluate_checkpoint(Path(args.checkpoint), args.arch, data, output, args.device)
    for name, title, hint in (
        ("clean", "clean error", ""),
        ("mCE", "mCE", f"needs the 15 corruptions in {data}-C: augmix corrupt {data}"),
        ("mFP", "mFP", f"needs the 10 perturbations in {data}-P: augmix perturb {data}"),
    ):
        print(f"{title:<15}" + (f"{found[name]:7.2%}" if name in found else hint))
    if "mCE / AlexNet" in found:
        print(f"{'mCE / AlexNet':<15}{found['mCE / AlexNet']:7.2%}")
    print(f"{'all numbers':<15}{output / 'metrics.csv'}")


def _run_settings(args: argparse.Namespace, stage: str, *keys: str) -> tuple[Any, Path]:
    """The settings, with these keys, and the folder of the run that a command names."""
    if args.settings:
        return settings_of(args, *keys), Path(required(args, "output"))
    experiment = experiment_of(args)
    if not args.path:
        raise UserError(
            f"which run? for example: augmix {args.command} {experiment.runs[0].path} --config {args.config}"
        )
    run = experiment.run(args.path)
    return getattr(run, stage), experiment.folder / run.path


def _add_choose(commands: Any) -> None:
    command = add_command(
        commands,
        "choose",
        _choose,
        "choose each sweep's value by the validation split and the held-out corruptions",
        "augmix choose --config config/sweeps_digits.yaml",
    )
    add_config(command)


def _choose(args: argparse.Namespace) -> None:
    from augmix.suite.evaluate.choosing import choose

    for row in choose(experiment_of(args)):
        if row["chosen"]:
            print(f"{row['dataset']} {row['arch']}: {row['sweep']} = {row['value']}")


def _add_collect(commands: Any) -> None:
    command = add_command(
        commands,
        "collect",
        _collect,
        "compute every metric into metrics.csv",
        "augmix collect --config config/digits.yaml",
    )
    add_config(command)


def _collect(args: argparse.Namespace) -> int:
    from augmix.suite.evaluate.results import collect

    experiment = experiment_of(args)
    missing = collect(experiment)
    if missing:
        print(f"{experiment.folder}: no result from {', '.join(missing)}", file=sys.stderr)
    return 0


def _add_report(commands: Any) -> None:
    command = add_command(
        commands,
        "report",
        _report,
        "draw the figures and typeset report.pdf from what `collect` wrote",
        "augmix report --config config/digits.yaml",
    )
    add_config(command)


def _report(args: argparse.Namespace) -> None:
    from augmix.registry import find_package

    experiment = experiment_of(args)
    if find_package("reports") is None:
        raise UserError("the reports package is not installed: reports are made from a checkout of the repository")
    from importlib import import_module

    path = import_module("reports.make").build_report(experiment.folder, experiment.data)
    print(path)


def _add_track(commands: Any) -> None:
    command = add_command(
        commands,
        "track",
        _track,
        "bring MLflow up to date with the results (sync), or open its page (ui)",
        "augmix track sync --config config/digits.yaml",
    )
    add_config(command)
    command.add_argument("action", choices=("sync", "ui"))
    command.add_argument("--port", type=int, default=5000, help="of the page; this machine only (default: 5000)")


def _track(args: argparse.Namespace) -> None:
    from augmix.suite.track import mirror as tracking

    experiment = experiment_of(args)
    if args.action == "sync":
        tracking.sync(experiment.folder)
    else:
        tracking.serve(experiment.results, args.port)


if __name__ == "__main__":
    sys.exit(main())
