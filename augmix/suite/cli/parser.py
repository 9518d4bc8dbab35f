"""The command line: its parser, its log and its exit statuses.

Each command imports what it needs only when it runs, so that `augmix --help` is quick.
"""

import argparse
import contextlib
import errno
import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from augmix import __version__
from augmix.errors import RunError, UserError
from augmix.registry import find_package, nearest
from augmix.suite.io import times
from augmix.suite.io.processes import joined
from augmix.suite.io.streams import Steady, settle

COMMANDS = (
    "reproduce", "plan", "status", "prepare", "generate", "corrupt", "perturb", "train", "evaluate", "choose",
    "collect", "report", "show", "compare", "track", "demo", "release", "warm_up",
)  # fmt: skip
"""Every command by its module's name, in the order of `augmix --help`."""
OF_THE_MACHINE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ELOOP,
    errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG,
)  # fmt: skip
"""Errors of files and folders that are no fault in the code: a line says all there is to say."""
LONGEST = 1000
"""The characters of an error that a line shows, at most."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 bad input, 128 + n ended by signal n."""
    args = build_parser().parse_args(arguments)
    args.arguments = sys.argv[1:] if arguments is None else arguments
    with _log(args.log):
        exit_status, line = _run(args)
        if (lost := settle(sys.stdout)) and exit_status == 0:
            # The reader (head, less) may have gone; nothing is left to tell it.
            gone = isinstance(lost, BrokenPipeError)
            exit_status, line = (141, "") if gone else (2, f"error: cannot write what it says: {lost.strerror}")
        if line:
            print(f"augmix {args.command}: {line}", file=sys.stderr)
        if args.log and not joined():
            times.write(Path(args.log))
    settle(sys.stderr)
    return exit_status


def _refuse_strangers() -> None:
    """Raise `UserError` where Python would import another's `baselines`, `ablations` or `reports` for ours."""
    root = Path(__file__).parents[3]
    for package in ("baselines", "ablations", "reports"):
        found = find_package(package) if (root / package).is_dir() else None
        if found and found.origin and Path(found.origin).parents[1] != root:
            raise UserError(
                f"Python finds another package '{package}', {Path(found.origin).parent}, before that of {root}: "
                f"start with PYTHONPATH={root}, or with {root} first in it"
            )


def _run(args: argparse.Namespace) -> tuple[int, str]:
    """The exit status of a command and the line that explains it."""
    try:
        _refuse_strangers()
        return args.run(args) or 0, ""
    except UserError as error:
        return 2, f"error: {_one_line(error)}"
    except RunError as error:
        return 1, f"error: {error}"
    except KeyboardInterrupt:
        return 130, "interrupted"
    except BrokenPipeError:
        return 141, ""
    except MemoryError:
        return 1, "error: out of memory; lower the batch size or the number of jobs side by side"
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (package := _absent(error)):
            return 2, f"error: the package '{package}' is not installed; run `pip install 'augmix[suite]'`"
        if (number := getattr(error, "signal", None)) is not None:
            return (
                128 + number,
                f"interrupted by {error}; the next start continues from the checkpoint",
            )
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            return 2, f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror}"
        traceback.print_exc()
        return 1, f"error: {type(error).__name__}: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    """An error's words in one line, the last one of a job's log: CUDA's and compilers' errors have many."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _absent(error: ModuleNotFoundError) -> str | None:
    """The name of the third party's package that could not be imported; None where the fault is in our own."""
    from augmix.suite.io.digests import PROJECT

    package = (error.name or "").partition(".")[0]
    return package if package and package not in PROJECT and find_package(package) is None else None


@contextlib.contextmanager
def _log(path: str | None) -> Iterator[None]:
    if path is None:
        with contextlib.redirect_stderr(Steady(sys.stderr)):
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
    with log, contextlib.redirect_stderr(Steady(sys.stderr, log)):
        yield


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a call."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see `{self.prog} --help`)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse has it, with the nearest command or choice in place of all of them."""
        if action.choices is not None and value not in action.choices:
            hint = nearest(value, map(str, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}; {hint}")


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command, whose module's docstring is its summary and, a paragraph further, its example."""
    parser = _Parser(
        prog="augmix",
        description="AugMix: prepare data, train, evaluate on -C and -P, and report. "
        "`augmix reproduce` does it all; the other commands are its steps.",
        epilog="example: augmix reproduce --config config/fashion.yaml --cores 2",
    )
    parser.add_argument("--version", action="version", version=f"augmix {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name in COMMANDS:
        module = import_module(f"augmix.suite.cli.{name}")
        summary, _, example = (module.__doc__ or "").strip().partition("\n\n")
        shown = summary[:1].lower() + summary[1:].rstrip(".")
        command = commands.add_parser(name.replace("_", "-"), help=shown, description=summary, epilog=example)
        command.add_argument("--log", metavar="FILE", help="also write messages and errors to this file")
        command.set_defaults(run=module.run)
        module.add(command)
    return parser
