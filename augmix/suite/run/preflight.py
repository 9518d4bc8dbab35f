"""Checks of all that can be refused before any job of an experiment runs. Each complaint is one `UserError`."""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.config.experiment import Experiment
from augmix.suite.data.datasets import SPLITS, loader_module, record
from augmix.suite.io import machine
from augmix.suite.io.files import read_mapping
from augmix.suite.run import slurm
from augmix.suite.testsets import published
from augmix.suite.testsets.arrays import DOWNLOAD

PROFILES = Path("workflow/profiles")


def check(experiment: Experiment, profile: str | None = None) -> None:
    """Check tools, folders, data sources, photographs, methods and devices, the cheapest first."""
    check_tools()
    check_profile(profile)
    if executor(profile) == "slurm":
        slurm.check()
    check_folders(experiment)
    for name, entry in experiment.datasets.items():
        if not all(_prepared(experiment, folder) for folder in {name, experiment.prepared(name)}):
            loader_module(entry["loader"]).check(**entry["options"])
    check_published(experiment)
    check_frost(experiment)
    check_methods(experiment)
    if profile is None:
        check_devices(experiment)


def tool_path() -> str:
    """A PATH on which the `augmix` of this interpreter comes first, whether its environment is active or not."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def check_tools() -> None:
    """Check that there is Snakemake, which runs the jobs, and the command `augmix`, which the jobs run."""
    if importlib.util.find_spec("snakemake") is None:
        raise UserError("Snakemake is not installed: run `pip install 'augmix[suite]'`")
    if shutil.which("augmix", path=tool_path()) is None:
        raise UserError(
            f"the command `augmix` is not in {Path(sys.executable).parent} nor on PATH: run `pip install -e .`"
        )


def check_cores(cores: str) -> None:
    """Check that `cores` is `all` or a number."""
    if cores != "all" and not (cores.isascii() and cores.isdigit() and int(cores) > 0):
        raise UserError(f"--cores is '{cores}'; `all` or a whole number from 1 is needed")


def check_profile(profile: str | None) -> None:
    """Check that `profile` is a name of `workflow/profiles`, or None."""
    if profile is not None and profile not in profiles():
        raise UserError(f"unknown profile '{profile}'; {nearest(profile, profiles())}")


def profiles() -> dict[str, Path]:
    """The folders of Snakemake profiles, by name."""
    return {path.parent.name: path.parent for path in PROFILES.glob("*/*.yaml")}


def executor(profile: str | None) -> str | None:
    """The executor of a profile's jobs: `slurm`, say; None for Snakemake itself, on this machine."""
    if profile is None:
        return None
    files = (profiles()[profile] / name for name in ("config.v9+.yaml", "config.yaml"))
    settings = yaml.safe_load(next(file for file in files if file.exists()).read_text(encoding="utf-8"))
    name: str | None = settings.get("executor")
    return name


def check_folders(experiment: Experiment) -> None:
    """Check that results can be written, and data as well unless all of it is there already."""
    _check_writable(experiment.folder, "results")
    for path in _data_files(experiment):
        if not path.exists():
            _check_writable(path.parent, "data")


def _check_writable(folder: Path, kind: str) -> None:
    """Refuse a folder that cannot be made or written in, without making it."""
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise UserError(f"the {kind} folder {folder} cannot be written: {existing}: {error.strerror}") from error


def _data_files(experiment: Experiment) -> Iterator[Path]:
    """The arrays of the data sets and test sets that the experiment reads."""
    for name in experiment.datasets:
        if (split := experiment.prepared(name)) != name:
            yield from _prepared_files(experiment, split)
            yield from experiment.benchmark_files(split, "C", experiment.held_out)
        yield from _prepared_files(experiment, name)
        yield from experiment.benchmark_files(name, "C", experiment.corruptions)
        yield from experiment.benchmark_files(name, "P", experiment.perturbations(name))


def _prepared_files(experiment: Experiment, folder: str) -> list[Path]:
    names = [f"{split}_{kind}.npy" for split in SPLITS for kind in ("images", "labels")]
    return [experiment.data / folder / name for name in (*names, "dataset.json")]


def _prepared(experiment: Experiment, folder: str) -> bool:
    """Whether a data set's arrays are there, made with these very settings: its source may be gone then."""
    if not all(path.exists() for path in _prepared_files(experiment, folder)):
        return False
    noted = record(experiment.data / folder)
    return all(noted.get(key) == value for key, value in experiment.dataset_settings(folder).items())


def check_published(experiment: Experiment) -> None:
    """Check that a configured folder has the published files, unless they are to be downloaded."""
    for name in experiment.datasets:
        for kind in ("C", "P"):
            if experiment.published(name, kind):
                settings = experiment.published_settings(name, kind)
                folder = Path(settings["folder"])
                if kind == "C" and experiment.generated(name, kind) and (folder / "source.json").exists():
                    raise UserError(f"{folder} was generated; 'compare' takes published files")
                if settings["where"] != DOWNLOAD:
                    streamed = getattr(loader_module(experiment.datasets[name]["loader"]), "STREAMED", False)
                    published.check(folder, kind, settings["shifts"], streamed)


def check_frost(experiment: Experiment) -> None:
    """Check that the photographs that frost is made with are installed; they come in a package of their own."""
    if "frost" not in experiment.corruptions:
        return
    made = [name for name in experiment.datasets if experiment.generated(name, "C")]
    if all((experiment.generated_folder(name, "C") / "frost.npy").exists() for name in made):
        return
    import numpy as np

    from augmix.corruptions import corrupt

    corrupt(np.zeros((1, 32, 32, 3), np.uint8), "frost", severity=1)


def check_methods(experiment: Experiment) -> None:
    """Build every method with parameters, or of several parts, that no finished run was built with before.

    Those of several parts take a step as well: each part may be right, and they do not go together.
    """
    doubtful: dict[str, Any] = {
        run.method: run.training["method"]
        for run in experiment.runs
        if run.training["method"].get("parameters") != {} and not _trained_with(experiment.folder / run.path, run)
    }
    if not doubtful:
        return
    # This imports torch, which takes seconds.
    from augmix import methods

    for name, settings in doubtful.items():
        method = methods.build(settings, experiment.config["method_packages"])
        if "preset" not in settings:
            methods.try_out(method, name)


def _trained_with(folder: Path, run: Any) -> bool:
    if not (folder / "model.pt").exists():
        return False
    noted = read_mapping(folder / "config.yaml", {})
    return bool(noted.get("method") == run.training["method"])


def check_devices(experiment: Experiment) -> None:
    """Check that a device asked for by name is here; with a profile jobs run elsewhere, where this cannot be known."""
    asked = {run.training["training"]["device"] for run in experiment.runs} - {"auto", "cpu"}
    if not asked:
        return
    from augmix.suite.train import devices

    for device in sorted(asked):
        devices.find(device)
    most = max(run.training["training"]["processes"] for run in experiment.runs)
    if "cuda" in asked and most > (there := machine.gpus()):
        raise UserError(f"training.processes is {most}, and this machine has {there} GPUs; lower it")
