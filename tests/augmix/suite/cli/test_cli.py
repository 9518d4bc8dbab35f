"""The command line: help with an example everywhere, one line and a telling status on bad input, and logs."""

import argparse
import errno
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from augmix import __version__
from augmix.errors import RunError, UserError
from augmix.suite.cli import collect, main, report
from augmix.suite.cli.parser import build_parser
from augmix.suite.evaluate import summaries
from augmix.suite.io.progress import bar
from augmix.suite.train.checkpoints import Interrupted, tell
from tests.checkout import BIN, ROOT


def commands() -> dict[str, argparse.ArgumentParser]:
    [action] = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help_with_an_example_that_parses(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    example = " ".join(capsys.readouterr().out.partition("example: augmix ")[2].split())
    assert example.startswith(name)
    assert build_parser().parse_args(example.split()).command == name


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "augmix: error: argument command: invalid choice: 'trian'; did you mean 'train'?"),
        (
            ["perturb", "data/digits", "--preset", "foo"],
            "augmix perturb: error: argument --preset: invalid choice: 'foo'; valid: cifar, imagenet, tiny",
        ),
        (["reproduce", "--core", "2", "--speed"], "augmix: error: unrecognized arguments: --speed"),
    ],
)
def test_bad_calls_exit_2_with_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.endswith("--help`)\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("x is wrong"), 2, "augmix collect: error: x is wrong"),
        (RunError("it diverged"), 1, "augmix collect: error: it diverged"),
        (KeyboardInterrupt(), 130, "augmix collect: interrupted"),
        (Interrupted(signal.SIGTERM), 143, "augmix collect: interrupted by SIGTERM; the next start continues"),
        (MemoryError(), 1, "augmix collect: error: out of memory"),
        (ZeroDivisionError("a bug"), 1, "augmix collect: error: ZeroDivisionError: a bug"),
        (ZeroDivisionError("CUDA error\n\nTry this.\n"), 1, "augmix collect: error: ZeroDivisionError: CUDA error Try"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), 2, "augmix collect: error: a/b: Permission denied"),
    ],
)
def test_every_ending_has_its_status_and_line(
    error: BaseException,
    status: int,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(collect, "run", fail)
    log = tmp_path / "logs" / "collect.log"
    assert main(["collect", "--log", str(log)]) == status
    shown = capsys.readouterr().err.strip().splitlines()
    assert shown[-1].startswith(line)
    assert log.read_text().strip().splitlines()[-1].startswith(line)
    assert ("Traceback" in log.read_text()) == isinstance(error, ZeroDivisionError)


@pytest.mark.parametrize(
    ("call", "status", "said"),
    [
        ("augmix status >/dev/full", 2, r"augmix status: error: .*No space left on device\n"),
        ("{ sleep 1; augmix status; echo $? >&3; } | true", 141, ""),
        ("augmix corrupt nowhere 2>/dev/full", 2, ""),
        ("augmix corrupt nowhere 2>&-", 2, ""),
        ("{ { sleep 1; augmix corrupt nowhere; echo $? >&3; } 2>&1; } | true", 2, ""),
    ],
)
def test_streams_that_fail(call: str, status: int, said: str) -> None:
    """A lost standard output is told in a line, or by the status after `head`; a lost standard error is nothing."""
    script = call if ">&3" in call else f"{call}; echo $? >&3"
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"exec 3>&1; {script}"],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) == status
    assert re.fullmatch(said, done.stderr)


def test_the_order_of_the_commands() -> None:
    assert list(commands()) == [
        "reproduce", "plan", "status", "prepare", "generate", "corrupt", "perturb", "train", "evaluate", "choose",
        "collect", "report", "show", "compare", "track", "demo", "release", "warm-up",
    ]  # fmt: skip


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "augmix.suite.cli", "--version"], capture_output=True, text=True)
    assert done.stdout == f"augmix {__version__}\n"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("mlflow", "the package 'mlflow' is not installed; run `pip install 'augmix[suite]'`"),
        ("snakemake", "the package 'snakemake' is not installed; run `pip install 'augmix[suite]'`"),
    ],
)
def test_a_missing_package_is_one_line(
    name: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collect, "run", lambda _: import_module(f"{name}.absent"))
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
    assert main(["collect"]) == 2
    assert capsys.readouterr().err == f"augmix collect: error: {line}\n"


def test_a_missing_module_of_ours_is_a_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(collect, "run", lambda _: import_module("augmix.absent"))
    assert main(["collect"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_reports_are_made_from_a_checkout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "experiment_of", lambda _: None)
    for module in [module for module in sys.modules if module.split(".")[0] == "reports"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not (Path(path) / "reports").is_dir()])
    monkeypatch.setattr(sys, "meta_path", [PathFinder])
    assert main(["report"]) == 2
    assert "the reports package is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["baselines", "reports"])
def test_anothers_package_of_our_name_is_refused(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    for module in [module for module in sys.modules if module.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["collect"]) == 2
    assert f"Python finds another package '{package}', {tmp_path / package}," in capsys.readouterr().err


def test_a_notebooks_backend_draws_no_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://nowhere")
    monkeypatch.setattr(report, "experiment_of", lambda _: SimpleNamespace(folder="", data=""))
    made = SimpleNamespace(build_report=lambda *_: os.environ["MPLBACKEND"])
    monkeypatch.setitem(sys.modules, "reports.make", made)
    monkeypatch.setattr(summaries, "note", lambda *_: None)
    monkeypatch.setattr(report, "tell_outdated", lambda *_: None)
    assert main(["report"]) == 0
    assert capsys.readouterr().out == "Agg\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train", "--settings", "{", "--output", "x"], "--settings is not valid JSON"),
        (["prepare", "--settings", '{"loader": 1, "options": 1, "subset": 1}'], "--settings needs --output"),
        (["train", "--settings", "[]", "--output", "x"], "--settings is not a JSON object"),
        (["train", "--settings", "{}", "--output", "{out}"], "--settings lacks 'dataset'"),
        (["train"], "which run? for example: augmix train fashion/smallnet_thin/standard/seed0"),
        (["evaluate", "digits/smallnet/standrd/seed0"], "has no run 'digits/smallnet/standrd/seed0'; did you mean"),
        (["evaluate", "--checkpoint", "w.pt", "--arch", "smallnet"], "--checkpoint needs --dataset-folder"),
        (["prepare", "--config", "config/digit.yaml"], "configuration config/digit.yaml does not exist"),
        (["prepare", "--dataset", "fashon"], "unknown data set 'fashon'; did you mean 'fashion'?"),
        (["corrupt", "nowhere"], "nowhere/test_images.npy is missing"),
        (["corrupt", "{digits}", "--corruption", "frog"], "unknown corruption 'frog'; did you mean 'fog'?"),
        (["corrupt", "{digits}", "--images", "0"], "--images is 0; at least 1 is needed"),
        (["perturb", "{digits}", "--perturbation", "tild"], "unknown perturbation 'tild'; did you mean 'tilt'?"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], line: str, small_digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        argument.replace("{digits}", str(small_digits)).replace("{out}", str(tmp_path / "out"))
        for argument in arguments
    ]
    if arguments[0] in ("corrupt", "perturb"):
        arguments += ["--output", str(tmp_path / "out")]
    assert main(arguments) == 2
    shown = capsys.readouterr().err.strip()
    assert line in shown
    assert "\n" not in shown
    assert not list(tmp_path.rglob("*.npy"))


def test_a_run_that_is_not_trained_is_not_evaluated(
    write_config: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(testsets={"C": None, "P": None})
    assert main(["evaluate", "digits/smallnet/standard/seed0", "--config", str(config)]) == 2
    assert capsys.readouterr().err.endswith("seed0/model.pt is missing: train this run first\n")


def test_prepare_corrupt_and_perturb_as_people_call_them(
    write_config: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--config", str(write_config())]) == 0
    assert "digits is ready" in capsys.readouterr().out
    data = tmp_path / "data" / "digits"
    assert main(["corrupt", str(data), "--corruption", "fog", "--images", "8"]) == 0
    assert main(["perturb", str(data), "--perturbation", "tilt", "--images", "4"]) == 0
    assert sorted(path.name for path in (tmp_path / "data" / "digits-C").iterdir()) == [
        "fog.json", "fog.npy", "labels.npy", "source.json",
    ]  # fmt: skip
    assert (tmp_path / "data" / "digits-P" / "tilt.npy").exists()


def test_a_log_takes_no_progress_bar_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def work(_: argparse.Namespace) -> None:
        for _ in bar(range(3)):
            tell("a word")

    monkeypatch.setattr(collect, "run", work)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert main(["collect", "--log", str(tmp_path / "log")]) == 0
    assert "3/3" in terminal.getvalue()
    assert terminal.getvalue().count("a word\n") == 3
    assert (tmp_path / "log").read_text().strip() == "a word\na word\na word"


def test_an_unwritable_log_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as caught:
        main(["collect", "--log", str(tmp_path / "file" / "x.log")])
    assert caught.value.code == 2
    assert "cannot write the log" in capsys.readouterr().err
