"""Checks of all that can be refused before any job of an experiment runs. Each complaint is one `UserError`."""

import importlib.util
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from augmix.errors import UserError
from augmix.registry import method_file, method_parts, nearest
from augmix.suite.config.experiment import Experiment
from augmix.suite.config.runs import Run
from augmix.suite.data import datasets
from augmix.suite.data.download import check_space
from augmix.suite.evaluate import stages
from augmix.suite.io import machine, provenance
from augmix.suite.io.digests import code
from augmix.suite.io.files import read_mapping
from augmix.suite.plan import forecast
from augmix.suite.run import slurm
from augmix.suite.track import store

PROFILES = Path("workflow/profiles")
SOME_CLASSES = 10
"""How many classes a net is tried with where theirs are not known before any job."""


def check(experiment: Experiment, profile: str | None = None) -> None:
    """Check tools, MLflow's store, data sources, photographs, the disk, methods and devices, the cheapest first."""
    check_tools()
    check_profile(profile)
    if executor(profile) == "slurm":
        slurm.check()
    store.check(experiment.results)
    check_data(experiment)
    check_room(experiment)
    check_methods(experiment)
    check_nets(experiment)
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
    existing = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise UserError(f"the {kind} folder {folder} cannot be written: {existing}: {error.strerror}") from error


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))


def _data_files(experiment: Experiment) -> Iterator[Path]:
    """The files of data sets and test sets that the experiment reads, and makes where they are missing."""
    for folder in experiment.folders:
        yield from datasets.files_of(experiment.data / folder)
    for making in experiment.makings():
        for shift in making.shifts:
            yield making.testset.stamp(shift)
            yield from making.testset.files(shift)


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Put the `file:line` that a fault is about before its message."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def check_data(experiment: Experiment) -> None:
    """The sources of data sets and test sets are there, unless these are prepared: sources may be gone then."""
    for name, entry in experiment.datasets.items():
        if not all(_prepared(experiment, folder) for folder in {name, experiment.prepared(name)}):
            options = ("datasets", name, "options")
            with _placed(experiment.place((*options, "folder"), options)):
                datasets.loader_module(entry["loader"]).check(**entry["options"])
            experiment.preparation(name)  # its sources can be read
        for testset in experiment.all_testsets(name):
            places = ("datasets", name, "testsets", testset.name), ("testsets", testset.name)
            with _placed(experiment.place(*places)):
                testset.check(_classes(experiment, name))


def check_room(experiment: Experiment) -> None:
    """Check that the disks have room for the data, test sets and predictions that are still to be made.

    What weights take is known only to torch; they are left out.
    """
    try:
        missing, predictions = forecast.bytes_missing(experiment), forecast.prediction_bytes_missing(experiment)
    except UserError:  # the source of prepared data may be gone, and with it their number
        return
    check_space(_existing(experiment.data), missing, f"what is still to be made of the data of {experiment.name}")
    check_space(_existing(experiment.folder), predictions, f"what is still to be predicted of {experiment.name}")


def _classes(experiment: Experiment, dataset: str) -> list[str] | None:
    """The names of a data set's classes, where they are known before any job."""
    entry, folder = experiment.datasets[dataset], experiment.data / dataset
    classes = datasets.classes(entry["loader"], entry["options"])
    if classes is None and (folder / "dataset.json").exists():
        return list(datasets.record(folder)["classes"])
    return classes


def _prepared(experiment: Experiment, folder: str) -> bool:
    """Whether a data set's arrays are there, made with these very settings."""
    if not all(path.exists() for path in datasets.files_of(experiment.data / folder)):
        return False
    noted = datasets.record(experiment.data / folder)
    return all(noted.get(key) == value for key, value in experiment.preparation(folder).made_of().items())


def check_methods(experiment: Experiment) -> None:
    """Build each method that was not trained with yet, and have it take a step, unless it is ours with its defaults.

    Of ours with parameters, a preset is built alone: its step is known to work. The code of others has to have been
    trained with as it is now.
    """
    doubtful: dict[tuple[str, bool], Any] = {
        (run.method, _splits(run.training.training)): run.training.method
        for run in experiment.runs
        if _is_doubtful(experiment.folder / run.path, run)
    }
    if not doubtful:
        return
    # This imports torch, which takes seconds.
    from augmix import methods

    packages = experiment.config["method_packages"]
    for (name, splits), settings in doubtful.items():
        files = _files(settings, packages)
        ours = _are_ours(files)
        try:
            method = methods.build(settings, packages)
            _check_classes(experiment, name, method.views)
            if splits or "preset" not in settings or not ours:
                methods.try_out(method, name, splits)
        except Exception as error:  # somebody's code can raise anything
            told = isinstance(error, UserError)
            said = str(error) if told else f"method '{name}': {type(error).__name__}: {error}"
            at = "" if ours else _raised_at(error.__cause__ if told else error, files)
            raise UserError(f"{experiment.place_of(name)}: {said}{at}") from error


def _is_doubtful(folder: Path, run: Run) -> bool:
    """Whether a run's method is to be tried before it is trained with."""
    settings = run.training.method
    if _are_ours(_files(settings, run.training.method_packages)):
        known = settings.get("parameters") == {} and not _splits(run.training.training)
        return not known and not _trained_with(folder, run)
    return not _trained_with(folder, run) or not _same_code(folder, run)


def _files(settings: Mapping[str, Any], packages: Sequence[str]) -> list[str]:
    """The files that define a method's parts."""
    names = {name for sources in method_parts(settings).values() for name, _ in sources}
    return [str(method_file(name, packages)) for name in sorted(names)]


def _are_ours(files: Sequence[str]) -> bool:
    """Whether these files of methods are the project's, as they were committed; not so where git does not say."""
    inside = [Path(f).relative_to(provenance.CHECKOUT) for f in files if Path(f).is_relative_to(provenance.CHECKOUT)]
    rooms = {path.parts[0] for path in inside}
    shipped = len(inside) == len(files) and rooms <= {"augmix", "baselines", "ablations"}
    return shipped and provenance.commit({path.as_posix() for path in inside})[1] is False


def _raised_at(error: BaseException | None, files: Sequence[str]) -> str:
    """` (mine.py:12)`, the last line of these files that an error came through; empty where it came through none."""
    lines = [f for f in traceback.extract_tb(error.__traceback__ if error else None) if f.filename in files]
    return f" ({lines[-1].filename}:{lines[-1].lineno})" if lines else ""


def _splits(recipe: Mapping[str, Any]) -> bool:
    """Whether batch norms are split in a training by this recipe."""
    return bool(recipe.get("batch_norm") == "split")


def _check_classes(experiment: Experiment, method: str, views: Any) -> None:
    """Views that have `classes`, such as those of a folder of images, have as many as each data set."""
    for stage in getattr(views, "keywords", {}).get("stages", [views]):
        for dataset in experiment.datasets if hasattr(stage, "classes") else ():
            known = _classes(experiment, dataset)
            if known is not None and len(stage.classes) != len(known):
                raise UserError(
                    f"method '{method}': its images are of {len(stage.classes)} classes and those of data set "
                    f"'{dataset}' of {len(known)}; give it one folder for each class"
                )


def _trained_with(folder: Path, run: Run) -> bool:
    """Whether a run was trained by its method of now, with batch norms as they are now."""
    if not all((folder / name).exists() for name in ("model.pt", "config.yaml")):
        return False
    noted = read_mapping(folder / "config.yaml", {})
    splits = _splits(noted.get("training") or {})
    return bool(noted.get("method") == run.training.method) and splits == _splits(run.training.training)


def check_nets(experiment: Experiment) -> None:
    """Try each architecture on black images of each data set, unless a run has shown its code of now to work."""
    doubtful: dict[tuple[str, str], list[Run]] = {}
    for run in experiment.runs:
        doubtful.setdefault((run.training.architecture, run.dataset), []).append(run)
    doubtful = {key: runs for key, runs in doubtful.items() if not any(_shown(experiment, run) for run in runs)}
    if not doubtful:
        return
    # This imports torch, which takes seconds.
    from augmix.suite.train import nets

    for (architecture, dataset), runs in doubtful.items():
        single = False
        with suppress(UserError):  # the source of prepared data may be gone
            count, _ = forecast.sizes(experiment, experiment.prepared(dataset))
            single = any(count % run.training.training["batch_size"] == 1 for run in runs)
        classes = len(_classes(experiment, dataset) or range(SOME_CLASSES))
        adapted = any(testset.adapts for testset in experiment.testsets(dataset))
        splits = any(_splits(run.training.training) for run in runs)
        try:
            nets.check(architecture, forecast.side(experiment, dataset), classes, single, adapted, splits)
        except UserError as error:
            raise UserError(f"data set '{dataset}': {error}") from None


def _shown(experiment: Experiment, run: Run) -> bool:
    """Whether a run was trained with the code, method and batch norms of now, and evaluated on all its test sets."""
    folder = experiment.folder / run.path
    evaluated = stages.evaluated(folder, run.testsets, run.evaluation.output)
    return _trained_with(folder, run) and evaluated and _same_code(folder, run)


def _same_code(folder: Path, run: Run) -> bool:
    """Whether the run in `folder` notes that the code of now trained it."""
    path = folder / "provenance.json"
    noted = (read_mapping(path, {}).get("code") or {}) if path.exists() else {}
    return bool(noted.get("digest") == code(run.training.roots()).digest)


def check_devices(experiment: Experiment) -> None:
    """A device that is asked for by name is there; on other machines (with a profile) this cannot be known."""
    asked = {run.training.training["device"]: run for run in experiment.runs}
    asked = {device: run for device, run in asked.items() if device not in ("auto", "cpu")}
    if not asked:
        return
    from augmix.suite.train import devices

    for device in sorted(asked):
        with _placed(experiment.place_of_setting(asked[device], "device")):
            devices.find(device)
    widest = max(experiment.runs, key=lambda run: int(run.training.training["processes"]))
    most = widest.training.training["processes"]
    if "cuda" in asked and most > (there := machine.gpus()):
        where = experiment.place_of_setting(widest, "processes")
        raise UserError(f"{where}: training.processes is {most}, and this machine has {there} GPUs; lower it")
